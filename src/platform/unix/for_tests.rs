//! What unit tests need of the system.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

pub(crate) use std::os::unix::fs::symlink;

/// A variable that says where the user's settings are.
pub(crate) const USER_SETTINGS: (&str, &str) = ("XDG_CONFIG_HOME", "/x");

/// What whole paths begin with.
pub(crate) const DRIVE: &str = "";

/// A value that is not Unicode.
pub(crate) fn not_unicode() -> OsString {
    OsString::from_vec(vec![0xff, b'='])
}

/// Sets what the user may do with a file: 0o700 makes a script a program.
pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// What can be opened and is no file: devices, and in the folder a pipe, a link to it and a socket.
pub(crate) fn special_files(folder: &Path) -> Vec<PathBuf> {
    let devices = ["/dev/zero", "/dev/null", "/dev/tty"].map(PathBuf::from);
    let mut files: Vec<PathBuf> = devices.into_iter().filter(|it| it.exists()).collect();
    let pipe = folder.join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    if made.is_ok_and(|status| status.success()) {
        symlink(&pipe, folder.join("link")).unwrap();
        files.extend([pipe, folder.join("link")]);
    }
    drop(UnixListener::bind(folder.join("socket")).unwrap());
    files.push(folder.join("socket"));
    files
}

/// What starts a program with rights that its caller does not have: with another real ID, as root can.
pub(crate) fn privileged_starters() -> &'static [&'static [&'static str]] {
    match rustix::process::geteuid().is_root() {
        true => &[
            &["setpriv", "--ruid", "65534"],
            &["setpriv", "--rgid", "65534", "--keep-groups"],
        ],
        false => &[],
    }
}

/// Is this true in a forked child?
pub(crate) fn in_child(question: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child does what the test asks for, and leaves without unwinding.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let no = !question();
        // SAFETY: ends the child at once, without running the parent's destructors.
        unsafe { libc::_exit(i32::from(no)) };
    }
    let mut status = -1;
    // SAFETY: waits for our own child; status is a valid place.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    status == 0
}

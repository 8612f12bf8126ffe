//! Files: where settings stand, and opening one without a wait.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

/// A FIFO without a reader is an error at once, and a device nothing to wait for.
pub(crate) fn without_waiting(options: &mut OpenOptions) -> &mut OpenOptions {
    options.custom_flags(libc::O_NONBLOCK)
}

/// Which file is open here. A host can close every descriptor that it does not know (closefrom(3)), and open a file of
/// its own under the number. `None`: nothing is open.
pub(crate) fn file_identity(file: &File) -> Option<(u64, u64)> {
    let metadata = file.metadata().ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// The folder of the system's settings.
pub(crate) fn system_settings() -> PathBuf {
    PathBuf::from("/etc")
}

/// The folder of the user's settings. As the XDG base directory specification demands, a relative path in
/// `XDG_CONFIG_HOME` is ignored.
pub(crate) fn user_settings(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = |name| {
        let path = variable(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn folders_are_those_of_the_specification() {
        assert_eq!(system_settings(), PathBuf::from("/etc"));
        let folder = |variables: &[(&str, &str)]| {
            user_settings(|wanted| {
                let (_, value) = variables.iter().find(|(name, _)| *name == wanted)?;
                Some(value.into())
            })
        };
        let (home, xdg) = (Path::new("/home/a/.config"), Path::new("/x"));
        assert_eq!(folder(&[]), None);
        assert_eq!(folder(&[("HOME", "/home/a")]).as_deref(), Some(home));
        let both = |xdg| folder(&[("HOME", "/home/a"), ("XDG_CONFIG_HOME", xdg)]);
        assert_eq!(both("/x").as_deref(), Some(xdg));
        for ignored in ["", "x", "./x"] {
            assert_eq!(both(ignored).as_deref(), Some(home));
        }
        assert_eq!(folder(&[("HOME", "")]), None);
    }
}

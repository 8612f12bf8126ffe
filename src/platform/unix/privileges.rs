//! Whether the process does for its caller what the caller may not.

use std::fs;
use std::io::ErrorKind;

/// Does this process have rights that its caller does not have (set-uid, set-gid, file
/// capabilities)?
pub(crate) fn is_privileged() -> bool {
    use rustix::process::{getegid, geteuid, getgid, getuid};
    if getuid() != geteuid() || getgid() != getegid() {
        return true;
    }
    // The kernel's own word knows capabilities too, and stays true after a program has given up
    // its rights.
    match fs::read("/proc/self/auxv") {
        Ok(vector) => secure_in(&vector).unwrap_or(false),
        // The process hides its memory: so do privileged ones, and OpenSSH's.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => has_capabilities(),
        Err(_) => false,
    }
}

#[cfg(target_os = "linux")]
fn has_capabilities() -> bool {
    rustix::thread::capabilities(None).is_ok_and(|sets| !sets.permitted.is_empty())
}

/// Other systems have no `/proc/self/auxv` that could be hidden: should one, be careful.
#[cfg(not(target_os = "linux"))]
fn has_capabilities() -> bool {
    true
}

/// Looks for `AT_SECURE` in an auxiliary vector: pairs of native words, type and value.
pub(crate) fn secure_in(vector: &[u8]) -> Option<bool> {
    const WORD: usize = size_of::<usize>();
    let word = |bytes: &[u8]| Some(usize::from_ne_bytes(bytes.try_into().ok()?));
    vector.chunks_exact(2 * WORD).find_map(|pair| {
        let (kind, value) = pair.split_at_checked(WORD)?;
        (word(kind)? == AT_SECURE).then_some(word(value)? != 0)
    })
}

/// linux/auxvec.h.
const AT_SECURE: usize = 23;

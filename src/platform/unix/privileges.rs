//! Whether the process does for its caller what the caller may not.

use rustix::process::{getegid, geteuid, getgid, getuid};

/// Does this process have rights that its caller does not have (set-uid, set-gid, file
/// capabilities)?
pub(crate) fn is_privileged() -> bool {
    getuid() != geteuid() || getgid() != getegid() || was_started_so()
}

/// The kernel's own word: it knows capabilities too, and stays true after a program has given up its rights.
#[cfg(target_os = "linux")]
fn was_started_so() -> bool {
    // SAFETY: reads what the kernel gave the process at its start.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// The same of other systems.
#[cfg(not(target_os = "linux"))]
fn was_started_so() -> bool {
    // SAFETY: asks a question without arguments.
    unsafe { libc::issetugid() != 0 }
}

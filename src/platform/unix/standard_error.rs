//! Descriptor 2, which a host may have closed and used again for something else.

use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat};
use rustix::net::{AddressFamily, getsockname};
use rustix::stdio::stderr;

/// Standard error, if descriptor 2 looks like it: a terminal or another device, a pipe, a local socket (systemd's
/// journal), a file that is only written. A line of ours in a host's database, or on its connection to somebody else,
/// would damage them.
pub(crate) fn standard_error() -> Option<BorrowedFd<'static>> {
    let stream = stderr();
    let kind = FileType::from_raw_mode(fstat(stream).ok()?.st_mode);
    let fits = match kind {
        FileType::CharacterDevice | FileType::Fifo => true,
        FileType::Socket => {
            getsockname(stream).is_ok_and(|name| name.address_family() == AddressFamily::UNIX)
        }
        FileType::RegularFile => fcntl_getfl(stream).is_ok_and(|flags| {
            flags.contains(OFlags::APPEND) || flags & OFlags::RWMODE == OFlags::WRONLY
        }),
        _ => false,
    };
    fits.then_some(stream)
}

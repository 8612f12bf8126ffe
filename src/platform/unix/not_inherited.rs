//! Sockets that a forked child closes at once, also when it never executes another program.

use std::ffi::OsStr;
use std::fs::File;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use rustix::net::{SocketAddrUnix, getpeername};

/// A process has one connection to pcscd for questions, one for waiting and one for each reader in use.
const ROOM: usize = 64;

/// The sockets in use. A child's handler may neither allocate nor lock: it only reads numbers.
static SOCKETS: [Entry; ROOM] = [const { Entry::new() }; ROOM];

/// Has [`close_in_child`] been registered?
static REGISTERED: AtomicBool = AtomicBool::new(false);

struct Entry {
    taken: AtomicBool,
    descriptor: AtomicI32,
    /// The socket's number in the system, so that a descriptor that has become something else is left
    /// alone. 0: the entry says nothing.
    inode: AtomicU64,
}

impl Entry {
    const fn new() -> Entry {
        Entry {
            taken: AtomicBool::new(false),
            descriptor: AtomicI32::new(-1),
            inode: AtomicU64::new(0),
        }
    }

    /// The descriptor, while it is the socket that was entered. For a child's handler too.
    fn socket(&self) -> Option<RawFd> {
        let inode = self.inode.load(Ordering::Acquire);
        let descriptor = self.descriptor.load(Ordering::Acquire);
        let mut status = MaybeUninit::<libc::stat>::uninit();
        // SAFETY: room for the answer.
        if inode == 0 || unsafe { libc::fstat(descriptor, status.as_mut_ptr()) } != 0 {
            return None;
        }
        // SAFETY: fstat has filled it in.
        let status = unsafe { status.assume_init() };
        let is_socket = status.st_mode & libc::S_IFMT == libc::S_IFSOCK;
        (is_socket && status.st_ino == inode).then_some(descriptor)
    }
}

/// While this lives, a child after fork does not keep the socket.
pub(crate) struct NotInherited(&'static Entry);

impl NotInherited {
    /// Is the socket still there? A host can close every descriptor that it does not know (closefrom(3)), and open
    /// something of its own under the number.
    pub(crate) fn is_open(&self) -> bool {
        self.0.socket().is_some()
    }
}

impl Drop for NotInherited {
    fn drop(&mut self) {
        self.0.inode.store(0, Ordering::Release);
        self.0.taken.store(false, Ordering::Release);
    }
}

/// Lets a library that keeps its descriptor to itself open one connection to a socket of this kind of name.
///
/// A socket that a child inherits stays open when its parent dies: its server would wait for the child. The
/// descriptor is the lowest that was free before. Where another thread has taken that number meanwhile, or
/// the system has no such sockets, there is nothing to hold on to.
pub(crate) fn not_inherited<T>(
    open: impl FnOnce() -> T,
    is_server: impl Fn(&Path) -> bool,
) -> (T, Option<NotInherited>) {
    // Any file would do that needs no path.
    let lowest = eventfd(0, EventfdFlags::CLOEXEC).map(|file| file.as_raw_fd());
    let opened = open();
    let entry = lowest.ok().and_then(|lowest| enter(lowest, is_server));
    (opened, entry)
}

fn enter(descriptor: RawFd, is_server: impl Fn(&Path) -> bool) -> Option<NotInherited> {
    // SAFETY: never closed here, and only asked what it is: a number without an open file answers EBADF.
    let socket = ManuallyDrop::new(unsafe { File::from_raw_fd(descriptor) });
    let peer = SocketAddrUnix::try_from(getpeername(&*socket).ok()??).ok()?;
    if !is_server(Path::new(OsStr::from_bytes(peer.path()?.to_bytes()))) {
        return None;
    }
    let flags = fcntl_getfd(&*socket).ok()?;
    fcntl_setfd(&*socket, flags | FdFlags::CLOEXEC).ok()?;
    let inode = socket.metadata().ok()?.ino();
    if !REGISTERED.swap(true, Ordering::AcqRel) {
        // SAFETY: the handler does only what a child of a process with threads may do. The system forgets
        // it when the module is unloaded.
        unsafe { libc::pthread_atfork(None, None, Some(close_in_child)) };
    }
    let free = |entry: &&Entry| !entry.taken.swap(true, Ordering::AcqRel);
    let entry = SOCKETS.iter().find(free)?;
    entry.descriptor.store(descriptor, Ordering::Release);
    entry.inode.store(inode, Ordering::Release);
    Some(NotInherited(entry))
}

/// Runs in each child before fork returns there.
extern "C" fn close_in_child() {
    for descriptor in SOCKETS.iter().filter_map(Entry::socket) {
        // SAFETY: the child's copy of a socket that the child never uses: only the parent's libpcsclite contexts know it,
        // and the module in the child forgets those.
        unsafe { libc::close(descriptor) };
    }
}

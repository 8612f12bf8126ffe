//! The home of the Module in this process, from `C_Initialize` to `C_Finalize`. Its lock is not held while the
//! module works, and in a forked child what was the parent's is not touched.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cryptoki_sys::CK_SESSION_HANDLE;
use once_cell::race::OnceBox;

use crate::cryptoki::module::Module;
use crate::cryptoki::rv::{Result, Rv};
use crate::platform::{process_identity, stay_loaded};

/// What one process has of the module.
struct Process {
    /// A child made by `fork` has a copy of everything but the threads: locks that nobody will
    /// ever unlock, PC/SC handles that belong to the parent.
    identity: u64,
    /// The first lock of the house. It is the standard library's because that one is a plain word;
    /// `parking_lot` keeps a table for the whole process, which a child could inherit locked.
    state: Mutex<Lifecycle>,
    /// That of a child made by `fork`, in the child's memory.
    child: OnceBox<Process>,
}

enum Lifecycle {
    /// Before `C_Initialize`, and after `C_Finalize`.
    Empty,
    /// In between.
    Mounted(Arc<Module>),
    /// In between, and a function panicked.
    Panicked(Arc<Module>),
}

/// Does what `C_Initialize` does, with this module: how a Rust program, such as our tests, mounts
/// other readers than those of PC/SC below the C ABI.
///
/// # Errors
/// `CKR_CRYPTOKI_ALREADY_INITIALIZED`.
pub fn initialize_with(module: Module) -> Result<()> {
    initialize(|| module)
}

/// Mounts what `make` makes. Of two threads that come at once, one mounts and the other one hears
/// `CKR_CRYPTOKI_ALREADY_INITIALIZED`, at a time when that is true.
pub(super) fn initialize(make: impl FnOnce() -> Module) -> Result<()> {
    current().initialize(make)
}

/// Unmounts and closes the Module. Of two threads that come at once, one does it and the other one
/// hears `CKR_CRYPTOKI_NOT_INITIALIZED`.
pub(super) fn finalize() -> Result<()> {
    // First nobody can find the Module any more, then it is closed, without the lock.
    current().take()?.close();
    Ok(())
}

/// The Module, for one call.
pub(super) fn module() -> Result<Arc<Module>> {
    current().module()
}

/// The Module, for one call on a session. The handle is looked at before any pointer of the call
/// is: of two complaints that are both true, the session's is the one with a name of its own.
pub(super) fn module_of(session: CK_SESSION_HANDLE) -> Result<Arc<Module>> {
    let module = module()?;
    module.check_session(session)?;
    Ok(module)
}

/// A function panicked.
pub(super) fn panicked() {
    current().panicked();
}

/// The Process of this process. A child's first call makes it a new, empty one behind that of its
/// parent, which is never touched: dropping it would wait for its locks and disconnect its card.
fn current() -> &'static Process {
    let identity = process_identity();
    let made = || Box::new(Process::new(identity));
    let mut process = FIRST.get_or_init(made);
    while process.identity != identity {
        process = process.child.get_or_init(made);
    }
    process
}

/// Lock-free, because a child could inherit a lock that is held.
static FIRST: OnceBox<Process> = OnceBox::new();

impl Process {
    fn new(identity: u64) -> Process {
        Process {
            identity,
            state: Mutex::new(Lifecycle::Empty),
            child: OnceBox::new(),
        }
    }

    fn initialize(&self, make: impl FnOnce() -> Module) -> Result<()> {
        stay_loaded();
        let mut state = self.lock();
        let Lifecycle::Empty = *state else {
            return Err(Rv::CryptokiAlreadyInitialized.into());
        };
        *state = Lifecycle::Mounted(Arc::new(make()));
        Ok(())
    }

    fn take(&self) -> Result<Arc<Module>> {
        match std::mem::replace(&mut *self.lock(), Lifecycle::Empty) {
            Lifecycle::Empty => Err(Rv::CryptokiNotInitialized.into()),
            Lifecycle::Mounted(module) | Lifecycle::Panicked(module) => Ok(module),
        }
    }

    fn module(&self) -> Result<Arc<Module>> {
        match &*self.lock() {
            Lifecycle::Empty => Err(Rv::CryptokiNotInitialized.into()),
            Lifecycle::Mounted(module) => Ok(Arc::clone(module)),
            Lifecycle::Panicked(_) => Err(Rv::GeneralError.into()),
        }
    }

    fn panicked(&self) {
        let mut state = self.lock();
        if let Lifecycle::Mounted(module) = &*state {
            *state = Lifecycle::Panicked(Arc::clone(module));
        }
    }

    /// A panic under this lock can only be one of `make`; the state is whole then, still `Empty`.
    fn lock(&self) -> MutexGuard<'_, Lifecycle> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::ptr;
    use std::time::Instant;

    use super::*;
    use crate::card::Readers;
    use crate::config::Config;
    use crate::pcsc::{self, Channel, InsertionId, ReaderState, Transport, Watch};
    use crate::platform::for_tests::in_child;

    struct NoReaders;

    impl Transport for NoReaders {
        fn survey(&self) -> std::result::Result<Vec<ReaderState>, pcsc::Error> {
            Ok(Vec::new())
        }

        fn insertion(&self, _: &str) -> std::result::Result<Option<InsertionId>, pcsc::Error> {
            Err(pcsc::Error::NoReader)
        }

        fn connect(&self, _: &str) -> std::result::Result<Box<dyn Channel>, pcsc::Error> {
            Err(pcsc::Error::NoReader)
        }

        fn watch(&self) -> std::result::Result<Box<dyn Watch>, pcsc::Error> {
            Err(pcsc::Error::NoService(String::new()))
        }

        fn close_by(&self, _: Instant) {}
    }

    fn module() -> Module {
        Module::new(Config::default(), Readers::new(Box::new(NoReaders)))
    }

    fn rv<T>(result: Result<T>) -> Option<Rv> {
        result.err().map(|error| error.rv())
    }

    #[test]
    fn life_of_a_module() {
        let process = Process::new(1);
        assert_eq!(rv(process.module()), Some(Rv::CryptokiNotInitialized));
        assert_eq!(rv(process.take()), Some(Rv::CryptokiNotInitialized));
        for _ in 0..2 {
            assert_eq!(rv(process.initialize(module)), None);
            let again = process.initialize(|| unreachable!("made for nothing"));
            assert_eq!(rv(again), Some(Rv::CryptokiAlreadyInitialized));
            assert_eq!(rv(process.module()), None);
            assert_eq!(rv(process.take()), None);
            assert_eq!(rv(process.module()), Some(Rv::CryptokiNotInitialized));
            assert_eq!(rv(process.take()), Some(Rv::CryptokiNotInitialized));
        }
    }

    #[test]
    fn a_panic_is_remembered_until_finalize() {
        let process = Process::new(1);
        process.panicked();
        assert_eq!(rv(process.module()), Some(Rv::CryptokiNotInitialized));
        process.initialize(module).unwrap();
        process.panicked();
        assert_eq!(rv(process.module()), Some(Rv::GeneralError));
        let again = process.initialize(module);
        assert_eq!(rv(again), Some(Rv::CryptokiAlreadyInitialized));
        assert_eq!(rv(process.take()), None);
        process.initialize(module).unwrap();
        assert_eq!(rv(process.module()), None);
    }

    #[test]
    fn a_panic_in_initialize_leaves_it_possible() {
        let process = Process::new(1);
        let make = || process.initialize(|| panic!("caught"));
        assert!(catch_unwind(AssertUnwindSafe(make)).is_err());
        assert_eq!(rv(process.initialize(module)), None);
    }

    #[test]
    fn one_of_many_threads_initialises_and_one_finalises() {
        let process = Process::new(1);
        let count = |f: &(dyn Fn() -> bool + Sync)| {
            std::thread::scope(|scope| {
                let threads: Vec<_> = (0..8).map(|_| scope.spawn(f)).collect();
                let ends = threads.into_iter().map(|thread| thread.join().unwrap());
                ends.filter(|&won| won).count()
            })
        };
        assert_eq!(count(&|| process.initialize(module).is_ok()), 1);
        assert_eq!(count(&|| process.take().is_ok()), 1);
    }

    #[test]
    fn a_forked_child_is_empty_even_if_the_lock_is_held() {
        let parent = current();
        let held = parent.lock();
        assert!(in_child(|| {
            !ptr::eq(current(), parent)
                && current().identity == process_identity()
                && rv(super::module()) == Some(Rv::CryptokiNotInitialized)
        }));
        drop(held);
        assert!(ptr::eq(current(), parent));
    }
}

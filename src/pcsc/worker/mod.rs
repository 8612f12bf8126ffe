//! Another transport's calls on threads of ours, each with a time limit.

mod connection;
mod events;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::{Channel, Error, InsertionId, ReaderState, Transport, Watch};
use connection::{Link, serve};

/// A question to the service, and a connection to a card.
const QUESTION_LIMIT: Duration = Duration::from_secs(5);

/// How soon a wait notices `C_Finalize`.
const SLICE: Duration = Duration::from_millis(50);

/// How long the threads that are not late may take to end when a transport is dropped. They have only to let
/// go of their contexts, which takes pcscd less than a millisecond.
const ENDING_LIMIT: Duration = Duration::from_millis(300);

/// A program that locks all its memory (mlockall) pays for the whole stack of a thread. libpcsclite needs a few KiB.
const STACK: usize = 512 * 1024;

/// A transport whose calls have a time limit. A thread that is late is left behind; its reader answers
/// [`Error::Stuck`] at once until the late call has returned and what it holds was undone.
pub struct Bounded {
    /// `None` only while it is dropped.
    inner: Option<Arc<dyn Transport>>,
    service: Mutex<Option<Service>>,
    threads: Mutex<Vec<Weak<Thread>>>,
    closing: Arc<Closing>,
}

/// Lives as long as a thread.
struct Thread {
    /// The reader that it has a connection to.
    reader: Option<String>,
    /// A caller has given up waiting.
    late: AtomicBool,
}

impl Thread {
    fn is_late(&self) -> bool {
        self.late.load(Ordering::Acquire)
    }

    fn set_late(&self, late: bool) {
        self.late.store(late, Ordering::Release);
    }
}

/// The moment at which `C_Finalize` wants every wait to end.
#[derive(Default)]
struct Closing(Mutex<Option<Instant>>);

type Job = Box<dyn FnOnce(&dyn Transport) + Send>;

/// The thread for questions.
#[derive(Clone)]
struct Service {
    jobs: Sender<Job>,
    thread: Weak<Thread>,
}

impl Bounded {
    /// Starts no thread yet.
    pub fn new(inner: impl Transport + 'static) -> Bounded {
        Bounded {
            inner: Some(Arc::new(inner)),
            service: Mutex::default(),
            threads: Mutex::default(),
            closing: Arc::default(),
        }
    }

    /// Has the thread for questions do something.
    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Transport) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let service = self.service()?;
        let thread = service.thread.upgrade();
        if thread.as_ref().is_some_and(|thread| thread.is_late()) {
            return Err(Error::Stuck);
        }
        let (reply, answer) = mpsc::sync_channel(0);
        let back = service.thread;
        let job: Job = Box::new(move |inner| {
            // An answer that nobody waits for any more shows that the service is back.
            if reply.send(question(inner)).is_err()
                && let Some(thread) = back.upgrade()
            {
                thread.set_late(false);
            }
        });
        if service.jobs.send(job).is_err() {
            // The thread ended by a panic. The next question starts another one.
            *self.service.lock() = None;
            return Err(ended());
        }
        let result = self.closing.wait(&answer, QUESTION_LIMIT);
        if let (Err(Error::Stuck), Some(thread)) = (&result, thread) {
            thread.set_late(true);
        }
        result?
    }

    fn inner(&self) -> Result<Arc<dyn Transport>, Error> {
        self.inner.clone().ok_or(Error::Cancelled)
    }

    fn service(&self) -> Result<Service, Error> {
        let mut service = self.service.lock();
        if let Some(service) = &*service {
            return Ok(service.clone());
        }
        let (jobs, queue) = mpsc::channel::<Job>();
        let inner = self.inner()?;
        let thread = self.start("jpki-pcsc", None, move || {
            for job in queue {
                job(&*inner);
            }
        })?;
        Ok(service.insert(Service { jobs, thread }).clone())
    }

    /// Starts a thread that is waited for when the transport is dropped.
    fn start(
        &self,
        name: &str,
        reader: Option<&str>,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<Weak<Thread>, Error> {
        let thread = Arc::new(Thread {
            reader: reader.map(str::to_owned),
            late: AtomicBool::new(false),
        });
        let kept = Arc::downgrade(&thread);
        start(name, move || {
            work();
            drop(thread);
        })?;
        let mut threads = self.threads.lock();
        threads.retain(|thread| thread.strong_count() > 0);
        threads.push(Weak::clone(&kept));
        Ok(kept)
    }

    /// Is a thread at work that satisfies a condition?
    fn any_thread(&self, condition: impl Fn(&Thread) -> bool) -> bool {
        let threads = self.threads.lock();
        let mut running = threads.iter().filter_map(Weak::upgrade);
        running.any(|thread| condition(&thread))
    }
}

impl Drop for Bounded {
    fn drop(&mut self) {
        // Before the thread for questions ends, which has the last one then: to let go of a context is to
        // ask pcscd, which may hang.
        self.inner = None;
        *self.service.lock() = None;
        // A program may exit after C_Finalize: libpcsclite frees its lists then, also while a thread uses them.
        let begun = Instant::now();
        while self.any_thread(|thread| !thread.is_late()) && begun.elapsed() < ENDING_LIMIT {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let builder = thread::Builder::new()
        .name(name.to_owned())
        .stack_size(STACK);
    let started = builder.spawn(work);
    started
        .map(|_| ())
        .map_err(|error| Error::Failed(error.to_string()))
}

/// A thread ends without an answer only by a panic.
fn ended() -> Error {
    Error::Failed("the PC/SC thread ended".to_owned())
}

impl Closing {
    /// An answer, until a limit or the end set by [`Transport::close_by`].
    fn wait<T>(&self, answer: &Receiver<T>, limit: Duration) -> Result<T, Error> {
        let begun = Instant::now();
        loop {
            let mut left = limit.saturating_sub(begun.elapsed());
            if let Some(end) = *self.0.lock() {
                // What closes a card may take until the end; a question has no use any more.
                left = match limit {
                    QUESTION_LIMIT => Duration::ZERO,
                    _ => left.min(end.saturating_duration_since(Instant::now())),
                };
            }
            match answer.recv_timeout(left.min(SLICE)) {
                Ok(answer) => return Ok(answer),
                Err(RecvTimeoutError::Timeout) if left > SLICE => {}
                Err(RecvTimeoutError::Timeout) => return Err(Error::Stuck),
                Err(RecvTimeoutError::Disconnected) => return Err(ended()),
            }
        }
    }
}

impl Transport for Bounded {
    fn survey(&self) -> Result<Vec<ReaderState>, Error> {
        self.ask(|inner| inner.survey())
    }

    fn insertion(&self, reader: &str) -> Result<Option<InsertionId>, Error> {
        let reader = reader.to_owned();
        self.ask(move |inner| inner.insertion(&reader))
    }

    fn connect(&self, reader: &str) -> Result<Box<dyn Channel>, Error> {
        if self.any_thread(|thread| thread.is_late() && thread.reader.as_deref() == Some(reader)) {
            return Err(Error::Stuck);
        }
        let (requests, queue) = mpsc::channel();
        let (reply, connected) = mpsc::sync_channel(0);
        let (inner, name) = (self.inner()?, reader.to_owned());
        let thread = self.start("jpki-reader", Some(reader), move || {
            let connected = inner.connect(&name);
            drop(inner);
            serve(connected, &reply, &queue);
        })?;
        let link = Link::new(requests, Arc::clone(&self.closing), thread);
        link.wait(&connected, QUESTION_LIMIT)?;
        Ok(Box::new(link))
    }

    fn watch(&self) -> Result<Box<dyn Watch>, Error> {
        events::watch(self)
    }

    fn close_by(&self, deadline: Instant) {
        *self.closing.0.lock() = Some(deadline);
    }
}

//! Another transport's calls on threads of ours, each with a time limit.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use zeroize::Zeroizing;

use super::{
    Abilities, Cancel, Channel, Disposition, Error, Exchange, InsertionId, ReaderState, Transport,
    Watch,
};

/// A question to the service, and a connection to a card.
const QUESTION_LIMIT: Duration = Duration::from_secs(5);

/// One command, its answer included. A signature takes up to 3 s on a slow contactless reader.
const EXCHANGE_LIMIT: Duration = Duration::from_secs(30);

/// The end of a transaction, a power-down included.
const END_LIMIT: Duration = Duration::from_secs(6);

/// How long to wait for an answer that PC/SC may hold back while another program has a transaction.
const GLANCE: Duration = Duration::from_millis(50);

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
        let link = Link {
            requests,
            closing: Arc::clone(&self.closing),
            thread,
            liveness: None,
        };
        link.wait(&connected, QUESTION_LIMIT)?;
        Ok(Box::new(link))
    }

    fn watch(&self) -> Result<Box<dyn Watch>, Error> {
        let (reply, watching) = mpsc::sync_channel(0);
        let (orders, queue) = mpsc::channel::<(Duration, SyncSender<Result<(), Error>>)>();
        let inner = self.inner()?;
        self.start("jpki-events", None, move || {
            let watch = inner.watch();
            drop(inner);
            let mut watch = match watch {
                Ok(watch) => watch,
                Err(error) => return drop(reply.send(Err(error))),
            };
            if reply.send(Ok(watch.canceller())).is_err() {
                return;
            }
            for (timeout, reply) in queue {
                if reply.send(watch.wait(timeout)).is_err() {
                    return;
                }
            }
        })?;
        let end = self.closing.wait(&watching, QUESTION_LIMIT)??;
        Ok(Box::new(Events {
            orders,
            end: Arc::new(End {
                inner: end,
                waiting: Mutex::default(),
            }),
        }))
    }

    fn close_by(&self, deadline: Instant) {
        *self.closing.0.lock() = Some(deadline);
    }
}

/// What the thread of a connection is asked to do, and where the answer goes. An answer that cannot be
/// delivered comes too late: the caller has gone.
enum Request {
    IsAlive(SyncSender<Result<bool, Error>>),
    PowerUp(SyncSender<Result<(), Error>>),
    Reset(SyncSender<Result<(), Error>>),
    Abilities(SyncSender<Result<Abilities, Error>>),
    Begin(Duration, SyncSender<Result<bool, Error>>),
    Transmit(Zeroizing<Vec<u8>>, SyncSender<Result<Vec<u8>, Error>>),
    Control(u32, Vec<u8>, SyncSender<Result<Vec<u8>, Error>>),
    End(Disposition, SyncSender<Result<(), Error>>),
    Disconnect(Disposition),
}

/// The thread of one connection, from its begin to its end.
fn serve(
    connected: Result<Box<dyn Channel>, Error>,
    reply: &SyncSender<Result<(), Error>>,
    requests: &Receiver<Request>,
) {
    let mut channel = match connected {
        Ok(channel) => channel,
        Err(error) => return drop(reply.send(Err(error))),
    };
    if reply.send(Ok(())).is_err() {
        return;
    }
    for request in requests {
        match request {
            Request::IsAlive(reply) => drop(reply.send(channel.is_alive())),
            Request::PowerUp(reply) => drop(reply.send(channel.power_up())),
            Request::Reset(reply) => drop(reply.send(channel.reset())),
            Request::Abilities(reply) => drop(reply.send(Ok(channel.abilities()))),
            Request::Begin(limit, reply) => match channel.begin(limit) {
                Ok(exchange) => match reply.send(Ok(exchange.was_reset())) {
                    Ok(()) => transact(exchange, requests),
                    Err(_) => drop(exchange.end(Disposition::Leave)),
                },
                Err(error) => drop(reply.send(Err(error))),
            },
            Request::Disconnect(disposition) => return channel.disconnect(disposition),
            Request::Transmit(_, reply) | Request::Control(_, _, reply) => {
                drop(reply.send(Err(Error::Removed)));
            }
            Request::End(_, reply) => drop(reply.send(Err(Error::Removed))),
        }
    }
}

/// One transaction. Dropping the exchange takes the card's power: its state is not known then.
fn transact(mut exchange: Box<dyn Exchange + '_>, requests: &Receiver<Request>) {
    for request in requests {
        match request {
            Request::Transmit(command, reply) => {
                if reply.send(exchange.transmit(&command)).is_err() {
                    return;
                }
            }
            Request::Control(code, data, reply) => {
                if reply.send(exchange.control(code, &data)).is_err() {
                    return;
                }
            }
            Request::End(disposition, reply) => return drop(reply.send(exchange.end(disposition))),
            _ => return,
        }
    }
}

/// A connection whose thread has it.
struct Link {
    requests: Sender<Request>,
    closing: Arc<Closing>,
    thread: Weak<Thread>,
    /// A question that was not answered yet. `SCardStatus` waits for the transaction of another program.
    liveness: Option<Receiver<Result<bool, Error>>>,
}

impl Link {
    fn send(&self, request: Request) -> Result<(), Error> {
        let sent = self.requests.send(request);
        sent.map_err(|_| ended())
    }

    fn call<T>(
        &self,
        limit: Duration,
        request: impl FnOnce(SyncSender<Result<T, Error>>) -> Request,
    ) -> Result<T, Error> {
        if self.thread.upgrade().is_some_and(|thread| thread.is_late()) {
            return Err(Error::Stuck);
        }
        let (reply, answer) = mpsc::sync_channel(0);
        self.send(request(reply))?;
        self.wait(&answer, limit)
    }

    fn wait<T>(&self, answer: &Receiver<Result<T, Error>>, limit: Duration) -> Result<T, Error> {
        let answer = self.closing.wait(answer, limit);
        if let (Err(Error::Stuck), Some(thread)) = (&answer, self.thread.upgrade()) {
            thread.set_late(true);
        }
        answer?
    }
}

impl Channel for Link {
    fn begin(&mut self, limit: Duration) -> Result<Box<dyn Exchange + '_>, Error> {
        let was_reset = self.call(limit, |reply| Request::Begin(limit, reply))?;
        Ok(Box::new(Turn {
            link: self,
            was_reset,
            ended: false,
        }))
    }

    fn is_alive(&mut self) -> Result<bool, Error> {
        let answer = match self.liveness.take() {
            Some(answer) => answer,
            None => {
                let (reply, answer) = mpsc::sync_channel(1);
                self.send(Request::IsAlive(reply))?;
                answer
            }
        };
        match answer.recv_timeout(GLANCE) {
            Ok(alive) => alive,
            Err(RecvTimeoutError::Timeout) => {
                self.liveness = Some(answer);
                Err(Error::Stuck)
            }
            Err(RecvTimeoutError::Disconnected) => Err(ended()),
        }
    }

    fn power_up(&mut self) -> Result<(), Error> {
        self.call(QUESTION_LIMIT, Request::PowerUp)
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.call(QUESTION_LIMIT, Request::Reset)
    }

    fn abilities(&mut self) -> Abilities {
        self.call(QUESTION_LIMIT, Request::Abilities)
            .unwrap_or_default()
    }

    fn disconnect(self: Box<Self>, disposition: Disposition) {
        // Nobody waits for it; a thread that is late does it when it is back.
        let _ = self.requests.send(Request::Disconnect(disposition));
    }
}

/// A transaction that the thread of the connection has.
struct Turn<'a> {
    link: &'a mut Link,
    was_reset: bool,
    ended: bool,
}

impl Exchange for Turn<'_> {
    fn was_reset(&self) -> bool {
        self.was_reset
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        let command = Zeroizing::new(command.to_vec());
        self.link
            .call(EXCHANGE_LIMIT, |reply| Request::Transmit(command, reply))
    }

    fn control(&mut self, code: u32, data: &[u8]) -> Result<Vec<u8>, Error> {
        let data = data.to_vec();
        self.link
            .call(EXCHANGE_LIMIT, |reply| Request::Control(code, data, reply))
    }

    fn end(mut self: Box<Self>, disposition: Disposition) -> Result<(), Error> {
        self.ended = true;
        self.link
            .call(END_LIMIT, |reply| Request::End(disposition, reply))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.ended {
            let end = |reply| Request::End(Disposition::PowerDown, reply);
            let _ = self.link.call(END_LIMIT, end);
        }
    }
}

/// Waits for events on a thread of its own.
struct Events {
    orders: Sender<(Duration, SyncSender<Result<(), Error>>)>,
    end: Arc<End>,
}

/// Ends the waits of [`Events`] without waiting for the service.
struct End {
    inner: Arc<dyn Cancel>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    cancelled: bool,
    caller: Option<SyncSender<Result<(), Error>>>,
}

impl Watch for Events {
    fn wait(&mut self, timeout: Duration) -> Result<(), Error> {
        let (reply, answer) = mpsc::sync_channel(2);
        {
            let mut waiting = self.end.waiting.lock();
            if waiting.cancelled {
                return Err(Error::Cancelled);
            }
            waiting.caller = Some(reply.clone());
        }
        self.orders.send((timeout, reply)).map_err(|_| ended())?;
        answer.recv().map_err(|_| ended())?
    }

    fn canceller(&self) -> Arc<dyn Cancel> {
        Arc::clone(&self.end) as Arc<dyn Cancel>
    }
}

impl Cancel for End {
    fn cancel(&self) {
        let caller = {
            let mut waiting = self.waiting.lock();
            waiting.cancelled = true;
            waiting.caller.take()
        };
        if let Some(caller) = caller {
            let _ = caller.try_send(Err(Error::Cancelled));
        }
        // SCardCancel asks pcscd too.
        let inner = Arc::clone(&self.inner);
        let _ = start("jpki-cancel", move || inner.cancel());
    }
}

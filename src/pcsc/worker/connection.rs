//! A connection to a card and its transactions, on a thread of their own.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::sync::{Arc, Weak};
use std::time::Duration;

use zeroize::Zeroizing;

use super::super::{Abilities, Channel, Disposition, Error, Exchange};
use super::{Closing, QUESTION_LIMIT, Thread, ended};

/// One command, its answer included. A signature takes up to 3 s on a slow contactless reader.
const EXCHANGE_LIMIT: Duration = Duration::from_secs(30);

/// The end of a transaction, a power-down included.
const END_LIMIT: Duration = Duration::from_secs(6);

/// How long to wait for an answer that PC/SC may hold back while another program has a transaction.
const GLANCE: Duration = Duration::from_millis(50);

/// What the thread of a connection is asked to do, and where the answer goes. An answer that cannot be
/// delivered comes too late: the caller has gone.
pub(super) enum Request {
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
pub(super) fn serve(
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
            Request::Reset(reply) => {
                if reply.send(exchange.reset()).is_err() {
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
pub(super) struct Link {
    requests: Sender<Request>,
    closing: Arc<Closing>,
    thread: Weak<Thread>,
    /// A question that was not answered yet. `SCardStatus` waits for the transaction of another program.
    liveness: Option<Receiver<Result<bool, Error>>>,
}

impl Link {
    pub(super) fn new(
        requests: Sender<Request>,
        closing: Arc<Closing>,
        thread: Weak<Thread>,
    ) -> Link {
        Link {
            requests,
            closing,
            thread,
            liveness: None,
        }
    }

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

    pub(super) fn wait<T>(
        &self,
        answer: &Receiver<Result<T, Error>>,
        limit: Duration,
    ) -> Result<T, Error> {
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

    fn reset(&mut self) -> Result<(), Error> {
        self.link.call(EXCHANGE_LIMIT, Request::Reset)
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

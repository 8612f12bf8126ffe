//! Waits for events, on a thread of their own.

use std::sync::Arc;
use std::sync::mpsc::{self, Sender, SyncSender};
use std::time::Duration;

use parking_lot::Mutex;

use super::super::{Cancel, Error, Watch};
use super::{Bounded, QUESTION_LIMIT, ended, start};

/// Begins to watch on a fresh thread.
pub(super) fn watch(bounded: &Bounded) -> Result<Box<dyn Watch>, Error> {
    let (reply, watching) = mpsc::sync_channel(0);
    let (orders, queue) = mpsc::channel::<(Duration, SyncSender<Result<(), Error>>)>();
    let inner = bounded.inner()?;
    bounded.start("jpki-events", None, move || {
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
    let end = bounded.closing.wait(&watching, QUESTION_LIMIT)??;
    Ok(Box::new(Events {
        orders,
        end: Arc::new(End {
            inner: end,
            waiting: Mutex::default(),
        }),
    }))
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

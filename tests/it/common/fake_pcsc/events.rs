//! Waits for events.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::super::module::pcsc::{Cancel, Error, ReaderState, Watch};
use super::FakePcsc;
use super::failures::Call;

/// Waits by looking again and again.
pub(super) struct Eyes {
    pcsc: FakePcsc,
    seen: Option<Vec<ReaderState>>,
    cancelled: Arc<Cancelled>,
}

impl Eyes {
    pub(super) fn new(pcsc: FakePcsc) -> Eyes {
        Eyes {
            pcsc,
            seen: None,
            cancelled: Arc::default(),
        }
    }
}

#[derive(Default)]
struct Cancelled(AtomicBool);

impl Cancel for Cancelled {
    fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Watch for Eyes {
    fn wait(&mut self, timeout: Duration) -> Result<(), Error> {
        let end = Instant::now() + timeout;
        self.pcsc.call(Call::Wait, || Ok(()))?;
        loop {
            let now = self.pcsc.states()?;
            if self.seen.as_ref() != Some(&now) {
                self.seen = Some(now);
                return Ok(());
            }
            if Instant::now() >= end {
                return Ok(());
            }
            if self.cancelled.0.load(Ordering::Acquire) {
                return Err(Error::Cancelled);
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn canceller(&self) -> Arc<dyn Cancel> {
        Arc::clone(&self.cancelled) as Arc<dyn Cancel>
    }
}

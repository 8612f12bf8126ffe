//! Waits until a reader or a card comes or goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pcsc::{Context, ReaderState as PcscReaderState, State};

use super::super::{Cancel, Error, Watch};
use super::client::Client;
use super::reader_states;

/// Waits on a context of its own.
pub(super) struct PcscWatch {
    end: Arc<End>,
    /// As the last call saw them.
    states: Vec<PcscReaderState>,
}

/// Ends the waits on a context.
struct End {
    client: Client,
    cancelled: AtomicBool,
}

impl PcscWatch {
    pub(super) fn new(client: Client) -> PcscWatch {
        PcscWatch {
            end: Arc::new(End {
                client,
                cancelled: AtomicBool::new(false),
            }),
            states: Vec::new(),
        }
    }
}

impl Cancel for End {
    fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        // Without a wait under way, or without a service, there is nothing to end.
        let _ = self.client.context().and_then(Context::cancel);
    }
}

impl Watch for PcscWatch {
    fn wait(&mut self, timeout: Duration) -> Result<(), Error> {
        let context = self.end.client.context()?;
        let mut known = std::mem::take(&mut self.states);
        self.states = reader_states(context)?;
        // A reader that pcscd announces later wakes us too.
        self.states.push(PcscReaderState::new(
            pcsc::PNP_NOTIFICATION(),
            State::UNAWARE,
        ));
        let mut changed = known.len() != self.states.len();
        for state in &mut self.states {
            match known.iter().position(|old| old.name() == state.name()) {
                Some(at) => {
                    // With its count of events, which Windows compares: without it each wait would end at once.
                    *state = known.swap_remove(at);
                    state.sync_current_state();
                }
                None => changed = true,
            }
        }
        if self.end.cancelled.load(Ordering::Acquire) {
            return Err(Error::Cancelled);
        }
        let timeout = if changed { Duration::ZERO } else { timeout };
        match context.get_status_change(timeout, &mut self.states) {
            Ok(()) | Err(pcsc::Error::Timeout) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn canceller(&self) -> Arc<dyn Cancel> {
        Arc::clone(&self.end) as Arc<dyn Cancel>
    }
}

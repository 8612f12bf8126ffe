//! A connection to a card, and its transactions.

use std::thread;
use std::time::{Duration, Instant};

use pcsc::{Card, Protocols, ShareMode};

use super::super::part10;
use super::super::{Abilities, Channel, Disposition, Error, Exchange};
use super::client::{CONTEXTS, Client};

/// How long a card that somebody else has just powered off may refuse to be connected. pcscd 1.9 was
/// measured to need up to 0.7 s (docs/pcscd.md).
const UNPOWERED_PATIENCE: Duration = Duration::from_millis(1500);

/// Between two attempts meanwhile.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Room for the longest answer that is asked for: a certificate. A card that does not keep to it is an error.
const RECEIVE_ROOM: usize = 4096 + 2;

/// One shared connection.
pub(super) struct Connection {
    /// `None` once it was ended.
    card: Option<Card>,
    /// Dropped after the card.
    client: Client,
}

impl Connection {
    pub(super) fn new(card: Card, client: Client) -> Connection {
        Connection {
            card: Some(card),
            client,
        }
    }

    fn card(&mut self) -> Result<&mut Card, Error> {
        if self.client.was_closed() {
            return Err(pcsc::Error::InvalidHandle.into());
        }
        self.card.as_mut().ok_or(Error::Removed)
    }

    fn end(&mut self, disposition: Disposition) {
        let Some(mut card) = self.card.take() else {
            return;
        };
        if self.client.was_closed() {
            return std::mem::forget(card);
        }
        if disposition == Disposition::PowerDown
            && let Ok(transaction) = card.transaction()
        {
            let _ = transaction.end(disposition.into());
        }
        // pcscd answers this one at once, also when another program has a transaction. An error means
        // that the card or the service is gone.
        let _alone = CONTEXTS.lock();
        let _ = card.disconnect(pcsc::Disposition::LeaveCard);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Another program may be in the middle of something.
        self.end(Disposition::Leave);
    }
}

impl Channel for Connection {
    fn begin(&mut self, _: Duration) -> Result<Box<dyn Exchange + '_>, Error> {
        let mut card = self.card()?;
        let mut was_reset = false;
        // Another program may reset the card again between our reconnect and our transaction. More
        // than twice in a row is a fault.
        for _ in 0..3 {
            card = match card.transaction2() {
                Ok(transaction) => {
                    return Ok(Box::new(PcscExchange {
                        inner: Some(transaction),
                        was_reset,
                    }));
                }
                Err((card, pcsc::Error::ResetCard | pcsc::Error::UnpoweredCard)) => {
                    was_reset = true;
                    reconnect(card, pcsc::Disposition::LeaveCard)?;
                    card
                }
                Err((_, error)) => return Err(error.into()),
            };
        }
        Err(Error::Failed(
            "the card is reset again and again".to_owned(),
        ))
    }

    fn is_alive(&mut self) -> Result<bool, Error> {
        match self.card()?.status2_owned() {
            // A reset is no removal.
            Ok(_) | Err(pcsc::Error::ResetCard | pcsc::Error::UnpoweredCard) => Ok(true),
            Err(
                pcsc::Error::RemovedCard
                | pcsc::Error::NoSmartcard
                | pcsc::Error::ReaderUnavailable
                | pcsc::Error::UnknownReader
                | pcsc::Error::InvalidHandle,
            ) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn power_up(&mut self) -> Result<(), Error> {
        Ok(reconnect(self.card()?, pcsc::Disposition::LeaveCard)?)
    }

    fn reset(&mut self) -> Result<(), Error> {
        Ok(reconnect(self.card()?, pcsc::Disposition::ResetCard)?)
    }

    fn abilities(&mut self) -> Abilities {
        // A reader that does not know the question refuses it.
        self.ask_reader().unwrap_or_default()
    }

    fn disconnect(mut self: Box<Self>, disposition: Disposition) {
        self.end(disposition);
    }
}

impl Connection {
    fn ask_reader(&mut self) -> Option<Abilities> {
        let card = self.card().ok()?;
        let mut room = [0; pcsc::MAX_BUFFER_SIZE];
        let question = pcsc::ctl_code(part10::GET_FEATURE_REQUEST.into());
        let features = card.control(question, &[], &mut room).ok()?;
        let verify_pin = part10::verify_pin_request(features);
        let modify_pin = part10::modify_pin_request(features);
        let max_apdu_data = part10::properties_request(features).and_then(|request| {
            let properties = card.control(request.into(), &[], &mut room).ok()?;
            part10::max_apdu_data(properties)
        });
        Some(Abilities {
            max_apdu_data: max_apdu_data.unwrap_or(0),
            verify_pin,
            modify_pin,
        })
    }
}

/// Takes note of a reset, and powers a card that has no power. `first`: what is done with the card before.
fn reconnect(card: &mut Card, first: pcsc::Disposition) -> Result<(), pcsc::Error> {
    patiently(|| card.reconnect(ShareMode::Shared, Protocols::ANY, first))
}

impl From<Disposition> for pcsc::Disposition {
    fn from(disposition: Disposition) -> pcsc::Disposition {
        match disposition {
            Disposition::Leave => pcsc::Disposition::LeaveCard,
            Disposition::PowerDown => pcsc::Disposition::UnpowerCard,
        }
    }
}

struct PcscExchange<'a> {
    /// `None` once it was ended.
    inner: Option<pcsc::Transaction<'a>>,
    was_reset: bool,
}

impl Exchange for PcscExchange<'_> {
    fn was_reset(&self) -> bool {
        self.was_reset
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        let card = self.inner.as_ref().ok_or(Error::Removed)?;
        let mut room = [0; RECEIVE_ROOM];
        Ok(card.transmit(command, &mut room)?.to_vec())
    }

    fn reset(&mut self) -> Result<(), Error> {
        let card = self.inner.as_mut().ok_or(Error::Removed)?;
        let reset = pcsc::Disposition::ResetCard;
        Ok(card.reconnect(ShareMode::Shared, Protocols::ANY, reset)?)
    }

    fn control(&mut self, code: u32, data: &[u8]) -> Result<Vec<u8>, Error> {
        let card = self.inner.as_ref().ok_or(Error::Removed)?;
        let mut room = [0; pcsc::MAX_BUFFER_SIZE];
        Ok(card.control(code.into(), data, &mut room)?.to_vec())
    }

    fn end(mut self: Box<Self>, disposition: Disposition) -> Result<(), Error> {
        let Some(transaction) = self.inner.take() else {
            return Ok(());
        };
        // The transaction that comes back with the error ends itself when it is dropped.
        transaction
            .end(disposition.into())
            .map_err(|(_, error)| error.into())
    }
}

impl Drop for PcscExchange<'_> {
    fn drop(&mut self) {
        if let Some(transaction) = self.inner.take() {
            // A panic or an early return: nobody knows what was verified.
            let _ = transaction.end(pcsc::Disposition::UnpowerCard);
        }
    }
}

/// Repeats what fails only because another program has just powered the card off.
pub(super) fn patiently<T>(
    mut attempt: impl FnMut() -> Result<T, pcsc::Error>,
) -> Result<T, pcsc::Error> {
    let started = Instant::now();
    loop {
        match attempt() {
            Err(pcsc::Error::UnpoweredCard) if started.elapsed() < UNPOWERED_PATIENCE => {
                thread::sleep(RETRY_PAUSE);
            }
            answer => return answer,
        }
    }
}

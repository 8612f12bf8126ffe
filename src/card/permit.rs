//! Whether commands may still be sent to the card of an insertion.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::pcsc;

/// Shared by a card and those who learn of its removal or of `C_Finalize` while a transaction waits.
#[derive(Debug, Clone, Default)]
pub struct Permit(Arc<AtomicU8>);

const GRANTED: u8 = 0;
const REMOVED: u8 = 1;
const CLOSED: u8 = 2;

impl Permit {
    /// The card was removed.
    pub(super) fn remove(&self) {
        // A module that is closed stays closed.
        let _ = self
            .0
            .compare_exchange(GRANTED, REMOVED, Ordering::AcqRel, Ordering::Acquire);
    }

    /// `C_Finalize` has begun.
    pub(super) fn close(&self) {
        self.0.store(CLOSED, Ordering::Release);
    }

    /// # Errors
    /// [`pcsc::Error::Removed`], [`pcsc::Error::Cancelled`].
    pub(super) fn check(&self) -> Result<(), pcsc::Error> {
        match self.0.load(Ordering::Acquire) {
            GRANTED => Ok(()),
            REMOVED => Err(pcsc::Error::Removed),
            _ => Err(pcsc::Error::Cancelled),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_module_stays_closed_whatever_is_removed() {
        let permit = Permit::default();
        let of_transaction = permit.clone();
        assert_eq!(of_transaction.check(), Ok(()));
        permit.remove();
        assert_eq!(of_transaction.check(), Err(pcsc::Error::Removed));
        permit.close();
        permit.remove();
        assert_eq!(of_transaction.check(), Err(pcsc::Error::Cancelled));
    }
}

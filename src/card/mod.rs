//! The JPKI card: transactions, files, PINs, certificates, the card in a reader and its insertion.
//! It may import `pcsc` and the leaves; it sees no PKCS#11 type and no PKCS#11 code.

mod apdu;
mod backoff;
pub mod certificate;
mod error;
pub mod files;
mod insertion;
mod jpki_card;
mod permit;
pub mod pin;
mod pin_pad;
mod read_file;
pub mod reader;
mod readers;
mod state;
mod transaction;
mod verify;

pub use error::Error;
pub use insertion::Insertion;
pub use jpki_card::{Access, CardInfo, JpkiCard, Shown};
pub use readers::Readers;
pub use state::{Closing, Fallback};

pub use crate::pcsc::{Cancel, Error as PcscError, InsertionId, ReaderState, Watch};

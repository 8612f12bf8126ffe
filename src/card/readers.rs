//! The readers of the system.

use std::sync::Arc;

use super::files::Role;
use super::reader::Reader;
use crate::pcsc::service::Pcsc;
use crate::pcsc::{Error, InsertionId, ReaderState, Transport, Watch};

/// The readers of the system.
pub struct Readers(Arc<dyn Transport>);

impl Readers {
    /// Readers of another kind: how tests put a simulated card below the code that is shipped.
    pub fn new(transport: Box<dyn Transport>) -> Readers {
        Readers(transport.into())
    }

    /// Those of the PC/SC service. Sends nothing to it yet.
    pub fn system() -> Readers {
        Readers(Arc::new(Pcsc::new()))
    }

    /// All readers and what is in them. Costs no APDU.
    ///
    /// # Errors
    /// As [`Transport::survey`].
    pub fn survey(&self) -> Result<Vec<ReaderState>, Error> {
        self.0.survey()
    }

    /// One reader; see [`Reader::new`].
    pub fn reader(&self, name: &str, roles: Vec<Role>, reported: Option<InsertionId>) -> Reader {
        Reader::new(name.to_owned(), Arc::clone(&self.0), roles, reported)
    }

    /// Something to wait for events with.
    ///
    /// # Errors
    /// As [`Transport::watch`].
    pub fn watch(&self) -> Result<Box<dyn Watch>, Error> {
        self.0.watch()
    }
}

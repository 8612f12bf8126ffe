//! The readers of the system.

use std::sync::Arc;
use std::time::Instant;

use super::files::Role;
use super::reader::Reader;
use crate::config::ExtendedReads;
use crate::pcsc::service::Pcsc;
use crate::pcsc::{Bounded, Error, InsertionId, ReaderState, Transport, Watch};

/// The readers of the system.
pub struct Readers(Arc<dyn Transport>);

impl Readers {
    /// Readers of another kind: how tests put a simulated card below the code that is shipped.
    pub fn new(transport: Box<dyn Transport>) -> Readers {
        Readers(transport.into())
    }

    /// Those of the PC/SC service. Sends nothing to it yet. `threads`: calls run on threads of ours, so
    /// that each has a time limit.
    pub fn system(threads: bool) -> Readers {
        match threads {
            true => Readers(Arc::new(Bounded::new(Pcsc::new()))),
            false => Readers(Arc::new(Pcsc::new())),
        }
    }

    /// All readers and what is in them. Costs no APDU.
    ///
    /// # Errors
    /// As [`Transport::survey`].
    pub fn survey(&self) -> Result<Vec<ReaderState>, Error> {
        self.0.survey()
    }

    /// One reader; see [`Reader::new`].
    pub fn reader(
        &self,
        name: &str,
        roles: Vec<Role>,
        extended_reads: ExtendedReads,
        reported: Option<InsertionId>,
    ) -> Reader {
        let transport = Arc::clone(&self.0);
        Reader::new(name.to_owned(), transport, roles, extended_reads, reported)
    }

    /// `C_Finalize` has begun: no wait goes on after this moment.
    pub fn close_by(&self, deadline: Instant) {
        self.0.close_by(deadline);
    }

    /// Something to wait for events with.
    ///
    /// # Errors
    /// As [`Transport::watch`].
    pub fn watch(&self) -> Result<Box<dyn Watch>, Error> {
        self.0.watch()
    }
}

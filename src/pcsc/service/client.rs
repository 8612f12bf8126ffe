//! The connection to pcscd itself.

use std::path::Path;

use parking_lot::Mutex;
use pcsc::{Context, Scope};

use super::super::Error;
use crate::platform::{NotInherited, has_no_descriptor_left, is_privileged, not_inherited};

/// Names the socket of pcscd in place of the usual one (docs/pcscd.md).
const SOCKET_VARIABLE: &str = "PCSCLITE_CSOCK_NAME";

/// The last part of the usual one's path.
const SOCKET_NAME: &str = "pcscd.comm";

/// Held while libpcsclite's list of contexts changes, and over `SCardDisconnect`, which walks through it
/// without libpcsclite's own lock and crashes when another thread changes it meanwhile (docs/pcscd.md).
pub(super) static CONTEXTS: Mutex<()> = Mutex::new(());

/// A connection to pcscd, released under [`CONTEXTS`].
pub(super) struct Client {
    /// `None` only while it is dropped.
    context: Option<Context>,
    /// With the socket, a forked child would keep a transaction that its parent's death has to end.
    not_inherited: Option<NotInherited>,
}

impl Client {
    pub(super) fn establish() -> Result<Client, Error> {
        let other = std::env::var_os(SOCKET_VARIABLE);
        if other.is_some() && is_privileged() {
            // libpcsclite would follow it: the caller could put a service of its own below a program with more rights.
            return Err(Error::NoService(format!("{SOCKET_VARIABLE} is set")));
        }
        let _alone = CONTEXTS.lock();
        let is_pcscd = |path: &Path| {
            path.ends_with(SOCKET_NAME) || other.as_deref().is_some_and(|it| path == it)
        };
        let (context, not_inherited) = not_inherited(|| Context::establish(Scope::User), is_pcscd);
        let context = context.map_err(|error| match has_no_descriptor_left() {
            true => Error::NoDescriptor,
            false => error.into(),
        })?;
        Ok(Client {
            context: Some(context),
            not_inherited,
        })
    }

    pub(super) fn context(&self) -> Result<&Context, pcsc::Error> {
        let open = self.context.as_ref().filter(|_| !self.was_closed());
        open.ok_or(pcsc::Error::InvalidHandle)
    }

    /// Has the host closed the socket? What stands under its number now is the host's own, and libpcsclite would write to
    /// it, or close it: it is not called any more for this context.
    pub(super) fn was_closed(&self) -> bool {
        self.not_inherited
            .as_ref()
            .is_some_and(|socket| !socket.is_open())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _alone = CONTEXTS.lock();
        let context = self.context.take();
        if self.was_closed() {
            std::mem::forget(context);
        }
    }
}

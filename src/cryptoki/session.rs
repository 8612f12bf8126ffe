//! A session and the operations under way in it.

use std::collections::VecDeque;
use std::sync::Arc;

use cryptoki_sys::*;
use parking_lot::Mutex;

use crate::card::Insertion;
use crate::card::certificate::Certificate;
use crate::cryptoki::mechanisms::{Hash, Hasher, Mechanism, Padding, SignInput};
use crate::cryptoki::rv::{Result, Rv};
use crate::cryptoki::slot::{ContextLogin, Slot};

/// An application's connection to a token.
pub(crate) struct Session {
    /// Where it was opened.
    pub(crate) slot: Arc<Slot>,
    /// The card that was there then. When that card goes, the session is dead for good.
    pub(crate) inserted: Arc<Insertion>,
    /// `CKF_RW_SESSION`.
    pub(crate) read_write: bool,
    /// Lock 3.
    pub(crate) operations: Mutex<Operations>,
}

/// One operation of each kind may be under way at the same time (PKCS#11 3.2, 5.7 ff.).
#[derive(Default)]
pub(crate) struct Operations {
    /// Handles that a search found and has not told yet.
    pub(crate) find: Option<VecDeque<CK_OBJECT_HANDLE>>,
    /// `C_SignInit`.
    pub(crate) sign: Option<Signing>,
    /// `C_VerifyInit` and `C_VerifySignatureInit`.
    pub(crate) verify: Option<Verifying>,
    /// `C_VerifyRecoverInit`.
    pub(crate) verify_recover: Option<rsa::PublicKey>,
    /// `C_DigestInit`.
    pub(crate) digest: Option<Digesting>,
    /// `C_MessageSignInit`.
    pub(crate) message_sign: Option<MessageSigning>,
    /// `C_MessageVerifyInit`.
    pub(crate) message_verify: Option<MessageVerifying>,
}

/// How the data of a signature or a hash come (PKCS#11 3.2, 5.12.2 and 5.13.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    /// Nothing has come yet.
    Open,
    /// In one part: its length was asked for. The final function would sign the empty message.
    OnePart,
    /// In several parts: the function for one part may not be called.
    InParts,
}

impl Course {
    /// Takes the operation away if it takes another course.
    ///
    /// # Errors
    /// `CKR_OPERATION_ACTIVE`.
    pub(crate) fn check<T>(self, forbidden: Course, place: &mut Option<T>) -> Result<()> {
        if self == forbidden {
            // A call that is not allowed here ends the operation, so that nothing incomplete is signed by mistake.
            *place = None;
            return Err(Rv::OperationActive.into());
        }
        Ok(())
    }
}

/// A signature of the token's key.
pub(crate) struct Signing {
    /// The key's certificate: the length of the signature, and its proof.
    pub(crate) certificate: Arc<Certificate>,
    /// The data so far.
    pub(crate) message: SignInput,
    /// How the data come.
    pub(crate) course: Course,
    /// `C_Login` was called for it (`CKU_CONTEXT_SPECIFIC`). However the operation ends, this ends
    /// with it.
    pub(crate) authenticated: Option<ContextLogin>,
}

/// A signature to be checked.
pub(crate) struct Verifying {
    /// With this key.
    pub(crate) key: rsa::PublicKey,
    /// The data so far.
    pub(crate) message: SignInput,
    /// Data have come in parts already.
    pub(crate) in_parts: bool,
    /// Given at the start (`C_VerifySignatureInit`), or `None`.
    pub(crate) signature: Option<Vec<u8>>,
}

/// A hash of the application's data.
#[derive(Clone)]
pub(crate) struct Digesting {
    /// Which one.
    pub(crate) hash: Hash,
    /// The data so far.
    pub(crate) hasher: Hasher,
    /// How the data come.
    pub(crate) course: Course,
}

/// Signatures over one message after the other with one key (PKCS#11 3.2, 5.14).
pub(crate) struct MessageSigning {
    /// The key's certificate.
    pub(crate) certificate: Arc<Certificate>,
    /// How it signs.
    pub(crate) padding: Padding,
    /// The message that was begun.
    pub(crate) message: Option<SignInput>,
    /// As in [`Signing`], for one message.
    pub(crate) authenticated: Option<ContextLogin>,
}

/// The same for checking (PKCS#11 3.2, 5.17).
pub(crate) struct MessageVerifying {
    /// With this key.
    pub(crate) key: rsa::PublicKey,
    /// How it was signed.
    pub(crate) padding: Padding,
    /// The message that was begun.
    pub(crate) message: Option<SignInput>,
}

impl Session {
    /// A fresh one, without operations.
    pub(crate) fn new(slot: Arc<Slot>, inserted: Arc<Insertion>, read_write: bool) -> Session {
        Session {
            slot,
            inserted,
            read_write,
            operations: Mutex::default(),
        }
    }

    /// What every `…Init` does with its mechanism: with none (NULL) it ends the operation under way; with
    /// one it puts the new operation in its place, if that is free.
    ///
    /// # Errors
    /// `CKR_OPERATION_ACTIVE`; `CKR_ARGUMENTS_BAD` when there is nothing to end; what `operation` says.
    pub(crate) fn init<T>(
        &self,
        mechanism: Option<Mechanism>,
        place: impl FnOnce(&mut Operations) -> &mut Option<T>,
        operation: impl FnOnce(&Mechanism) -> Result<T>,
    ) -> Result<()> {
        let mut operations = self.operations.lock();
        let place = place(&mut operations);
        match mechanism {
            None => cancel(place),
            Some(mechanism) => begin(place, || operation(&mechanism)),
        }
    }

    /// Is the user logged in to its token?
    pub(crate) fn is_logged_in(&self) -> bool {
        self.slot.is_logged_in(&self.inserted)
    }

    /// `CKS_…` (PKCS#11 3.2, 5.6).
    pub(crate) fn state(&self) -> CK_STATE {
        match (self.read_write, self.is_logged_in()) {
            (false, false) => CKS_RO_PUBLIC_SESSION,
            (false, true) => CKS_RO_USER_FUNCTIONS,
            (true, false) => CKS_RW_PUBLIC_SESSION,
            (true, true) => CKS_RW_USER_FUNCTIONS,
        }
    }
}

impl Operations {
    /// Ends the operations that the flags name (`C_SessionCancel`, PKCS#11 3.2, 5.6).
    pub(crate) fn cancel(&mut self, flags: CK_FLAGS) {
        let named = |flag| flags & flag != 0;
        if named(CKF_FIND_OBJECTS) {
            self.find = None;
        }
        if named(CKF_SIGN) {
            self.sign = None;
        }
        if named(CKF_VERIFY) {
            self.verify = None;
        }
        if named(CKF_VERIFY_RECOVER) {
            self.verify_recover = None;
        }
        if named(CKF_DIGEST) {
            self.digest = None;
        }
        if named(CKF_MESSAGE_SIGN) {
            self.message_sign = None;
        }
        if named(CKF_MESSAGE_VERIFY) {
            self.message_verify = None;
        }
    }

    /// Ends the message under way and not the process that it belongs to.
    pub(crate) fn abandon_message(&mut self, flags: CK_FLAGS) {
        if let (Some(signing), true) = (&mut self.message_sign, flags & CKF_MESSAGE_SIGN != 0) {
            signing.message = None;
        }
        if let (Some(verifying), true) = (&mut self.message_verify, flags & CKF_MESSAGE_VERIFY != 0)
        {
            verifying.message = None;
        }
    }

    /// Where the signature under way keeps what `C_Login` gave it.
    ///
    /// # Errors
    /// `CKR_OPERATION_NOT_INITIALIZED`.
    pub(crate) fn authenticated(&mut self) -> Result<&mut Option<ContextLogin>> {
        let signing = self.sign.as_mut().map(|signing| &mut signing.authenticated);
        let message = self.message_sign.as_mut();
        let place = signing.or(message.map(|signing| &mut signing.authenticated));
        Ok(place.ok_or(Rv::OperationNotInitialized)?)
    }

    /// Ends what only a logged-in user may go on with.
    pub(crate) fn end_private(&mut self) {
        self.find = None;
        self.sign = None;
        self.message_sign = None;
    }
}

/// Puts a new operation in its place, if the place is free.
///
/// # Errors
/// `CKR_OPERATION_ACTIVE`.
pub(crate) fn begin<T>(place: &mut Option<T>, operation: impl FnOnce() -> Result<T>) -> Result<()> {
    if place.is_some() {
        return Err(Rv::OperationActive.into());
    }
    *place = Some(operation()?);
    Ok(())
}

/// What an `Init` without a mechanism does: it ends the operation under way (PKCS#11 3.0). When there
/// is none, NULL is what it was in 2.40.
///
/// # Errors
/// `CKR_ARGUMENTS_BAD`.
fn cancel<T>(place: &mut Option<T>) -> Result<()> {
    place.take().map(|_| ()).ok_or(Rv::ArgumentsBad.into())
}

/// The operation under way.
///
/// # Errors
/// `CKR_OPERATION_NOT_INITIALIZED`.
pub(crate) fn under_way<T>(place: &mut Option<T>) -> Result<&mut T> {
    Ok(place.as_mut().ok_or(Rv::OperationNotInitialized)?)
}

/// Takes the operation out: whatever happens next, it is over.
///
/// # Errors
/// `CKR_OPERATION_NOT_INITIALIZED`.
pub(crate) fn take<T>(place: &mut Option<T>) -> Result<T> {
    Ok(place.take().ok_or(Rv::OperationNotInitialized)?)
}

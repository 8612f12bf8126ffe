//! Hashes (PKCS#11 3.2, 5.12), in software.

use cryptoki_sys::*;

use crate::cryptoki::mechanisms::Mechanism;
use crate::cryptoki::module::{Module, Object};
use crate::cryptoki::objects::token::TokenObject;
use crate::cryptoki::output_buffer::{Output, Room};
use crate::cryptoki::rv::{Result, Rv};
use crate::cryptoki::session::{Course, Digesting, take, under_way};

impl Module {
    /// `C_DigestInit`. `mechanism`: `None` ends what is under way.
    ///
    /// # Errors
    /// `CKR_OPERATION_ACTIVE`, `CKR_MECHANISM_INVALID`, `CKR_MECHANISM_PARAM_INVALID`.
    pub(crate) fn digest_init(
        &self,
        handle: CK_SESSION_HANDLE,
        mechanism: Option<Mechanism>,
    ) -> Result<()> {
        let session = self.session(handle)?;
        session.init(
            mechanism,
            |operations| &mut operations.digest,
            |mechanism| {
                let hash = session.slot.offer(&session.inserted).hash(mechanism)?;
                Ok(Digesting {
                    hash,
                    hasher: hash.start(),
                    course: Course::Open,
                })
            },
        )
    }

    /// `C_Digest`.
    ///
    /// # Errors
    /// `CKR_OPERATION_NOT_INITIALIZED`, `CKR_OPERATION_ACTIVE` after `C_DigestUpdate`.
    pub(crate) fn digest(
        &self,
        handle: CK_SESSION_HANDLE,
        data: &[u8],
        room: Room,
    ) -> Result<Output> {
        let session = self.session(handle)?;
        let mut operations = session.operations.lock();
        let course = under_way(&mut operations.digest)?.course;
        course.check(Course::InParts, &mut operations.digest)?;
        let digesting = under_way(&mut operations.digest)?;
        let length = digesting.hash.length();
        if !room.holds(length) {
            digesting.course = Course::OnePart;
            return Ok(Output::Length(length));
        }
        let mut digesting = take(&mut operations.digest)?;
        digesting.hasher.update(data);
        Ok(Output::Bytes(digesting.hasher.finish()))
    }

    /// `C_DigestUpdate`.
    ///
    /// # Errors
    /// `CKR_OPERATION_NOT_INITIALIZED`.
    pub(crate) fn digest_update(&self, handle: CK_SESSION_HANDLE, part: &[u8]) -> Result<()> {
        let session = self.session(handle)?;
        let mut operations = session.operations.lock();
        let digesting = under_way(&mut operations.digest)?;
        digesting.course = Course::InParts;
        digesting.hasher.update(part);
        Ok(())
    }

    /// `C_DigestKey`: the token has no secret keys.
    ///
    /// # Errors
    /// `CKR_OPERATION_NOT_INITIALIZED`, `CKR_KEY_HANDLE_INVALID`, `CKR_KEY_INDIGESTIBLE`.
    pub(crate) fn digest_key(
        &self,
        handle: CK_SESSION_HANDLE,
        key: CK_OBJECT_HANDLE,
    ) -> Result<()> {
        let session = self.session(handle)?;
        under_way(&mut session.operations.lock().digest)?;
        match self
            .object(&session, key)
            .map_err(|_| Rv::KeyHandleInvalid)?
        {
            Object::Token(TokenObject::PublicKey(_) | TokenObject::PrivateKey(_))
            | Object::Session(_) => Err(Rv::KeyIndigestible.into()),
            Object::Token(_) => Err(Rv::KeyHandleInvalid.into()),
        }
    }

    /// `C_DigestFinal`.
    ///
    /// # Errors
    /// `CKR_OPERATION_NOT_INITIALIZED`; `CKR_OPERATION_ACTIVE` after `C_Digest` without an update.
    pub(crate) fn digest_final(&self, handle: CK_SESSION_HANDLE, room: Room) -> Result<Output> {
        let session = self.session(handle)?;
        let mut operations = session.operations.lock();
        let course = under_way(&mut operations.digest)?.course;
        course.check(Course::OnePart, &mut operations.digest)?;
        let length = under_way(&mut operations.digest)?.hash.length();
        if !room.holds(length) {
            return Ok(Output::Length(length));
        }
        Ok(Output::Bytes(take(&mut operations.digest)?.hasher.finish()))
    }
}

//! Signatures (PKCS#11 3.2, 5.13 and 5.14). The hash is made here, the signature on the card.
//! A question for the length, or too small a buffer, touches no card and leaves the operation as it is.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use cryptoki_sys::*;

use crate::card::certificate::Certificate;
use crate::cryptoki::mechanisms::{Mechanism, SignInput};
use crate::cryptoki::module::{Module, Object};
use crate::cryptoki::objects::token::TokenObject;
use crate::cryptoki::output_buffer::{Output, Room};
use crate::cryptoki::rv::{Result, Rv};
use crate::cryptoki::session::{Course, MessageSigning, Session, Signing, begin, take, under_way};
use crate::cryptoki::slot::ContextLogin;

impl Module {
    /// `C_SignInit`. `mechanism`: `None` ends what is under way (PKCS#11 3.2, 5.13.1).
    ///
    /// # Errors
    /// `CKR_OPERATION_ACTIVE`, `CKR_MECHANISM_INVALID`, `CKR_MECHANISM_PARAM_INVALID`, `CKR_KEY_HANDLE_INVALID`,
    /// `CKR_KEY_FUNCTION_NOT_PERMITTED`, `CKR_USER_NOT_LOGGED_IN`.
    pub(crate) fn sign_init(
        &self,
        handle: CK_SESSION_HANDLE,
        mechanism: Option<Mechanism>,
        key: CK_OBJECT_HANDLE,
    ) -> Result<()> {
        let session = self.session(handle)?;
        session.init(
            mechanism,
            |operations| &mut operations.sign,
            |mechanism| {
                let padding = session.slot.offer(&session.inserted).padding(mechanism)?;
                let certificate = self.signing_key(&session, key)?;
                Ok(Signing {
                    message: SignInput::new(padding, certificate.signature_length()),
                    certificate,
                    course: Course::Open,
                    authenticated: None,
                })
            },
        )
    }

    /// The certificate of the token's private key, if the handle is that of the key.
    fn signing_key(&self, session: &Session, key: CK_OBJECT_HANDLE) -> Result<Arc<Certificate>> {
        if !session.is_logged_in() && self.is_private_key(key) {
            return Err(Rv::UserNotLoggedIn.into());
        }
        match self
            .object(session, key)
            .map_err(|_| Rv::KeyHandleInvalid)?
        {
            Object::Token(TokenObject::PrivateKey(role)) => {
                let certificate = session
                    .slot
                    .certificate(&session.inserted, role.certificate())?;
                // Without a certificate there is no key to sign with: a holder under 15 has neither.
                Ok(certificate.ok_or(Rv::KeyHandleInvalid)?)
            }
            Object::Token(TokenObject::PublicKey(_)) => Err(Rv::KeyFunctionNotPermitted.into()),
            Object::Session(object) if object.is_public_key() => {
                Err(Rv::KeyFunctionNotPermitted.into())
            }
            Object::Token(_) | Object::Session(_) => Err(Rv::KeyHandleInvalid.into()),
        }
    }

    fn is_private_key(&self, handle: CK_OBJECT_HANDLE) -> bool {
        let handles = self.token_objects.lock();
        handles
            .get(&handle)
            .is_some_and(|known| matches!(known.object, TokenObject::PrivateKey(_)))
    }

    /// `C_Sign`.
    ///
    /// # Errors
    /// `CKR_OPERATION_NOT_INITIALIZED`, `CKR_OPERATION_ACTIVE` after `C_SignUpdate`, `CKR_DATA_LEN_RANGE`,
    /// `CKR_USER_NOT_LOGGED_IN`, and what the card says.
    pub(crate) fn sign(
        &self,
        handle: CK_SESSION_HANDLE,
        data: &[u8],
        room: Room,
    ) -> Result<Output> {
        let session = self.session(handle)?;
        let mut operations = session.operations.lock();
        let course = under_way(&mut operations.sign)?.course;
        course.check(Course::InParts, &mut operations.sign)?;
        let signing = under_way(&mut operations.sign)?;
        let length = signing.certificate.signature_length();
        if !room.holds(length) {
            signing.course = Course::OnePart;
            return Ok(Output::Length(length));
        }
        let mut signing = take(&mut operations.sign)?;
        signing.message.update(data);
        finish_signing(&session, signing)
    }

    /// `C_SignUpdate`. Also for the mechanisms that the standard has in one part only: what comes is
    /// put together, up to what can be signed.
    ///
    /// # Errors
    /// `CKR_OPERATION_NOT_INITIALIZED`.
    pub(crate) fn sign_update(&self, handle: CK_SESSION_HANDLE, part: &[u8]) -> Result<()> {
        let session = self.session(handle)?;
        let mut operations = session.operations.lock();
        let signing = under_way(&mut operations.sign)?;
        signing.course = Course::InParts;
        signing.message.update(part);
        Ok(())
    }

    /// `C_SignFinal`.
    ///
    /// # Errors
    /// As [`Module::sign`]; `CKR_OPERATION_ACTIVE` after `C_Sign` without an update.
    pub(crate) fn sign_final(&self, handle: CK_SESSION_HANDLE, room: Room) -> Result<Output> {
        let session = self.session(handle)?;
        let mut operations = session.operations.lock();
        let course = under_way(&mut operations.sign)?.course;
        course.check(Course::OnePart, &mut operations.sign)?;
        let length = under_way(&mut operations.sign)?
            .certificate
            .signature_length();
        if !room.holds(length) {
            return Ok(Output::Length(length));
        }
        finish_signing(&session, take(&mut operations.sign)?)
    }

    /// `C_MessageSignInit`.
    ///
    /// # Errors
    /// As [`Module::sign_init`].
    pub(crate) fn message_sign_init(
        &self,
        handle: CK_SESSION_HANDLE,
        mechanism: Option<Mechanism>,
        key: CK_OBJECT_HANDLE,
    ) -> Result<()> {
        let session = self.session(handle)?;
        session.init(
            mechanism,
            |operations| &mut operations.message_sign,
            |mechanism| {
                let padding = session.slot.offer(&session.inserted).padding(mechanism)?;
                let certificate = self.signing_key(&session, key)?;
                Ok(MessageSigning {
                    certificate,
                    padding,
                    message: None,
                    authenticated: None,
                })
            },
        )
    }

    /// `C_SignMessage`. None of our mechanisms has a parameter for each message.
    ///
    /// # Errors
    /// As [`Module::sign`]; `CKR_MECHANISM_PARAM_INVALID`.
    pub(crate) fn sign_message(
        &self,
        handle: CK_SESSION_HANDLE,
        parameter: &[u8],
        data: &[u8],
        room: Room,
    ) -> Result<Output> {
        let session = self.session(handle)?;
        let mut operations = session.operations.lock();
        let signing = under_way(&mut operations.message_sign)?;
        no_parameter(parameter)?;
        if signing.message.is_some() {
            return Err(Rv::OperationActive.into());
        }
        let length = signing.certificate.signature_length();
        if !room.holds(length) {
            return Ok(Output::Length(length));
        }
        let mut message = SignInput::new(signing.padding, length);
        message.update(data);
        let authenticated = signing.authenticated.take();
        finish(&session, message, &signing.certificate, authenticated)
    }

    /// `C_SignMessageBegin`.
    ///
    /// # Errors
    /// `CKR_OPERATION_NOT_INITIALIZED`, `CKR_OPERATION_ACTIVE`, `CKR_MECHANISM_PARAM_INVALID`.
    pub(crate) fn sign_message_begin(
        &self,
        handle: CK_SESSION_HANDLE,
        parameter: &[u8],
    ) -> Result<()> {
        let session = self.session(handle)?;
        let mut operations = session.operations.lock();
        let signing = under_way(&mut operations.message_sign)?;
        no_parameter(parameter)?;
        let length = signing.certificate.signature_length();
        begin(&mut signing.message, || {
            Ok(SignInput::new(signing.padding, length))
        })
    }

    /// `C_SignMessageNext`. `room`: `None` when more parts follow. An error ends the message.
    ///
    /// # Errors
    /// As [`Module::sign_message`].
    pub(crate) fn sign_message_next(
        &self,
        handle: CK_SESSION_HANDLE,
        parameter: &[u8],
        part: &[u8],
        room: Option<Room>,
    ) -> Result<Option<Output>> {
        let session = self.session(handle)?;
        let mut operations = session.operations.lock();
        let signing = under_way(&mut operations.message_sign)?;
        no_parameter(parameter).inspect_err(|_| signing.message = None)?;
        let message = under_way(&mut signing.message)?;
        let Some(room) = room else {
            message.update(part);
            return Ok(None);
        };
        let length = signing.certificate.signature_length();
        if !room.holds(length) {
            return Ok(Some(Output::Length(length)));
        }
        let mut message = take(&mut signing.message)?;
        message.update(part);
        let authenticated = signing.authenticated.take();
        finish(&session, message, &signing.certificate, authenticated).map(Some)
    }

    /// `C_MessageSignFinal`.
    ///
    /// # Errors
    /// `CKR_OPERATION_NOT_INITIALIZED`, `CKR_OPERATION_ACTIVE` in the middle of a message.
    pub(crate) fn message_sign_final(&self, handle: CK_SESSION_HANDLE) -> Result<()> {
        let session = self.session(handle)?;
        let mut operations = session.operations.lock();
        if under_way(&mut operations.message_sign)?.message.is_some() {
            return Err(Rv::OperationActive.into());
        }
        operations.message_sign = None;
        Ok(())
    }

    /// `C_GenerateRandom`: one answer of the card's GET CHALLENGE, which may be less than was asked for.
    ///
    /// # Errors
    /// `CKR_SESSION_HANDLE_INVALID`, `CKR_RANDOM_NO_RNG`, and what the card says.
    pub(crate) fn random(&self, handle: CK_SESSION_HANDLE, length: usize) -> Result<Vec<u8>> {
        let session = self.session(handle)?;
        let answer = session
            .slot
            .reader
            .with_card(&session.inserted, |card| card.challenge(length));
        if answer == Err(crate::card::Error::NoChallenge) {
            session.inserted.no_challenge.store(true, Ordering::Relaxed);
        }
        Ok(answer?)
    }

    /// `C_SeedRandom`: the card keeps its own source.
    ///
    /// # Errors
    /// `CKR_RANDOM_SEED_NOT_SUPPORTED`, `CKR_RANDOM_NO_RNG`.
    pub(crate) fn seed_random(&self, handle: CK_SESSION_HANDLE, _seed: &[u8]) -> Result<()> {
        let session = self.session(handle)?;
        Err(
            match session.inserted.no_challenge.load(Ordering::Relaxed) {
                true => Rv::RandomNoRng,
                false => Rv::RandomSeedNotSupported,
            }
            .into(),
        )
    }
}

fn finish_signing(session: &Session, signing: Signing) -> Result<Output> {
    let Signing {
        certificate,
        message,
        authenticated,
        ..
    } = signing;
    finish(session, message, &certificate, authenticated)
}

fn finish(
    session: &Session,
    message: SignInput,
    certificate: &Certificate,
    authenticated: Option<ContextLogin>,
) -> Result<Output> {
    let (scheme, input) = message.finish()?;
    let signature = session.slot.sign(
        &session.inserted,
        scheme,
        &input,
        certificate,
        authenticated,
    )?;
    Ok(Output::Bytes(signature))
}

/// Our mechanisms have parameters for the key at most, none for each message.
pub(super) fn no_parameter(parameter: &[u8]) -> Result<()> {
    if !parameter.is_empty() {
        return Err(Rv::MechanismParamInvalid.into());
    }
    Ok(())
}

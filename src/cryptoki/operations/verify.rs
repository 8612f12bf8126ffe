//! Checking signatures in software (PKCS#11 3.2, 5.15 to 5.17): with the token's public keys and with those that an
//! application brought.

use cryptoki_sys::*;
use rsa::traits::PublicKeyParts;

use super::sign::no_parameter;
use crate::card;
use crate::card::certificate;
use crate::cryptoki::mechanisms::{Mechanism, Padding, SignInput};
use crate::cryptoki::module::{Module, Object};
use crate::cryptoki::objects::token::TokenObject;
use crate::cryptoki::output_buffer::{Output, Room};
use crate::cryptoki::rv::{Error, Result, Rv};
use crate::cryptoki::session::{MessageVerifying, Session, Verifying, begin, take, under_way};

impl Module {
    /// `C_VerifyInit`. `mechanism`: `None` ends what is under way.
    ///
    /// # Errors
    /// `CKR_OPERATION_ACTIVE`, `CKR_MECHANISM_INVALID`, `CKR_MECHANISM_PARAM_INVALID`, `CKR_KEY_HANDLE_INVALID`,
    /// `CKR_KEY_FUNCTION_NOT_PERMITTED`.
    pub(crate) fn verify_init(
        &self,
        handle: CK_SESSION_HANDLE,
        mechanism: Option<Mechanism>,
        key: CK_OBJECT_HANDLE,
    ) -> Result<()> {
        self.begin_verifying(handle, mechanism, key, None)
    }

    /// `C_VerifySignatureInit`: the signature comes first (PKCS#11 3.2, 5.16).
    ///
    /// # Errors
    /// As [`Module::verify_init`]; `CKR_SIGNATURE_LEN_RANGE`.
    pub(crate) fn verify_signature_init(
        &self,
        handle: CK_SESSION_HANDLE,
        mechanism: Option<Mechanism>,
        key: CK_OBJECT_HANDLE,
        signature: &[u8],
    ) -> Result<()> {
        self.begin_verifying(handle, mechanism, key, Some(signature))
    }

    fn begin_verifying(
        &self,
        handle: CK_SESSION_HANDLE,
        mechanism: Option<Mechanism>,
        key: CK_OBJECT_HANDLE,
        signature: Option<&[u8]>,
    ) -> Result<()> {
        let session = self.session(handle)?;
        session.init(
            mechanism,
            |operations| &mut operations.verify,
            |mechanism| {
                let padding = self.verifying_padding(&session, mechanism)?;
                let key = self.verifying_key(&session, key, CKA_VERIFY, mechanism.kind)?;
                if let Some(signature) = signature {
                    check_length(&key, signature)?;
                }
                let signature = signature.map(<[u8]>::to_vec);
                Ok(Verifying {
                    message: SignInput::new(padding, key.size()),
                    key,
                    in_parts: false,
                    signature,
                })
            },
        )
    }

    fn verifying_padding(&self, session: &Session, mechanism: &Mechanism) -> Result<Padding> {
        session.slot.offer(&session.inserted).padding(mechanism)
    }

    fn verifying_key(
        &self,
        session: &Session,
        key: CK_OBJECT_HANDLE,
        usage: CK_ATTRIBUTE_TYPE,
        mechanism: CK_MECHANISM_TYPE,
    ) -> Result<rsa::PublicKey> {
        match self
            .object(session, key)
            .map_err(|_| Rv::KeyHandleInvalid)?
        {
            Object::Token(TokenObject::PublicKey(role)) => {
                let certificate = session
                    .slot
                    .certificate(&session.inserted, role.certificate())?;
                Ok(certificate
                    .ok_or(Rv::KeyHandleInvalid)?
                    .public_key()
                    .clone())
            }
            Object::Token(TokenObject::PrivateKey(_)) => Err(Rv::KeyFunctionNotPermitted.into()),
            Object::Token(_) => Err(Rv::KeyHandleInvalid.into()),
            Object::Session(object) => object.verifying_key(usage, mechanism),
        }
    }

    /// `C_Verify`.
    ///
    /// # Errors
    /// `CKR_SIGNATURE_INVALID`, `CKR_SIGNATURE_LEN_RANGE`, `CKR_DATA_LEN_RANGE`, `CKR_OPERATION_NOT_INITIALIZED`.
    pub(crate) fn verify(
        &self,
        handle: CK_SESSION_HANDLE,
        data: &[u8],
        signature: &[u8],
    ) -> Result<()> {
        let session = self.session(handle)?;
        let mut operations = session.operations.lock();
        not_given_first(under_way(&mut operations.verify)?)?;
        let mut verifying = take(&mut operations.verify)?;
        not_in_parts(&verifying)?;
        verifying.message.update(data);
        check(&verifying.key, verifying.message, signature)
    }

    /// `C_VerifyUpdate`.
    ///
    /// # Errors
    /// `CKR_OPERATION_NOT_INITIALIZED`.
    pub(crate) fn verify_update(&self, handle: CK_SESSION_HANDLE, part: &[u8]) -> Result<()> {
        let session = self.session(handle)?;
        let mut operations = session.operations.lock();
        let verifying = under_way(&mut operations.verify)?;
        not_given_first(verifying)?;
        verifying.in_parts = true;
        verifying.message.update(part);
        Ok(())
    }

    /// `C_VerifyFinal`.
    ///
    /// # Errors
    /// As [`Module::verify`].
    pub(crate) fn verify_final(&self, handle: CK_SESSION_HANDLE, signature: &[u8]) -> Result<()> {
        let session = self.session(handle)?;
        let mut operations = session.operations.lock();
        not_given_first(under_way(&mut operations.verify)?)?;
        let verifying = take(&mut operations.verify)?;
        check(&verifying.key, verifying.message, signature)
    }

    /// `C_VerifySignature`.
    ///
    /// # Errors
    /// As [`Module::verify`].
    pub(crate) fn verify_signature(&self, handle: CK_SESSION_HANDLE, data: &[u8]) -> Result<()> {
        let session = self.session(handle)?;
        let mut operations = session.operations.lock();
        given_first(under_way(&mut operations.verify)?)?;
        let mut verifying = take(&mut operations.verify)?;
        not_in_parts(&verifying)?;
        verifying.message.update(data);
        check_given(verifying)
    }

    /// `C_VerifySignatureUpdate`.
    ///
    /// # Errors
    /// `CKR_OPERATION_NOT_INITIALIZED`.
    pub(crate) fn verify_signature_update(
        &self,
        handle: CK_SESSION_HANDLE,
        part: &[u8],
    ) -> Result<()> {
        let session = self.session(handle)?;
        let mut operations = session.operations.lock();
        let verifying = under_way(&mut operations.verify)?;
        given_first(verifying)?;
        verifying.in_parts = true;
        verifying.message.update(part);
        Ok(())
    }

    /// `C_VerifySignatureFinal`.
    ///
    /// # Errors
    /// As [`Module::verify`].
    pub(crate) fn verify_signature_final(&self, handle: CK_SESSION_HANDLE) -> Result<()> {
        let session = self.session(handle)?;
        let mut operations = session.operations.lock();
        given_first(under_way(&mut operations.verify)?)?;
        check_given(take(&mut operations.verify)?)
    }

    /// `C_VerifyRecoverInit`, for `CKM_RSA_PKCS` alone.
    ///
    /// # Errors
    /// As [`Module::verify_init`].
    pub(crate) fn verify_recover_init(
        &self,
        handle: CK_SESSION_HANDLE,
        mechanism: Option<Mechanism>,
        key: CK_OBJECT_HANDLE,
    ) -> Result<()> {
        let session = self.session(handle)?;
        session.init(
            mechanism,
            |operations| &mut operations.verify_recover,
            |mechanism| match self.verifying_padding(&session, mechanism)? {
                Padding::Pkcs1 => {
                    self.verifying_key(&session, key, CKA_VERIFY_RECOVER, mechanism.kind)
                }
                Padding::HashedPkcs1(_) | Padding::Pss | Padding::HashedPss => {
                    Err(Rv::MechanismInvalid.into())
                }
            },
        )
    }

    /// `C_VerifyRecover`: the data that were signed.
    ///
    /// # Errors
    /// `CKR_SIGNATURE_INVALID`, `CKR_SIGNATURE_LEN_RANGE`, `CKR_OPERATION_NOT_INITIALIZED`.
    pub(crate) fn verify_recover(
        &self,
        handle: CK_SESSION_HANDLE,
        signature: &[u8],
        room: Room,
    ) -> Result<Output> {
        let session = self.session(handle)?;
        let mut operations = session.operations.lock();
        let key = take(&mut operations.verify_recover)?;
        check_length(&key, signature)?;
        let data = certificate::recover(&key, signature).ok_or(Rv::SignatureInvalid)?;
        if !room.holds(data.len()) {
            operations.verify_recover = Some(key);
            return Ok(Output::Length(data.len()));
        }
        Ok(Output::Bytes(data))
    }

    /// `C_MessageVerifyInit`.
    ///
    /// # Errors
    /// As [`Module::verify_init`].
    pub(crate) fn message_verify_init(
        &self,
        handle: CK_SESSION_HANDLE,
        mechanism: Option<Mechanism>,
        key: CK_OBJECT_HANDLE,
    ) -> Result<()> {
        let session = self.session(handle)?;
        session.init(
            mechanism,
            |operations| &mut operations.message_verify,
            |mechanism| {
                let padding = self.verifying_padding(&session, mechanism)?;
                let key = self.verifying_key(&session, key, CKA_VERIFY, mechanism.kind)?;
                Ok(MessageVerifying {
                    key,
                    padding,
                    message: None,
                })
            },
        )
    }

    /// `C_VerifyMessage`.
    ///
    /// # Errors
    /// As [`Module::verify`]; `CKR_MECHANISM_PARAM_INVALID`.
    pub(crate) fn verify_message(
        &self,
        handle: CK_SESSION_HANDLE,
        parameter: &[u8],
        data: &[u8],
        signature: &[u8],
    ) -> Result<()> {
        let session = self.session(handle)?;
        let mut operations = session.operations.lock();
        let verifying = under_way(&mut operations.message_verify)?;
        no_parameter(parameter)?;
        if verifying.message.is_some() {
            return Err(Rv::OperationActive.into());
        }
        let mut message = SignInput::new(verifying.padding, verifying.key.size());
        message.update(data);
        check(&verifying.key, message, signature)
    }

    /// `C_VerifyMessageBegin`.
    ///
    /// # Errors
    /// `CKR_OPERATION_NOT_INITIALIZED`, `CKR_OPERATION_ACTIVE`, `CKR_MECHANISM_PARAM_INVALID`.
    pub(crate) fn verify_message_begin(
        &self,
        handle: CK_SESSION_HANDLE,
        parameter: &[u8],
    ) -> Result<()> {
        let session = self.session(handle)?;
        let mut operations = session.operations.lock();
        let verifying = under_way(&mut operations.message_verify)?;
        no_parameter(parameter)?;
        begin(&mut verifying.message, || {
            Ok(SignInput::new(verifying.padding, verifying.key.size()))
        })
    }

    /// `C_VerifyMessageNext`. `signature`: `None` when more parts follow. An error ends the message.
    ///
    /// # Errors
    /// As [`Module::verify_message`].
    pub(crate) fn verify_message_next(
        &self,
        handle: CK_SESSION_HANDLE,
        parameter: &[u8],
        part: &[u8],
        signature: Option<&[u8]>,
    ) -> Result<()> {
        let session = self.session(handle)?;
        let mut operations = session.operations.lock();
        let verifying = under_way(&mut operations.message_verify)?;
        no_parameter(parameter).inspect_err(|_| verifying.message = None)?;
        under_way(&mut verifying.message)?.update(part);
        match signature {
            None => Ok(()),
            Some(signature) => check(&verifying.key, take(&mut verifying.message)?, signature),
        }
    }

    /// `C_MessageVerifyFinal`.
    ///
    /// # Errors
    /// `CKR_OPERATION_NOT_INITIALIZED`, `CKR_OPERATION_ACTIVE` in the middle of a message.
    pub(crate) fn message_verify_final(&self, handle: CK_SESSION_HANDLE) -> Result<()> {
        let session = self.session(handle)?;
        let mut operations = session.operations.lock();
        if under_way(&mut operations.message_verify)?.message.is_some() {
            return Err(Rv::OperationActive.into());
        }
        operations.message_verify = None;
        Ok(())
    }
}

/// The two families of functions do not mix: `C_VerifyInit` is not followed by `C_VerifySignature`.
fn given_first(verifying: &Verifying) -> Result<()> {
    verifying
        .signature
        .is_some()
        .then_some(())
        .ok_or(Rv::OperationNotInitialized.into())
}

fn not_given_first(verifying: &Verifying) -> Result<()> {
    verifying
        .signature
        .is_none()
        .then_some(())
        .ok_or(Rv::OperationNotInitialized.into())
}

/// The functions in one part always end the operation (5.15.2), so it is taken before this is asked.
fn not_in_parts(verifying: &Verifying) -> Result<()> {
    (!verifying.in_parts)
        .then_some(())
        .ok_or(Rv::OperationActive.into())
}

fn check_given(verifying: Verifying) -> Result<()> {
    let signature = verifying.signature.unwrap_or_default();
    check(&verifying.key, verifying.message, &signature)
}

fn check(key: &rsa::PublicKey, message: SignInput, signature: &[u8]) -> Result<()> {
    check_length(key, signature)?;
    let (scheme, input) = message.finish()?;
    certificate::check(key, scheme, &input, signature).map_err(|error| match error {
        // A salt of another length is another signature than the one that was asked for.
        card::Error::SignatureWrong | card::Error::SchemeRefused => Rv::SignatureInvalid.into(),
        other => Error::Card(other),
    })
}

fn check_length(key: &rsa::PublicKey, signature: &[u8]) -> Result<()> {
    let right = signature.len() == key.size();
    right.then_some(()).ok_or(Rv::SignatureLenRange.into())
}

//! Message-based functions for signing and for verifying (PKCS#11 3.2, 5.14 and 5.16).

use std::ffi::c_void;

use cryptoki_sys::{CK_OBJECT_HANDLE, CK_SESSION_HANDLE, CKF_MESSAGE_SIGN, CKF_MESSAGE_VERIFY};

use super::input::{InBytes, InMechanism};
use super::output::{Buffer, OutBuf};
use super::process;

cryptoki! {
    /// Begins to sign messages with a key. NULL ends the operation.
    fn C_MessageSignInit(
        session: CK_SESSION_HANDLE, mechanism: InMechanism, key: CK_OBJECT_HANDLE,
    ) {
        process::module_of(session)?.message_sign_init(session, mechanism.get()?, key)
    }

    /// Signs a message in one part.
    fn C_SignMessage(
        session: CK_SESSION_HANDLE, (parameter, parameter_len): InBytes<c_void>,
        (data, data_len): InBytes, (signature, signature_len): OutBuf,
    ) {
        let module = process::module_of(session)?;
        let signature = signature.open()?;
        let room = signature.room();
        signature.give(module.sign_message(session, parameter.get()?, data.get()?, room)?)
    }

    /// Begins a message in parts.
    fn C_SignMessageBegin(
        session: CK_SESSION_HANDLE, (parameter, parameter_len): InBytes<c_void>,
    ) {
        process::module_of(session)?.sign_message_begin(session, parameter.get()?)
    }

    /// Adds a part; signs when `pulSignatureLen` is given. An error ends the message.
    fn C_SignMessageNext(
        session: CK_SESSION_HANDLE, (parameter, parameter_len): InBytes<c_void>,
        (part, part_len): InBytes, (signature, signature_len): OutBuf,
    ) {
        let module = process::module_of(session)?;
        let signature = signature.open_if_asked();
        let room = signature.as_ref().map(Buffer::room);
        let given = parameter.get().and_then(|parameter| Ok((parameter, part.get()?)));
        let (parameter, part) =
            given.inspect_err(|_| module.abandon_message(session, CKF_MESSAGE_SIGN))?;
        let output = module.sign_message_next(session, parameter, part, room)?;
        match (signature, output) {
            (Some(signature), Some(output)) => signature.give(output),
            _ => Ok(()),
        }
    }

    /// Ends the signing of messages. Within a message: `CKR_OPERATION_ACTIVE`.
    fn C_MessageSignFinal(session: CK_SESSION_HANDLE) {
        process::module()?.message_sign_final(session)
    }

    /// Begins to verify messages with a key. NULL ends the operation.
    fn C_MessageVerifyInit(
        session: CK_SESSION_HANDLE, mechanism: InMechanism, key: CK_OBJECT_HANDLE,
    ) {
        process::module_of(session)?.message_verify_init(session, mechanism.get()?, key)
    }

    /// Verifies the signature of a message in one part.
    fn C_VerifyMessage(
        session: CK_SESSION_HANDLE, (parameter, parameter_len): InBytes<c_void>,
        (data, data_len): InBytes, (signature, signature_len): InBytes,
    ) {
        let module = process::module_of(session)?;
        module.verify_message(session, parameter.get()?, data.get()?, signature.get()?)
    }

    /// Begins a message in parts.
    fn C_VerifyMessageBegin(
        session: CK_SESSION_HANDLE, (parameter, parameter_len): InBytes<c_void>,
    ) {
        process::module_of(session)?.verify_message_begin(session, parameter.get()?)
    }

    /// Adds a part; verifies when `pSignature` is given. An error ends the message.
    fn C_VerifyMessageNext(
        session: CK_SESSION_HANDLE, (parameter, parameter_len): InBytes<c_void>,
        (part, part_len): InBytes, (signature, signature_len): InBytes,
    ) {
        let module = process::module_of(session)?;
        let given = parameter.get().and_then(|parameter| {
            Ok((parameter, part.get()?, signature.unless_null()?))
        });
        let (parameter, part, signature) =
            given.inspect_err(|_| module.abandon_message(session, CKF_MESSAGE_VERIFY))?;
        module.verify_message_next(session, parameter, part, signature)
    }

    /// Ends the verification of messages. Within a message: `CKR_OPERATION_ACTIVE`.
    fn C_MessageVerifyFinal(session: CK_SESSION_HANDLE) {
        process::module()?.message_verify_final(session)
    }
}

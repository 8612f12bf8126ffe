//! Signing functions (PKCS#11 3.2, 5.13), but for those with recovery, which are in `unsupported`.

use cryptoki_sys::{CK_OBJECT_HANDLE, CK_SESSION_HANDLE};

use super::input::{InBytes, InMechanism};
use super::output::OutBuf;
use super::process;

cryptoki! {
    /// Begins a signature with the private key of the token. NULL ends the operation.
    fn C_SignInit(
        session: CK_SESSION_HANDLE, mechanism: InMechanism, key: CK_OBJECT_HANDLE,
    ) {
        process::module_of(session)?.sign_init(session, mechanism.get()?, key)
    }

    /// Signs data in one part, on the card. After C_SignUpdate: `CKR_OPERATION_ACTIVE`, and the operation ends.
    fn C_Sign(
        session: CK_SESSION_HANDLE, (data, data_len): InBytes, (signature, signature_len): OutBuf,
    ) ends CKF_SIGN of session {
        let module = process::module_of(session)?;
        let signature = signature.open()?;
        let room = signature.room();
        signature.give(module.sign(session, data.get()?, room)?)
    }

    /// Adds a part.
    fn C_SignUpdate(
        session: CK_SESSION_HANDLE, (part, part_len): InBytes,
    ) ends CKF_SIGN of session {
        process::module_of(session)?.sign_update(session, part.get()?)
    }

    /// Signs the data of the parts, on the card.
    fn C_SignFinal(
        session: CK_SESSION_HANDLE, (signature, signature_len): OutBuf,
    ) ends CKF_SIGN of session {
        let module = process::module_of(session)?;
        let signature = signature.open()?;
        let room = signature.room();
        signature.give(module.sign_final(session, room)?)
    }
}

//! Functions for verifying signatures (PKCS#11 3.2, 5.15).

use cryptoki_sys::{CK_OBJECT_HANDLE, CK_SESSION_HANDLE};

use super::input::{InBytes, InMechanism};
use super::output::OutBuf;
use super::process;

cryptoki! {
    /// Begins a verification with a public key of the token or of the session. NULL ends the operation.
    fn C_VerifyInit(
        session: CK_SESSION_HANDLE, mechanism: InMechanism, key: CK_OBJECT_HANDLE,
    ) {
        process::module_of(session)?.verify_init(session, mechanism.get()?, key)
    }

    /// Verifies a signature over data in one part, in software. After C_VerifyUpdate: `CKR_OPERATION_ACTIVE`, and the
    /// operation ends.
    fn C_Verify(
        session: CK_SESSION_HANDLE, (data, data_len): InBytes, (signature, signature_len): InBytes,
    ) ends CKF_VERIFY of session {
        process::module_of(session)?.verify(session, data.get()?, signature.get()?)
    }

    /// Adds a part.
    fn C_VerifyUpdate(
        session: CK_SESSION_HANDLE, (part, part_len): InBytes,
    ) ends CKF_VERIFY of session {
        process::module_of(session)?.verify_update(session, part.get()?)
    }

    /// Verifies a signature over the parts.
    fn C_VerifyFinal(
        session: CK_SESSION_HANDLE, (signature, signature_len): InBytes,
    ) ends CKF_VERIFY of session {
        process::module_of(session)?.verify_final(session, signature.get()?)
    }

    /// Begins a verification with recovery. NULL ends the operation.
    fn C_VerifyRecoverInit(
        session: CK_SESSION_HANDLE, mechanism: InMechanism, key: CK_OBJECT_HANDLE,
    ) {
        process::module_of(session)?.verify_recover_init(session, mechanism.get()?, key)
    }

    /// Verifies a signature (`CKM_RSA_PKCS`) and returns the data in it.
    fn C_VerifyRecover(
        session: CK_SESSION_HANDLE, (signature, signature_len): InBytes, (data, data_len): OutBuf,
    ) ends CKF_VERIFY_RECOVER of session {
        let module = process::module_of(session)?;
        let data = data.open()?;
        let room = data.room();
        data.give(module.verify_recover(session, signature.get()?, room)?)
    }

    /// Begins a verification whose signature is given first. NULL ends the operation.
    fn C_VerifySignatureInit(
        session: CK_SESSION_HANDLE, mechanism: InMechanism, key: CK_OBJECT_HANDLE,
        (signature, signature_len): InBytes,
    ) {
        let module = process::module_of(session)?;
        module.verify_signature_init(session, mechanism.get()?, key, signature.get()?)
    }

    /// Verifies the signature given at the start over data in one part.
    fn C_VerifySignature(
        session: CK_SESSION_HANDLE, (data, data_len): InBytes,
    ) ends CKF_VERIFY of session {
        process::module_of(session)?.verify_signature(session, data.get()?)
    }

    /// Adds a part.
    fn C_VerifySignatureUpdate(
        session: CK_SESSION_HANDLE, (part, part_len): InBytes,
    ) ends CKF_VERIFY of session {
        process::module_of(session)?.verify_signature_update(session, part.get()?)
    }

    /// Verifies the signature given at the start over the parts.
    fn C_VerifySignatureFinal(session: CK_SESSION_HANDLE) {
        process::module()?.verify_signature_final(session)
    }
}

//! Functions for verifying signatures (PKCS#11 3.2, 5.15). It may call the module floor. It never
//! decides when an operation is over, except that an argument error ends it.

use cryptoki_sys::{CK_OBJECT_HANDLE, CK_SESSION_HANDLE};

use super::input::{InBytes, InMechanism};
use super::output::OutBuf;
use super::process;

cryptoki! {
    /// Begins to verify.
    fn C_VerifyInit(
        session: CK_SESSION_HANDLE, mechanism: InMechanism, key: CK_OBJECT_HANDLE,
    ) {
        process::module_of(session)?.verify_init(session, mechanism.get()?, key)
    }

    /// Verifies all at once.
    fn C_Verify(
        session: CK_SESSION_HANDLE, (data, data_len): InBytes, (signature, signature_len): InBytes,
    ) ends CKF_VERIFY of session {
        process::module_of(session)?.verify(session, data.get()?, signature.get()?)
    }

    /// Takes a part.
    fn C_VerifyUpdate(
        session: CK_SESSION_HANDLE, (part, part_len): InBytes,
    ) ends CKF_VERIFY of session {
        process::module_of(session)?.verify_update(session, part.get()?)
    }

    /// Verifies the parts.
    fn C_VerifyFinal(
        session: CK_SESSION_HANDLE, (signature, signature_len): InBytes,
    ) ends CKF_VERIFY of session {
        process::module_of(session)?.verify_final(session, signature.get()?)
    }

    /// Begins to verify and to recover.
    fn C_VerifyRecoverInit(
        session: CK_SESSION_HANDLE, mechanism: InMechanism, key: CK_OBJECT_HANDLE,
    ) {
        process::module_of(session)?.verify_recover_init(session, mechanism.get()?, key)
    }

    /// Verifies, and gives the data that the signature holds.
    fn C_VerifyRecover(
        session: CK_SESSION_HANDLE, (signature, signature_len): InBytes, (data, data_len): OutBuf,
    ) ends CKF_VERIFY_RECOVER of session {
        let module = process::module_of(session)?;
        let data = data.open()?;
        let room = data.room();
        data.give(module.verify_recover(session, signature.get()?, room)?)
    }

    /// Begins to verify a signature that is given first.
    fn C_VerifySignatureInit(
        session: CK_SESSION_HANDLE, mechanism: InMechanism, key: CK_OBJECT_HANDLE,
        (signature, signature_len): InBytes,
    ) {
        let module = process::module_of(session)?;
        module.verify_signature_init(session, mechanism.get()?, key, signature.get()?)
    }

    /// Verifies it, all at once.
    fn C_VerifySignature(
        session: CK_SESSION_HANDLE, (data, data_len): InBytes,
    ) ends CKF_VERIFY of session {
        process::module_of(session)?.verify_signature(session, data.get()?)
    }

    /// Takes a part.
    fn C_VerifySignatureUpdate(
        session: CK_SESSION_HANDLE, (part, part_len): InBytes,
    ) ends CKF_VERIFY of session {
        process::module_of(session)?.verify_signature_update(session, part.get()?)
    }

    /// Verifies the parts.
    fn C_VerifySignatureFinal(session: CK_SESSION_HANDLE) {
        process::module()?.verify_signature_final(session)
    }
}

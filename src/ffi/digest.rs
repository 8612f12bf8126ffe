//! Message digesting functions (PKCS#11 3.2, 5.12).

use cryptoki_sys::{CK_OBJECT_HANDLE, CK_SESSION_HANDLE};

use super::input::{InBytes, InMechanism};
use super::output::OutBuf;
use super::process;

cryptoki! {
    /// Begins a hash: SHA-1, SHA-224, SHA-256, SHA-384, SHA-512. NULL ends the operation.
    fn C_DigestInit(session: CK_SESSION_HANDLE, mechanism: InMechanism) {
        process::module_of(session)?.digest_init(session, mechanism.get()?)
    }

    /// Hashes data in one part, in software. After C_DigestUpdate: `CKR_OPERATION_ACTIVE`, and the operation ends.
    fn C_Digest(
        session: CK_SESSION_HANDLE, (data, data_len): InBytes, (digest, digest_len): OutBuf,
    ) ends CKF_DIGEST of session {
        let module = process::module_of(session)?;
        let digest = digest.open()?;
        let room = digest.room();
        digest.give(module.digest(session, data.get()?, room)?)
    }

    /// Hashes a part.
    fn C_DigestUpdate(
        session: CK_SESSION_HANDLE, (part, part_len): InBytes,
    ) ends CKF_DIGEST of session {
        process::module_of(session)?.digest_update(session, part.get()?)
    }

    /// Hashes no key: `CKR_KEY_INDIGESTIBLE`.
    fn C_DigestKey(session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE) {
        process::module()?.digest_key(session, key)
    }

    /// Returns the hash of the parts.
    fn C_DigestFinal(
        session: CK_SESSION_HANDLE, (digest, digest_len): OutBuf,
    ) ends CKF_DIGEST of session {
        let module = process::module_of(session)?;
        let digest = digest.open()?;
        let room = digest.room();
        digest.give(module.digest_final(session, room)?)
    }
}

//! The operations of a session: hash, sign, verify (PKCS#11 3.2, 5.12 to 5.17).

pub(crate) mod digest;
pub(crate) mod sign;
pub(crate) mod verify;

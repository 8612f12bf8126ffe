//! jpki-pkcs11.

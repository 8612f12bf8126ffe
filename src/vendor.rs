//! Our own constants, the same as in `include/jpki_pkcs11.h`: one hardware-feature object per token.
//! Numbers only. A test compares them with the header.

use cryptoki_sys::{
    CK_ATTRIBUTE_TYPE, CK_HW_FEATURE_TYPE, CK_ULONG, CKA_VENDOR_DEFINED, CKH_VENDOR_DEFINED,
};

/// Which version this is, in a form that `jpki-doctor` finds in the module's file without loading it;
/// the log begins with it.
pub const VERSION_TEXT: &str = concat!("[jpki-pkcs11 ", env!("CARGO_PKG_VERSION"), "]");

/// "JPKI" without its high bits: the block of numbers that is ours among all vendors'.
const BLOCK: CK_ULONG = 0x4A50_0000;

/// `CKA_HW_FEATURE_TYPE` of the object that tells about the card.
pub const CKH_JPKI_CARD: CK_HW_FEATURE_TYPE = CKH_VENDOR_DEFINED | BLOCK | 1;

/// Tries left of the token's PIN, `CK_ULONG`; `CK_UNAVAILABLE_INFORMATION` if the card has not told.
pub const CKA_JPKI_PIN_TRIES_LEFT: CK_ATTRIBUTE_TYPE = CKA_VENDOR_DEFINED | BLOCK | 1;

/// Tries of a PIN that was right the last time, `CK_ULONG`.
pub const CKA_JPKI_PIN_TRIES_MAX: CK_ATTRIBUTE_TYPE = CKA_VENDOR_DEFINED | BLOCK | 2;

/// Last day of the holder's certificate, `CK_DATE`, UTC; empty while the certificate cannot be read.
pub const CKA_JPKI_CERTIFICATE_END_DATE: CK_ATTRIBUTE_TYPE = CKA_VENDOR_DEFINED | BLOCK | 3;

/// One of the four kinds below, `CK_ULONG`.
pub const CKA_JPKI_CARD_KIND: CK_ATTRIBUTE_TYPE = CKA_VENDOR_DEFINED | BLOCK | 4;

/// The plastic My Number card.
pub const JPKI_CARD_PLASTIC: CK_ULONG = 1;
/// An Android phone.
pub const JPKI_CARD_ANDROID: CK_ULONG = 2;
/// An iPhone.
pub const JPKI_CARD_IPHONE: CK_ULONG = 3;
/// The old 住基カード.
pub const JPKI_CARD_JUKI: CK_ULONG = 4;

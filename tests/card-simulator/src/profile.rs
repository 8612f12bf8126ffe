//! Which card it is, and which way it decides what nobody published. Plain data. Knows no APDUs.

mod atr;
mod options;

pub use atr::{ATRS, Atr};
pub use options::UnknownOption;

use crate::pki::{Generation, Validity};

/// A kind of card with all its switches. Take one of the constructors and change fields:
///
/// ```
/// use jpki_card_simulator::Profile;
/// let old = Profile { raw_scheme_only: true, ..Profile::plastic() };
/// let same = Profile::parse("plastic,raw-scheme-only").unwrap();
/// assert_eq!(old, same);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// What answers at all.
    pub family: Family,
    /// What the card says when it is powered (section 1.1).
    pub atr: Atr,
    /// Label in EF 0006 (section 7).
    pub label: String,
    /// Model in EF 0006 (section 2.1).
    pub model: String,
    /// Length of the FCI that SELECT of JPKI gives with P2=00, in bytes (section 3.1, unknown); 0: such a SELECT is refused with 6A86.
    pub fci: u8,
    /// Whether the resident-registry and face-information applications of the plastic card are there (section 1.2, 7).
    pub other_applications: bool,
    /// Whether the Issuer Security Domain can be selected by name. If not, only a loss of power logs out.
    pub selectable_security_domain: bool,
    /// Whether READ BINARY takes an extended Le (section 1); if not, it answers 6700.
    pub extended_reads: bool,
    /// Whether GET CHALLENGE is there; if not, it answers 6D00.
    pub challenge: bool,
    /// Whether EF 000A needs the auth PIN (Android, section 7).
    pub gated_auth_certificate: bool,
    /// Whether `80 FC 00 00` ends the use with 9000 (iPhone, section 3.6); other cards answer 6700.
    pub end_marker: bool,

    /// Which of the three CA generations issued the certificates (section 6.4).
    pub generation: Generation,
    /// Whether there is a signing certificate and key (not for holders under 15, section 2).
    pub sign_certificate: bool,
    /// From when until when the certificates are good.
    pub validity: Validity,

    /// The PIN of the authentication key.
    pub auth_pin: String,
    /// The password of the signing key.
    pub sign_password: String,
    /// Tries left for the auth PIN when the card is made; 0 is locked, 3 is full.
    pub auth_tries: u8,
    /// Tries left for the sign password when the card is made; 0 is locked, 5 is full.
    pub sign_tries: u8,

    /// The query of the tries is answered in five bytes too; otherwise those are 6700 (section 3.3, one source).
    pub five_byte_query: bool,
    /// VERIFY on a locked PIN answers 6983 and not 6984 (section 13).
    pub locked_is_6983: bool,
    /// What the query of the tries answers on a locked PIN (section 13).
    pub locked_query: LockedQuery,
    /// The query of the tries answers 9000 while verified (section 3.3).
    pub query_tells_verified: bool,
    /// A failed VERIFY takes back an earlier success on the same PIN (section 5, unknown).
    pub failed_verify_clears: bool,
    /// A warm reset forgets everything like a loss of power; otherwise it changes nothing, as measured by one author (section 5).
    pub warm_reset_clears: bool,
    /// SELECT of another application keeps what was verified; one source says that it takes it away (section 3.1).
    pub leaving_keeps: bool,
    /// The first command after power-up answers 6F00 (section 1).
    pub first_command_fails: bool,

    /// 80 2A knows P1=00 only (section 12, "old card").
    pub raw_scheme_only: bool,
    /// Length of the PSS salt; 32 is what the sources imply (section 3.5).
    pub pss_salt: u8,
    /// 80 2A answers a wrong length of input with 6700 and not 6985 (section 3.5, not told apart by the source).
    pub sign_length_is_6700: bool,
    /// The keys make signatures that do not verify.
    pub wrong_signatures: bool,

    /// Short EF identifiers in READ BINARY, VERIFY and 80 2A are understood; otherwise 6A86.
    pub short_identifiers: bool,
    /// READ BINARY gives at most this many bytes, with 9000 although there are more (a reader with a small buffer).
    pub read_cap: u16,
    /// READ BINARY refuses a greater Le with 6700.
    pub read_refuses_above: u16,
    /// A READ BINARY that meets the end of the file answers 6282 and not 9000.
    pub warns_at_end: bool,
    /// Is READ BINARY refused that asks for more than is left of the file?
    pub refuses_crossing: bool,
    /// What follows the holder's certificates in their EFs (section 2.2, unknown).
    pub filler: Filler,
    /// What follows the certificates of the authorities.
    pub authority_filler: Filler,
    /// What an EF without certificate looks like.
    pub absent_certificate: Absent,
    /// Whether EF 0006 is there.
    pub token_information: bool,
    /// Whether EF 0008 is there.
    pub presence_file: bool,

    /// How data comes back (section 12, point 12).
    pub answers: Answers,
    /// CHANGE REFERENCE DATA refuses a value of the wrong form with 6A80 (section 3.4; the status word is a guess).
    pub change_checks_form: bool,
    /// CHANGE REFERENCE DATA takes back the verification it needed (section 5, unknown).
    pub change_clears: bool,
}

/// What answers at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// A card with the JPKI application.
    Jpki,
    /// A smart card without it: 6A82 to its name.
    Foreign,
    /// A security key that answers 6D00 to everything but its own SELECT.
    Fido,
}

/// What the query of the tries answers on a locked PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockedQuery {
    /// `63C0`, measured on another application of the card.
    NoTries,
    /// `6984`.
    Locked,
    /// `6983`.
    Blocked,
}

/// What follows the certificates in their EFs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filler {
    /// The EF ends where the certificate ends.
    None,
    /// The EF is `size` bytes long and filled up with `value`.
    To {
        /// The physical size of the EF; a longer certificate is not cut.
        size: u16,
        /// The filler byte.
        value: u8,
    },
}

/// What an EF without certificate looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// There is no such EF: 6A82.
    NoFile,
    /// The EF is there and holds 0 bytes.
    Empty,
    /// The EF is there and holds filler only.
    Blank,
}

/// How data comes back from the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// In the answer to the command, as everybody reports.
    Whole,
    /// Every answer with data is `61xx` and fetched with GET RESPONSE.
    GetResponse,
    /// A command without data whose Le is not the exact length is answered `6Cxx` and not executed.
    ExactLength,
    /// As a T=0 bridge does it: `61xx` when the command had data, `6Cxx` when it had none.
    T0,
}

impl Profile {
    /// The plastic My Number card.
    pub fn plastic() -> Self {
        Self {
            family: Family::Jpki,
            atr: Atr::CONTACT,
            label: "JPKIAPICCTOKEN2".into(),
            model: "SIMULATE".into(),
            fci: 14,
            other_applications: true,
            selectable_security_domain: true,
            challenge: true,
            extended_reads: true,
            gated_auth_certificate: false,
            end_marker: false,
            generation: Generation::Third,
            sign_certificate: true,
            validity: Validity::Current,
            auth_pin: "1234".into(),
            sign_password: "ABC123".into(),
            auth_tries: 3,
            sign_tries: 5,
            five_byte_query: false,
            locked_is_6983: false,
            locked_query: LockedQuery::NoTries,
            query_tells_verified: false,
            failed_verify_clears: false,
            warm_reset_clears: false,
            leaving_keeps: false,
            first_command_fails: false,
            raw_scheme_only: false,
            pss_salt: 32,
            sign_length_is_6700: false,
            wrong_signatures: false,
            short_identifiers: true,
            read_cap: 256,
            read_refuses_above: 256,
            warns_at_end: false,
            refuses_crossing: false,
            filler: Filler::None,
            authority_filler: Filler::None,
            absent_certificate: Absent::NoFile,
            token_information: true,
            presence_file: true,
            answers: Answers::Whole,
            change_checks_form: true,
            change_clears: false,
        }
    }

    /// An Android phone (section 7): the auth certificate needs the PIN, there is no other application.
    pub fn android() -> Self {
        Self {
            label: "JPKIAPGPSETOKEN".into(),
            gated_auth_certificate: true,
            ..Self::phone()
        }
    }

    /// An iPhone (section 7): as the plastic card for JPKI, with the end marker.
    pub fn iphone() -> Self {
        Self {
            label: "JPKIAPIOSTOKEN".into(),
            end_marker: true,
            ..Self::phone()
        }
    }

    /// The old resident-registry card (section 7).
    pub fn juki() -> Self {
        Self {
            label: "JPKIAPICCTOKEN".into(),
            generation: Generation::First,
            ..Self::plastic()
        }
    }

    /// A card of a holder under 15: no signing certificate, sign password locked.
    pub fn child() -> Self {
        Self {
            sign_certificate: false,
            sign_tries: 0,
            ..Self::plastic()
        }
    }

    /// A card issued without PINs (顔認証マイナンバーカード): both are locked from the start.
    pub fn pinless() -> Self {
        Self {
            auth_tries: 0,
            sign_tries: 0,
            ..Self::plastic()
        }
    }

    /// A card whose certificates are over.
    pub fn expired() -> Self {
        Self {
            validity: Validity::Expired,
            ..Self::plastic()
        }
    }

    /// A smart card of somebody else.
    pub fn foreign() -> Self {
        Self {
            family: Family::Foreign,
            atr: Atr::FOREIGN,
            label: String::new(),
            ..Self::plastic()
        }
    }

    /// A security key.
    pub fn fido() -> Self {
        Self {
            family: Family::Fido,
            atr: Atr::FIDO,
            label: String::new(),
            ..Self::plastic()
        }
    }

    fn phone() -> Self {
        Self {
            // Nobody published the ATR of a phone: this is one of a contactless plastic card.
            atr: Atr::CONTACTLESS,
            other_applications: false,
            ..Self::plastic()
        }
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::plastic()
    }
}

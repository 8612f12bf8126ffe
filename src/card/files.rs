//! Everything that is a fact about the card: names, identifiers, sizes, numbers, each with its source.
//! Constants and small enums only. Nothing here talks to a card.

use crate::card::pin::Shape;

/// AID of 公的個人認証AP, the JPKI application (docs/card.md, 1.2: confirmed).
pub const JPKI_AID: [u8; 10] = [0xD3, 0x92, 0xF0, 0x00, 0x26, 0x01, 0x00, 0x00, 0x00, 0x01];

/// AID of the Issuer Security Domain. To select it is to leave the JPKI application, and that clears
/// both PINs' verified state (docs/card.md, 3.1: tested on a card by one author).
pub const ISSUER_SECURITY_DOMAIN_AID: [u8; 7] = [0xA0, 0x00, 0x00, 0x01, 0x51, 0x00, 0x00];

/// The most that one READ BINARY gives (docs/card.md, 3.2).
pub const READ_LENGTH: usize = 256;

/// Bytes that hold most certificates, with little filler: those measured have 1574 to 1758 (docs/card.md, 2.2).
pub(super) const USUAL_CERTIFICATE_LENGTH: usize = 1792;

/// The most that a certificate can be. Known ones have 1301 to 1758 bytes (docs/card.md, 2.2); a header
/// that claims more than this is nonsense.
pub const MAX_CERTIFICATE_LENGTH: usize = 4096;

/// Scheme [`Scheme::Pkcs1`] takes so many bytes less than the modulus has (docs/card.md, 3.5: 245 of 256).
pub const PKCS1_OVERHEAD: usize = 11;

/// Input of scheme [`Scheme::Pss`]: a SHA-256 value, in bytes (docs/card.md, 3.5).
pub const PSS_INPUT: usize = 32;

/// Salt of scheme [`Scheme::Pss`], in bytes (docs/card.md, 3.5: inferred from a verifier that insists on it).
pub const PSS_SALT: usize = 32;

/// GET CHALLENGE gives 1 to so many bytes (docs/card.md, 3.6).
pub const MAX_CHALLENGE: usize = 256;

/// What the two keys, PINs and certificates of the card are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// 利用者証明用: to log in somewhere.
    Authentication,
    /// 署名用: to sign something, with name and address.
    Signature,
}

impl Role {
    /// Both, in the order of the slots.
    pub const ALL: [Role; 2] = [Role::Authentication, Role::Signature];

    /// What its PIN looks like (docs/card.md, section 5).
    pub const fn pin_shape(self) -> Shape {
        match self {
            Role::Authentication => Shape::FourDigits,
            Role::Signature => Shape::Password,
        }
    }

    /// Tries of a PIN that was right the last time (docs/card.md, section 5).
    pub const fn max_tries(self) -> u8 {
        match self {
            Role::Authentication => 3,
            Role::Signature => 5,
        }
    }

    /// EF of the PIN (docs/card.md, section 2).
    pub const fn pin(self) -> FileId {
        match self {
            Role::Authentication => FileId(0x18),
            Role::Signature => FileId(0x1B),
        }
    }

    /// EF of the private key (docs/card.md, section 2).
    pub const fn key(self) -> FileId {
        match self {
            Role::Authentication => FileId(0x17),
            Role::Signature => FileId(0x1A),
        }
    }

    /// The holder's certificate.
    pub const fn certificate(self) -> CertificateFile {
        match self {
            Role::Authentication => CertificateFile::Authentication,
            Role::Signature => CertificateFile::Signature,
        }
    }
}

/// An elementary file. All of them have identifiers from 0001 to 001E, each of which is its short
/// identifier too (docs/card.md, section 2: measured by one author).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileId(u8);

impl FileId {
    /// トークン情報: label, manufacturer, model, serial number (docs/card.md, 2.1).
    pub const TOKEN_INFORMATION: FileId = FileId(0x06);

    /// As SELECT wants it, two bytes.
    pub const fn long(self) -> [u8; 2] {
        [0, self.0]
    }

    /// As P1 of READ BINARY and P2 of VERIFY, CHANGE REFERENCE DATA and COMPUTE DIGITAL SIGNATURE
    /// want it: bit 8, then five bits.
    pub const fn short(self) -> u8 {
        0x80 | self.0
    }
}

/// The four certificate files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CertificateFile {
    /// 利用者証明用証明書.
    Authentication,
    /// 署名用証明書: name, address, birth date and sex of the holder. Needs the password.
    Signature,
    /// 利用者証明用CA証明書.
    AuthenticationAuthority,
    /// 署名用CA証明書.
    SignatureAuthority,
}

impl CertificateFile {
    /// All four.
    pub const ALL: [CertificateFile; 4] = [
        CertificateFile::Authentication,
        CertificateFile::Signature,
        CertificateFile::AuthenticationAuthority,
        CertificateFile::SignatureAuthority,
    ];

    /// Its EF (docs/card.md, section 2: confirmed).
    pub const fn id(self) -> FileId {
        match self {
            CertificateFile::Signature => FileId(0x01),
            CertificateFile::SignatureAuthority => FileId(0x02),
            CertificateFile::Authentication => FileId(0x0A),
            CertificateFile::AuthenticationAuthority => FileId(0x0B),
        }
    }

    /// The certificate of the authority that signed it; of a root, which signed itself, `None`.
    pub const fn authority(self) -> Option<CertificateFile> {
        match self {
            CertificateFile::Authentication => Some(CertificateFile::AuthenticationAuthority),
            CertificateFile::Signature => Some(CertificateFile::SignatureAuthority),
            CertificateFile::AuthenticationAuthority | CertificateFile::SignatureAuthority => None,
        }
    }

    /// Whose PIN opens it on a card that locks it.
    pub const fn role(self) -> Role {
        match self {
            CertificateFile::Authentication | CertificateFile::AuthenticationAuthority => {
                Role::Authentication
            }
            CertificateFile::Signature | CertificateFile::SignatureAuthority => Role::Signature,
        }
    }
}

/// How the card pads what it signs: P1 of COMPUTE DIGITAL SIGNATURE (docs/card.md, 3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// PKCS#1 v1.5, block type 1, over the caller's bytes as they are.
    Pkcs1,
    /// RSASSA-PSS over the caller's SHA-256 value, MGF1 with SHA-256, random salt of 32 bytes.
    Pss,
}

impl Scheme {
    /// P1.
    pub const fn p1(self) -> u8 {
        match self {
            Scheme::Pkcs1 => 0x00,
            Scheme::Pss => 0x04,
        }
    }
}

/// What kind of thing speaks JPKI in the reader, told by the label in EF 0006 (docs/card.md, section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The plastic My Number card, `JPKIAPICCTOKEN2`, and whatever has no label that we know.
    Plastic,
    /// An Android phone, `JPKIAPGPSETOKEN`.
    Android,
    /// An iPhone, `JPKIAPIOSTOKEN`.
    Iphone,
    /// The old 住基カード, `JPKIAPICCTOKEN`.
    Juki,
}

impl Kind {
    /// From the label of EF 0006, without its padding.
    pub fn from_label(label: &str) -> Kind {
        match label {
            "JPKIAPGPSETOKEN" => Kind::Android,
            "JPKIAPIOSTOKEN" => Kind::Iphone,
            "JPKIAPICCTOKEN" => Kind::Juki,
            _ => Kind::Plastic,
        }
    }
}

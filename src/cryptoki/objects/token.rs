//! The objects of a token: what is on the card, as attributes of PKCS#11 3.2 (section 4).
//! What needs no certificate is answered without one, so that a search reads nothing for nothing.

use cryptoki_sys::*;
use rsa::traits::PublicKeyParts;
use sha1::Sha1;
use sha2::Digest;

use super::AttributeAnswer as Answer;
use crate::card::certificate::Certificate;
use crate::card::files::{CertificateFile, Kind, Role};
use crate::cryptoki::mechanisms::{MechanismSet, Use};
use crate::vendor;

/// One object of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenObject {
    /// One of the four certificates.
    Certificate(CertificateFile),
    /// The public key of the holder's certificate.
    PublicKey(Role),
    /// The key on the card.
    PrivateKey(Role),
    /// A profile that the token keeps to.
    Profile(CK_PROFILE_ID),
    /// Tries left, end of validity, kind of card: only for those who ask for `CKO_HW_FEATURE`.
    CardInformation,
}

/// Everything that an attribute can depend on besides a certificate.
#[derive(Debug, Clone)]
pub(crate) struct TokenContext {
    /// The token.
    pub(crate) role: Role,
    /// The token's serial number, 16 characters.
    pub(crate) serial: String,
    /// Card or phone.
    pub(crate) kind: Kind,
    /// The holder's certificate can be read without the PIN.
    pub(crate) public_certificate: bool,
    /// The private key wants a login for each use.
    pub(crate) always_authenticate: bool,
    /// What the token signs with.
    pub(crate) offer: MechanismSet,
    /// Tries left of the token's PIN, if known.
    pub(crate) tries: Option<u8>,
    /// End of the holder's certificate, if it was read.
    pub(crate) end_date: Option<der::DateTime>,
}

/// The objects of a token in the order in which they are found. Not all of them are visible, or
/// there, on every card.
pub(crate) fn objects_of(
    role: Role,
    public_certificate: bool,
    authorities: bool,
) -> Vec<TokenObject> {
    use TokenObject as T;
    let mut objects = vec![T::Certificate(role.certificate())];
    if authorities {
        // OpenSC shows both authorities on the authentication token, so scripts look for 04 there. The
        // signature token has its own too, for programs that build the chain on one token (Java).
        // They follow the holder's certificate because the OASIS test case of a public certificates
        // token asks the second object that it finds for a certificate's value.
        match role {
            Role::Authentication => objects.extend([
                T::Certificate(CertificateFile::AuthenticationAuthority),
                T::Certificate(CertificateFile::SignatureAuthority),
            ]),
            Role::Signature => objects.push(T::Certificate(CertificateFile::SignatureAuthority)),
        }
    }
    objects.extend([T::PublicKey(role), T::PrivateKey(role)]);
    objects.extend(
        [
            CKP_BASELINE_PROVIDER,
            CKP_EXTENDED_PROVIDER,
            CKP_AUTHENTICATION_TOKEN,
        ]
        .map(T::Profile),
    );
    if role == Role::Authentication && public_certificate {
        // Not on the signature token, and not on a phone that hides its certificate: it would be
        // false, and NSS never looks again for the objects of such a token after a login.
        objects.push(T::Profile(CKP_PUBLIC_CERTIFICATES_TOKEN));
    }
    objects.push(T::CardInformation);
    objects
}

impl TokenObject {
    /// The certificate file that this object is made from.
    pub(crate) fn file(self) -> Option<CertificateFile> {
        match self {
            TokenObject::Certificate(file) => Some(file),
            TokenObject::PublicKey(role) | TokenObject::PrivateKey(role) => {
                Some(role.certificate())
            }
            TokenObject::Profile(_) | TokenObject::CardInformation => None,
        }
    }

    /// Does only a logged-in user see it?
    pub(crate) fn is_private(self, context: &TokenContext) -> bool {
        match self {
            TokenObject::PrivateKey(_) => true,
            TokenObject::PublicKey(Role::Authentication)
            | TokenObject::Certificate(CertificateFile::Authentication) => {
                !context.public_certificate
            }
            TokenObject::PublicKey(Role::Signature)
            | TokenObject::Certificate(CertificateFile::Signature) => true,
            TokenObject::Certificate(_)
            | TokenObject::Profile(_)
            | TokenObject::CardInformation => false,
        }
    }

    /// `CKO_…`.
    pub(crate) fn class(self) -> CK_OBJECT_CLASS {
        match self {
            TokenObject::Certificate(_) => CKO_CERTIFICATE,
            TokenObject::PublicKey(_) => CKO_PUBLIC_KEY,
            TokenObject::PrivateKey(_) => CKO_PRIVATE_KEY,
            TokenObject::Profile(_) => CKO_PROFILE,
            TokenObject::CardInformation => CKO_HW_FEATURE,
        }
    }

    /// An attribute that needs no certificate; `None`: only the certificate can tell.
    pub(crate) fn attribute(
        self,
        kind: CK_ATTRIBUTE_TYPE,
        context: &TokenContext,
    ) -> Option<Answer> {
        if kind == CKA_CLASS {
            return Some(Answer::number(self.class()));
        }
        if kind == CKA_UNIQUE_ID {
            return Some(Answer::bytes(self.unique_id(&context.serial)));
        }
        if self == TokenObject::CardInformation {
            return Some(card_information(kind, context));
        }
        // The attributes of every storage object (PKCS#11 3.2, 4.4).
        let common = match kind {
            CKA_TOKEN => Answer::boolean(true),
            CKA_PRIVATE => Answer::boolean(self.is_private(context)),
            CKA_MODIFIABLE | CKA_DESTROYABLE => Answer::boolean(false),
            CKA_COPYABLE => Answer::boolean(matches!(
                self,
                TokenObject::Certificate(_) | TokenObject::PublicKey(_)
            )),
            CKA_LABEL => Answer::bytes(self.label()),
            _ => {
                return match self {
                    TokenObject::Certificate(file) => certificate_constant(file, kind),
                    TokenObject::PublicKey(role) => public_key_constant(role, kind, context),
                    TokenObject::PrivateKey(role) => private_key_constant(role, kind, context),
                    TokenObject::Profile(id) if kind == CKA_PROFILE_ID => Some(Answer::number(id)),
                    TokenObject::Profile(_) | TokenObject::CardInformation => Some(Answer::Invalid),
                };
            }
        };
        Some(common)
    }

    /// An attribute that [`TokenObject::attribute`] could not tell.
    pub(crate) fn attribute_of_certificate(
        self,
        kind: CK_ATTRIBUTE_TYPE,
        certificate: &Certificate,
    ) -> Answer {
        let key = certificate.public_key();
        match (kind, self) {
            (CKA_SUBJECT, _) => Answer::bytes(certificate.subject()),
            (CKA_PUBLIC_KEY_INFO, _) => Answer::bytes(certificate.public_key_info()),
            (CKA_START_DATE, _) => Answer::date(certificate.not_before()),
            (CKA_END_DATE, _) => Answer::date(certificate.not_after()),
            (CKA_VALUE, TokenObject::Certificate(_)) => Answer::bytes(certificate.der()),
            (CKA_ISSUER, TokenObject::Certificate(_)) => Answer::bytes(certificate.issuer()),
            (CKA_SERIAL_NUMBER, TokenObject::Certificate(_)) => {
                Answer::bytes(certificate.serial_number())
            }
            (CKA_CHECK_VALUE, TokenObject::Certificate(_)) => {
                let hash = Sha1::digest(certificate.der());
                Answer::bytes(hash.get(..3).unwrap_or_default())
            }
            (CKA_MODULUS, _) => Answer::bytes(key.n().to_be_bytes_trimmed_vartime()),
            (CKA_PUBLIC_EXPONENT, _) => Answer::bytes(key.e().to_be_bytes_trimmed_vartime()),
            (CKA_MODULUS_BITS, _) => Answer::number(certificate.key_bits().into()),
            (CKA_PUBLIC_CRC64_VALUE, _) => Answer::bytes(public_crc64(key)),
            _ => Answer::Invalid,
        }
    }

    /// As OpenSC calls them, so that scripts written for it go on working.
    fn label(self) -> String {
        let role = match self {
            TokenObject::Profile(id) => return format!("PKCS#11 profile {id}"),
            TokenObject::CardInformation => return "JPKI card".to_owned(),
            TokenObject::Certificate(file) => file.role(),
            TokenObject::PublicKey(role) | TokenObject::PrivateKey(role) => role,
        };
        let what = match self {
            TokenObject::Certificate(
                CertificateFile::Authentication | CertificateFile::Signature,
            ) => "Certificate",
            TokenObject::Certificate(_) => "Certificate CA",
            TokenObject::PublicKey(_) => "Public Key",
            _ => "Key",
        };
        let whose = match role {
            Role::Authentication => "User Authentication",
            Role::Signature => "Digital Signature",
        };
        format!("{whose} {what}")
    }

    /// `CKA_ID`, one byte: 01 and 02 tie key, public key and certificate, 03 and 04 are the authorities'.
    fn id(self) -> u8 {
        match self {
            TokenObject::Certificate(CertificateFile::AuthenticationAuthority) => 3,
            TokenObject::Certificate(CertificateFile::SignatureAuthority) => 4,
            TokenObject::Certificate(CertificateFile::Authentication)
            | TokenObject::PublicKey(Role::Authentication)
            | TokenObject::PrivateKey(Role::Authentication) => 1,
            TokenObject::Certificate(CertificateFile::Signature)
            | TokenObject::PublicKey(Role::Signature)
            | TokenObject::PrivateKey(Role::Signature) => 2,
            TokenObject::Profile(_) | TokenObject::CardInformation => 0,
        }
    }

    /// Unique on the token and the same each time the card is put in: the class, and what tells apart
    /// the objects of a class.
    fn unique_id(self, serial: &str) -> String {
        let number = match self {
            TokenObject::Profile(id) => id,
            other => CK_ULONG::from(other.id()),
        };
        format!("{serial}-{:x}-{number}", self.class())
    }
}

/// A vendor hardware feature (include/jpki_pkcs11.h). No storage object: it has neither label nor token flag.
fn card_information(kind: CK_ATTRIBUTE_TYPE, context: &TokenContext) -> Answer {
    match kind {
        CKA_HW_FEATURE_TYPE => Answer::number(vendor::CKH_JPKI_CARD),
        vendor::CKA_JPKI_PIN_TRIES_LEFT => match context.tries {
            Some(left) => Answer::number(left.into()),
            None => Answer::number(CK_UNAVAILABLE_INFORMATION),
        },
        vendor::CKA_JPKI_PIN_TRIES_MAX => Answer::number(context.role.max_tries().into()),
        vendor::CKA_JPKI_CERTIFICATE_END_DATE => match context.end_date {
            Some(date) => Answer::date(date),
            None => Answer::bytes([]),
        },
        vendor::CKA_JPKI_CARD_KIND => Answer::number(match context.kind {
            Kind::Plastic => vendor::JPKI_CARD_PLASTIC,
            Kind::Android => vendor::JPKI_CARD_ANDROID,
            Kind::Iphone => vendor::JPKI_CARD_IPHONE,
            Kind::Juki => vendor::JPKI_CARD_JUKI,
        }),
        _ => Answer::Invalid,
    }
}

/// PKCS#11 3.2, 4.6.3.
fn certificate_constant(file: CertificateFile, kind: CK_ATTRIBUTE_TYPE) -> Option<Answer> {
    let holder = matches!(
        file,
        CertificateFile::Authentication | CertificateFile::Signature
    );
    Some(match kind {
        CKA_CERTIFICATE_TYPE => Answer::number(CKC_X_509),
        // Trust is for the holder of the computer to give; a card cannot vouch for its own issuer.
        CKA_TRUSTED => Answer::boolean(false),
        CKA_CERTIFICATE_CATEGORY => Answer::number(if holder {
            CK_CERTIFICATE_CATEGORY_TOKEN_USER
        } else {
            CK_CERTIFICATE_CATEGORY_AUTHORITY
        }),
        CKA_ID => Answer::bytes([TokenObject::Certificate(file).id()]),
        CKA_URL | CKA_HASH_OF_SUBJECT_PUBLIC_KEY | CKA_HASH_OF_ISSUER_PUBLIC_KEY => {
            Answer::bytes([])
        }
        CKA_NAME_HASH_ALGORITHM => Answer::number(CKM_SHA_1),
        CKA_JAVA_MIDP_SECURITY_DOMAIN => Answer::number(CK_SECURITY_DOMAIN_UNSPECIFIED),
        CKA_VALUE | CKA_SUBJECT | CKA_ISSUER | CKA_SERIAL_NUMBER | CKA_CHECK_VALUE
        | CKA_START_DATE | CKA_END_DATE | CKA_PUBLIC_KEY_INFO => return None,
        _ => Answer::Invalid,
    })
}

/// What both halves of a key pair have in common (PKCS#11 3.2, 4.7).
fn key_constant(id: u8, kind: CK_ATTRIBUTE_TYPE, context: &TokenContext) -> Option<Answer> {
    Some(match kind {
        CKA_KEY_TYPE => Answer::number(CKK_RSA),
        CKA_ID => Answer::bytes([id]),
        CKA_DERIVE => Answer::boolean(false),
        // Where the key was made is not written on the card.
        CKA_LOCAL => Answer::boolean(false),
        CKA_KEY_GEN_MECHANISM => Answer::number(CK_UNAVAILABLE_INFORMATION),
        // Nothing of this module was validated (PKCS#11 3.2, 4.7).
        CKA_OBJECT_VALIDATION_FLAGS => Answer::number(0),
        CKA_ALLOWED_MECHANISMS => Answer::numbers(
            context
                .offer
                .mechanisms()
                .filter(|(_, purpose)| matches!(purpose, Use::Sign(_)))
                .map(|(mechanism, _)| mechanism),
        ),
        // Asked of private keys too (libp11, OpenVPN), though the standard has the number of bits on
        // the public key alone.
        CKA_SUBJECT
        | CKA_START_DATE
        | CKA_END_DATE
        | CKA_PUBLIC_KEY_INFO
        | CKA_MODULUS
        | CKA_PUBLIC_EXPONENT
        | CKA_MODULUS_BITS
        | CKA_PUBLIC_CRC64_VALUE => return None,
        _ => Answer::Invalid,
    })
}

/// `CKA_PUBLIC_CRC64_VALUE` of an RSA key: CRC-64-ECMA of the modulus, the most significant byte first (PKCS#11 3.2,
/// 6.1.2).
pub(super) fn public_crc64(key: &rsa::PublicKey) -> [u8; 8] {
    let modulus = key.n().to_be_bytes_trimmed_vartime();
    crc::Crc::<u64>::new(&crc::CRC_64_ECMA_182)
        .checksum(&modulus)
        .to_be_bytes()
}

/// PKCS#11 3.2, 4.8.
fn public_key_constant(
    role: Role,
    kind: CK_ATTRIBUTE_TYPE,
    context: &TokenContext,
) -> Option<Answer> {
    Some(match kind {
        CKA_VERIFY | CKA_VERIFY_RECOVER => Answer::boolean(true),
        CKA_ENCRYPT | CKA_WRAP | CKA_ENCAPSULATE | CKA_TRUSTED => Answer::boolean(false),
        CKA_WRAP_TEMPLATE | CKA_ENCAPSULATE_TEMPLATE => Answer::bytes([]),
        _ => return key_constant(TokenObject::PublicKey(role).id(), kind, context),
    })
}

/// PKCS#11 3.2, 4.9.
fn private_key_constant(
    role: Role,
    kind: CK_ATTRIBUTE_TYPE,
    context: &TokenContext,
) -> Option<Answer> {
    Some(match kind {
        CKA_SIGN | CKA_SENSITIVE | CKA_ALWAYS_SENSITIVE | CKA_NEVER_EXTRACTABLE => {
            Answer::boolean(true)
        }
        // The card has no command to decipher, and none to read the key.
        CKA_DECRYPT
        | CKA_SIGN_RECOVER
        | CKA_UNWRAP
        | CKA_DECAPSULATE
        | CKA_EXTRACTABLE
        | CKA_WRAP_WITH_TRUSTED => Answer::boolean(false),
        CKA_UNWRAP_TEMPLATE | CKA_DERIVE_TEMPLATE | CKA_DECAPSULATE_TEMPLATE => Answer::bytes([]),
        CKA_ALWAYS_AUTHENTICATE => Answer::boolean(context.always_authenticate),
        CKA_PRIVATE_EXPONENT | CKA_PRIME_1 | CKA_PRIME_2 | CKA_EXPONENT_1 | CKA_EXPONENT_2
        | CKA_COEFFICIENT => Answer::Sensitive,
        _ => return key_constant(TokenObject::PrivateKey(role).id(), kind, context),
    })
}

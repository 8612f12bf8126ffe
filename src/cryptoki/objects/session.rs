//! Objects that an application makes in a session: public keys, certificates and data.
//! They live as long as the session that made them. Nothing of them reaches the card.

use cryptoki_sys::*;
use rsa::BoxedUint;
use rsa::pkcs8::EncodePublicKey;
use sha1::{Digest, Sha1};

use super::token::public_crc64;
use super::{Attribute, AttributeAnswer as Answer, Template};
use crate::cryptoki::rv::{Result, Rv};

/// One of them: nothing but attributes.
#[derive(Debug, Clone)]
pub(crate) struct SessionObject {
    /// The session that made it.
    pub(crate) session: CK_SESSION_HANDLE,
    attributes: Vec<Attribute>,
}

/// What an attribute of a session object must look like.
#[derive(Clone, Copy)]
enum ValueKind {
    /// `CK_BBOOL`.
    Boolean,
    /// `CK_ULONG`.
    Number,
    /// `CK_DATE`, or empty.
    Date,
    /// Any bytes.
    Bytes,
    /// Any bytes, and it must be there and not empty.
    Needed,
    /// May be read and never be given (it follows from others).
    Derived,
    /// A template, which must be empty: no key of ours wraps or encapsulates.
    NoTemplate,
}

use ValueKind::{Boolean, Bytes, Date, Derived, Needed, NoTemplate, Number};

/// PKCS#11 3.2, 4.4: what all of them have. What is not given gets the default.
const COMMON: &[(CK_ATTRIBUTE_TYPE, ValueKind)] = &[
    (CKA_CLASS, Number),
    (CKA_TOKEN, Boolean),
    (CKA_PRIVATE, Boolean),
    (CKA_MODIFIABLE, Boolean),
    (CKA_LABEL, Bytes),
    (CKA_COPYABLE, Boolean),
    (CKA_DESTROYABLE, Boolean),
    (CKA_UNIQUE_ID, Derived),
];

/// PKCS#11 3.2, 4.5.
const DATA: &[(CK_ATTRIBUTE_TYPE, ValueKind)] = &[
    (CKA_APPLICATION, Bytes),
    (CKA_OBJECT_ID, Bytes),
    (CKA_VALUE, Bytes),
];

/// PKCS#11 3.2, 4.6.
const CERTIFICATE: &[(CK_ATTRIBUTE_TYPE, ValueKind)] = &[
    (CKA_CERTIFICATE_TYPE, Number),
    (CKA_TRUSTED, Boolean),
    (CKA_CERTIFICATE_CATEGORY, Number),
    (CKA_CHECK_VALUE, Bytes),
    (CKA_START_DATE, Date),
    (CKA_END_DATE, Date),
    (CKA_PUBLIC_KEY_INFO, Bytes),
    (CKA_SUBJECT, Needed),
    (CKA_ID, Bytes),
    (CKA_ISSUER, Bytes),
    (CKA_SERIAL_NUMBER, Bytes),
    (CKA_VALUE, Bytes),
    (CKA_URL, Bytes),
    (CKA_HASH_OF_SUBJECT_PUBLIC_KEY, Bytes),
    (CKA_HASH_OF_ISSUER_PUBLIC_KEY, Bytes),
    (CKA_JAVA_MIDP_SECURITY_DOMAIN, Number),
    (CKA_NAME_HASH_ALGORITHM, Number),
];

/// PKCS#11 3.2, 4.7, 4.8 and 6.1.2.
const PUBLIC_KEY: &[(CK_ATTRIBUTE_TYPE, ValueKind)] = &[
    (CKA_KEY_TYPE, Number),
    (CKA_ID, Bytes),
    (CKA_START_DATE, Date),
    (CKA_END_DATE, Date),
    (CKA_DERIVE, Boolean),
    (CKA_LOCAL, Derived),
    (CKA_KEY_GEN_MECHANISM, Derived),
    (CKA_OBJECT_VALIDATION_FLAGS, Derived),
    (CKA_ALLOWED_MECHANISMS, Bytes),
    (CKA_SUBJECT, Bytes),
    (CKA_ENCRYPT, Boolean),
    (CKA_VERIFY, Boolean),
    (CKA_VERIFY_RECOVER, Boolean),
    (CKA_WRAP, Boolean),
    (CKA_ENCAPSULATE, Boolean),
    (CKA_TRUSTED, Boolean),
    (CKA_WRAP_TEMPLATE, NoTemplate),
    (CKA_ENCAPSULATE_TEMPLATE, NoTemplate),
    (CKA_PUBLIC_KEY_INFO, Bytes),
    (CKA_PUBLIC_CRC64_VALUE, Bytes),
    (CKA_MODULUS, Needed),
    (CKA_MODULUS_BITS, Derived),
    (CKA_PUBLIC_EXPONENT, Needed),
];

/// The attributes that a class has, besides the common ones, and the defaults of those that are not
/// given.
struct Class {
    attributes: &'static [(CK_ATTRIBUTE_TYPE, ValueKind)],
    defaults: &'static [(CK_ATTRIBUTE_TYPE, CK_ULONG)],
}

impl Class {
    fn of(template: &Template) -> Result<Class> {
        let class = template.value(CKA_CLASS).ok_or(Rv::TemplateIncomplete)?;
        let is = |wanted: CK_ULONG, value: &[u8]| value == wanted.to_ne_bytes();
        if is(CKO_DATA, class) {
            return Ok(Class {
                attributes: DATA,
                defaults: &[],
            });
        }
        if is(CKO_CERTIFICATE, class) {
            let kind = template
                .value(CKA_CERTIFICATE_TYPE)
                .ok_or(Rv::TemplateIncomplete)?;
            return match is(CKC_X_509, kind) {
                true => Ok(Class {
                    attributes: CERTIFICATE,
                    defaults: &[
                        (
                            CKA_CERTIFICATE_CATEGORY,
                            CK_CERTIFICATE_CATEGORY_UNSPECIFIED,
                        ),
                        (
                            CKA_JAVA_MIDP_SECURITY_DOMAIN,
                            CK_SECURITY_DOMAIN_UNSPECIFIED,
                        ),
                        (CKA_NAME_HASH_ALGORITHM, CKM_SHA_1),
                    ],
                }),
                false => Err(Rv::AttributeValueInvalid.into()),
            };
        }
        if is(CKO_PUBLIC_KEY, class) {
            let kind = template.value(CKA_KEY_TYPE).ok_or(Rv::TemplateIncomplete)?;
            return match is(CKK_RSA, kind) {
                true => Ok(Class {
                    attributes: PUBLIC_KEY,
                    defaults: &[],
                }),
                false => Err(Rv::AttributeValueInvalid.into()),
            };
        }
        // Private and secret keys belong on a token that can use them.
        Err(Rv::AttributeValueInvalid.into())
    }

    /// May `C_SetAttributeValue` change it? The label of any object; of certificates and keys what 4.6 and 4.7
    /// allow; a data object's own three (4.5).
    fn may_change(&self, kind: CK_ATTRIBUTE_TYPE) -> bool {
        let is = |attributes: &'static [_]| std::ptr::eq(self.attributes, attributes);
        match kind {
            CKA_LABEL => true,
            CKA_APPLICATION | CKA_OBJECT_ID | CKA_VALUE => is(DATA),
            CKA_ID => !is(DATA),
            CKA_ISSUER | CKA_SERIAL_NUMBER => is(CERTIFICATE),
            CKA_START_DATE | CKA_END_DATE | CKA_DERIVE | CKA_ENCRYPT | CKA_VERIFY
            | CKA_VERIFY_RECOVER | CKA_WRAP | CKA_ENCAPSULATE => is(PUBLIC_KEY),
            _ => false,
        }
    }

    fn form(&self, kind: CK_ATTRIBUTE_TYPE) -> Option<ValueKind> {
        let all = COMMON.iter().chain(self.attributes);
        all.copied()
            .find(|&(known, _)| known == kind)
            .map(|(_, form)| form)
    }
}

impl SessionObject {
    /// `C_CreateObject` (PKCS#11 3.2, 4.1.1). `unique`: what makes it unique, for `CKA_UNIQUE_ID`.
    ///
    /// # Errors
    /// `CKR_TEMPLATE_INCOMPLETE`, `CKR_TEMPLATE_INCONSISTENT`, `CKR_ATTRIBUTE_TYPE_INVALID`,
    /// `CKR_ATTRIBUTE_VALUE_INVALID`, `CKR_ATTRIBUTE_READ_ONLY`, and `CKR_TOKEN_WRITE_PROTECTED` for
    /// an object that is to stay on the card.
    pub(crate) fn create(
        session: CK_SESSION_HANDLE,
        template: Template,
        unique: &str,
    ) -> Result<SessionObject> {
        let class = Class::of(&template)?;
        check_values(&class, &template)?;
        if template.value(CKA_TOKEN) == Some(&[CK_TRUE]) {
            return Err(Rv::TokenWriteProtected.into());
        }
        if template.value(CKA_TRUSTED) == Some(&[CK_TRUE]) {
            // Only a security officer may set it, and there is none.
            return Err(Rv::AttributeReadOnly.into());
        }
        let missing = class.attributes.iter().any(|&(kind, form)| {
            matches!(form, Needed) && template.value(kind).is_none_or(<[u8]>::is_empty)
        });
        if missing || !certificate_is_complete(&template) {
            return Err(Rv::TemplateIncomplete.into());
        }
        let mut object = SessionObject {
            session,
            attributes: template.0,
        };
        object.derive(unique)?;
        object.fill(&class);
        Ok(object)
    }

    /// `C_CopyObject`: this object with some attributes changed, in another session.
    ///
    /// # Errors
    /// As [`SessionObject::create`]; `CKR_ACTION_PROHIBITED`.
    pub(crate) fn copy(
        &self,
        session: CK_SESSION_HANDLE,
        changes: Template,
        unique: &str,
    ) -> Result<SessionObject> {
        if !self.flag(CKA_COPYABLE) {
            return Err(Rv::ActionProhibited.into());
        }
        copy_of(self.attributes.clone(), session, changes, unique)
    }

    /// `C_SetAttributeValue`.
    ///
    /// # Errors
    /// `CKR_ACTION_PROHIBITED`, `CKR_ATTRIBUTE_READ_ONLY`, `CKR_ATTRIBUTE_TYPE_INVALID`, `CKR_ATTRIBUTE_VALUE_INVALID`.
    pub(crate) fn set(&mut self, changes: Template) -> Result<()> {
        if !self.flag(CKA_MODIFIABLE) {
            return Err(Rv::ActionProhibited.into());
        }
        let class = Class::of(&Template(self.attributes.clone()))?;
        check_values(&class, &changes)?;
        if !changes.0.iter().all(|change| class.may_change(change.kind)) {
            return Err(Rv::AttributeReadOnly.into());
        }
        for change in changes.0 {
            put(&mut self.attributes, change);
        }
        Ok(())
    }

    /// May `C_DestroyObject` have it?
    pub(crate) fn is_destroyable(&self) -> bool {
        self.flag(CKA_DESTROYABLE)
    }

    /// Does only a logged-in user see it?
    pub(crate) fn is_private(&self) -> bool {
        self.flag(CKA_PRIVATE)
    }

    /// An attribute.
    pub(crate) fn attribute(&self, kind: CK_ATTRIBUTE_TYPE) -> Answer {
        let found = self
            .attributes
            .iter()
            .find(|attribute| attribute.kind == kind);
        found.map_or(Answer::Invalid, |attribute| Answer::bytes(&attribute.value))
    }

    /// Bytes of all its values.
    pub(crate) fn size(&self) -> usize {
        self.attributes
            .iter()
            .map(|attribute| attribute.value.len())
            .sum()
    }

    /// Is it a public key?
    pub(crate) fn is_public_key(&self) -> bool {
        let class = self.attribute(CKA_CLASS);
        class.matches(&CKO_PUBLIC_KEY.to_ne_bytes())
    }

    /// The key, if it is one that may verify by this mechanism.
    ///
    /// # Errors
    /// `CKR_KEY_HANDLE_INVALID`, `CKR_KEY_FUNCTION_NOT_PERMITTED`, `CKR_KEY_SIZE_RANGE`; `CKR_MECHANISM_INVALID` for
    /// a mechanism that its `CKA_ALLOWED_MECHANISMS` leaves out.
    pub(crate) fn verifying_key(
        &self,
        usage: CK_ATTRIBUTE_TYPE,
        mechanism: CK_MECHANISM_TYPE,
    ) -> Result<rsa::PublicKey> {
        if !self.is_public_key() {
            return Err(Rv::KeyHandleInvalid.into());
        }
        if !self.flag(usage) {
            return Err(Rv::KeyFunctionNotPermitted.into());
        }
        if let Answer::Value(allowed) = self.attribute(CKA_ALLOWED_MECHANISMS) {
            let wanted = mechanism.to_ne_bytes();
            if !allowed.chunks(wanted.len()).any(|one| one == wanted) {
                return Err(Rv::MechanismInvalid.into());
            }
        }
        self.public_key()
    }

    fn public_key(&self) -> Result<rsa::PublicKey> {
        let number = |kind| match self.attribute(kind) {
            Answer::Value(bytes) => BoxedUint::from_be_slice_vartime(&bytes),
            _ => BoxedUint::from_be_slice_vartime(&[0]),
        };
        rsa::PublicKey::new(number(CKA_MODULUS), number(CKA_PUBLIC_EXPONENT))
            .map_err(|_| Rv::KeySizeRange.into())
    }

    fn flag(&self, kind: CK_ATTRIBUTE_TYPE) -> bool {
        self.attribute(kind).matches(&[CK_TRUE])
    }

    /// Adds what follows from other attributes.
    fn derive(&mut self, unique: &str) -> Result<()> {
        self.put(CKA_UNIQUE_ID, Answer::bytes(unique));
        if self.is_public_key() {
            let key = self.public_key().map_err(|_| Rv::AttributeValueInvalid)?;
            let bits = rsa::traits::PublicKeyParts::n(&key).bit_width_vartime();
            self.put(CKA_MODULUS_BITS, Answer::number(bits.into()));
            self.put(CKA_LOCAL, Answer::boolean(false));
            self.put(
                CKA_KEY_GEN_MECHANISM,
                Answer::number(CK_UNAVAILABLE_INFORMATION),
            );
            self.put(CKA_OBJECT_VALIDATION_FLAGS, Answer::number(0));
            self.put_checked(CKA_PUBLIC_CRC64_VALUE, &public_crc64(&key))?;
            let info = key.to_public_key_der();
            let info = info.map_err(|_| Rv::AttributeValueInvalid)?;
            self.put_checked(CKA_PUBLIC_KEY_INFO, info.as_bytes())?;
        }
        if let Answer::Value(certificate) = self.attribute(CKA_VALUE)
            && self
                .attribute(CKA_CLASS)
                .matches(&CKO_CERTIFICATE.to_ne_bytes())
            && !certificate.is_empty()
        {
            let hash = Sha1::digest(&certificate);
            self.put_checked(CKA_CHECK_VALUE, hash.get(..3).unwrap_or_default())?;
        }
        Ok(())
    }

    /// Puts an attribute that follows from others. Who gives it must give the right one, or nothing.
    ///
    /// # Errors
    /// `CKR_ATTRIBUTE_VALUE_INVALID`.
    fn put_checked(&mut self, kind: CK_ATTRIBUTE_TYPE, right: &[u8]) -> Result<()> {
        match self.attribute(kind) {
            Answer::Value(given) if !given.is_empty() && given != right => {
                Err(Rv::AttributeValueInvalid.into())
            }
            _ => {
                self.put(kind, Answer::bytes(right));
                Ok(())
            }
        }
    }

    /// Adds the defaults of what was not given.
    fn fill(&mut self, class: &Class) {
        for &(kind, form) in COMMON.iter().chain(class.attributes) {
            if !matches!(self.attribute(kind), Answer::Invalid) {
                continue;
            }
            let number = class.defaults.iter().find(|&&(known, _)| known == kind);
            let value = match (form, kind) {
                (
                    Boolean,
                    CKA_MODIFIABLE | CKA_COPYABLE | CKA_DESTROYABLE | CKA_VERIFY
                    | CKA_VERIFY_RECOVER,
                ) => Answer::boolean(true),
                (Boolean, _) => Answer::boolean(false),
                (Number, _) => {
                    Answer::number(number.map_or(CK_UNAVAILABLE_INFORMATION, |&(_, value)| value))
                }
                // Without a list every mechanism is allowed: then there is no such attribute.
                (_, CKA_ALLOWED_MECHANISMS) => continue,
                (Date | Bytes | Needed | Derived | NoTemplate, _) => Answer::bytes([]),
            };
            self.put(kind, value);
        }
    }

    fn put(&mut self, kind: CK_ATTRIBUTE_TYPE, answer: Answer) {
        if let Answer::Value(value) = answer {
            put(&mut self.attributes, Attribute { kind, value });
        }
    }
}

/// A session object made of another object's attributes (also a token's).
///
/// # Errors
/// As [`SessionObject::create`].
pub(crate) fn copy_of(
    mut attributes: Vec<Attribute>,
    session: CK_SESSION_HANDLE,
    changes: Template,
    unique: &str,
) -> Result<SessionObject> {
    let class = Class::of(&Template(attributes.clone()))?;
    // What was derived is derived again; a copy is trusted no more than any other session object.
    attributes.retain(|attribute| {
        class
            .form(attribute.kind)
            .is_some_and(|form| !matches!(form, Derived))
            && attribute.kind != CKA_TRUSTED
    });
    for change in changes.0 {
        let same = attributes
            .iter()
            .any(|it| it.kind == change.kind && it.value == change.value);
        // PKCS#11 3.2, 4.1.3: these may change in a copy, besides what C_SetAttributeValue may change.
        let in_copies = match change.kind {
            CKA_TOKEN | CKA_PRIVATE | CKA_MODIFIABLE | CKA_DESTROYABLE => true,
            CKA_COPYABLE => change.value == [CK_FALSE],
            kind => class.may_change(kind),
        };
        if class.form(change.kind).is_some() && !same && !in_copies {
            return Err(Rv::AttributeReadOnly.into());
        }
        put(&mut attributes, change);
    }
    SessionObject::create(session, Template(attributes), unique)
}

fn put(attributes: &mut Vec<Attribute>, new: Attribute) {
    match attributes
        .iter_mut()
        .find(|attribute| attribute.kind == new.kind)
    {
        Some(old) => *old = new,
        None => attributes.push(new),
    }
}

/// PKCS#11 3.2, 4.6.3: a certificate has a value or a URL, and with a URL both hashes.
fn certificate_is_complete(template: &Template) -> bool {
    let has = |kind| template.value(kind).is_some_and(|value| !value.is_empty());
    let hashes = has(CKA_HASH_OF_SUBJECT_PUBLIC_KEY) && has(CKA_HASH_OF_ISSUER_PUBLIC_KEY);
    !template.has_class(CKO_CERTIFICATE)
        || (has(CKA_VALUE) && !has(CKA_URL))
        || (template.value(CKA_VALUE).is_some() && has(CKA_URL) && hashes)
}

fn check_values(class: &Class, template: &Template) -> Result<()> {
    for (at, attribute) in template.0.iter().enumerate() {
        let twice = template
            .0
            .iter()
            .take(at)
            .any(|before| before.kind == attribute.kind);
        if twice {
            return Err(Rv::TemplateInconsistent.into());
        }
        let value = &attribute.value;
        let good = match class.form(attribute.kind).ok_or(Rv::AttributeTypeInvalid)? {
            Boolean => matches!(value.as_slice(), [CK_FALSE | CK_TRUE]),
            Number => value.len() == size_of::<CK_ULONG>(),
            Date => value.is_empty() || (value.len() == 8 && value.iter().all(u8::is_ascii_digit)),
            Bytes | Needed => true,
            NoTemplate => value.is_empty(),
            Derived => return Err(Rv::AttributeReadOnly.into()),
        };
        if !good {
            return Err(Rv::AttributeValueInvalid.into());
        }
    }
    Ok(())
}

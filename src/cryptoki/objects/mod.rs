//! Objects as PKCS#11 sees them: templates, attribute values, and the two sorts of objects.
//! [`token`] are made from what is on the card, [`session`] by the application. Nothing here talks to a card.

mod management;
pub(crate) mod session;
pub(crate) mod token;

use cryptoki_sys::*;
use der::DateTime;

/// One attribute of a template, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attribute {
    /// `CKA_…`.
    pub(crate) kind: CK_ATTRIBUTE_TYPE,
    /// The value as the application wrote it.
    pub(crate) value: Vec<u8>,
}

/// What an application searches for, or makes an object of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Template(pub Vec<Attribute>);

impl Template {
    /// The value of an attribute, if the template has it.
    pub(crate) fn value(&self, kind: CK_ATTRIBUTE_TYPE) -> Option<&[u8]> {
        self.0
            .iter()
            .find(|attribute| attribute.kind == kind)
            .map(|attribute| attribute.value.as_slice())
    }

    /// Does it ask for, or describe, this class?
    pub(crate) fn has_class(&self, class: CK_OBJECT_CLASS) -> bool {
        self.value(CKA_CLASS) == Some(&class.to_ne_bytes())
    }
}

/// What an object answers when it is asked for an attribute (PKCS#11 3.2, C_GetAttributeValue).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AttributeAnswer {
    /// Here it is.
    Value(Vec<u8>),
    /// It has one and never tells it.
    Sensitive,
    /// It has none.
    Invalid,
}

impl AttributeAnswer {
    /// `CK_BBOOL`.
    pub(crate) fn boolean(value: bool) -> AttributeAnswer {
        AttributeAnswer::Value(vec![if value { CK_TRUE } else { CK_FALSE }])
    }

    /// `CK_ULONG` and its kin.
    pub(crate) fn number(value: CK_ULONG) -> AttributeAnswer {
        AttributeAnswer::Value(value.to_ne_bytes().to_vec())
    }

    /// Several `CK_ULONG`.
    pub(crate) fn numbers(values: impl Iterator<Item = CK_ULONG>) -> AttributeAnswer {
        AttributeAnswer::Value(values.flat_map(CK_ULONG::to_ne_bytes).collect())
    }

    /// Bytes or text.
    pub(crate) fn bytes(value: impl AsRef<[u8]>) -> AttributeAnswer {
        AttributeAnswer::Value(value.as_ref().to_vec())
    }

    /// `CK_DATE`: year, month, day, in digits.
    pub(crate) fn date(value: DateTime) -> AttributeAnswer {
        AttributeAnswer::bytes(format!(
            "{:04}{:02}{:02}",
            value.year(),
            value.month(),
            value.day()
        ))
    }

    /// Is this the value that a template wants?
    pub(crate) fn matches(&self, wanted: &[u8]) -> bool {
        matches!(self, AttributeAnswer::Value(value) if value == wanted)
    }
}

//! Templates and mechanisms, and their C structures, which live as long as the value they were made from.

use cryptoki_sys::*;

/// Attributes with their values.
#[derive(Debug, Clone, Default)]
pub struct Template(Vec<(CK_ATTRIBUTE_TYPE, Vec<u8>)>);

impl Template {
    /// No attribute: finds everything.
    pub fn new() -> Template {
        Template::default()
    }

    /// Objects of a class.
    pub fn class(class: CK_OBJECT_CLASS) -> Template {
        Template::new().number(CKA_CLASS, class)
    }

    /// With a `CK_ULONG`.
    pub fn number(self, kind: CK_ATTRIBUTE_TYPE, value: CK_ULONG) -> Template {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// With a `CK_BBOOL`.
    pub fn flag(self, kind: CK_ATTRIBUTE_TYPE, value: bool) -> Template {
        self.bytes(kind, &[value.into()])
    }

    /// With text.
    pub fn text(self, kind: CK_ATTRIBUTE_TYPE, value: &str) -> Template {
        self.bytes(kind, value.as_bytes())
    }

    /// With bytes.
    pub fn bytes(mut self, kind: CK_ATTRIBUTE_TYPE, value: &[u8]) -> Template {
        self.0.push((kind, value.to_vec()));
        self
    }

    /// As C wants it.
    pub fn to_c(&self) -> Vec<CK_ATTRIBUTE> {
        let attribute = |(kind, value): &(CK_ATTRIBUTE_TYPE, Vec<u8>)| CK_ATTRIBUTE {
            type_: *kind,
            pValue: value.as_ptr().cast_mut().cast(),
            ulValueLen: value.len() as CK_ULONG,
        };
        self.0.iter().map(attribute).collect()
    }
}

/// A mechanism with its parameter.
#[derive(Debug, Clone)]
pub struct Mechanism {
    /// `CKM_…`.
    pub kind: CK_MECHANISM_TYPE,
    /// The parameter's bytes.
    pub parameter: Vec<u8>,
}

impl Mechanism {
    /// One without a parameter.
    pub fn plain(kind: CK_MECHANISM_TYPE) -> Mechanism {
        let parameter = Vec::new();
        Mechanism { kind, parameter }
    }

    /// One of the PSS mechanisms.
    pub fn pss(
        kind: CK_MECHANISM_TYPE,
        hash: CK_MECHANISM_TYPE,
        mask: CK_RSA_PKCS_MGF_TYPE,
        salt: CK_ULONG,
    ) -> Mechanism {
        let words = [hash, mask, salt];
        let parameter = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        Mechanism { kind, parameter }
    }

    /// One of the PSS mechanisms with the card's own parameters.
    pub fn card_pss(kind: CK_MECHANISM_TYPE) -> Mechanism {
        Mechanism::pss(kind, CKM_SHA256, CKG_MGF1_SHA256, 32)
    }

    /// A signature mechanism with the only parameter that the card can do.
    pub fn usual(kind: CK_MECHANISM_TYPE) -> Mechanism {
        match kind {
            CKM_RSA_PKCS_PSS | CKM_SHA256_RSA_PKCS_PSS => Mechanism::card_pss(kind),
            _ => Mechanism::plain(kind),
        }
    }

    /// As C wants it.
    pub fn to_c(&self) -> CK_MECHANISM {
        let empty = self.parameter.is_empty();
        CK_MECHANISM {
            mechanism: self.kind,
            pParameter: if empty {
                std::ptr::null_mut()
            } else {
                self.parameter.as_ptr().cast_mut().cast()
            },
            ulParameterLen: self.parameter.len() as CK_ULONG,
        }
    }
}

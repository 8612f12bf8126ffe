//! What a caller hands in, as values of Rust: bytes, names, mechanisms, templates.

use std::ffi::{CStr, c_void};
use std::marker::PhantomData;
use std::slice;

use cryptoki_sys::{
    CK_ATTRIBUTE, CK_ATTRIBUTE_PTR, CK_BYTE, CK_MECHANISM, CK_MECHANISM_PTR, CK_ULONG, CK_UTF8CHAR,
    CK_UTF8CHAR_PTR, CK_VOID_PTR,
};

use super::{Argument, Pair};
use crate::cryptoki::mechanisms::Mechanism;
use crate::cryptoki::objects::{Attribute, Template};
use crate::cryptoki::rv::{Result, Rv};

/// Bytes and their number. `T` is what C calls them, `CK_BYTE` or `void`.
pub(super) struct InBytes<T = CK_BYTE> {
    data: *const T,
    length: CK_ULONG,
}

impl<T> Pair for InBytes<T> {
    type Pointer = *mut T;
    type Length = CK_ULONG;

    unsafe fn new(data: *mut T, length: CK_ULONG) -> InBytes<T> {
        InBytes { data, length }
    }
}

impl<T> InBytes<T> {
    /// The bytes. NULL with length 0 is an empty slice, as every client that signs nothing says it.
    pub(super) fn get(&self) -> Result<&[u8]> {
        match (self.data.is_null(), size(self.length)?) {
            (_, 0) => Ok(&[]),
            (true, _) => Err(Rv::ArgumentsBad.into()),
            // SAFETY: by the promise of `new` there are `length` bytes here while `self` lives, and
            // `size` knows that so many can be.
            (false, length) => Ok(unsafe { slice::from_raw_parts(self.data.cast(), length) }),
        }
    }

    /// The bytes, or `None` for NULL, whatever the length beside it.
    pub(super) fn unless_null(&self) -> Result<Option<&[u8]>> {
        match self.data.is_null() {
            true => Ok(None),
            false => self.get().map(Some),
        }
    }

    /// The bytes, or `None` for NULL with length 0, where the standard makes that a difference: no
    /// PIN asks for a PIN pad, an empty one is wrong.
    pub(super) fn optional(&self) -> Result<Option<&[u8]>> {
        let absent = self.data.is_null() && self.length == 0;
        self.get().map(|bytes| (!absent).then_some(bytes))
    }
}

/// One value.
pub(super) struct In<T>(*const T);

impl<T: Copy> Argument for In<T> {
    type Raw = *mut T;

    unsafe fn new(raw: *mut T) -> In<T> {
        In(raw)
    }
}

impl<T: Copy> In<T> {
    /// The value, or `None` for NULL.
    pub(super) fn get(&self) -> Option<T> {
        // SAFETY: by the promise of `new`, and the pointer is not NULL.
        (!self.0.is_null()).then(|| unsafe { self.0.read_unaligned() })
    }

    /// The value, which must be there.
    pub(super) fn required(&self) -> Result<T> {
        self.get().ok_or(Rv::ArgumentsBad.into())
    }
}

/// A pointer that we have no use for.
pub(super) struct Ignored<T>(PhantomData<*mut T>);

impl<T> Argument for Ignored<T> {
    type Raw = *mut T;

    unsafe fn new(_: *mut T) -> Ignored<T> {
        Ignored(PhantomData)
    }
}

/// A reserved parameter, which must be NULL.
pub(super) struct Reserved(CK_VOID_PTR);

impl Argument for Reserved {
    type Raw = CK_VOID_PTR;

    unsafe fn new(raw: CK_VOID_PTR) -> Reserved {
        Reserved(raw)
    }
}

impl Reserved {
    pub(super) fn must_be_null(&self) -> Result<()> {
        if self.0.is_null() {
            Ok(())
        } else {
            Err(Rv::ArgumentsBad.into())
        }
    }
}

/// A name that ends with NUL.
pub(super) struct InName(*const CK_UTF8CHAR);

impl Argument for InName {
    type Raw = CK_UTF8CHAR_PTR;

    unsafe fn new(raw: CK_UTF8CHAR_PTR) -> InName {
        InName(raw)
    }
}

impl InName {
    /// Is it this name, or no name at all?
    pub(super) fn allows(&self, name: &CStr) -> bool {
        let mut expected = name.to_bytes_with_nul().iter().enumerate();
        // It stops at the first difference, so it never looks behind the caller's NUL.
        // SAFETY: by the promise of `new`, up to the NUL.
        self.0.is_null() || expected.all(|(i, &c)| unsafe { self.0.wrapping_add(i).read() } == c)
    }
}

/// A mechanism.
pub(super) struct InMechanism(In<CK_MECHANISM>);

impl Argument for InMechanism {
    type Raw = CK_MECHANISM_PTR;

    unsafe fn new(raw: CK_MECHANISM_PTR) -> InMechanism {
        InMechanism(In(raw))
    }
}

impl InMechanism {
    /// The mechanism with a copy of its parameter, or `None` for NULL, which
    /// ends the operation under way (3.0). Pointers inside a parameter stay what they are, bytes.
    pub(super) fn get(&self) -> Result<Option<Mechanism>> {
        let Some(mechanism) = self.0.get() else {
            return Ok(None);
        };
        let value = InBytes {
            data: mechanism.pParameter,
            length: mechanism.ulParameterLen,
        };
        let parameter = copy(&value, MAX_PARAMETER).ok_or(Rv::MechanismParamInvalid)?;
        Ok(Some(Mechanism {
            kind: mechanism.mechanism,
            parameter,
        }))
    }
}

/// A template that says something.
pub(super) struct InTemplate {
    attributes: *const CK_ATTRIBUTE,
    count: CK_ULONG,
}

impl Pair for InTemplate {
    type Pointer = CK_ATTRIBUTE_PTR;
    type Length = CK_ULONG;

    unsafe fn new(attributes: CK_ATTRIBUTE_PTR, count: CK_ULONG) -> InTemplate {
        InTemplate { attributes, count }
    }
}

impl InTemplate {
    /// A copy of the template. An attribute without a value (NULL with a length, a length that
    /// cannot be) has an invalid value (5.1.6, CKR_ATTRIBUTE_VALUE_INVALID).
    pub(super) fn get(&self) -> Result<Template> {
        let count = attribute_count(self.attributes, self.count)?;
        let mut budget = MAX_VALUES;
        let attributes = (0..count).map(|i| {
            // SAFETY: by the promise of `new` there are `count` of them.
            let attribute = unsafe { self.attributes.wrapping_add(i).read_unaligned() };
            let value = InBytes {
                data: attribute.pValue,
                length: attribute.ulValueLen,
            };
            let value = copy(&value, budget).ok_or(Rv::AttributeValueInvalid)?;
            budget -= value.len();
            Ok(Attribute {
                kind: attribute.type_,
                value,
            })
        });
        attributes.collect::<Result<_>>().map(Template)
    }
}

/// The number of attributes of a template, if there can be so many.
pub(super) fn attribute_count(attributes: *const CK_ATTRIBUTE, count: CK_ULONG) -> Result<usize> {
    match size(count)? {
        0 => Ok(0),
        count if count <= MAX_ATTRIBUTES && !attributes.is_null() => Ok(count),
        _ => Err(Rv::ArgumentsBad.into()),
    }
}

/// A size in memory, if it can be one. The upper half of a CK_ULONG never is: CK_UNAVAILABLE_INFORMATION stands there, and
/// what a host makes of -1. On Windows, where a CK_ULONG has 32 bits, that would be 4 GiB.
pub(super) fn size(length: CK_ULONG) -> Result<usize> {
    match usize::try_from(length) {
        Ok(size) if length <= CK_ULONG::MAX / 2 => Ok(size),
        _ => Err(Rv::ArgumentsBad.into()),
    }
}

/// A copy of bytes that are there and not more than `most`.
fn copy(bytes: &InBytes<c_void>, most: usize) -> Option<Vec<u8>> {
    let bytes = bytes.get().ok()?;
    (bytes.len() <= most).then(|| bytes.to_vec())
}

/// More attributes than the standard defines, by an order of magnitude.
const MAX_ATTRIBUTES: usize = 4096;
/// All values of a template together. A certificate has a few thousand bytes; test suites make data objects of 1 MiB.
const MAX_VALUES: usize = 1 << 24;
/// A mechanism's parameter. Ours have 24 bytes.
const MAX_PARAMETER: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use std::ptr;

    use cryptoki_sys::{CK_UNAVAILABLE_INFORMATION, CKA_ID, CKA_LABEL, CKM_RSA_PKCS};

    use super::*;

    fn rv<T>(result: Result<T>) -> Option<Rv> {
        result.err().map(|error| error.rv())
    }

    fn bytes(data: *const u8, length: CK_ULONG) -> InBytes {
        InBytes { data, length }
    }

    #[test]
    fn bytes_and_their_absence() {
        let data = b"data";
        assert_eq!(bytes(data.as_ptr(), 4).get().unwrap(), data);
        assert_eq!(bytes(data.as_ptr(), 4).optional().unwrap(), Some(&data[..]));
        assert_eq!(bytes(data.as_ptr(), 0).get().unwrap(), b"");
        assert_eq!(bytes(data.as_ptr(), 0).optional().unwrap(), Some(&[][..]));
        assert_eq!(bytes(ptr::null(), 0).get().unwrap(), b"");
        assert_eq!(bytes(ptr::null(), 0).optional().unwrap(), None);
    }

    #[test]
    fn bytes_that_cannot_be() {
        let data = b"data".as_ptr();
        for (data, length) in [
            (ptr::null(), 1),
            (ptr::null(), CK_ULONG::MAX),
            (data, CK_ULONG::MAX),
            (data, CK_ULONG::MAX / 2 + 1),
        ] {
            assert_eq!(rv(bytes(data, length).get()), Some(Rv::ArgumentsBad));
            assert_eq!(rv(bytes(data, length).optional()), Some(Rv::ArgumentsBad));
        }
    }

    #[test]
    fn names_are_compared_to_their_end() {
        let allows = |name: &CStr| InName(name.as_ptr().cast()).allows(c"PKCS 11");
        assert!(allows(c"PKCS 11"));
        assert!(!allows(c"PKCS 1"));
        assert!(!allows(c"PKCS 11 "));
        assert!(!allows(c""));
        assert!(InName(ptr::null()).allows(c"PKCS 11"));
    }

    fn attribute(value: *const u8, length: CK_ULONG) -> CK_ATTRIBUTE {
        CK_ATTRIBUTE {
            type_: CKA_LABEL,
            pValue: value.cast_mut().cast(),
            ulValueLen: length,
        }
    }

    fn template(attributes: &[CK_ATTRIBUTE]) -> Result<Template> {
        let template = InTemplate {
            attributes: attributes.as_ptr(),
            count: attributes.len() as CK_ULONG,
        };
        template.get()
    }

    #[test]
    fn templates_are_copied() {
        let mut id = attribute([7].as_ptr(), 1);
        id.type_ = CKA_ID;
        let Template(copied) = template(&[
            attribute(b"label".as_ptr(), 5),
            id,
            attribute(ptr::null(), 0),
        ])
        .unwrap();
        let copied: Vec<_> = copied.iter().map(|a| (a.kind, &a.value[..])).collect();
        let expected: [(_, &[u8]); 3] = [(CKA_LABEL, b"label"), (CKA_ID, &[7]), (CKA_LABEL, b"")];
        assert_eq!(copied, expected);
    }

    #[test]
    fn templates_may_stand_at_odd_addresses() {
        let mut memory = [0u8; size_of::<CK_ATTRIBUTE>() + 1];
        let odd = memory[1..].as_mut_ptr().cast::<CK_ATTRIBUTE>();
        // SAFETY: `memory` has room for one behind its first byte.
        unsafe { odd.write_unaligned(attribute(b"label".as_ptr(), 5)) };
        let template = InTemplate {
            attributes: odd,
            count: 1,
        };
        assert_eq!(template.get().unwrap().0[0].value, b"label");
    }

    #[test]
    fn templates_without_attributes() {
        let mut template = InTemplate {
            attributes: ptr::null(),
            count: 0,
        };
        assert!(template.get().unwrap().0.is_empty());
        template.count = 1;
        assert_eq!(rv(template.get()), Some(Rv::ArgumentsBad));
    }

    #[test]
    fn templates_with_more_attributes_than_memory() {
        let one = attribute(ptr::null(), 0);
        for count in [
            MAX_ATTRIBUTES as CK_ULONG + 1,
            CK_ULONG::MAX / 2,
            CK_ULONG::MAX,
        ] {
            let template = InTemplate {
                attributes: &one,
                count,
            };
            assert_eq!(rv(template.get()), Some(Rv::ArgumentsBad));
        }
    }

    #[test]
    fn values_that_cannot_be() {
        for (value, length) in [
            (ptr::null(), 1),
            (b"x".as_ptr(), CK_UNAVAILABLE_INFORMATION),
            (b"x".as_ptr(), CK_ULONG::MAX / 2 + 1),
        ] {
            let got = template(&[attribute(value, length)]);
            assert_eq!(rv(got), Some(Rv::AttributeValueInvalid));
        }
    }

    #[test]
    fn values_that_are_too_much() {
        let half = vec![0; MAX_VALUES / 2];
        let half = attribute(half.as_ptr(), half.len() as CK_ULONG);
        assert!(template(&[half, half]).is_ok());
        let byte = attribute(b"x".as_ptr(), 1);
        let got = template(&[half, half, byte]);
        assert_eq!(rv(got), Some(Rv::AttributeValueInvalid));
    }

    #[test]
    fn mechanisms_are_copied() {
        let parameter = [1u8, 2, 3];
        let mut mechanism = CK_MECHANISM {
            mechanism: CKM_RSA_PKCS,
            pParameter: parameter.as_ptr().cast_mut().cast(),
            ulParameterLen: 3,
        };
        let got = InMechanism(In(&mechanism)).get().unwrap().unwrap();
        assert_eq!(
            (got.kind, &got.parameter[..]),
            (CKM_RSA_PKCS, &[1, 2, 3][..])
        );
        assert!(InMechanism(In(ptr::null())).get().unwrap().is_none());

        mechanism.ulParameterLen = CK_ULONG::MAX;
        let got = InMechanism(In(&mechanism)).get();
        assert_eq!(rv(got), Some(Rv::MechanismParamInvalid));
        mechanism.pParameter = ptr::null_mut();
        mechanism.ulParameterLen = 1;
        let got = InMechanism(In(&mechanism)).get();
        assert_eq!(rv(got), Some(Rv::MechanismParamInvalid));
        mechanism.ulParameterLen = 0;
        assert!(InMechanism(In(&mechanism)).get().is_ok());
    }
}

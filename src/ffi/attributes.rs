//! The template of `C_GetAttributeValue`, which asks and receives. It follows the algorithm of the standard's section
//! 5.7.5 and writes through C pointers as `output` does.

use cryptoki_sys::{
    CK_ATTRIBUTE, CK_ATTRIBUTE_PTR, CK_ATTRIBUTE_TYPE, CK_ULONG, CK_UNAVAILABLE_INFORMATION,
};

use super::Pair;
use super::input::attribute_count;
use super::output::write_all;
use crate::cryptoki::objects::AttributeAnswer;
use crate::cryptoki::rv::{Result, Rv};

/// A template that asks.
pub(super) struct OutAttributes {
    attributes: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
}

impl Pair for OutAttributes {
    type Pointer = CK_ATTRIBUTE_PTR;
    type Length = CK_ULONG;

    unsafe fn new(attributes: CK_ATTRIBUTE_PTR, count: CK_ULONG) -> OutAttributes {
        OutAttributes { attributes, count }
    }
}

impl OutAttributes {
    /// The questions, copied. The values and their lengths stay where they are.
    pub(super) fn open(self) -> Result<Questions> {
        let count = attribute_count(self.attributes, self.count)?;
        let places = (0..count).map(|i| self.attributes.wrapping_add(i));
        let asked = places.map(|place| Question {
            place,
            // SAFETY: by the promise of `new` there are `count` of them.
            asked: unsafe { place.read_unaligned() },
        });
        Ok(Questions(asked.collect()))
    }
}

/// What is asked, and where each answer goes.
pub(super) struct Questions(Vec<Question>);

impl Questions {
    /// The types asked for, in order.
    pub(super) fn kinds(&self) -> Vec<CK_ATTRIBUTE_TYPE> {
        self.0.iter().map(|question| question.asked.type_).collect()
    }

    /// Gives the answers, in order. Every attribute is processed, whatever is wrong with an
    /// earlier one, and of several codes that apply any may be told (5.7): it is the first one in the order of the algorithm's cases, so that
    /// `CKR_BUFFER_TOO_SMALL`, on which clients try again, means that trying again will help.
    pub(super) fn give(self, answers: Vec<AttributeAnswer>) -> Result<()> {
        let mut answers = answers.into_iter();
        let complaints: Vec<Rv> = self
            .0
            .into_iter()
            .filter_map(|question| question.give(answers.next()).err())
            .collect();
        let precedence = [
            Rv::AttributeSensitive,
            Rv::AttributeTypeInvalid,
            Rv::BufferTooSmall,
        ];
        match precedence.into_iter().find(|rv| complaints.contains(rv)) {
            Some(rv) => Err(rv.into()),
            None => Ok(()),
        }
    }
}

/// One of them.
struct Question {
    place: CK_ATTRIBUTE_PTR,
    asked: CK_ATTRIBUTE,
}

impl Question {
    /// The five cases of the standard, in its order.
    fn give(self, answer: Option<AttributeAnswer>) -> std::result::Result<(), Rv> {
        match answer {
            Some(AttributeAnswer::Sensitive) => self.refuse(Rv::AttributeSensitive),
            Some(AttributeAnswer::Invalid) | None => self.refuse(Rv::AttributeTypeInvalid),
            Some(AttributeAnswer::Value(value)) => {
                let length = value.len() as CK_ULONG;
                if !self.asked.pValue.is_null() {
                    if self.asked.ulValueLen < length {
                        return self.refuse(Rv::BufferTooSmall);
                    }
                    // SAFETY: by the promise of `new` there are `ulValueLen` bytes, and they suffice.
                    unsafe { write_all(&value, self.asked.pValue.cast()) };
                }
                self.tell(length);
                Ok(())
            }
        }
    }

    fn refuse(self, rv: Rv) -> std::result::Result<(), Rv> {
        self.tell(CK_UNAVAILABLE_INFORMATION);
        Err(rv)
    }

    fn tell(self, length: CK_ULONG) {
        let told = CK_ATTRIBUTE {
            ulValueLen: length,
            ..self.asked
        };
        // SAFETY: by the promise of `new`: the attribute that was read here, with its new length.
        unsafe { self.place.write_unaligned(told) };
    }
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use cryptoki_sys::{CKA_ID, CKA_LABEL, CKA_PRIVATE_EXPONENT, CKA_WRAP_TEMPLATE};

    use super::*;

    fn rv<T>(result: Result<T>) -> Option<Rv> {
        result.err().map(|error| error.rv())
    }

    fn question(kind: CK_ATTRIBUTE_TYPE, buffer: &mut [u8]) -> CK_ATTRIBUTE {
        CK_ATTRIBUTE {
            type_: kind,
            pValue: buffer.as_mut_ptr().cast(),
            ulValueLen: buffer.len() as CK_ULONG,
        }
    }

    fn query(kind: CK_ATTRIBUTE_TYPE) -> CK_ATTRIBUTE {
        CK_ATTRIBUTE {
            type_: kind,
            pValue: ptr::null_mut(),
            ulValueLen: 0,
        }
    }

    fn open(template: &mut [CK_ATTRIBUTE]) -> Questions {
        let out = OutAttributes {
            attributes: template.as_mut_ptr(),
            count: template.len() as CK_ULONG,
        };
        out.open().unwrap()
    }

    fn value(value: &[u8]) -> AttributeAnswer {
        AttributeAnswer::Value(value.to_vec())
    }

    #[test]
    fn values_and_lengths() {
        let (mut exact, mut larger) = ([0u8; 1], [0xAA; 8]);
        let mut template = [
            question(CKA_ID, &mut exact),
            question(CKA_LABEL, &mut larger),
            query(CKA_LABEL),
        ];
        let questions = open(&mut template);
        assert_eq!(questions.kinds(), [CKA_ID, CKA_LABEL, CKA_LABEL]);
        let answers = vec![value(&[7]), value(b"label"), value(b"label")];
        assert_eq!(rv(questions.give(answers)), None);
        assert_eq!(template.map(|a| a.ulValueLen), [1, 5, 5]);
        assert_eq!(exact, [7]);
        assert_eq!(&larger, b"label\xAA\xAA\xAA");
    }

    #[test]
    fn an_empty_value_fits_everywhere() {
        let mut template = [question(CKA_LABEL, &mut []), query(CKA_LABEL)];
        let questions = open(&mut template);
        assert_eq!(rv(questions.give(vec![value(b""), value(b"")])), None);
        assert_eq!(template.map(|a| a.ulValueLen), [0, 0]);
    }

    #[test]
    fn every_attribute_is_processed_whatever_came_before() {
        let (mut small, mut id) = ([0xAA; 4], [0; 1]);
        let mut template = [
            query(CKA_PRIVATE_EXPONENT),
            query(CKA_WRAP_TEMPLATE),
            question(CKA_LABEL, &mut small),
            question(CKA_ID, &mut id),
        ];
        let answers = vec![
            AttributeAnswer::Sensitive,
            AttributeAnswer::Invalid,
            value(b"label"),
            value(&[7]),
        ];
        let got = open(&mut template).give(answers);
        assert_eq!(rv(got), Some(Rv::AttributeSensitive));
        let none = CK_UNAVAILABLE_INFORMATION;
        assert_eq!(template.map(|a| a.ulValueLen), [none, none, none, 1]);
        assert_eq!((small, id), ([0xAA; 4], [7]));
    }

    #[test]
    fn the_order_of_complaints() {
        use AttributeAnswer::{Invalid, Sensitive};
        let too_small = || value(b"label");
        let cases = [
            (
                vec![too_small(), Invalid, Sensitive],
                Rv::AttributeSensitive,
            ),
            (
                vec![too_small(), Invalid, value(b"")],
                Rv::AttributeTypeInvalid,
            ),
            (
                vec![value(b""), too_small(), value(b"")],
                Rv::BufferTooSmall,
            ),
            // A module that answers less than it was asked.
            (vec![value(b"")], Rv::AttributeTypeInvalid),
        ];
        for (answers, expected) in cases {
            let mut small = [0; 1];
            let mut template = [question(CKA_LABEL, &mut small); 3];
            assert_eq!(rv(open(&mut template).give(answers)), Some(expected));
        }
    }

    #[test]
    fn templates_that_cannot_be() {
        let mut one = query(CKA_ID);
        for (attributes, count) in [
            (ptr::null_mut(), 1),
            (ptr::null_mut(), CK_ULONG::MAX),
            (&raw mut one, CK_ULONG::MAX),
            (&raw mut one, CK_ULONG::MAX / 24),
        ] {
            let out = OutAttributes { attributes, count };
            assert_eq!(rv(out.open()), Some(Rv::ArgumentsBad));
        }
        let (attributes, count) = (ptr::null_mut(), 0);
        let questions = OutAttributes { attributes, count }.open().unwrap();
        assert_eq!(questions.kinds(), []);
        assert_eq!(rv(questions.give(vec![])), None);
    }
}

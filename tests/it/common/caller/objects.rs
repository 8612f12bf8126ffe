//! Objects (PKCS#11 3.2, 5.7).

use std::ptr;

use cryptoki_sys::*;

use super::{Answer, Caller, call, size};
use crate::common::words::Template;

impl Caller {
    /// `C_FindObjectsInit`.
    pub fn find_init(&self, session: CK_SESSION_HANDLE, template: &Template) -> Answer<()> {
        let mut template = template.to_c();
        let count = template.len() as CK_ULONG;
        call!(self.C_FindObjectsInit(session, template.as_mut_ptr(), count))
    }

    /// `C_FindObjects`, at most so many.
    pub fn find_next(
        &self,
        session: CK_SESSION_HANDLE,
        most: usize,
    ) -> Answer<Vec<CK_OBJECT_HANDLE>> {
        let mut found = vec![0; most];
        let mut count = 0;
        call!(self.C_FindObjects(session, found.as_mut_ptr(), most as CK_ULONG, &mut count))?;
        found.truncate(size(count));
        Ok(found)
    }

    /// `C_FindObjectsFinal`.
    pub fn find_final(&self, session: CK_SESSION_HANDLE) -> Answer<()> {
        call!(self.C_FindObjectsFinal(session))
    }

    /// A whole search.
    pub fn find(
        &self,
        session: CK_SESSION_HANDLE,
        template: &Template,
    ) -> Answer<Vec<CK_OBJECT_HANDLE>> {
        self.find_init(session, template)?;
        let found = self.find_next(session, 100);
        self.find_final(session)?;
        found
    }

    /// `C_GetAttributeValue` for one attribute, both calls.
    pub fn attribute(
        &self,
        session: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
        kind: CK_ATTRIBUTE_TYPE,
    ) -> Answer<Vec<u8>> {
        let mut question = CK_ATTRIBUTE {
            type_: kind,
            pValue: ptr::null_mut(),
            ulValueLen: 0,
        };
        call!(self.C_GetAttributeValue(session, object, &mut question, 1))?;
        let mut value = vec![0_u8; size(question.ulValueLen)];
        question.pValue = value.as_mut_ptr().cast();
        call!(self.C_GetAttributeValue(session, object, &mut question, 1))?;
        value.truncate(size(question.ulValueLen));
        Ok(value)
    }

    /// `C_GetAttributeValue` for the lengths of several attributes at once: the code, and each
    /// length that was told.
    pub fn attribute_lengths(
        &self,
        session: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
        kinds: &[CK_ATTRIBUTE_TYPE],
    ) -> (Answer<()>, Vec<CK_ULONG>) {
        let question = |&kind: &CK_ATTRIBUTE_TYPE| CK_ATTRIBUTE {
            type_: kind,
            pValue: ptr::null_mut(),
            ulValueLen: 0,
        };
        let mut template: Vec<CK_ATTRIBUTE> = kinds.iter().map(question).collect();
        let count = template.len() as CK_ULONG;
        let place = template.as_mut_ptr();
        let answer = call!(self.C_GetAttributeValue(session, object, place, count));
        let lengths = template.iter().map(|attribute| attribute.ulValueLen);
        (answer, lengths.collect())
    }

    /// An attribute that is a `CK_ULONG`.
    pub fn number(
        &self,
        session: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
        kind: CK_ATTRIBUTE_TYPE,
    ) -> Answer<CK_ULONG> {
        let value = self.attribute(session, object, kind)?;
        Ok(CK_ULONG::from_ne_bytes(value.try_into().unwrap()))
    }

    /// An attribute that is a `CK_BBOOL`.
    pub fn flag(
        &self,
        session: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
        kind: CK_ATTRIBUTE_TYPE,
    ) -> Answer<bool> {
        let value = self.attribute(session, object, kind)?;
        assert!(value == [CK_FALSE] || value == [CK_TRUE], "{value:?}");
        Ok(value == [CK_TRUE])
    }

    /// An attribute that is text.
    pub fn text(
        &self,
        session: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
        kind: CK_ATTRIBUTE_TYPE,
    ) -> Answer<String> {
        let value = self.attribute(session, object, kind)?;
        Ok(String::from_utf8(value).unwrap())
    }

    /// `C_SetAttributeValue`.
    pub fn set_attributes(
        &self,
        session: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
        template: &Template,
    ) -> Answer<()> {
        let mut template = template.to_c();
        let count = template.len() as CK_ULONG;
        call!(self.C_SetAttributeValue(session, object, template.as_mut_ptr(), count))
    }

    /// `C_CreateObject`.
    pub fn create_object(
        &self,
        session: CK_SESSION_HANDLE,
        template: &Template,
    ) -> Answer<CK_OBJECT_HANDLE> {
        let mut template = template.to_c();
        let count = template.len() as CK_ULONG;
        let mut object = 0;
        call!(self.C_CreateObject(session, template.as_mut_ptr(), count, &mut object))
            .map(|()| object)
    }

    /// `C_CopyObject`.
    pub fn copy_object(
        &self,
        session: CK_SESSION_HANDLE,
        original: CK_OBJECT_HANDLE,
        template: &Template,
    ) -> Answer<CK_OBJECT_HANDLE> {
        let mut template = template.to_c();
        let count = template.len() as CK_ULONG;
        let mut copy = 0;
        call!(self.C_CopyObject(session, original, template.as_mut_ptr(), count, &mut copy))
            .map(|()| copy)
    }

    /// `C_DestroyObject`.
    pub fn destroy_object(
        &self,
        session: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
    ) -> Answer<()> {
        call!(self.C_DestroyObject(session, object))
    }

    /// `C_GetObjectSize`.
    pub fn object_size(
        &self,
        session: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
    ) -> Answer<CK_ULONG> {
        let mut size = 0;
        call!(self.C_GetObjectSize(session, object, &mut size)).map(|()| size)
    }
}

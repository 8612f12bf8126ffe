//! Signatures, verification, digests, random numbers (PKCS#11 3.2, 5.12 to 5.15 and 5.19).

use std::ptr;

use cryptoki_sys::*;

use super::{Answer, Caller, bytes_into, bytes_of, call, input, length_told};
use crate::common::words::Mechanism;

/// Functions that take a session, a mechanism and a key.
macro_rules! begin {
    ($($(#[$doc:meta])* $method:ident = $function:ident;)*) => {$(
        $(#[$doc])*
        pub fn $method(
            &self,
            session: CK_SESSION_HANDLE,
            mechanism: &Mechanism,
            key: CK_OBJECT_HANDLE,
        ) -> Answer<()> {
            let mut mechanism = mechanism.to_c();
            call!(self.$function(session, &mut mechanism, key))
        }
    )*};
}

/// Functions that take a session and bytes.
macro_rules! take {
    ($($(#[$doc:meta])* $method:ident = $function:ident;)*) => {$(
        $(#[$doc])*
        pub fn $method(&self, session: CK_SESSION_HANDLE, bytes: &[u8]) -> Answer<()> {
            let (bytes, length) = input(bytes);
            call!(self.$function(session, bytes, length))
        }
    )*};
}

/// Functions that take a session only.
macro_rules! end {
    ($($(#[$doc:meta])* $method:ident = $function:ident;)*) => {$(
        $(#[$doc])*
        pub fn $method(&self, session: CK_SESSION_HANDLE) -> Answer<()> {
            call!(self.$function(session))
        }
    )*};
}

impl Caller {
    begin! {
        /// `C_SignInit`.
        sign_init = C_SignInit;
        /// `C_VerifyInit`.
        verify_init = C_VerifyInit;
        /// `C_VerifyRecoverInit`.
        verify_recover_init = C_VerifyRecoverInit;
        /// `C_MessageSignInit`.
        message_sign_init = C_MessageSignInit;
        /// `C_MessageVerifyInit`.
        message_verify_init = C_MessageVerifyInit;
    }

    take! {
        /// `C_SignUpdate`.
        sign_update = C_SignUpdate;
        /// `C_VerifyUpdate`.
        verify_update = C_VerifyUpdate;
        /// `C_VerifyFinal`.
        verify_final = C_VerifyFinal;
        /// `C_VerifySignature`.
        verify_signature = C_VerifySignature;
        /// `C_VerifySignatureUpdate`.
        verify_signature_update = C_VerifySignatureUpdate;
        /// `C_DigestUpdate`.
        digest_update = C_DigestUpdate;
        /// `C_SeedRandom`.
        seed_random = C_SeedRandom;
    }

    end! {
        /// `C_MessageSignFinal`.
        message_sign_final = C_MessageSignFinal;
        /// `C_MessageVerifyFinal`.
        message_verify_final = C_MessageVerifyFinal;
        /// `C_VerifySignatureFinal`.
        verify_signature_final = C_VerifySignatureFinal;
    }

    /// `C_SignInit` with NULL for a mechanism.
    pub fn sign_cancel(&self, session: CK_SESSION_HANDLE) -> Answer<()> {
        call!(self.C_SignInit(session, ptr::null_mut(), 0))
    }

    /// `C_Sign` into a buffer that is large enough.
    pub fn sign(&self, session: CK_SESSION_HANDLE, data: &[u8]) -> Answer<Vec<u8>> {
        let (data, data_length) = input(data);
        bytes_into(512, |place, length| {
            call!(self.C_Sign(session, data, data_length, place, length))
        })
    }

    /// `C_Sign` into a buffer of so many bytes; `None` asks for the length.
    pub fn sign_length(
        &self,
        session: CK_SESSION_HANDLE,
        data: &[u8],
        room: Option<usize>,
    ) -> (Answer<()>, usize) {
        let (data, data_length) = input(data);
        length_told(room, |place, length| {
            call!(self.C_Sign(session, data, data_length, place, length))
        })
    }

    /// `C_SignFinal` into a buffer that is large enough.
    pub fn sign_final(&self, session: CK_SESSION_HANDLE) -> Answer<Vec<u8>> {
        bytes_into(512, |place, length| {
            call!(self.C_SignFinal(session, place, length))
        })
    }

    /// `C_SignFinal` into a buffer of so many bytes; `None` asks for the length.
    pub fn sign_final_length(
        &self,
        session: CK_SESSION_HANDLE,
        room: Option<usize>,
    ) -> (Answer<()>, usize) {
        length_told(room, |place, length| {
            call!(self.C_SignFinal(session, place, length))
        })
    }

    /// `C_SignInit` and `C_Sign`.
    pub fn sign_once(
        &self,
        session: CK_SESSION_HANDLE,
        mechanism: &Mechanism,
        key: CK_OBJECT_HANDLE,
        data: &[u8],
    ) -> Answer<Vec<u8>> {
        self.sign_init(session, mechanism, key)?;
        self.sign(session, data)
    }

    /// `C_Verify`.
    pub fn verify(&self, session: CK_SESSION_HANDLE, data: &[u8], signature: &[u8]) -> Answer<()> {
        let ((data, data_length), (signature, length)) = (input(data), input(signature));
        call!(self.C_Verify(session, data, data_length, signature, length))
    }

    /// `C_VerifyRecover`.
    pub fn verify_recover(&self, session: CK_SESSION_HANDLE, signature: &[u8]) -> Answer<Vec<u8>> {
        let (signature, signature_length) = input(signature);
        bytes_into(512, |place, length| {
            call!(self.C_VerifyRecover(session, signature, signature_length, place, length))
        })
    }

    /// `C_VerifySignatureInit`.
    pub fn verify_signature_init(
        &self,
        session: CK_SESSION_HANDLE,
        mechanism: &Mechanism,
        key: CK_OBJECT_HANDLE,
        signature: &[u8],
    ) -> Answer<()> {
        let mut mechanism = mechanism.to_c();
        let (signature, length) = input(signature);
        call!(self.C_VerifySignatureInit(session, &mut mechanism, key, signature, length))
    }

    /// `C_SignMessage`.
    pub fn sign_message(&self, session: CK_SESSION_HANDLE, data: &[u8]) -> Answer<Vec<u8>> {
        let (data, data_length) = input(data);
        bytes_into(512, |place, length| {
            call!(self.C_SignMessage(
                session,
                ptr::null_mut(),
                0,
                data,
                data_length,
                place,
                length
            ))
        })
    }

    /// `C_SignMessageBegin`.
    pub fn sign_message_begin(&self, session: CK_SESSION_HANDLE) -> Answer<()> {
        call!(self.C_SignMessageBegin(session, ptr::null_mut(), 0))
    }

    /// `C_SignMessageNext` with a part that is not the last.
    pub fn sign_message_next(&self, session: CK_SESSION_HANDLE, part: &[u8]) -> Answer<()> {
        let (part, length) = input(part);
        call!(self.C_SignMessageNext(
            session,
            ptr::null_mut(),
            0,
            part,
            length,
            ptr::null_mut(),
            ptr::null_mut()
        ))
    }

    /// `C_SignMessageNext` with the last part.
    pub fn sign_message_last(&self, session: CK_SESSION_HANDLE, part: &[u8]) -> Answer<Vec<u8>> {
        let (part, part_length) = input(part);
        bytes_into(512, |place, length| {
            call!(self.C_SignMessageNext(
                session,
                ptr::null_mut(),
                0,
                part,
                part_length,
                place,
                length
            ))
        })
    }

    /// `C_VerifyMessage`.
    pub fn verify_message(
        &self,
        session: CK_SESSION_HANDLE,
        data: &[u8],
        signature: &[u8],
    ) -> Answer<()> {
        let ((data, data_length), (signature, length)) = (input(data), input(signature));
        call!(self.C_VerifyMessage(
            session,
            ptr::null_mut(),
            0,
            data,
            data_length,
            signature,
            length
        ))
    }

    /// `C_VerifyMessageBegin`.
    pub fn verify_message_begin(&self, session: CK_SESSION_HANDLE) -> Answer<()> {
        call!(self.C_VerifyMessageBegin(session, ptr::null_mut(), 0))
    }

    /// `C_VerifyMessageNext`; `signature`: only with the last part.
    pub fn verify_message_next(
        &self,
        session: CK_SESSION_HANDLE,
        part: &[u8],
        signature: Option<&[u8]>,
    ) -> Answer<()> {
        let (part, part_length) = input(part);
        let (signature, length) = signature.map_or((ptr::null_mut(), 0), input);
        call!(self.C_VerifyMessageNext(
            session,
            ptr::null_mut(),
            0,
            part,
            part_length,
            signature,
            length
        ))
    }

    /// `C_DigestInit`.
    pub fn digest_init(&self, session: CK_SESSION_HANDLE, mechanism: &Mechanism) -> Answer<()> {
        let mut mechanism = mechanism.to_c();
        call!(self.C_DigestInit(session, &mut mechanism))
    }

    /// `C_Digest`, both calls.
    /// `C_Digest` with NULL for a buffer.
    pub fn digest_length(&self, session: CK_SESSION_HANDLE, data: &[u8]) -> Answer<CK_ULONG> {
        let ((data, data_length), mut length) = (input(data), 0);
        call!(self.C_Digest(session, data, data_length, ptr::null_mut(), &mut length))
            .map(|()| length)
    }

    pub fn digest(&self, session: CK_SESSION_HANDLE, data: &[u8]) -> Answer<Vec<u8>> {
        let (data, data_length) = input(data);
        bytes_of(|place, length| call!(self.C_Digest(session, data, data_length, place, length)))
    }

    /// `C_DigestKey`.
    pub fn digest_key(&self, session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE) -> Answer<()> {
        call!(self.C_DigestKey(session, key))
    }

    /// `C_DigestFinal`, both calls.
    pub fn digest_final(&self, session: CK_SESSION_HANDLE) -> Answer<Vec<u8>> {
        bytes_of(|place, length| call!(self.C_DigestFinal(session, place, length)))
    }

    /// `C_GenerateRandom`.
    pub fn random(&self, session: CK_SESSION_HANDLE, length: usize) -> Answer<Vec<u8>> {
        let mut bytes = vec![0; length];
        call!(self.C_GenerateRandom(session, bytes.as_mut_ptr(), length as CK_ULONG))
            .map(|()| bytes)
    }
}

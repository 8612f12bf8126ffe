//! Sequences of C calls with hostile arguments: stale handles, NULLs, absurd lengths where the pointer is
//! NULL, strange mechanisms and templates. A pointer that is not NULL is good for the length beside it, as
//! the standard demands of the caller; guard bytes behind each output must stay as they are. The card may answer badly
//! meanwhile: the last byte of the input says how many before it are the script of [`jpki_pkcs11_fuzz::Bench`].
#![no_main]

use std::ptr;

use cryptoki_sys::*;
use jpki_pkcs11_fuzz::{Bench, Script, once};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    once();
    let [bytes @ .., length] = bytes else { return };
    let length = (usize::from(*length) % 32).min(bytes.len());
    let (calls, card) = bytes.split_at(bytes.len() - length);
    let bench = Bench::new("plastic", Script::new(card));
    let mut play = Play {
        list: bench.initialize().list,
        script: Script::new(calls),
        seen: vec![0, 1, 2, CK_ULONG::MAX],
        room: vec![GUARD; ROOM + MARGIN],
    };
    for _ in 0..200 {
        if play.script.is_over() {
            break;
        }
        play.call();
    }
    // SAFETY: NULL is what the standard wants here.
    unsafe { play.list.C_Finalize.expect("a function")(ptr::null_mut()) };
    assert!(!bench.is_open());
});

const GUARD: u8 = 0xA5;
const ROOM: usize = 600;
const MARGIN: usize = 64;

struct Play {
    list: &'static CK_FUNCTION_LIST_3_2,
    script: Script,
    /// Numbers that may be handles.
    seen: Vec<CK_ULONG>,
    room: Vec<u8>,
}

/// A call through the list.
macro_rules! call {
    ($play:ident.$name:ident($($argument:expr),* $(,)?)) => {{
        let function = $play.list.$name.expect("a function");
        // SAFETY: each pointer is NULL or made from a value that lives until the call is over, and is
        // good for the length beside it.
        unsafe { function($($argument),*) }
    }};
}

impl Play {
    fn number(&mut self) -> CK_ULONG {
        match self.script.byte() {
            0xFF => CK_ULONG::from_le_bytes(self.script.take(8).try_into().expect("8 bytes")),
            byte => self.seen[usize::from(byte) % self.seen.len()],
        }
    }

    fn remember(&mut self, number: CK_ULONG) {
        if self.seen.len() < 60 {
            self.seen.push(number);
        }
    }

    /// Bytes to read, or NULL with a length.
    fn bytes(&mut self) -> (Option<Vec<u8>>, CK_ULONG) {
        match self.script.byte() {
            0xFF => (None, 0),
            0xFE => (None, CK_ULONG::MAX),
            0xFD => (Some(b"1234".to_vec()), 4),
            0xFC => (Some(b"ABC123".to_vec()), 6),
            length => {
                let bytes = self.script.take(usize::from(length));
                (Some(bytes), CK_ULONG::from(length))
            }
        }
    }

    /// Room to write into, or NULL with a length.
    fn output(&mut self) -> (*mut CK_BYTE, CK_ULONG) {
        self.room.fill(GUARD);
        match self.script.byte() {
            0xFF => (ptr::null_mut(), CK_ULONG::MAX),
            0xFE => (ptr::null_mut(), 0),
            length => {
                let length = (usize::from(length) * 3).min(ROOM);
                (self.room.as_mut_ptr(), length as CK_ULONG)
            }
        }
    }

    fn check_guard(&self, room: CK_ULONG) {
        let room = usize::try_from(room).unwrap_or(0).min(ROOM);
        assert!(
            self.room[room..].iter().all(|byte| *byte == GUARD),
            "written out of bounds"
        );
    }

    fn template(&mut self) -> Vec<(CK_ATTRIBUTE_TYPE, Option<Vec<u8>>, CK_ULONG)> {
        let count = self.script.byte() % 5;
        (0..count)
            .map(|_| {
                let kind = match self.script.byte() {
                    0xFF => self.number(),
                    byte => CK_ULONG::from(byte) | CK_ULONG::from(self.script.byte() % 8) << 8,
                };
                let (value, length) = self.bytes();
                (kind, value, length)
            })
            .collect()
    }

    fn call(&mut self) {
        let mut handle: CK_ULONG = 0;
        match self.script.byte() % 24 {
            0 => {
                let slot = self.number();
                let flags = CK_ULONG::from(self.script.byte() % 8);
                call!(self.C_OpenSession(slot, flags, ptr::null_mut(), None, &mut handle));
                self.remember(handle);
            }
            1 => {
                let session = self.number();
                call!(self.C_CloseSession(session));
            }
            2 => {
                let (session, user) = (self.number(), CK_ULONG::from(self.script.byte() % 4));
                let (pin, length) = self.bytes();
                call!(self.C_Login(session, user, pointer(&pin), length));
            }
            3 => {
                let session = self.number();
                call!(self.C_Logout(session));
            }
            4 | 5 => {
                let session = self.number();
                let template = self.template();
                let mut attributes = attributes(&template);
                let count = attributes.len() as CK_ULONG;
                call!(self.C_FindObjectsInit(session, attributes.as_mut_ptr(), count));
                let mut found = [0; 8];
                let mut count = 0;
                call!(self.C_FindObjects(session, found.as_mut_ptr(), 8, &mut count));
                for object in &found[..usize::try_from(count.min(8)).expect("8")] {
                    self.remember(*object);
                }
                if self.script.byte() % 4 != 0 {
                    call!(self.C_FindObjectsFinal(session));
                }
            }
            6 | 7 => {
                let (session, object) = (self.number(), self.number());
                let kind = CK_ULONG::from(self.script.byte())
                    | CK_ULONG::from(self.script.byte() % 8) << 8;
                let (place, room) = self.output();
                let mut attribute = CK_ATTRIBUTE {
                    type_: kind,
                    pValue: place.cast(),
                    ulValueLen: room,
                };
                call!(self.C_GetAttributeValue(session, object, &mut attribute, 1));
                self.check_guard(room);
            }
            8 | 9 => {
                let (session, key) = (self.number(), self.number());
                let kind = match self.script.byte() {
                    0 => CKM_RSA_PKCS,
                    1 => CKM_SHA256_RSA_PKCS,
                    2 => CKM_RSA_PKCS_PSS,
                    3 => CKM_SHA256,
                    4 => CKM_SHA256_RSA_PKCS_PSS,
                    other => CK_ULONG::from(other) << 2,
                };
                let (parameter, length) = self.bytes();
                let mut mechanism = CK_MECHANISM {
                    mechanism: kind,
                    pParameter: pointer(&parameter).cast(),
                    ulParameterLen: length,
                };
                match self.script.byte() % 5 {
                    0 => call!(self.C_SignInit(session, &mut mechanism, key)),
                    1 => call!(self.C_VerifyInit(session, &mut mechanism, key)),
                    2 => call!(self.C_DigestInit(session, &mut mechanism)),
                    3 => call!(self.C_MessageSignInit(session, &mut mechanism, key)),
                    _ => call!(self.C_SignInit(session, ptr::null_mut(), key)),
                };
            }
            10 => {
                let session = self.number();
                let (data, length) = self.bytes();
                let (place, mut told) = self.output();
                let room = told;
                call!(self.C_Sign(session, pointer(&data), length, place, &mut told));
                self.check_guard(room);
            }
            11 => {
                let session = self.number();
                let (data, length) = self.bytes();
                let (signature, signature_length) = self.bytes();
                call!(self.C_Verify(
                    session,
                    pointer(&data),
                    length,
                    pointer(&signature),
                    signature_length
                ));
            }
            12 => {
                let session = self.number();
                let (data, length) = self.bytes();
                let (place, mut told) = self.output();
                let room = told;
                call!(self.C_Digest(session, pointer(&data), length, place, &mut told));
                self.check_guard(room);
            }
            13 => {
                let session = self.number();
                let (data, length) = self.bytes();
                match self.script.byte() % 3 {
                    0 => call!(self.C_SignUpdate(session, pointer(&data), length)),
                    1 => call!(self.C_VerifyUpdate(session, pointer(&data), length)),
                    _ => call!(self.C_DigestUpdate(session, pointer(&data), length)),
                };
            }
            14 => {
                let session = self.number();
                let (place, mut told) = self.output();
                let room = told;
                match self.script.byte() % 2 {
                    0 => call!(self.C_SignFinal(session, place, &mut told)),
                    _ => call!(self.C_DigestFinal(session, place, &mut told)),
                };
                self.check_guard(room);
            }
            15 | 16 => {
                let session = self.number();
                let template = self.template();
                let mut attributes = attributes(&template);
                let count = attributes.len() as CK_ULONG;
                call!(self.C_CreateObject(session, attributes.as_mut_ptr(), count, &mut handle));
                self.remember(handle);
            }
            17 => {
                let (session, object) = (self.number(), self.number());
                let template = self.template();
                let mut attributes = attributes(&template);
                let (place, count) = (attributes.as_mut_ptr(), attributes.len() as CK_ULONG);
                match self.script.byte() % 3 {
                    0 => call!(self.C_CopyObject(session, object, place, count, &mut handle)),
                    1 => call!(self.C_SetAttributeValue(session, object, place, count)),
                    _ => call!(self.C_DestroyObject(session, object)),
                };
                self.remember(handle);
            }
            18 => {
                let session = self.number();
                let (place, room) = self.output();
                let room = if place.is_null() { room } else { room.min(64) };
                call!(self.C_GenerateRandom(session, place, room));
                self.check_guard(room);
            }
            19 => {
                let slot = self.number();
                let mut info = CK_TOKEN_INFO::default();
                call!(self.C_GetTokenInfo(slot, &mut info));
                call!(self.C_GetTokenInfo(slot, ptr::null_mut()));
            }
            20 => {
                let session = self.number();
                let ((old, old_length), (new, new_length)) = (self.bytes(), self.bytes());
                call!(self.C_SetPIN(
                    session,
                    pointer(&old),
                    old_length,
                    pointer(&new),
                    new_length
                ));
            }
            21 => {
                let (session, flags) = (self.number(), self.number());
                call!(self.C_SessionCancel(session, flags));
            }
            22 => {
                let session = self.number();
                let (data, length) = self.bytes();
                let (place, mut told) = self.output();
                let room = told;
                call!(self.C_SignMessage(
                    session,
                    ptr::null_mut(),
                    0,
                    pointer(&data),
                    length,
                    place,
                    &mut told
                ));
                self.check_guard(room);
            }
            _ => {
                let slot = self.number();
                call!(self.C_CloseAllSessions(slot));
                call!(self.C_WaitForSlotEvent(CKF_DONT_BLOCK, &mut handle, ptr::null_mut()));
            }
        }
    }
}

fn pointer(bytes: &Option<Vec<u8>>) -> *mut CK_BYTE {
    bytes
        .as_ref()
        .map_or(ptr::null_mut(), |bytes| bytes.as_ptr().cast_mut())
}

fn attributes(template: &[(CK_ATTRIBUTE_TYPE, Option<Vec<u8>>, CK_ULONG)]) -> Vec<CK_ATTRIBUTE> {
    let attribute =
        |(kind, value, length): &(CK_ATTRIBUTE_TYPE, Option<Vec<u8>>, CK_ULONG)| CK_ATTRIBUTE {
            type_: *kind,
            pValue: pointer(value).cast(),
            ulValueLen: *length,
        };
    template.iter().map(attribute).collect()
}

//! Every function that writes an output of variable length, with every sort of buffer: none, empty,
//! one byte short, exact, larger (PKCS#11 3.2, 5.2). It expects that a question and a buffer that is
//! too small touch no card, write nothing, tell the length and leave the operation as it was.

use crate::common::{AUTH, Fixture, Mechanism, PIN, Template};
use cryptoki_sys::*;

/// A function with its output, ready to be called.
struct Row {
    name: &'static str,
    /// Makes the operation ready; gives what the call needs.
    prepare: fn(&Fixture) -> Ready,
    call: fn(&CK_FUNCTION_LIST_3_2, Ready, *mut CK_BYTE, *mut CK_ULONG) -> CK_RV,
    /// Bytes of one element of the output.
    element: usize,
    /// APDUs of the call that gives the output.
    apdus: u64,
}

#[derive(Clone, Copy)]
struct Ready {
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
}

/// Calls a function of the list.
macro_rules! call {
    ($list:ident.$name:ident($($argument:expr),* $(,)?)) => {{
        let function = $list.$name.unwrap();
        // SAFETY: `place` has at least the length that `length` points to, or is NULL; every other
        // pointer is NULL or to static data of the length beside it.
        unsafe { function($($argument),*) }
    }};
}

const DATA: &[u8] = b"data";

fn data() -> (*mut CK_BYTE, CK_ULONG) {
    (DATA.as_ptr().cast_mut(), DATA.len() as CK_ULONG)
}

fn logged_in(fixture: &Fixture) -> Ready {
    let session = fixture.logged_in(AUTH);
    let object = fixture.private_key(session);
    Ready { session, object }
}

fn signing(fixture: &Fixture) -> Ready {
    let ready = logged_in(fixture);
    let mechanism = Mechanism::plain(CKM_SHA256_RSA_PKCS);
    fixture
        .sign_init(ready.session, &mechanism, ready.object)
        .unwrap();
    ready
}

fn signing_messages(fixture: &Fixture) -> Ready {
    let ready = logged_in(fixture);
    let mechanism = Mechanism::card_pss(CKM_SHA256_RSA_PKCS_PSS);
    fixture
        .message_sign_init(ready.session, &mechanism, ready.object)
        .unwrap();
    ready
}

fn digesting(fixture: &Fixture) -> Ready {
    let session = fixture.open(AUTH);
    fixture
        .digest_init(session, &Mechanism::plain(CKM_SHA384))
        .unwrap();
    Ready { session, object: 0 }
}

/// The signature that is to be read back, made once.
static SIGNATURE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();

fn recovering(fixture: &Fixture) -> Ready {
    let ready = logged_in(fixture);
    let mechanism = Mechanism::plain(CKM_RSA_PKCS);
    let signed = fixture
        .sign_once(ready.session, &mechanism, ready.object, DATA)
        .unwrap();
    SIGNATURE.get_or_init(|| signed);
    let key = fixture.public_key(ready.session);
    fixture
        .verify_recover_init(ready.session, &mechanism, key)
        .unwrap();
    ready
}

const TABLE: &[Row] = &[
    Row {
        name: "C_GetSlotList",
        prepare: |fixture| Ready {
            session: fixture.open(AUTH),
            object: 0,
        },
        call: |list, _, place, length| call!(list.C_GetSlotList(CK_TRUE, place.cast(), length)),
        element: size_of::<CK_SLOT_ID>(),
        apdus: 0,
    },
    Row {
        name: "C_GetMechanismList",
        prepare: |fixture| Ready {
            session: fixture.open(AUTH),
            object: 0,
        },
        call: |list, _, place, length| call!(list.C_GetMechanismList(AUTH, place.cast(), length)),
        element: size_of::<CK_MECHANISM_TYPE>(),
        apdus: 0,
    },
    Row {
        name: "C_GetInterfaceList",
        prepare: |fixture| Ready {
            session: fixture.open(AUTH),
            object: 0,
        },
        call: |list, _, place, length| call!(list.C_GetInterfaceList(place.cast(), length)),
        element: size_of::<CK_INTERFACE>(),
        apdus: 0,
    },
    Row {
        name: "C_Sign",
        prepare: signing,
        call: |list, ready, place, length| {
            let (data, data_length) = data();
            call!(list.C_Sign(ready.session, data, data_length, place, length))
        },
        element: 1,
        apdus: 5,
    },
    Row {
        name: "C_SignFinal",
        prepare: |fixture| {
            let ready = signing(fixture);
            fixture.sign_update(ready.session, DATA).unwrap();
            ready
        },
        call: |list, ready, place, length| call!(list.C_SignFinal(ready.session, place, length)),
        element: 1,
        apdus: 5,
    },
    Row {
        name: "C_SignMessage",
        prepare: signing_messages,
        call: |list, ready, place, length| {
            let (data, data_length) = data();
            let none = std::ptr::null_mut();
            call!(list.C_SignMessage(ready.session, none, 0, data, data_length, place, length))
        },
        element: 1,
        apdus: 5,
    },
    Row {
        name: "C_SignMessageNext",
        prepare: |fixture| {
            let ready = signing_messages(fixture);
            fixture.sign_message_begin(ready.session).unwrap();
            fixture.sign_message_next(ready.session, DATA).unwrap();
            ready
        },
        call: |list, ready, place, length| {
            let (data, data_length) = data();
            let none = std::ptr::null_mut();
            call!(list.C_SignMessageNext(ready.session, none, 0, data, data_length, place, length))
        },
        element: 1,
        apdus: 5,
    },
    Row {
        name: "C_Digest",
        prepare: digesting,
        call: |list, ready, place, length| {
            let (data, data_length) = data();
            call!(list.C_Digest(ready.session, data, data_length, place, length))
        },
        element: 1,
        apdus: 0,
    },
    Row {
        name: "C_DigestFinal",
        prepare: |fixture| {
            let ready = digesting(fixture);
            fixture.digest_update(ready.session, DATA).unwrap();
            ready
        },
        call: |list, ready, place, length| call!(list.C_DigestFinal(ready.session, place, length)),
        element: 1,
        apdus: 0,
    },
    Row {
        name: "C_VerifyRecover",
        prepare: recovering,
        call: |list, ready, place, length| {
            let signature = SIGNATURE.get().unwrap();
            let (from, of) = (signature.as_ptr().cast_mut(), signature.len() as CK_ULONG);
            call!(list.C_VerifyRecover(ready.session, from, of, place, length))
        },
        element: 1,
        apdus: 0,
    },
];

/// What fills the buffer before the call.
const FILLER: u8 = 0xA5;

/// One call with a buffer of so many elements (`None`: no buffer): code, length told, buffer with a
/// margin behind it, APDUs.
fn call(
    fixture: &Fixture,
    row: &Row,
    ready: Ready,
    room: Option<usize>,
) -> (CK_RV, usize, Vec<u8>, u64) {
    const MARGIN: usize = 64;
    let mut buffer = vec![FILLER; room.unwrap_or(0) * row.element + MARGIN];
    let mut length = room.unwrap_or(0) as CK_ULONG;
    let place = if room.is_some() {
        buffer.as_mut_ptr()
    } else {
        std::ptr::null_mut()
    };
    let list = fixture.caller().list;
    let (rv, apdus) = fixture.apdus(|| (row.call)(list, ready, place, &mut length));
    (rv, usize::try_from(length).unwrap(), buffer, apdus)
}

fn untouched(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == FILLER)
}

#[test]
fn every_output_follows_the_two_call_convention() {
    let fixture = Fixture::plastic();
    for row in TABLE {
        let ready = (row.prepare)(&fixture);
        let (rv, needed, buffer, apdus) = call(&fixture, row, ready, None);
        assert_eq!((rv, apdus), (CKR_OK, 0), "{}: the question", row.name);
        assert!(needed > 0 && untouched(&buffer), "{}", row.name);
        for room in [0, needed - 1] {
            let (rv, told, buffer, apdus) = call(&fixture, row, ready, Some(room));
            assert_eq!(
                (rv, apdus),
                (CKR_BUFFER_TOO_SMALL, 0),
                "{}: room for {room}",
                row.name
            );
            assert_eq!(told, needed, "{}: room for {room}", row.name);
            assert!(untouched(&buffer), "{}: wrote into {room}", row.name);
        }
        let (rv, told, buffer, apdus) = call(&fixture, row, ready, Some(needed));
        assert_eq!(
            (rv, told, apdus),
            (CKR_OK, needed, row.apdus),
            "{}: exact",
            row.name
        );
        let (output, margin) = buffer.split_at(needed * row.element);
        assert!(!untouched(output) && untouched(margin), "{}", row.name);
        fixture.close_all_sessions(AUTH).unwrap();
        // And with more room than is needed, in a fresh operation.
        let ready = (row.prepare)(&fixture);
        let (rv, told, buffer, _) = call(&fixture, row, ready, Some(needed + 5));
        assert_eq!((rv, told), (CKR_OK, needed), "{}: larger", row.name);
        assert!(untouched(&buffer[needed * row.element..]), "{}", row.name);
        fixture.close_all_sessions(AUTH).unwrap();
    }
}

/// What is asked of the certificate: one attribute with the right room, one with too little, one
/// that it does not have, one for its length.
#[test]
fn attributes_after_an_error_are_filled() {
    let fixture = Fixture::plastic();
    let session = fixture.open(AUTH);
    let certificate = Template::class(CKO_CERTIFICATE).bytes(CKA_ID, &[1]);
    let certificate = fixture.find_one(session, &certificate);
    let (mut id, mut value, mut label) = ([FILLER; 4], [FILLER; 8], [FILLER; 31]);
    let ask = |type_, place: &mut [u8]| CK_ATTRIBUTE {
        type_,
        pValue: place.as_mut_ptr().cast(),
        ulValueLen: place.len() as CK_ULONG,
    };
    let mut template = [
        ask(CKA_ID, &mut id),
        ask(CKA_VALUE, &mut value),
        ask(CKA_MODULUS, &mut []),
        CK_ATTRIBUTE {
            type_: CKA_SUBJECT,
            pValue: std::ptr::null_mut(),
            ulValueLen: 0,
        },
        ask(CKA_LABEL, &mut label),
    ];
    let list = fixture.caller().list;
    let (place, count) = (template.as_mut_ptr(), template.len() as CK_ULONG);
    let rv = call!(list.C_GetAttributeValue(session, certificate, place, count));
    assert!(
        matches!(rv, CKR_ATTRIBUTE_TYPE_INVALID | CKR_BUFFER_TOO_SMALL),
        "{rv:#x}"
    );
    let lengths = template.map(|attribute| attribute.ulValueLen);
    let none = CK_UNAVAILABLE_INFORMATION;
    assert_eq!([lengths[0], lengths[1], lengths[2]], [1, none, none]);
    assert!(lengths[3] > 20, "the subject's length: {}", lengths[3]);
    assert_eq!((id, value), ([1, FILLER, FILLER, FILLER], [FILLER; 8]));
    assert_eq!(&label, b"User Authentication Certificate");
    assert_eq!(fixture.login(session, CKU_USER, PIN), Ok(()));
}

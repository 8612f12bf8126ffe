//! Every function with every pointer NULL: before `C_Initialize`, without a session, with lengths of zero and more.

use std::ptr::null_mut;

use crate::common::{AUTH, Fixture};
use cryptoki_sys::*;

/// What the arguments of a row stand for.
#[derive(Clone, Copy)]
struct Arguments {
    session: CK_SESSION_HANDLE,
    slot: CK_SLOT_ID,
    object: CK_OBJECT_HANDLE,
    length: CK_ULONG,
}

/// One function, called with NULL for each pointer.
struct Row {
    name: &'static str,
    call: fn(&CK_FUNCTION_LIST_3_2, Arguments) -> CK_RV,
    /// With a good session, and a length that is not nothing.
    expected: CK_RV,
    /// Its first argument is a session.
    of_session: bool,
}

macro_rules! table {
    ($($name:ident($first:ident $(, $argument:tt)*) => $expected:ident;)*) => {
        &[$(Row {
            name: stringify!($name),
            call: |list, arguments| {
                let _ = arguments;
                let function = list.$name.unwrap();
                // SAFETY: every pointer is NULL, which each function must bear.
                unsafe { function(table!(@ arguments $first) $(, table!(@ arguments $argument))*) }
            },
            expected: $expected,
            of_session: table!(? $first),
        }),*]
    };
    (@ $arguments:ident NULL) => { null_mut() };
    (@ $arguments:ident session) => { $arguments.session };
    (@ $arguments:ident slot) => { $arguments.slot };
    (@ $arguments:ident object) => { $arguments.object };
    (@ $arguments:ident length) => { $arguments.length };
    (@ $arguments:ident $constant:tt) => { $constant };
    (? session) => { true };
    (? $other:tt) => { false };
}

/// In the order of the function list, without the five that need no session, slot or module.
const TABLE: &[Row] = table! {
    C_GetInfo(NULL) => CKR_ARGUMENTS_BAD;
    C_GetSlotList(CK_FALSE, NULL, NULL) => CKR_ARGUMENTS_BAD;
    C_GetSlotInfo(slot, NULL) => CKR_ARGUMENTS_BAD;
    C_GetTokenInfo(slot, NULL) => CKR_ARGUMENTS_BAD;
    C_GetMechanismList(slot, NULL, NULL) => CKR_ARGUMENTS_BAD;
    C_GetMechanismInfo(slot, CKM_RSA_PKCS, NULL) => CKR_ARGUMENTS_BAD;
    C_InitToken(slot, NULL, length, NULL) => CKR_ARGUMENTS_BAD;
    C_InitPIN(session, NULL, length) => CKR_ARGUMENTS_BAD;
    C_SetPIN(session, NULL, length, NULL, length) => CKR_ARGUMENTS_BAD;
    C_OpenSession(slot, CKF_DONT_BLOCK, NULL, None, NULL) => CKR_ARGUMENTS_BAD;
    C_CloseSession(session) => CKR_OK;
    C_CloseAllSessions(slot) => CKR_OK;
    C_GetSessionInfo(session, NULL) => CKR_ARGUMENTS_BAD;
    C_GetOperationState(session, NULL, NULL) => CKR_ARGUMENTS_BAD;
    C_SetOperationState(session, NULL, length, object, object) => CKR_ARGUMENTS_BAD;
    C_Login(session, CKU_USER, NULL, length) => CKR_ARGUMENTS_BAD;
    C_Logout(session) => CKR_USER_NOT_LOGGED_IN;
    C_CreateObject(session, NULL, length, NULL) => CKR_ARGUMENTS_BAD;
    C_CopyObject(session, object, NULL, length, NULL) => CKR_ARGUMENTS_BAD;
    C_DestroyObject(session, object) => CKR_OBJECT_HANDLE_INVALID;
    C_GetObjectSize(session, object, NULL) => CKR_ARGUMENTS_BAD;
    C_GetAttributeValue(session, object, NULL, length) => CKR_ARGUMENTS_BAD;
    C_SetAttributeValue(session, object, NULL, length) => CKR_ARGUMENTS_BAD;
    C_FindObjectsInit(session, NULL, length) => CKR_ARGUMENTS_BAD;
    C_FindObjects(session, NULL, length, NULL) => CKR_ARGUMENTS_BAD;
    C_FindObjectsFinal(session) => CKR_OPERATION_NOT_INITIALIZED;
    C_EncryptInit(session, NULL, object) => CKR_FUNCTION_NOT_SUPPORTED;
    C_Encrypt(session, NULL, length, NULL, NULL) => CKR_FUNCTION_NOT_SUPPORTED;
    C_EncryptUpdate(session, NULL, length, NULL, NULL) => CKR_FUNCTION_NOT_SUPPORTED;
    C_EncryptFinal(session, NULL, NULL) => CKR_FUNCTION_NOT_SUPPORTED;
    C_DecryptInit(session, NULL, object) => CKR_FUNCTION_NOT_SUPPORTED;
    C_Decrypt(session, NULL, length, NULL, NULL) => CKR_FUNCTION_NOT_SUPPORTED;
    C_DecryptUpdate(session, NULL, length, NULL, NULL) => CKR_FUNCTION_NOT_SUPPORTED;
    C_DecryptFinal(session, NULL, NULL) => CKR_FUNCTION_NOT_SUPPORTED;
    C_DigestInit(session, NULL) => CKR_ARGUMENTS_BAD;
    C_Digest(session, NULL, length, NULL, NULL) => CKR_ARGUMENTS_BAD;
    C_DigestUpdate(session, NULL, length) => CKR_ARGUMENTS_BAD;
    C_DigestKey(session, object) => CKR_OPERATION_NOT_INITIALIZED;
    C_DigestFinal(session, NULL, NULL) => CKR_ARGUMENTS_BAD;
    C_SignInit(session, NULL, object) => CKR_ARGUMENTS_BAD;
    C_Sign(session, NULL, length, NULL, NULL) => CKR_ARGUMENTS_BAD;
    C_SignUpdate(session, NULL, length) => CKR_ARGUMENTS_BAD;
    C_SignFinal(session, NULL, NULL) => CKR_ARGUMENTS_BAD;
    C_SignRecoverInit(session, NULL, object) => CKR_FUNCTION_NOT_SUPPORTED;
    C_SignRecover(session, NULL, length, NULL, NULL) => CKR_FUNCTION_NOT_SUPPORTED;
    C_VerifyInit(session, NULL, object) => CKR_ARGUMENTS_BAD;
    C_Verify(session, NULL, length, NULL, length) => CKR_ARGUMENTS_BAD;
    C_VerifyUpdate(session, NULL, length) => CKR_ARGUMENTS_BAD;
    C_VerifyFinal(session, NULL, length) => CKR_ARGUMENTS_BAD;
    C_VerifyRecoverInit(session, NULL, object) => CKR_ARGUMENTS_BAD;
    C_VerifyRecover(session, NULL, length, NULL, NULL) => CKR_ARGUMENTS_BAD;
    C_DigestEncryptUpdate(session, NULL, length, NULL, NULL) => CKR_FUNCTION_NOT_SUPPORTED;
    C_DecryptDigestUpdate(session, NULL, length, NULL, NULL) => CKR_FUNCTION_NOT_SUPPORTED;
    C_SignEncryptUpdate(session, NULL, length, NULL, NULL) => CKR_FUNCTION_NOT_SUPPORTED;
    C_DecryptVerifyUpdate(session, NULL, length, NULL, NULL) => CKR_FUNCTION_NOT_SUPPORTED;
    C_GenerateKey(session, NULL, NULL, length, NULL) => CKR_FUNCTION_NOT_SUPPORTED;
    C_GenerateKeyPair(session, NULL, NULL, length, NULL, length, NULL, NULL) => CKR_FUNCTION_NOT_SUPPORTED;
    C_WrapKey(session, NULL, object, object, NULL, NULL) => CKR_FUNCTION_NOT_SUPPORTED;
    C_UnwrapKey(session, NULL, object, NULL, length, NULL, length, NULL) => CKR_FUNCTION_NOT_SUPPORTED;
    C_DeriveKey(session, NULL, object, NULL, length, NULL) => CKR_FUNCTION_NOT_SUPPORTED;
    C_SeedRandom(session, NULL, length) => CKR_ARGUMENTS_BAD;
    C_GenerateRandom(session, NULL, length) => CKR_ARGUMENTS_BAD;
    C_GetFunctionStatus(session) => CKR_FUNCTION_NOT_PARALLEL;
    C_CancelFunction(session) => CKR_FUNCTION_NOT_PARALLEL;
    C_WaitForSlotEvent(CKF_DONT_BLOCK, NULL, NULL) => CKR_ARGUMENTS_BAD;
    C_LoginUser(session, CKU_USER, NULL, length, NULL, length) => CKR_ARGUMENTS_BAD;
    C_SessionCancel(session, CKF_DONT_BLOCK) => CKR_OK;
    C_MessageEncryptInit(session, NULL, object) => CKR_FUNCTION_NOT_SUPPORTED;
    C_EncryptMessage(session, NULL, length, NULL, length, NULL, length, NULL, NULL) => CKR_FUNCTION_NOT_SUPPORTED;
    C_EncryptMessageBegin(session, NULL, length, NULL, length) => CKR_FUNCTION_NOT_SUPPORTED;
    C_EncryptMessageNext(session, NULL, length, NULL, length, NULL, NULL, CKF_DONT_BLOCK) => CKR_FUNCTION_NOT_SUPPORTED;
    C_MessageEncryptFinal(session) => CKR_FUNCTION_NOT_SUPPORTED;
    C_MessageDecryptInit(session, NULL, object) => CKR_FUNCTION_NOT_SUPPORTED;
    C_DecryptMessage(session, NULL, length, NULL, length, NULL, length, NULL, NULL) => CKR_FUNCTION_NOT_SUPPORTED;
    C_DecryptMessageBegin(session, NULL, length, NULL, length) => CKR_FUNCTION_NOT_SUPPORTED;
    C_DecryptMessageNext(session, NULL, length, NULL, length, NULL, NULL, CKF_DONT_BLOCK) => CKR_FUNCTION_NOT_SUPPORTED;
    C_MessageDecryptFinal(session) => CKR_FUNCTION_NOT_SUPPORTED;
    C_MessageSignInit(session, NULL, object) => CKR_ARGUMENTS_BAD;
    C_SignMessage(session, NULL, length, NULL, length, NULL, NULL) => CKR_ARGUMENTS_BAD;
    C_SignMessageBegin(session, NULL, length) => CKR_ARGUMENTS_BAD;
    C_SignMessageNext(session, NULL, length, NULL, length, NULL, NULL) => CKR_ARGUMENTS_BAD;
    C_MessageSignFinal(session) => CKR_OPERATION_NOT_INITIALIZED;
    C_MessageVerifyInit(session, NULL, object) => CKR_ARGUMENTS_BAD;
    C_VerifyMessage(session, NULL, length, NULL, length, NULL, length) => CKR_ARGUMENTS_BAD;
    C_VerifyMessageBegin(session, NULL, length) => CKR_ARGUMENTS_BAD;
    C_VerifyMessageNext(session, NULL, length, NULL, length, NULL, length) => CKR_ARGUMENTS_BAD;
    C_MessageVerifyFinal(session) => CKR_OPERATION_NOT_INITIALIZED;
    C_EncapsulateKey(session, NULL, object, NULL, length, NULL, NULL, NULL) => CKR_FUNCTION_NOT_SUPPORTED;
    C_DecapsulateKey(session, NULL, object, NULL, length, NULL, length, NULL) => CKR_FUNCTION_NOT_SUPPORTED;
    C_VerifySignatureInit(session, NULL, object, NULL, length) => CKR_ARGUMENTS_BAD;
    C_VerifySignature(session, NULL, length) => CKR_ARGUMENTS_BAD;
    C_VerifySignatureUpdate(session, NULL, length) => CKR_ARGUMENTS_BAD;
    C_VerifySignatureFinal(session) => CKR_OPERATION_NOT_INITIALIZED;
    C_GetSessionValidationFlags(session, 1, NULL) => CKR_FUNCTION_FAILED;
    C_AsyncComplete(session, NULL, NULL) => CKR_FUNCTION_NOT_SUPPORTED;
    C_AsyncGetID(session, NULL, NULL) => CKR_FUNCTION_NOT_SUPPORTED;
    C_AsyncJoin(session, NULL, length, NULL, length) => CKR_FUNCTION_NOT_SUPPORTED;
    C_WrapKeyAuthenticated(session, NULL, object, object, NULL, length, NULL, NULL) => CKR_FUNCTION_NOT_SUPPORTED;
    C_UnwrapKeyAuthenticated(session, NULL, object, NULL, length, NULL, length, NULL, length, NULL) => CKR_FUNCTION_NOT_SUPPORTED;
};

/// Handles and IDs that are good, but for the object.
fn arguments(fixture: &Fixture, length: CK_ULONG) -> Arguments {
    Arguments {
        session: fixture.open(AUTH),
        slot: AUTH,
        object: CK_UNAVAILABLE_INFORMATION,
        length,
    }
}

#[test]
fn length_without_pointer_is_a_bad_argument() {
    let fixture = Fixture::plastic();
    for length in [1, 7, CK_ULONG::MAX / 2, CK_ULONG::MAX] {
        for row in TABLE {
            let rv = (row.call)(fixture.caller().list, arguments(&fixture, length));
            assert_eq!(rv, row.expected, "{} with {length:#x}: {rv:#x}", row.name);
            let _ = fixture.close_all_sessions(AUTH);
        }
    }
    assert_eq!(fixture.tries(), (3, 5));
}

#[test]
fn null_pointers_are_refused_without_side_effects() {
    let fixture = Fixture::plastic();
    for row in TABLE {
        // Some of them are right with nothing: what matters is that they come back.
        (row.call)(fixture.caller().list, arguments(&fixture, 0));
        let session = fixture.logged_in(AUTH);
        fixture.find_one(session, &crate::common::Template::class(CKO_PRIVATE_KEY));
        fixture.close_all_sessions(AUTH).unwrap();
    }
    assert_eq!(fixture.tries(), (3, 5));
}

#[test]
fn invalid_session_is_reported_first() {
    let fixture = Fixture::plastic();
    let closed = fixture.open(AUTH);
    fixture.close_session(closed).unwrap();
    for row in TABLE.iter().filter(|row| row.of_session) {
        for session in [0, closed, CK_ULONG::MAX] {
            let good = arguments(&fixture, 7);
            let rv = (row.call)(fixture.caller().list, Arguments { session, ..good });
            assert_eq!(rv, CKR_SESSION_HANDLE_INVALID, "{}: {rv:#x}", row.name);
        }
    }
}

#[test]
fn functions_need_initialize() {
    let fixture = Fixture::plastic();
    let good = arguments(&fixture, 7);
    fixture.finalize().unwrap();
    for row in TABLE {
        let rv = (row.call)(fixture.caller().list, good);
        assert_eq!(rv, CKR_CRYPTOKI_NOT_INITIALIZED, "{}: {rv:#x}", row.name);
    }
}

#[test]
fn table_has_every_function() {
    // Version and padding take the place of one pointer.
    let functions = size_of::<CK_FUNCTION_LIST_3_2>() / size_of::<usize>() - 1;
    // C_Initialize, C_Finalize, C_GetFunctionList, C_GetInterfaceList, C_GetInterface are in lifecycle.rs.
    assert_eq!(TABLE.len() + 5, functions);
}

//! Session management functions (PKCS#11 3.2, 5.6).

use std::ffi::c_void;

use cryptoki_sys::{
    CK_FLAGS, CK_NOTIFY, CK_OBJECT_HANDLE, CK_SESSION_HANDLE, CK_SESSION_INFO,
    CK_SESSION_VALIDATION_FLAGS_TYPE, CK_SLOT_ID, CK_USER_TYPE,
};

use super::input::{Ignored, InBytes};
use super::output::{Out, OutBuf};
use super::process;
use crate::cryptoki::rv::Rv;

cryptoki! {
    /// Opens a session. Read/write sessions are given, though nothing of the token but its PIN can be written.
    fn C_OpenSession(
        slot: CK_SLOT_ID, flags: CK_FLAGS, _application: Ignored<c_void>, _notify: CK_NOTIFY,
        session: Out<CK_SESSION_HANDLE>,
    ) {
        let module = process::module()?;
        let session = session.open()?;
        session.give(module.open_session(slot, flags)?)
    }

    /// Closes a session. The last one of a token logs the user out.
    fn C_CloseSession(session: CK_SESSION_HANDLE) {
        process::module()?.close_session(session)
    }

    /// Closes all sessions of a slot; the user is logged out.
    fn C_CloseAllSessions(slot: CK_SLOT_ID) {
        process::module()?.close_all_sessions(slot)
    }

    /// Returns slot, state and flags of a session. Sends nothing to the card.
    fn C_GetSessionInfo(session: CK_SESSION_HANDLE, info: Out<CK_SESSION_INFO>) {
        let module = process::module_of(session)?;
        info.open()?.give(module.session_info(session)?)
    }

    /// Ends the operations that the flags name.
    fn C_SessionCancel(session: CK_SESSION_HANDLE, flags: CK_FLAGS) {
        process::module()?.session_cancel(session, flags)
    }

    /// Saves nothing: `CKR_STATE_UNSAVEABLE`, or `CKR_OPERATION_NOT_INITIALIZED`.
    fn C_GetOperationState(session: CK_SESSION_HANDLE, (state, state_len): OutBuf) {
        let module = process::module_of(session)?;
        let state = state.open()?;
        let room = state.room();
        state.give(module.operation_state(session, room)?)
    }

    /// Restores nothing: `CKR_SAVED_STATE_INVALID`.
    fn C_SetOperationState(
        session: CK_SESSION_HANDLE, (state, state_len): InBytes,
        _encryption_key: CK_OBJECT_HANDLE, _authentication_key: CK_OBJECT_HANDLE,
    ) {
        let module = process::module_of(session)?;
        module.set_operation_state(session, state.optional()?.ok_or(Rv::ArgumentsBad)?)
    }

    /// Logs the user in (`CKU_USER`), or for one signature (`CKU_CONTEXT_SPECIFIC`). docs/login.md has each code. A
    /// NULL PIN: the dialog or the PIN pad that `pin_entry` chooses, else `CKR_ARGUMENTS_BAD`; the security officer: `CKR_USER_TYPE_INVALID`.
    fn C_Login(session: CK_SESSION_HANDLE, user: CK_USER_TYPE, (pin, pin_len): InBytes) {
        process::module_of(session)?.login(session, user, pin.optional()?)
    }

    /// As C_Login; a user name that is not empty: `CKR_ARGUMENTS_BAD`.
    fn C_LoginUser(
        session: CK_SESSION_HANDLE, user: CK_USER_TYPE, (pin, pin_len): InBytes,
        (name, name_len): InBytes,
    ) {
        let module = process::module_of(session)?;
        module.login_user(session, user, pin.optional()?, name.get()?)
    }

    /// Logs the user out; ends signatures, searches, and the handles of private objects.
    fn C_Logout(session: CK_SESSION_HANDLE) {
        process::module()?.logout(session)
    }

    /// Returns 0: nothing is validated. Another type than the last validation: `CKR_FUNCTION_FAILED`.
    fn C_GetSessionValidationFlags(
        session: CK_SESSION_HANDLE, kind: CK_SESSION_VALIDATION_FLAGS_TYPE, flags: Out<CK_FLAGS>,
    ) {
        let module = process::module_of(session)?;
        flags.open()?.give(module.session_validation_flags(session, kind)?)
    }
}

//! Session management functions (PKCS#11 3.2, 5.6). It may call the module floor. It never calls
//! back: no notification of ours would tell an application anything.

use std::ffi::c_void;

use cryptoki_sys::{
    CK_FLAGS, CK_NOTIFY, CK_OBJECT_HANDLE, CK_SESSION_HANDLE, CK_SESSION_INFO,
    CK_SESSION_VALIDATION_FLAGS_TYPE, CK_SLOT_ID, CK_USER_TYPE,
};

use super::input::{Ignored, InBytes};
use super::output::{Out, OutBuf};
use super::process;

cryptoki! {
    /// Opens a session.
    fn C_OpenSession(
        slot: CK_SLOT_ID, flags: CK_FLAGS, _application: Ignored<c_void>, _notify: CK_NOTIFY,
        session: Out<CK_SESSION_HANDLE>,
    ) {
        let module = process::module()?;
        let session = session.open()?;
        session.give(module.open_session(slot, flags)?)
    }

    /// Closes a session.
    fn C_CloseSession(session: CK_SESSION_HANDLE) {
        process::module()?.close_session(session)
    }

    /// Closes all sessions with a token.
    fn C_CloseAllSessions(slot: CK_SLOT_ID) {
        process::module()?.close_all_sessions(slot)
    }

    /// Describes a session.
    fn C_GetSessionInfo(session: CK_SESSION_HANDLE, info: Out<CK_SESSION_INFO>) {
        let module = process::module_of(session)?;
        info.open()?.give(module.session_info(session)?)
    }

    /// Ends operations of a session.
    fn C_SessionCancel(session: CK_SESSION_HANDLE, flags: CK_FLAGS) {
        process::module()?.session_cancel(session, flags)
    }

    /// Saves the state of a session's operations.
    fn C_GetOperationState(session: CK_SESSION_HANDLE, (state, state_len): OutBuf) {
        let module = process::module_of(session)?;
        let state = state.open()?;
        let room = state.room();
        state.give(module.operation_state(session, room)?)
    }

    /// Restores it.
    fn C_SetOperationState(
        session: CK_SESSION_HANDLE, (state, state_len): InBytes,
        _encryption_key: CK_OBJECT_HANDLE, _authentication_key: CK_OBJECT_HANDLE,
    ) {
        process::module_of(session)?.set_operation_state(session, state.get()?)
    }

    /// Logs in. Without a PIN the reader's PIN pad is meant.
    fn C_Login(session: CK_SESSION_HANDLE, user: CK_USER_TYPE, (pin, pin_len): InBytes) {
        process::module_of(session)?.login(session, user, pin.optional()?)
    }

    /// Logs in with a user's name.
    fn C_LoginUser(
        session: CK_SESSION_HANDLE, user: CK_USER_TYPE, (pin, pin_len): InBytes,
        (name, name_len): InBytes,
    ) {
        let module = process::module_of(session)?;
        module.login_user(session, user, pin.optional()?, name.get()?)
    }

    /// Logs out.
    fn C_Logout(session: CK_SESSION_HANDLE) {
        process::module()?.logout(session)
    }

    /// Tells how far a session's last operations were validated.
    fn C_GetSessionValidationFlags(
        session: CK_SESSION_HANDLE, kind: CK_SESSION_VALIDATION_FLAGS_TYPE, flags: Out<CK_FLAGS>,
    ) {
        let module = process::module_of(session)?;
        flags.open()?.give(module.session_validation_flags(session, kind)?)
    }
}

//! Sessions and logins (PKCS#11 3.2, 5.6).

use std::ptr;

use cryptoki_sys::*;

use super::{Answer, Caller, call, input};

impl Caller {
    /// `C_OpenSession`.
    pub fn open_session(&self, slot: CK_SLOT_ID, read_write: bool) -> Answer<CK_SESSION_HANDLE> {
        let rw = if read_write { CKF_RW_SESSION } else { 0 };
        self.open_session_with(slot, CKF_SERIAL_SESSION | rw)
    }

    /// `C_OpenSession` with any flags.
    pub fn open_session_with(
        &self,
        slot: CK_SLOT_ID,
        flags: CK_FLAGS,
    ) -> Answer<CK_SESSION_HANDLE> {
        let mut session = 0;
        call!(self.C_OpenSession(slot, flags, ptr::null_mut(), None, &mut session))
            .map(|()| session)
    }

    /// `C_CloseSession`.
    pub fn close_session(&self, session: CK_SESSION_HANDLE) -> Answer<()> {
        call!(self.C_CloseSession(session))
    }

    /// `C_CloseAllSessions`.
    pub fn close_all_sessions(&self, slot: CK_SLOT_ID) -> Answer<()> {
        call!(self.C_CloseAllSessions(slot))
    }

    /// `C_GetSessionInfo`.
    pub fn session_info(&self, session: CK_SESSION_HANDLE) -> Answer<CK_SESSION_INFO> {
        let mut info = CK_SESSION_INFO::default();
        call!(self.C_GetSessionInfo(session, &mut info)).map(|()| info)
    }

    /// `CKS_…` of a session.
    pub fn state(&self, session: CK_SESSION_HANDLE) -> Answer<CK_STATE> {
        self.session_info(session).map(|info| info.state)
    }

    /// `C_SessionCancel`.
    pub fn session_cancel(&self, session: CK_SESSION_HANDLE, flags: CK_FLAGS) -> Answer<()> {
        call!(self.C_SessionCancel(session, flags))
    }

    /// `C_GetSessionValidationFlags`.
    pub fn validation_flags(
        &self,
        session: CK_SESSION_HANDLE,
        kind: CK_SESSION_VALIDATION_FLAGS_TYPE,
    ) -> Answer<CK_FLAGS> {
        let mut flags = CK_FLAGS::MAX;
        call!(self.C_GetSessionValidationFlags(session, kind, &mut flags)).map(|()| flags)
    }

    /// `C_GetOperationState`.
    pub fn operation_state(&self, session: CK_SESSION_HANDLE) -> Answer<Vec<u8>> {
        super::bytes_of(|place, length| call!(self.C_GetOperationState(session, place, length)))
    }

    /// `C_SetOperationState`.
    pub fn set_operation_state(&self, session: CK_SESSION_HANDLE, state: &[u8]) -> Answer<()> {
        let (state, length) = input(state);
        call!(self.C_SetOperationState(session, state, length, 0, 0))
    }

    /// `C_Login`.
    pub fn login(&self, session: CK_SESSION_HANDLE, user: CK_USER_TYPE, pin: &[u8]) -> Answer<()> {
        let (pin, length) = input(pin);
        call!(self.C_Login(session, user, pin, length))
    }

    /// `C_Login` with NULL for a PIN.
    pub fn login_without_pin(&self, session: CK_SESSION_HANDLE, user: CK_USER_TYPE) -> Answer<()> {
        call!(self.C_Login(session, user, ptr::null_mut(), 0))
    }

    /// `C_LoginUser`.
    pub fn login_user(
        &self,
        session: CK_SESSION_HANDLE,
        user: CK_USER_TYPE,
        pin: &[u8],
        name: &[u8],
    ) -> Answer<()> {
        let ((pin, pin_length), (name, name_length)) = (input(pin), input(name));
        call!(self.C_LoginUser(session, user, pin, pin_length, name, name_length))
    }

    /// `C_Logout`.
    pub fn logout(&self, session: CK_SESSION_HANDLE) -> Answer<()> {
        call!(self.C_Logout(session))
    }
}

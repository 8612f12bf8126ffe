//! Sessions, login and PINs (PKCS#11 3.2, 5.6 and the PIN functions of 5.5).

use std::sync::Arc;

use cryptoki_sys::*;

use super::module::Module;
use crate::cryptoki::output_buffer::{Output, Room};
use crate::cryptoki::rv::{Result, Rv};
use crate::cryptoki::session::Session;
use crate::logging;
use crate::messages::Message;

/// The flags that `C_OpenSession` knows.
const SESSION_FLAGS: CK_FLAGS = CKF_SERIAL_SESSION | CKF_RW_SESSION | CKF_ASYNC_SESSION;

impl Module {
    /// `C_OpenSession`. Read/write sessions are given although the objects of the token cannot be
    /// written: Java and OpenSSH open no others, and `C_SetPIN` needs one.
    ///
    /// # Errors
    /// `CKR_SLOT_ID_INVALID`, `CKR_SESSION_PARALLEL_NOT_SUPPORTED`, `CKR_SESSION_ASYNC_NOT_SUPPORTED`,
    /// `CKR_ARGUMENTS_BAD`, and as [`Module::token_info`].
    pub(crate) fn open_session(
        &self,
        id: CK_SLOT_ID,
        flags: CK_FLAGS,
    ) -> Result<CK_SESSION_HANDLE> {
        self.slot(id)?;
        if flags & CKF_SERIAL_SESSION == 0 {
            return Err(Rv::SessionParallelNotSupported.into());
        }
        if flags & CKF_ASYNC_SESSION != 0 {
            return Err(Rv::SessionAsyncNotSupported.into());
        }
        if flags & !SESSION_FLAGS != 0 {
            return Err(Rv::ArgumentsBad.into());
        }
        let (slot, token) = self.token(id)?;
        let session = Session::new(slot, token, flags & CKF_RW_SESSION != 0);
        let handle = self.fresh_handle();
        self.sessions.lock().insert(handle, Arc::new(session));
        Ok(handle)
    }

    /// `C_CloseSession`. With the last session of a token goes its login.
    ///
    /// # Errors
    /// `CKR_SESSION_HANDLE_INVALID`.
    pub(crate) fn close_session(&self, handle: CK_SESSION_HANDLE) -> Result<()> {
        let mut sessions = self.sessions.lock();
        let session = sessions.remove(&handle).ok_or(Rv::SessionHandleInvalid)?;
        let last = !sessions
            .values()
            .any(|other| Arc::ptr_eq(&other.slot, &session.slot));
        drop(sessions);
        self.session_objects
            .lock()
            .retain(|_, kept| kept.object.session != handle);
        if last {
            end_login(&session);
        }
        Ok(())
    }

    /// `C_CloseAllSessions`.
    ///
    /// # Errors
    /// `CKR_SLOT_ID_INVALID`.
    pub(crate) fn close_all_sessions(&self, id: CK_SLOT_ID) -> Result<()> {
        self.slot(id)?;
        let mut closed = Vec::new();
        self.sessions.lock().retain(|_, session| {
            let stays = session.slot.id != id;
            if !stays {
                closed.push(Arc::clone(session));
            }
            stays
        });
        self.session_objects
            .lock()
            .retain(|_, kept| kept.slot != id);
        if let Some(session) = closed.first() {
            end_login(session);
        }
        Ok(())
    }

    /// How many sessions a slot has, and how many of them are read/write.
    pub(super) fn count_sessions(&self, id: CK_SLOT_ID) -> (CK_ULONG, CK_ULONG) {
        let sessions = self.sessions.lock();
        let of_slot = sessions.values().filter(|session| session.slot.id == id);
        of_slot.fold((0, 0), |(all, read_write), session| {
            (all + 1, read_write + CK_ULONG::from(session.read_write))
        })
    }

    /// `C_GetSessionInfo`.
    ///
    /// # Errors
    /// `CKR_SESSION_HANDLE_INVALID`, `CKR_DEVICE_REMOVED`.
    pub(crate) fn session_info(&self, handle: CK_SESSION_HANDLE) -> Result<CK_SESSION_INFO> {
        let session = self.session(handle)?;
        let read_write = if session.read_write {
            CKF_RW_SESSION
        } else {
            0
        };
        Ok(CK_SESSION_INFO {
            slotID: session.slot.id,
            state: session.state(),
            flags: CKF_SERIAL_SESSION | read_write,
            ulDeviceError: 0,
        })
    }

    /// Is there such a session? For functions that we do not offer, and before pointers are looked at.
    ///
    /// # Errors
    /// `CKR_SESSION_HANDLE_INVALID`.
    pub(crate) fn check_session(&self, handle: CK_SESSION_HANDLE) -> Result<()> {
        self.known_session(handle).map(|_| ())
    }

    /// `C_SessionCancel`.
    ///
    /// # Errors
    /// `CKR_SESSION_HANDLE_INVALID`, `CKR_DEVICE_REMOVED`.
    pub(crate) fn session_cancel(&self, handle: CK_SESSION_HANDLE, flags: CK_FLAGS) -> Result<()> {
        self.session(handle)?.operations.lock().cancel(flags);
        Ok(())
    }

    /// `C_GetSessionValidationFlags`: the token has been validated by nobody.
    ///
    /// # Errors
    /// `CKR_SESSION_HANDLE_INVALID`, `CKR_DEVICE_REMOVED`; `CKR_ARGUMENTS_BAD` for a kind of flags that
    /// the standard does not have.
    pub(crate) fn session_validation_flags(
        &self,
        handle: CK_SESSION_HANDLE,
        kind: CK_SESSION_VALIDATION_FLAGS_TYPE,
    ) -> Result<CK_FLAGS> {
        self.session(handle)?;
        match kind {
            CKS_LAST_VALIDATION_OK => Ok(0),
            _ => Err(Rv::ArgumentsBad.into()),
        }
    }

    /// `C_GetOperationState`: what is under way cannot be saved.
    ///
    /// # Errors
    /// `CKR_OPERATION_NOT_INITIALIZED` when nothing is, `CKR_STATE_UNSAVEABLE` otherwise.
    pub(crate) fn operation_state(&self, handle: CK_SESSION_HANDLE, _room: Room) -> Result<Output> {
        let session = self.session(handle)?;
        let operations = session.operations.lock();
        let any =
            operations.sign.is_some() || operations.verify.is_some() || operations.digest.is_some();
        Err(if any {
            Rv::StateUnsaveable
        } else {
            Rv::OperationNotInitialized
        }
        .into())
    }

    /// `C_SetOperationState`: no state can have come from us.
    ///
    /// # Errors
    /// `CKR_SAVED_STATE_INVALID`.
    pub(crate) fn set_operation_state(
        &self,
        handle: CK_SESSION_HANDLE,
        _state: &[u8],
    ) -> Result<()> {
        self.session(handle)?;
        Err(Rv::SavedStateInvalid.into())
    }

    /// `C_Login`. `pin`: `None` for NULL, which requests the PIN dialog.
    ///
    /// # Errors
    /// `CKR_PIN_INCORRECT`, `CKR_PIN_LOCKED`, `CKR_USER_ALREADY_LOGGED_IN`, `CKR_USER_TYPE_INVALID`,
    /// `CKR_OPERATION_NOT_INITIALIZED`, `CKR_ARGUMENTS_BAD` without a PIN and without a dialog,
    /// `CKR_FUNCTION_CANCELED`, and what the card says.
    pub(crate) fn login(
        &self,
        handle: CK_SESSION_HANDLE,
        user: CK_USER_TYPE,
        pin: Option<&[u8]>,
    ) -> Result<()> {
        let session = self.session(handle)?;
        match user {
            CKU_USER => {
                if session.is_logged_in() {
                    return Err(Rv::UserAlreadyLoggedIn.into());
                }
                session.slot.login(&session.inserted, pin)
            }
            CKU_CONTEXT_SPECIFIC => {
                let mut operations = session.operations.lock();
                let authenticated = operations.authenticated()?;
                // What an earlier call gave is over, whatever comes of this one.
                *authenticated = None;
                *authenticated = session.slot.login_again(&session.inserted, pin)?;
                Ok(())
            }
            CKU_SO => {
                // The security officer is the municipality. What the standard complains of first comes first.
                let (all, read_write) = self.count_sessions(session.slot.id);
                if read_write < all {
                    return Err(Rv::SessionReadOnlyExists.into());
                }
                if session.is_logged_in() {
                    return Err(Rv::UserAnotherAlreadyLoggedIn.into());
                }
                logging::tell(&Message::CannotUnblock.text(self.config.spoken_language()));
                Err(Rv::UserTypeInvalid.into())
            }
            _ => Err(Rv::UserTypeInvalid.into()),
        }
    }

    /// `C_LoginUser`: the token knows one user and no names, so only the empty name is his.
    ///
    /// # Errors
    /// As [`Module::login`]; `CKR_ARGUMENTS_BAD` with a name.
    pub(crate) fn login_user(
        &self,
        handle: CK_SESSION_HANDLE,
        user: CK_USER_TYPE,
        pin: Option<&[u8]>,
        name: &[u8],
    ) -> Result<()> {
        if !name.is_empty() {
            self.session(handle)?;
            return Err(Rv::ArgumentsBad.into());
        }
        self.login(handle, user, pin)
    }

    /// Ends the message under way, for a call that failed on its arguments: `CKF_MESSAGE_SIGN` or
    /// `CKF_MESSAGE_VERIFY`. The process of signing or verifying messages goes on.
    pub(crate) fn abandon_message(&self, handle: CK_SESSION_HANDLE, flags: CK_FLAGS) {
        if let Ok(session) = self.session(handle) {
            session.operations.lock().abandon_message(flags);
        }
    }

    /// `C_Logout`. Operations with the private key end (PKCS#11 3.2, 5.6).
    ///
    /// # Errors
    /// `CKR_USER_NOT_LOGGED_IN`, `CKR_SESSION_HANDLE_INVALID`, `CKR_DEVICE_REMOVED`.
    pub(crate) fn logout(&self, handle: CK_SESSION_HANDLE) -> Result<()> {
        let session = self.session(handle)?;
        session.slot.logout(&session.inserted)?;
        let sessions: Vec<_> = self.sessions.lock().values().cloned().collect();
        for other in sessions
            .iter()
            .filter(|other| Arc::ptr_eq(&other.slot, &session.slot))
        {
            other.operations.lock().end_private();
        }
        self.session_objects
            .lock()
            .retain(|_, kept| kept.slot != session.slot.id || !kept.object.is_private());
        Ok(())
    }

    /// `C_SetPIN`.
    ///
    /// # Errors
    /// `CKR_SESSION_READ_ONLY`, `CKR_PIN_INCORRECT`, `CKR_PIN_LEN_RANGE`, `CKR_PIN_INVALID`, `CKR_PIN_LOCKED`,
    /// `CKR_ARGUMENTS_BAD`, and what the card says.
    pub(crate) fn set_pin(
        &self,
        handle: CK_SESSION_HANDLE,
        old: Option<&[u8]>,
        new: Option<&[u8]>,
    ) -> Result<()> {
        let session = self.session(handle)?;
        if !session.read_write {
            return Err(Rv::SessionReadOnly.into());
        }
        session.slot.set_pin(&session.inserted, old, new)
    }

    /// `C_InitPIN`: a first or a new PIN is set by the municipality.
    ///
    /// # Errors
    /// `CKR_USER_NOT_LOGGED_IN`: no security officer can be logged in.
    pub(crate) fn init_pin(&self, handle: CK_SESSION_HANDLE, _pin: Option<&[u8]>) -> Result<()> {
        self.session(handle)?;
        logging::tell(&Message::CannotUnblock.text(self.config.spoken_language()));
        Err(Rv::UserNotLoggedIn.into())
    }

    /// `C_InitToken`: a card is issued by the municipality.
    ///
    /// # Errors
    /// `CKR_SLOT_ID_INVALID`, `CKR_TOKEN_NOT_PRESENT`, `CKR_TOKEN_NOT_RECOGNIZED`, `CKR_SESSION_EXISTS`,
    /// and `CKR_TOKEN_WRITE_PROTECTED` in the end.
    pub(crate) fn init_token(&self, id: CK_SLOT_ID, _pin: Option<&[u8]>) -> Result<()> {
        self.check_token(id)?;
        if self.count_sessions(id).0 > 0 {
            return Err(Rv::SessionExists.into());
        }
        Err(Rv::TokenWriteProtected.into())
    }
}

/// With the last session the login ends (PKCS#11 3.2, 5.6). That there was none is no complaint.
fn end_login(session: &Session) {
    let _ = session.slot.logout(&session.inserted);
}

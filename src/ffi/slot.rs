//! Slot and token management functions (PKCS#11 3.2, 5.5).

use cryptoki_sys::{
    CK_BBOOL, CK_FALSE, CK_FLAGS, CK_MECHANISM_INFO, CK_MECHANISM_TYPE, CK_SESSION_HANDLE,
    CK_SLOT_ID, CK_SLOT_INFO, CK_TOKEN_INFO, CK_UTF8CHAR, CKF_DONT_BLOCK,
};

use super::input::{In, InBytes, Reserved};
use super::output::{Out, OutBuf};
use super::process;

cryptoki! {
    /// Lists the slots, two for each reader. New readers are appended when the number is asked for (`pSlotList`
    /// NULL).
    fn C_GetSlotList(token_present: CK_BBOOL, (list, count): OutBuf<CK_SLOT_ID>) {
        let module = process::module()?;
        let list = list.open()?;
        let slots = module.slot_list(token_present != CK_FALSE, list.room())?;
        list.give_all(&slots)
    }

    /// Describes a slot. `CKF_TOKEN_PRESENT` is set for a JPKI card alone.
    fn C_GetSlotInfo(slot: CK_SLOT_ID, info: Out<CK_SLOT_INFO>) {
        let module = process::module()?;
        info.open()?.give(module.slot_info(slot)?)
    }

    /// Describes the token. Another kind of card: `CKR_TOKEN_NOT_RECOGNIZED`.
    fn C_GetTokenInfo(slot: CK_SLOT_ID, info: Out<CK_TOKEN_INFO>) {
        let module = process::module()?;
        info.open()?.give(module.token_info(slot)?)
    }

    /// Waits for an insertion or a removal. `CKF_DONT_BLOCK`: `CKR_NO_EVENT` when there was none. C_Finalize ends it.
    fn C_WaitForSlotEvent(flags: CK_FLAGS, slot: Out<CK_SLOT_ID>, reserved: Reserved) {
        let module = process::module()?;
        reserved.must_be_null()?;
        let slot = slot.open()?;
        slot.give(module.wait_for_slot_event(flags & CKF_DONT_BLOCK != 0)?)
    }

    /// Lists the mechanisms of the token.
    fn C_GetMechanismList(slot: CK_SLOT_ID, (list, count): OutBuf<CK_MECHANISM_TYPE>) {
        let module = process::module()?;
        list.open()?.give_all(&module.mechanism_list(slot)?)
    }

    /// Describes a mechanism of the token.
    fn C_GetMechanismInfo(
        slot: CK_SLOT_ID, mechanism: CK_MECHANISM_TYPE, info: Out<CK_MECHANISM_INFO>,
    ) {
        let module = process::module()?;
        info.open()?.give(module.mechanism_info(slot, mechanism)?)
    }

    /// Initialises no token: `CKR_TOKEN_WRITE_PROTECTED`, or `CKR_SESSION_EXISTS`.
    fn C_InitToken(slot: CK_SLOT_ID, (pin, pin_len): InBytes, label: In<CK_UTF8CHAR>) {
        let module = process::module()?;
        // A token that is not there is the better answer than a pointer that is not.
        module.check_token(slot)?;
        label.required()?;
        module.init_token(slot, pin.optional()?)
    }

    /// Sets no PIN: `CKR_USER_NOT_LOGGED_IN`, because the security officer is the municipality.
    fn C_InitPIN(session: CK_SESSION_HANDLE, (pin, pin_len): InBytes) {
        process::module_of(session)?.init_pin(session, pin.optional()?)
    }

    /// Changes the PIN of the token on the card. Read-only session: `CKR_SESSION_READ_ONLY`.
    fn C_SetPIN(
        session: CK_SESSION_HANDLE, (old, old_len): InBytes, (new, new_len): InBytes,
    ) {
        process::module_of(session)?.set_pin(session, old.optional()?, new.optional()?)
    }
}

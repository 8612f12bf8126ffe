//! Slots and tokens (PKCS#11 3.2, 5.5).

use std::ptr;

use cryptoki_sys::*;

use super::{Answer, Caller, call, input, size};

impl Caller {
    /// `C_GetSlotList`, both calls.
    pub fn slot_list(&self, token_present: bool) -> Answer<Vec<CK_SLOT_ID>> {
        let count = self.slot_count(token_present)?;
        self.slots_in(token_present, size(count))
    }

    /// `C_GetSlotList` without a buffer.
    pub fn slot_count(&self, token_present: bool) -> Answer<CK_ULONG> {
        let mut count = 0;
        let present = CK_BBOOL::from(token_present);
        call!(self.C_GetSlotList(present, ptr::null_mut(), &mut count)).map(|()| count)
    }

    /// `C_GetSlotList` with a buffer for so many slots.
    pub fn slots_in(&self, token_present: bool, room: usize) -> Answer<Vec<CK_SLOT_ID>> {
        let mut slots = vec![0; room];
        let (present, mut count) = (CK_BBOOL::from(token_present), room as CK_ULONG);
        call!(self.C_GetSlotList(present, slots.as_mut_ptr(), &mut count))?;
        slots.truncate(size(count));
        Ok(slots)
    }

    /// `C_GetSlotInfo`.
    pub fn slot_info(&self, slot: CK_SLOT_ID) -> Answer<CK_SLOT_INFO> {
        let mut info = CK_SLOT_INFO::default();
        call!(self.C_GetSlotInfo(slot, &mut info)).map(|()| info)
    }

    /// `C_GetTokenInfo`.
    pub fn token_info(&self, slot: CK_SLOT_ID) -> Answer<CK_TOKEN_INFO> {
        let mut info = CK_TOKEN_INFO::default();
        call!(self.C_GetTokenInfo(slot, &mut info)).map(|()| info)
    }

    /// `C_GetMechanismList`, both calls.
    pub fn mechanisms(&self, slot: CK_SLOT_ID) -> Answer<Vec<CK_MECHANISM_TYPE>> {
        let mut count = 0;
        call!(self.C_GetMechanismList(slot, ptr::null_mut(), &mut count))?;
        let mut list = vec![0; size(count)];
        call!(self.C_GetMechanismList(slot, list.as_mut_ptr(), &mut count))?;
        list.truncate(size(count));
        Ok(list)
    }

    /// `C_GetMechanismInfo`.
    pub fn mechanism_info(
        &self,
        slot: CK_SLOT_ID,
        kind: CK_MECHANISM_TYPE,
    ) -> Answer<CK_MECHANISM_INFO> {
        let mut info = CK_MECHANISM_INFO::default();
        call!(self.C_GetMechanismInfo(slot, kind, &mut info)).map(|()| info)
    }

    /// `C_WaitForSlotEvent`.
    pub fn wait_for_slot_event(&self, flags: CK_FLAGS) -> Answer<CK_SLOT_ID> {
        let mut slot = CK_SLOT_ID::MAX;
        call!(self.C_WaitForSlotEvent(flags, &mut slot, ptr::null_mut())).map(|()| slot)
    }

    /// `C_InitToken`.
    pub fn init_token(&self, slot: CK_SLOT_ID, pin: &[u8]) -> Answer<()> {
        let (pin, length) = input(pin);
        let label = [b' '; 32];
        call!(self.C_InitToken(slot, pin, length, label.as_ptr().cast_mut()))
    }

    /// `C_InitPIN`.
    pub fn init_pin(&self, session: CK_SESSION_HANDLE, pin: &[u8]) -> Answer<()> {
        let (pin, length) = input(pin);
        call!(self.C_InitPIN(session, pin, length))
    }

    /// `C_SetPIN`.
    pub fn set_pin(&self, session: CK_SESSION_HANDLE, old: &[u8], new: &[u8]) -> Answer<()> {
        let ((old, old_length), (new, new_length)) = (input(old), input(new));
        call!(self.C_SetPIN(session, old, old_length, new, new_length))
    }

    /// `C_SetPIN` with NULL for both PINs.
    pub fn set_pin_without_pins(&self, session: CK_SESSION_HANDLE) -> Answer<()> {
        call!(self.C_SetPIN(session, ptr::null_mut(), 0, ptr::null_mut(), 0))
    }
}

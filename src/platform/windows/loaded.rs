//! The module in the host's memory.

use std::ptr;

use windows_sys::Win32::System::LibraryLoader::{
    GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_PIN, GetModuleHandleExW,
};

/// Keeps it there when the host unloads it: a thread of the host or of ours may still be inside.
pub(crate) fn stay_loaded() {
    let mut module = ptr::null_mut();
    let flags = GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS;
    let address = stay_loaded as *const u16;
    // SAFETY: with FROM_ADDRESS the second parameter is an address in the module, and no text.
    unsafe { GetModuleHandleExW(flags, address, &raw mut module) };
}

//! PKCS#11: slots, sessions, logins, objects, operations, mechanisms, and the one mapping from an
//! error to a return code. Handles come in, owned values go out. It may import `card` and the
//! leaves; it sees no raw pointer and no PC/SC.

pub(crate) mod login;
pub mod mechanisms;
pub mod module;
pub(crate) mod objects;
pub(crate) mod operations;
pub(crate) mod output_buffer;
mod pin_dialog;
pub mod rv;
pub(crate) mod session;
pub(crate) mod sessions;
pub(crate) mod slot;
pub(crate) mod slots;

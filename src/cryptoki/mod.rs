//! PKCS#11: slots, sessions, logins, objects, operations, mechanisms, and the one mapping from an
//! error to a return code. Handles come in, owned values go out. It may import `card` and the
//! leaves; it sees no raw pointer and no PC/SC.

pub mod login;
pub mod mechanisms;
pub mod module;
pub mod objects;
pub mod operations;
pub mod output_buffer;
pub mod rv;
pub mod session;
pub mod sessions;
pub mod slot;
pub mod slots;

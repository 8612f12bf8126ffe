//! What each function of the standard answers.

mod abi;
mod events;
mod face;
mod functions;
mod lifecycle;
mod null_pointers;
mod objects;
mod profiles;
mod removal;
mod return_codes;
mod session_objects;
mod sessions;
mod sign;
mod slots;
mod two_calls;
mod verify;

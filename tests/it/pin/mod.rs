//! Which PINs reach the card, what a login is good for, and how it ends.

mod always_authenticate;
mod login;
mod login_policy;
mod pin_protection;
mod set_pin;

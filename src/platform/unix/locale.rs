//! The user's language.

/// What the system says of it besides the variables of the locale: nothing.
pub(crate) fn system_locale() -> Option<String> {
    None
}

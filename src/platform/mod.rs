//! What only the operating system can do. A leaf: it imports nothing of the crate.

mod locked_page;

pub(crate) use locked_page::LockedPage;

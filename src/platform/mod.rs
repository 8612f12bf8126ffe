//! What only the operating system can do. A leaf: it imports nothing of the crate.

mod guarded_read;
mod locked_page;

pub(crate) use guarded_read::GuardedRead;
pub(crate) use locked_page::LockedPage;

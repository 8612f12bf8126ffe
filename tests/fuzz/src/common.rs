//! How the tests of the module call it.

#[path = "../../it/common/caller/mod.rs"]
pub mod caller;
#[path = "../../it/common/module.rs"]
pub mod module;
#[path = "../../it/common/words.rs"]
pub mod words;

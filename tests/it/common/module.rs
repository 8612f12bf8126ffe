//! What the tests take from the crate besides the C ABI. A test imports it from here.

pub use jpki_pkcs11::config;
pub use jpki_pkcs11::cryptoki::rv::Rv;
pub use jpki_pkcs11::ffi::C_GetInterface;
pub use jpki_pkcs11::messages::Language;
pub use jpki_pkcs11::pcsc;
pub use jpki_pkcs11::vendor;

use jpki_pkcs11::card::Readers;
use jpki_pkcs11::cryptoki::module::Module;
use jpki_pkcs11::cryptoki::rv::Result;
use jpki_pkcs11::ffi;

/// The service below the module that is shipped.
pub fn pcsc_service() -> pcsc::Bounded {
    pcsc::Bounded::new(pcsc::service::Pcsc::new())
}

/// What `C_Initialize` does, on these readers instead of those of PC/SC.
pub fn initialize_with(transport: Box<dyn pcsc::Transport>, config: config::Config) -> Result<()> {
    ffi::initialize_with(Module::new(config, Readers::new(transport)))
}

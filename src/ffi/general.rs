//! General-purpose functions (PKCS#11 3.2, 5.4).

use std::ptr;

use cryptoki_sys::{
    CK_FLAGS, CK_FUNCTION_LIST_PTR, CK_INFO, CK_INTERFACE, CK_INTERFACE_PTR, CK_VERSION,
};

use super::initialize::InitializeArgs;
use super::input::{In, InName, Reserved};
use super::list::{INTERFACES, NAME, V2_40, version};
use super::output::{Out, OutBuf};
use super::process;
use crate::cryptoki::module::Module;
use crate::cryptoki::rv::Rv;

cryptoki! {
    /// Reads the configuration, once, and looks at the readers. Sends nothing to a card.
    fn C_Initialize(args: InitializeArgs) {
        let reserved = args.reserved()?;
        let threads = args.allow_threads();
        process::initialize(|| Module::open(reserved.as_deref(), threads))
    }

    /// Ends all waits and logins, disconnects from the cards. Returns within 3 s.
    fn C_Finalize(reserved: Reserved) {
        reserved.must_be_null()?;
        process::finalize()
    }

    /// Returns the version of Cryptoki and of the library.
    fn C_GetInfo(info: Out<CK_INFO>) {
        let module = process::module()?;
        info.open()?.give(module.info())
    }

    /// Returns the function list of 2.40.
    fn C_GetFunctionList(list: Out<CK_FUNCTION_LIST_PTR>) {
        list.open()?.give(ptr::from_ref(&V2_40).cast_mut())
    }

    /// Lists the interfaces: 3.0, 3.2, 2.40.
    fn C_GetInterfaceList((list, count): OutBuf<CK_INTERFACE>) {
        list.open()?.give_all(&INTERFACES.0)
    }

    /// Returns the first interface with the name, the version and the flags that are given.
    fn C_GetInterface(
        name: InName, wanted: In<CK_VERSION>, interface: Out<CK_INTERFACE_PTR>, flags: CK_FLAGS,
    ) {
        let interface = interface.open()?;
        let wanted = wanted.get();
        let found = INTERFACES.0.iter().find(|offered| {
            let has = version(offered);
            name.allows(NAME)
                && wanted.is_none_or(|v| (v.major, v.minor) == (has.major, has.minor))
                && offered.flags & flags == flags
        });
        interface.give(ptr::from_ref(found.ok_or(Rv::ArgumentsBad)?).cast_mut())
    }
}

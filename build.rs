//! How the shared library is linked. It says so to Cargo. It never generates anything.
#![allow(clippy::print_stdout, reason = "this is how a build script speaks")]

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = std::env::var("CARGO_CFG_TARGET_OS");
    if target.as_deref() == Ok("linux") {
        // A program may unload us while a thread of its own is still inside, or after our
        // thread-local destructors were registered: stay in memory.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
        // What we call is ours, even where another library exports the same name globally.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-Bsymbolic");
    }
}

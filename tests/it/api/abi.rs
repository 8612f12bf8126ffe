//! The module as C and C++ programs see it: `include/jpki_pkcs11.h` beside p11-kit's header, the
//! shared library loaded, structures and constants compared with what it was compiled from.
//! It needs `cc`, `c++` and p11-kit's header.

use std::mem::{offset_of, size_of};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::module::vendor::*;
use cryptoki_sys::*;

/// What the C program prints about a structure or a constant, as Rust has it.
macro_rules! rust_side {
    ($(constant $constant:ident;)* $(size $sized:ident;)* $(offset $type:ident.$field:ident;)*) => {
        [
            $(format!("constant {} {}", stringify!($constant), $constant),)*
            $(format!("size {} {}", stringify!($sized), size_of::<$sized>()),)*
            $(format!(
                "offset {}.{} {}",
                stringify!($type), stringify!($field), offset_of!($type, $field)
            ),)*
        ]
    };
}

#[test]
fn c_program_sees_the_same_abi() {
    check(
        "cc",
        &[
            "-std=c99",
            "-pedantic-errors",
            "-Wall",
            "-Wextra",
            "-Werror",
        ],
        "c",
    );
}

#[test]
fn cpp_program_sees_the_same_abi() {
    check(
        "c++",
        &["-std=c++11", "-Wall", "-Wextra", "-Werror", "-x", "c++"],
        "cpp",
    );
}

fn check(compiler: &str, options: &[&str], name: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("abi-program-{name}"));
    let flags = Command::new("pkg-config")
        .args(["--cflags", "p11-kit-1"])
        .output()
        .unwrap();
    let flags = String::from_utf8(flags.stdout).unwrap();
    run(Command::new(compiler)
        .args(options)
        .args(flags.split_whitespace())
        .arg("-I")
        .arg(root.join("include"))
        .arg(root.join("tests/c-programs/abi.c"))
        .args(["-ldl", "-o"])
        .arg(&program));
    let told = run(Command::new(&program)
        .arg(module())
        .env("PCSCLITE_CSOCK_NAME", "/nonexistent/pcscd.comm"));
    let expected = rust_side! {
        constant CKH_JPKI_CARD;
        constant CKA_JPKI_PIN_TRIES_LEFT;
        constant CKA_JPKI_PIN_TRIES_MAX;
        constant CKA_JPKI_CERTIFICATE_END_DATE;
        constant CKA_JPKI_CARD_KIND;
        constant JPKI_CARD_PLASTIC;
        constant JPKI_CARD_ANDROID;
        constant JPKI_CARD_IPHONE;
        constant JPKI_CARD_JUKI;
        size CK_ULONG;
        size CK_VERSION;
        size CK_INFO;
        size CK_SLOT_INFO;
        size CK_TOKEN_INFO;
        size CK_SESSION_INFO;
        size CK_ATTRIBUTE;
        size CK_MECHANISM;
        size CK_MECHANISM_INFO;
        size CK_C_INITIALIZE_ARGS;
        size CK_DATE;
        size CK_FUNCTION_LIST;
        offset CK_INFO.libraryVersion;
        offset CK_SLOT_INFO.flags;
        offset CK_TOKEN_INFO.flags;
        offset CK_TOKEN_INFO.ulMaxPinLen;
        offset CK_TOKEN_INFO.utcTime;
        offset CK_SESSION_INFO.flags;
        offset CK_ATTRIBUTE.pValue;
        offset CK_ATTRIBUTE.ulValueLen;
        offset CK_MECHANISM.pParameter;
        offset CK_MECHANISM_INFO.flags;
        offset CK_C_INITIALIZE_ARGS.flags;
        offset CK_C_INITIALIZE_ARGS.pReserved;
        offset CK_FUNCTION_LIST.C_Initialize;
        offset CK_FUNCTION_LIST.C_Sign;
        offset CK_FUNCTION_LIST.C_WaitForSlotEvent;
    };
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
}

/// Every constant of `src/vendor.rs` stands in the header.
#[test]
fn header_has_every_vendor_constant() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap();
    let (vendor, header) = (read("src/vendor.rs"), read("include/jpki_pkcs11.h"));
    let names = vendor.lines().filter_map(|line| {
        let (name, kind) = line.strip_prefix("pub const ")?.split_once(": ")?;
        // What is in Rust's own types is not for C.
        kind.starts_with("CK_").then(|| name.to_owned())
    });
    let names: Vec<String> = names.collect();
    assert!(names.len() >= 9);
    for name in names {
        assert!(header.contains(&format!("#define {name} ")), "{name}");
    }
}

/// The shared library that Cargo built together with this program.
fn module() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let file = "libjpki_pkcs11.so";
    let near = program.ancestors().skip(1).take(2);
    let mut places = near.map(|folder| folder.join(file));
    places
        .find(|place| place.exists())
        .unwrap_or_else(|| panic!("no {file} beside {}", program.display()))
}

/// Runs a program that must succeed, and gives what it wrote.
fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{errors}",
        output.status
    );
    String::from_utf8(output.stdout).unwrap()
}

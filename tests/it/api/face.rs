//! Slots, tokens, mechanisms and objects of each kind of card with all their attributes, as golden files.

use std::fmt::Write as _;

use crate::common::{AUTH, Fixture, PASSWORD, PIN, SIGN, Template, golden, standard};
use cryptoki_sys::*;

#[test]
fn plastic_card() {
    check("plastic");
}

#[test]
fn android_phone() {
    check("android");
}

#[test]
fn iphone() {
    check("iphone");
}

#[test]
fn juki_card() {
    check("juki");
}

#[test]
fn child_card() {
    check("child");
}

#[test]
fn card_without_pins() {
    check("pinless");
}

#[test]
fn expired_card() {
    check("expired");
}

/// The plastic card as a whole, the others by what differs from it.
fn check(profile: &str) {
    let file = format!("face/{profile}.txt");
    match profile {
        "plastic" => golden::check(&file, &face(profile)),
        _ => golden::check(
            &file,
            &golden::differences(&face("plastic"), &face(profile)),
        ),
    }
}

fn face(profile: &str) -> String {
    let fixture = Fixture::with(profile);
    let mut face = String::new();
    for (slot, pin) in [(AUTH, PIN), (SIGN, PASSWORD)] {
        slot_and_token(&mut face, &fixture, slot);
        mechanisms(&mut face, &fixture, slot);
        let session = fixture.open(slot);
        objects(
            &mut face,
            &fixture,
            session,
            &format!("slot {slot}, before the login"),
        );
        match fixture.login(session, CKU_USER, pin) {
            Ok(()) => objects(
                &mut face,
                &fixture,
                session,
                &format!("slot {slot}, after the login"),
            ),
            Err(code) => writeln!(face, "## slot {slot}, no login: {code:#x}\n").unwrap(),
        }
    }
    face
}

fn text(field: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(field).trim_end())
}

/// A serial number by its form: the number itself is random, like the keys it is made of.
fn serial(field: &[u8]) -> String {
    let hexadecimal = field.iter().all(u8::is_ascii_hexdigit);
    match hexadecimal {
        true => format!("<{} hexadecimal digits>", field.len()),
        false => text(field),
    }
}

fn slot_and_token(face: &mut String, fixture: &Fixture, slot: CK_SLOT_ID) {
    let info = fixture.slot_info(slot).unwrap();
    writeln!(face, "# slot {slot}").unwrap();
    writeln!(face, "description    {}", text(&info.slotDescription)).unwrap();
    writeln!(face, "manufacturer   {}", text(&info.manufacturerID)).unwrap();
    writeln!(face, "flags          {:#x}\n", { info.flags }).unwrap();
    let info = fixture.token_info(slot).unwrap();
    writeln!(face, "## slot {slot}, token").unwrap();
    writeln!(face, "label          {}", text(&info.label)).unwrap();
    writeln!(face, "manufacturer   {}", text(&info.manufacturerID)).unwrap();
    writeln!(face, "model          {}", text(&info.model)).unwrap();
    writeln!(face, "serial number  {}", serial(&info.serialNumber)).unwrap();
    writeln!(face, "flags          {:#x}", { info.flags }).unwrap();
    writeln!(face, "PIN length     {} to {}", { info.ulMinPinLen }, {
        info.ulMaxPinLen
    })
    .unwrap();
    let sessions = [info.ulMaxSessionCount, info.ulMaxRwSessionCount];
    writeln!(face, "sessions       {sessions:x?}").unwrap();
    let memory = [
        info.ulTotalPublicMemory,
        info.ulFreePublicMemory,
        info.ulTotalPrivateMemory,
        info.ulFreePrivateMemory,
    ];
    let memory = memory.map(|bytes| match bytes {
        CK_UNAVAILABLE_INFORMATION => "unavailable".to_owned(),
        known => known.to_string(),
    });
    writeln!(face, "memory         {}", memory.join(", ")).unwrap();
    writeln!(face, "time           {}\n", text(&info.utcTime)).unwrap();
}

fn mechanisms(face: &mut String, fixture: &Fixture, slot: CK_SLOT_ID) {
    writeln!(face, "## slot {slot}, mechanisms").unwrap();
    for kind in fixture.mechanisms(slot).unwrap() {
        let info = fixture.mechanism_info(slot, kind).unwrap();
        let name = standard::mechanism_name(kind);
        let (least, most) = (info.ulMinKeySize, info.ulMaxKeySize);
        writeln!(face, "{name:<24} {least} to {most} bits, flags {:#x}", {
            info.flags
        })
        .unwrap();
    }
    writeln!(face).unwrap();
}

fn objects(face: &mut String, fixture: &Fixture, session: CK_SESSION_HANDLE, when: &str) {
    let mut found = fixture.find(session, &Template::new()).unwrap();
    found.extend(
        fixture
            .find(session, &Template::class(CKO_HW_FEATURE))
            .unwrap(),
    );
    for object in found {
        let class = fixture.number(session, object, CKA_CLASS).unwrap();
        let class = standard::class_name(class);
        // CKO_HW_FEATURE has no label.
        let label = fixture.text(session, object, CKA_LABEL).unwrap_or_default();
        writeln!(face, "{}", format!("## {when}: {class} {label}").trim_end()).unwrap();
        for &(name, kind) in standard::ATTRIBUTES {
            match fixture.attribute(session, object, kind) {
                Ok(value) => {
                    let shown = shown(kind, &value);
                    writeln!(face, "{name:<32} {shown}").unwrap();
                }
                Err(CKR_ATTRIBUTE_TYPE_INVALID) => {}
                Err(CKR_ATTRIBUTE_SENSITIVE) => writeln!(face, "{name:<32} (sensitive)").unwrap(),
                Err(other) => panic!("{name}: {other:#x}"),
            }
        }
        writeln!(face).unwrap();
    }
}

/// A value, with a placeholder for what is another on each card.
fn shown(kind: CK_ATTRIBUTE_TYPE, value: &[u8]) -> String {
    use standard::Kind;
    match standard::kind_of(kind) {
        _ if value.is_empty() => "(empty)".to_owned(),
        Kind::Random => format!("<{}>", roughly(value.len())),
        Kind::Date => match value {
            date if date.len() == 8 && date.iter().all(u8::is_ascii_digit) => "<date>".to_owned(),
            other => format!("no date: {other:x?}"),
        },
        Kind::Flag => match value {
            [CK_FALSE] => "no".to_owned(),
            [CK_TRUE] => "yes".to_owned(),
            other => format!("no flag: {other:x?}"),
        },
        Kind::Number => match <[u8; size_of::<CK_ULONG>()]>::try_from(value) {
            Ok(bytes) => match CK_ULONG::from_ne_bytes(bytes) {
                CK_UNAVAILABLE_INFORMATION => "unavailable".to_owned(),
                number => format!("{number:#x}"),
            },
            Err(_) => format!("no number: {value:x?}"),
        },
        Kind::Numbers => {
            let (words, rest) = value.as_chunks::<{ size_of::<CK_ULONG>() }>();
            assert!(rest.is_empty());
            let names = words
                .iter()
                .map(|word| standard::mechanism_name(CK_ULONG::from_ne_bytes(*word)));
            names.collect::<Vec<String>>().join(" ")
        }
        Kind::UniqueId => {
            let id = String::from_utf8(value.to_vec()).unwrap();
            let (serial_number, rest) = id.split_at(16);
            format!("{}{rest}", serial(serial_number.as_bytes()))
        }
        Kind::Text => text(value),
        Kind::Bytes => format!("{value:02x?}"),
    }
}

/// Certificates of the same kind differ by a byte or two: numbers without a leading zero.
fn roughly(length: usize) -> String {
    match length {
        0..=24 => "a few random bytes".to_owned(),
        256 => "256 random bytes".to_owned(),
        294 => "294 random bytes".to_owned(),
        _ => "many random bytes".to_owned(),
    }
}

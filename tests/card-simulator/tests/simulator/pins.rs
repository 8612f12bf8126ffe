//! VERIFY and CHANGE REFERENCE DATA (sections 3.3, 3.4, 5; points 5, 6, 10).

use jpki_card_simulator::{Card, Profile, Role, card::Memory};

use crate::{Desk, JPKI, PASSWORD, PIN, WRONG_PASSWORD, WRONG_PIN};

#[test]
fn three_tries_for_the_pin() {
    let mut desk = Desk::jpki("plastic");
    desk.says(&[
        ("00200098", "63C3"),
        (WRONG_PIN, "63C2"),
        ("00200098", "63C2"),
        (WRONG_PIN, "63C1"),
        (PIN, "9000"),
        ("00200098", "63C3"),
        (WRONG_PIN, "63C2"),
        (WRONG_PIN, "63C1"),
        (WRONG_PIN, "63C0"),
        ("00200098", "63C0"),
        (WRONG_PIN, "6984"),
        (PIN, "6984"),
        ("0020009B", "63C5"),
        (PASSWORD, "9000"),
    ]);
    assert_eq!(desk.card.counters().auth_verifies, 8);
}

#[test]
fn five_tries_for_the_password() {
    let mut desk = Desk::jpki("plastic");
    desk.says(&[
        (WRONG_PASSWORD, "63C4"),
        (WRONG_PASSWORD, "63C3"),
        (WRONG_PASSWORD, "63C2"),
        (WRONG_PASSWORD, "63C1"),
        (WRONG_PASSWORD, "63C0"),
        (PASSWORD, "6984"),
        ("0020009B", "63C0"),
        ("00200098", "63C3"),
    ]);
}

#[test]
fn what_locked_looks_like_is_a_switch() {
    for (options, query, verify) in [
        ("locked-query=63c0", "63C0", "6984"),
        ("locked-query=6984", "6984", "6984"),
        ("locked-query=6983,locked=6983", "6983", "6983"),
    ] {
        let mut desk = Desk::jpki(&format!("pinless,{options}"));
        desk.says(&[
            ("00200098", query),
            (PIN, verify),
            ("0020009B", query),
            (PASSWORD, verify),
        ]);
    }
}

#[test]
fn the_query_is_four_bytes_and_costs_nothing() {
    let mut desk = Desk::jpki("plastic");
    desk.says(&[
        ("00A4020C02 0018", "9000"),
        ("00200080", "63C3"),
        ("0020008000", "6700"),
        ("0020008001", "6700"),
        ("00200080", "63C3"),
        (PIN, "9000"),
        ("00200080", "63C3"),
    ]);
    assert_eq!(desk.card.counters().auth_verifies, 1);
    let mut desk = Desk::jpki("plastic,query-tells-verified");
    desk.says(&[
        ("00200098", "63C3"),
        (PIN, "9000"),
        ("00200098", "9000"),
        ("0020009B", "63C5"),
    ]);
}

#[test]
fn forms() {
    let mut desk = Desk::jpki("plastic");
    desk.says(&[
        ("0020008004 31323334", "6986"),
        ("00A4020C02 0018", "9000"),
        ("0020008004 31323334", "9000"),
        ("00A4020C02 001B", "9000"),
        ("0020008006 414243313233", "9000"),
        ("00A4020C02 000A", "9000"),
        ("0020008004 31323334", "6981"),
        ("0020009704 31323334", "6981"),
        ("0020008304 31323334", "6A82"),
        ("0020001804 31323334", "6A86"),
        ("0020009F04 31323334", "6A86"),
        ("0020019804 31323334", "6A86"),
        ("0020009804 31323334 00", "6700"),
        ("00200098 000004 31323334", "6700"),
        ("0020009811 3132333431323334313233343132333431", "6700"),
        ("00200098", "63C3"),
        // A wrong length within 1 to 16 is a wrong PIN.
        ("0020009810 31323334313233343132333431323334", "63C2"),
        ("0020009801 31", "63C1"),
    ]);
}

#[test]
fn no_case_folding() {
    let mut desk = Desk::jpki("plastic");
    desk.says(&[("0020009B06 616263313233", "63C4"), (PASSWORD, "9000")]);
}

#[test]
fn a_failure_keeps_or_clears_an_earlier_success() {
    let mut desk = Desk::open("plastic");
    desk.says(&[(WRONG_PIN, "63C2")]);
    assert!(desk.card.is_verified(Role::Auth));
    let mut desk = Desk::open("plastic,failed-verify-clears");
    desk.says(&[(WRONG_PIN, "63C2"), ("802A009702 0102 00", "6982")]);
    assert!(!desk.card.is_verified(Role::Auth));
    assert!(desk.card.is_verified(Role::Sign), "the other one stays");
}

#[test]
fn a_lock_logs_out() {
    let mut desk = Desk::open("plastic");
    desk.says(&[
        (WRONG_PIN, "63C2"),
        (WRONG_PIN, "63C1"),
        (WRONG_PIN, "63C0"),
    ]);
    assert!(!desk.card.is_verified(Role::Auth));
}

#[test]
fn change() {
    let new_pin = "0024019804 39393939";
    let mut desk = Desk::jpki("plastic");
    desk.says(&[
        (new_pin, "6982"),
        (PASSWORD, "9000"),
        (new_pin, "6982"),
        (PIN, "9000"),
        ("0024009804 39393939", "6A86"),
        (new_pin, "9000"),
        ("0020009804 39393939", "9000"),
        (PIN, "63C2"),
        // As everybody does it: on the selected EF.
        ("00A4020C02 001B", "9000"),
        ("0024018007 4E455750415353", "9000"),
        ("0020008007 4E455750415353", "9000"),
    ]);
    assert!(desk.card.is_verified(Role::Auth));
}

#[test]
fn change_checks_the_form() {
    let mut desk = Desk::open("plastic");
    desk.says(&[
        ("0024019805 3132333435", "6A80"),
        ("0024019804 31323341", "6A80"),
        ("0024019B05 4142433132", "6A80"),
        ("0024019B06 616263313233", "6A80"),
        ("0024019811 3132333431323334313233343132333431", "6700"),
        ("00240198", "6700"),
        (PIN, "9000"),
        (PASSWORD, "9000"),
    ]);
    let mut desk = Desk::open("plastic,change-checks-form=no");
    desk.says(&[
        ("0024019805 3132333435", "9000"),
        ("0020009805 3132333435", "9000"),
    ]);
}

#[test]
fn change_may_log_out() {
    let mut desk = Desk::open("plastic,change-clears");
    desk.says(&[
        ("0024019804 39393939", "9000"),
        ("802A009702 0102 00", "6982"),
    ]);
}

#[test]
fn change_on_a_locked_pin() {
    assert_eq!(Desk::jpki("pinless").ask("0024019804 39393939"), "6984");
}

#[test]
fn memory_comes_back() {
    let mut desk = Desk::open("plastic");
    desk.says(&[("0024019804 39393939", "9000"), (WRONG_PASSWORD, "63C4")]);
    let text = desk.card.memory().to_string();
    let mut card = Card::sample(Profile::plastic()).unwrap();
    card.restore(Memory::parse(&text).unwrap());
    card.power_on();
    let mut desk = Desk { card };
    desk.says(&[
        (JPKI, "9000"),
        ("0020009B", "63C4"),
        ("0020009804 39393939", "9000"),
    ]);
    assert!(Memory::parse("auth-pin=1").is_err());
}

//! Power, reset, and what they forget (section 5; points 1, 4, 14).

use jpki_card_simulator::{Card, Profile, Role};

use crate::{Desk, JPKI, PASSWORD, PIN, WRONG_PIN};

#[test]
fn nothing_of_jpki_without_select() {
    let mut desk = Desk::powered("plastic");
    desk.says(&[
        ("00A4020C02 000A", "6A82"),
        ("00B0000000", "6986"),
        ("00B08A0000", "6A82"),
        ("00200098", "6A82"),
        ("00200080", "6986"),
        (PIN, "6A82"),
        ("802A009702 0102 00", "6A82"),
    ]);
    assert_eq!(desk.card.counters().auth_verifies, 0);
}

#[test]
fn loss_of_power_forgets_all_but_the_tries() {
    let mut desk = Desk::open("plastic");
    desk.ask(WRONG_PIN);
    desk.card.power_off();
    assert_eq!(desk.ask(JPKI), "6F00", "no power");
    desk.card.power_on();
    assert!(!desk.card.is_verified(Role::Auth));
    assert!(!desk.card.is_verified(Role::Sign));
    assert!(!desk.card.is_jpki_selected());
    desk.says(&[(JPKI, "9000"), ("00200098", "63C2"), ("0020009B", "63C5")]);
    desk.says(&[("802A009702 0102 00", "6982")]);
}

#[test]
fn a_second_power_on_is_a_cold_reset() {
    let mut desk = Desk::open("plastic");
    desk.card.power_on();
    assert!(!desk.card.is_verified(Role::Auth) && !desk.card.is_jpki_selected());
}

#[test]
fn warm_reset_keeps_or_clears() {
    let mut desk = Desk::open("plastic");
    assert_eq!(desk.card.warm_reset(), desk.card.atr());
    assert!(desk.card.is_verified(Role::Auth) && desk.card.is_verified(Role::Sign));
    assert!(desk.card.is_jpki_selected());

    let mut desk = Desk::open("plastic,warm-reset-clears");
    desk.card.warm_reset();
    assert!(!desk.card.is_verified(Role::Auth) && !desk.card.is_verified(Role::Sign));
    desk.says(&[("00200098", "6A82"), (JPKI, "9000"), ("00200098", "63C3")]);
}

#[test]
fn first_command_may_fail() {
    let mut desk = Desk::powered("plastic,first-command-fails");
    desk.says(&[("00A40000", "6F00"), (JPKI, "9000"), (PIN, "9000")]);
    desk.card.power_on();
    desk.says(&[(JPKI, "6F00"), (JPKI, "9000")]);
}

#[test]
fn counters_count() {
    let mut desk = Desk::jpki("plastic");
    desk.says(&[
        (WRONG_PIN, "63C2"),
        (PIN, "9000"),
        (PASSWORD, "9000"),
        ("00200098", "63C3"),
        ("00B0880000", "8F8F009000"),
        ("00B0870000", "6A82"),
    ]);
    desk.send("802A009702 0102 00");
    desk.send("802A009A02 0102 00");
    desk.send("802A009A02 0102 00");
    desk.send("802A069A02 0102 00");
    let counters = desk.card.counters();
    assert_eq!((counters.auth_tries, counters.sign_tries), (3, 5));
    assert_eq!((counters.auth_verifies, counters.sign_verifies), (2, 1));
    assert_eq!((counters.auth_signatures, counters.sign_signatures), (1, 2));
    assert_eq!((counters.reads, counters.apdus), (1, 11));
    desk.card.reset_counters();
    assert_eq!(
        (desk.card.counters().apdus, desk.card.counters().auth_tries),
        (0, 3)
    );
}

#[test]
fn atrs() {
    let mut card = Card::sample(Profile::plastic()).unwrap();
    assert_eq!(crate::hex(card.atr()), "3BE000FF8131FE4514");
    assert_eq!(card.power_on(), card.atr());

    let mut desk = Desk::powered("plastic,atr=random");
    let first = desk.card.atr().to_vec();
    assert_ne!(desk.card.power_on(), first);
    assert_ne!(desk.card.atr(), first);
}

#[test]
fn atr_by_get_data() {
    let mut desk = Desk::powered("plastic");
    desk.says(&[
        ("00CA5F5100", "E000FF8131FE45149000"),
        ("00CA5F51", "6700"),
        ("00CA004500", "6A88"),
    ]);
}

//! Senseless input: always an answer, never a panic, never more tries than there are.

use jpki_card_simulator::{Card, Counters, Profile};

use crate::{COMMON, DOMAIN, JPKI, PASSWORD, PIN, bytes};

/// The same sequence in every run (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.roll() % u64::try_from(limit).unwrap()).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.roll().to_le_bytes()[3]
    }
}

fn sane(counters: Counters) -> bool {
    counters.auth_tries <= 3 && counters.sign_tries <= 5
}

#[test]
fn random_commands() {
    let mut dice = Dice(0x1234_5678_9ABC_DEF1);
    let names = Profile::NAMES.iter().map(|(name, _)| *name);
    for name in names.chain([
        "plastic,answers=61",
        "plastic,answers=t0,filler=ff,read-cap=7",
    ]) {
        let mut card = Card::sample(Profile::parse(name).unwrap()).unwrap();
        card.power_on();
        card.transmit(&bytes(JPKI));
        for round in 0..20_000 {
            let length = dice.below(if round % 50 == 0 { 70_000 } else { 12 });
            let mut command: Vec<u8> = (0..length).map(|_| dice.byte()).collect();
            let classes = [0x00, 0x00, 0x00, 0x80, dice.byte()];
            let instructions = [
                0xA4,
                0xB0,
                0x20,
                0x24,
                0x2A,
                0x84,
                0x88,
                0xC0,
                0xCA,
                0xFC,
                dice.byte(),
            ];
            if let Some(class) = command.get_mut(0) {
                *class = classes[dice.below(classes.len())];
            }
            if let Some(instruction) = command.get_mut(1) {
                *instruction = instructions[dice.below(instructions.len())];
            }
            if let (Some(p2), true) = (command.get_mut(3), round % 2 == 0) {
                *p2 = [0x80, 0x97, 0x98, 0x9A, 0x9B, 0x0C][dice.below(6)];
            }
            let answer = card.transmit(&command);
            assert!((2..=258).contains(&answer.len()), "{name}: {command:02X?}");
            assert!(sane(card.counters()));
            match dice.below(500) {
                0 => drop(card.warm_reset()),
                1 => card.power_off(),
                2 | 3 => drop(card.power_on()),
                4 => drop(card.transmit(&bytes(JPKI))),
                _ => {}
            }
        }
    }
}

/// Good commands cut, stretched and with every byte changed.
#[test]
fn bent_commands() {
    let good = [
        JPKI,
        DOMAIN,
        COMMON,
        PIN,
        PASSWORD,
        "00A4020C02 000A",
        "00B08A0000",
        "00200098",
        "0024019804 31323334",
        "802A009702 0102 00",
        "0084000008",
    ];
    let mut card = Card::sample(Profile::plastic()).unwrap();
    for command in good.map(bytes) {
        for cut in 0..command.len() {
            fresh(&mut card, &command[..cut]);
        }
        for extra in [0x00, 0x01, 0xFF] {
            let mut long = command.clone();
            long.push(extra);
            fresh(&mut card, &long);
        }
        for position in 0..command.len() {
            for value in 0..=0xFF {
                let mut bent = command.clone();
                bent[position] = value;
                fresh(&mut card, &bent);
            }
        }
    }
}

/// In a fresh session of a full card.
fn fresh(card: &mut Card, command: &[u8]) {
    card.set_tries(jpki_card_simulator::Role::Auth, 3);
    card.set_tries(jpki_card_simulator::Role::Sign, 5);
    card.power_on();
    card.transmit(&bytes(JPKI));
    let answer = card.transmit(command);
    assert!((2..=258).contains(&answer.len()), "{command:02X?}");
    assert!(sane(card.counters()));
}

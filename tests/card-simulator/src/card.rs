//! The chip: power, the current application, and which command goes where. Speaks bytes.

mod challenge;
mod files;
mod memory;
mod pin;
mod read;
mod response;
mod select;
mod signature;

pub use memory::{Memory, UnreadableMemory};

use crate::{
    apdu::{Command, Response, Status},
    pki::Credentials,
    profile::{Family, Profile},
};
use files::FileSystem;
use pin::Pin;
use select::Application;

/// A JPKI card (or, by its [`Profile`], another card).
///
/// ```
/// use jpki_card_simulator::{Card, Profile};
/// let mut card = Card::sample(Profile::plastic()).unwrap();
/// card.power_on();
/// let select = [0x00, 0xA4, 0x04, 0x0C, 10, 0xD3, 0x92, 0xF0, 0x00, 0x26, 0x01, 0x00, 0x00, 0x00, 0x01];
/// assert_eq!(card.transmit(&select), [0x90, 0x00]);
/// assert_eq!(card.transmit(&[0x00, 0x20, 0x00, 0x98]), [0x63, 0xC3]);
/// ```
#[derive(Debug)]
pub struct Card {
    profile: Profile,
    credentials: Credentials,
    files: FileSystem,
    /// Survives the loss of power: by role.
    auth: Pin,
    sign: Pin,
    counters: Counters,
    atr: Vec<u8>,
    /// Does not survive it.
    volatile: Volatile,
}

/// One of the two keys with its PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// 利用者証明用: key 0017, PIN 0018, certificate 000A.
    Auth,
    /// 署名用: key 001A, password 001B, certificate 0001.
    Sign,
}

/// What a card counts, for tests. Only the tries exist on a real card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Tries left for the auth PIN.
    pub auth_tries: u8,
    /// Tries left for the sign password.
    pub sign_tries: u8,
    /// VERIFYs with data on the auth PIN, right or wrong.
    pub auth_verifies: u64,
    /// VERIFYs with data on the sign password, right or wrong.
    pub sign_verifies: u64,
    /// Signatures made with the auth key.
    pub auth_signatures: u64,
    /// Signatures made with the signing key.
    pub sign_signatures: u64,
    /// READ BINARYs that gave data.
    pub reads: u64,
    /// Commands of any kind.
    pub apdus: u64,
}

/// What the loss of power takes away.
#[derive(Debug, Default)]
struct Volatile {
    powered: bool,
    /// No command has come since power-up.
    fresh: bool,
    application: Application,
    /// The identifier of the current EF of the JPKI application.
    current: Option<u16>,
    auth_verified: bool,
    sign_verified: bool,
    /// Data waiting for GET RESPONSE, with the status that ends it.
    pending: Option<Response>,
}

impl Card {
    /// A card with these certificates and keys. It has no power yet.
    pub fn new(profile: Profile, credentials: Credentials) -> Self {
        Self {
            files: FileSystem::new(&profile, &credentials),
            auth: Pin::new(&profile.auth_pin, profile.auth_tries, Role::Auth),
            sign: Pin::new(&profile.sign_password, profile.sign_tries, Role::Sign),
            counters: Counters::default(),
            atr: profile.atr.bytes(),
            volatile: Volatile::default(),
            profile,
            credentials,
        }
    }

    /// The kind of card and its switches.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The certificates and keys on it.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Gives it power (a cold reset if it had power already) and returns the ATR.
    pub fn power_on(&mut self) -> Vec<u8> {
        self.atr = self.profile.atr.bytes();
        self.volatile = Volatile {
            powered: true,
            fresh: true,
            ..Volatile::default()
        };
        self.atr.clone()
    }

    /// Takes its power away: everything verified and selected is forgotten, the tries stay.
    pub fn power_off(&mut self) {
        self.volatile = Volatile::default();
    }

    /// Resets it under power and returns the ATR.
    ///
    /// Section 5: whether this forgets what was verified is open, see [`Profile::warm_reset_clears`].
    pub fn warm_reset(&mut self) -> Vec<u8> {
        if self.profile.warm_reset_clears || !self.volatile.powered {
            return self.power_on();
        }
        self.volatile.pending = None;
        self.atr.clone()
    }

    /// The ATR of the latest power-up; before the first, one that it could have.
    pub fn atr(&self) -> &[u8] {
        &self.atr
    }

    /// Whether it has power.
    pub fn is_powered(&self) -> bool {
        self.volatile.powered
    }

    /// Answers a command APDU: always with at least a status word, whatever the bytes. Without power that is 6F00.
    pub fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        self.counters.apdus = self.counters.apdus.saturating_add(1);
        self.respond(command).into_bytes()
    }

    /// What it counted so far; the tries are the present ones.
    pub fn counters(&self) -> Counters {
        Counters {
            auth_tries: self.auth.tries(),
            sign_tries: self.sign.tries(),
            ..self.counters
        }
    }

    /// Sets all counters except the tries to 0.
    pub fn reset_counters(&mut self) {
        self.counters = Counters::default();
    }

    /// Whether the PIN of `role` is verified now. A real card has no command that tells.
    pub fn is_verified(&self, role: Role) -> bool {
        match role {
            Role::Auth => self.volatile.auth_verified,
            Role::Sign => self.volatile.sign_verified,
        }
    }

    /// Whether the JPKI application is the current one.
    pub fn is_jpki_selected(&self) -> bool {
        self.volatile.application == Application::Jpki
    }

    fn respond(&mut self, bytes: &[u8]) -> Response {
        if !self.volatile.powered {
            return Status::UNKNOWN.into();
        }
        if std::mem::take(&mut self.volatile.fresh) && self.profile.first_command_fails {
            return Status::UNKNOWN.into();
        }
        let Some(command) = Command::parse(bytes) else {
            return Status::WRONG_LENGTH.into();
        };
        if self.profile.family == Family::Fido {
            return self.fido(&command);
        }
        if let Some(refusal) = refuse_class(command.class) {
            return refusal.into();
        }
        self.hand_over(&command)
    }

    /// The command table of sections 3 and 3.6. JPKI's own commands exist in the JPKI application only.
    fn dispatch(&mut self, command: &Command<'_>) -> Response {
        let jpki = self.is_jpki_selected();
        match (command.class, command.instruction) {
            (0x00, 0xA4) => self.select(command),
            (0x00, 0x84) if self.profile.challenge => challenge::get_challenge(command),
            (0x00, 0xCA) => self.get_data(command),
            (0x00, 0xB0) => self.read_binary(command),
            (0x00, 0x20) => self.verify(command),
            (0x00, 0x24) => self.change_reference_data(command),
            (0x80, 0x2A) => self.compute_signature(command),
            // INTERNAL AUTHENTICATE: the JPKI keys refuse it.
            (0x00, 0x88) if jpki => Status::NOT_VERIFIED.into(),
            // Terminal authentication and SET SESSION KEY: refused whatever was verified.
            (0x80, 0xA2 | 0xAE) if jpki => Status::NOT_VERIFIED.into(),
            (0x80, 0xFC) if self.profile.end_marker => Status::OK.into(),
            (0x80, 0xFC) => Status::WRONG_LENGTH.into(),
            _ => Status::NO_INSTRUCTION.into(),
        }
    }

    /// A security key knows its own name and nothing else.
    fn fido(&self, command: &Command<'_>) -> Response {
        const NAME: &[u8] = &[0xA0, 0x00, 0x00, 0x06, 0x47, 0x2F, 0x00, 0x01];
        match (command.class, command.instruction, command.p1, command.data) {
            (0x00, 0xA4, 0x04, Some(NAME)) => Response::ok(b"U2F_V2".to_vec()),
            _ => Status::NO_INSTRUCTION.into(),
        }
    }

    /// GET DATA of the contact ATR without TS (section 1.1); no other object is known here.
    fn get_data(&self, command: &Command<'_>) -> Response {
        match (command.p1, command.p2, command.expected) {
            (_, _, None) => Status::WRONG_LENGTH.into(),
            (0x5F, 0x51, Some(le)) => {
                let atr = self.atr.iter().skip(1);
                Response::ok(atr.take(le).copied().collect())
            }
            _ => Status::NO_OBJECT.into(),
        }
    }

    fn pin(&mut self, role: Role) -> &mut Pin {
        match role {
            Role::Auth => &mut self.auth,
            Role::Sign => &mut self.sign,
        }
    }

    fn set_verified(&mut self, role: Role, verified: bool) {
        match role {
            Role::Auth => self.volatile.auth_verified = verified,
            Role::Sign => self.volatile.sign_verified = verified,
        }
    }
}

/// Section 1 and 3.6: logical channels are 6881, secure messaging is 69FC, other classes are 6E00.
fn refuse_class(class: u8) -> Option<Status> {
    match class {
        0x00 | 0x80 => None,
        0x01..=0x03 | 0x81..=0x83 | 0x40..=0x7F => Some(Status::NO_CHANNEL),
        0x04..=0x0F | 0x84..=0x8F => Some(Status::NO_SECURE_MESSAGING),
        _ => Some(Status::NO_CLASS),
    }
}

//! Slots and tokens (PKCS#11 3.2, 5.5): `C_GetInfo`, `C_GetSlotList` to `C_GetMechanismInfo`,
//! `C_WaitForSlotEvent`. Polling costs no APDU once the card is known.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cryptoki_sys::*;
use log::debug;

use super::module::{CRYPTOKI_VERSION, Module};
use crate::card::files::{Kind, Role};
use crate::card::reader::Reader;
use crate::card::{Insertion, InsertionId, PcscError, Watch};
use crate::cryptoki::mechanisms::Use;
use crate::cryptoki::output_buffer::Room;
use crate::cryptoki::rv::{Result, Rv};
use crate::cryptoki::slot::Slot;
use crate::logging;
use crate::messages::Message;

/// How long one wait for events sleeps. `C_Finalize` cancels it.
const EVENT_LIMIT: Duration = Duration::from_secs(3600);

/// Pause before a service that does not answer is asked again.
const RETRY_PAUSE: Duration = Duration::from_millis(250);

impl Module {
    /// `C_GetInfo`.
    pub(crate) fn info(&self) -> CK_INFO {
        CK_INFO {
            cryptokiVersion: CRYPTOKI_VERSION,
            manufacturerID: padded("jpki-pkcs11"),
            flags: 0,
            libraryDescription: padded("JPKI (My Number card) PKCS#11"),
            libraryVersion: CK_VERSION { major: 0, minor: 1 },
        }
    }

    /// `C_GetSlotList`. A query finds readers that came since the last time; those that went stay, with nothing in
    /// them. The set of slots is the one of the query (5.5.1): a list that has outgrown the buffer since then is
    /// given as the query counted it, for few programs ask a second time.
    ///
    /// # Errors
    /// None that the service could cause: without one there are simply no new readers.
    pub(crate) fn slot_list(&self, token_present: bool, room: Room) -> Result<Vec<CK_SLOT_ID>> {
        if room == Room::Query || self.slots.read().is_empty() {
            self.survey();
        }
        let slots: Vec<Arc<Slot>> = self.slots.read().clone();
        let list: Vec<CK_SLOT_ID> = slots
            .iter()
            .filter(|slot| !token_present || self.is_present(slot))
            .map(|slot| slot.id)
            .collect();
        let mut counted = self.counted_slots.lock();
        if room == Room::Query {
            counted.insert(token_present, list.clone());
        } else if !room.holds(list.len())
            && let Some(counted) = counted.get(&token_present)
            && room.holds(counted.len())
        {
            return Ok(counted.clone());
        }
        Ok(list)
    }

    fn is_present(&self, slot: &Slot) -> bool {
        let present = slot.is_present();
        self.purge_removed(&slot.reader);
        present
    }

    /// The look at all readers in `C_Initialize`: the cards in them are no events. A service that does not answer
    /// is told of when somebody asks for slots.
    pub(super) fn survey_first(&self) {
        match self.readers.survey() {
            Ok(seen) => {
                for state in seen {
                    self.append(&state.name, state.insertion);
                }
            }
            Err(error) => debug!("no readers yet: {error}"),
        }
    }

    /// Looks at all readers: appends new ones, notes what came and went. Costs no APDU.
    pub(super) fn survey(&self) {
        let seen = match self.readers.survey() {
            Ok(seen) => {
                *self.trouble.lock() = None;
                seen
            }
            // That nobody answered says nothing of the cards.
            Err(error) => return self.tell_trouble(error),
        };
        for state in &seen {
            self.append(&state.name, None);
        }
        for reader in self.readers() {
            let state = seen.iter().find(|state| state.name == reader.name());
            reader.notice(state.and_then(|state| state.insertion));
            let changed = self.note_presence(&reader, state.and_then(|state| state.insertion));
            if changed {
                debug!("{}: a card came or went", reader.name());
            }
            self.purge_removed(&reader);
        }
    }

    /// Gives a new reader its slots, if the settings show it. `told`: the card in it that is no event.
    fn append(&self, name: &str, told: Option<InsertionId>) {
        let is_known = |slots: &[Arc<Slot>]| slots.iter().any(|slot| slot.reader.name() == name);
        if is_known(&self.slots.read()) || !self.config.readers.shows(name) {
            return;
        }
        let mut slots = self.slots.write();
        // Two threads may have seen it at once.
        if is_known(&slots) {
            return;
        }
        let place = slots.len() / self.roles.len().max(1);
        let (roles, extended) = (self.roles.clone(), self.config.extended_reads);
        let reader = Arc::new(self.readers.reader(name, roles, extended, told));
        let dialog_turn = Arc::default();
        for &role in &self.roles {
            // Two numbers for each reader, whichever of its slots are shown.
            let id = 2 * place + usize::from(role == Role::Signature);
            let slot = Slot::new(
                id as CK_SLOT_ID,
                role,
                Arc::clone(&reader),
                self.policy.clone(),
                Arc::clone(&dialog_turn),
            );
            slots.push(Arc::new(slot));
        }
        debug!("reader {name}");
    }

    /// Each trouble with the service is told once, until it is over.
    fn tell_trouble(&self, error: PcscError) {
        let mut last = self.trouble.lock();
        if last.as_ref() == Some(&error) {
            return;
        }
        let message = match &error {
            PcscError::NotAuthorised => Message::NotAuthorised,
            PcscError::NoDescriptor => Message::NoDescriptor,
            PcscError::NoService(reason) => Message::PcscdNotRunning {
                reason: reason.clone(),
            },
            other => Message::PcscdNotRunning {
                reason: other.to_string(),
            },
        };
        logging::tell(&message.text(self.config.spoken_language()));
        *last = Some(error);
    }

    /// `C_GetSlotInfo`.
    ///
    /// # Errors
    /// `CKR_SLOT_ID_INVALID`.
    pub(crate) fn slot_info(&self, id: CK_SLOT_ID) -> Result<CK_SLOT_INFO> {
        let slot = self.slot(id)?;
        let present = self.is_present(&slot);
        Ok(CK_SLOT_INFO {
            slotDescription: description(slot.reader.name(), slot.role),
            manufacturerID: padded("jpki-pkcs11"),
            flags: CKF_REMOVABLE_DEVICE | CKF_HW_SLOT | if present { CKF_TOKEN_PRESENT } else { 0 },
            hardwareVersion: CK_VERSION { major: 0, minor: 0 },
            firmwareVersion: CK_VERSION { major: 0, minor: 0 },
        })
    }

    /// The slot and the My Number card in it, opened if it is not yet.
    pub(super) fn token(&self, id: CK_SLOT_ID) -> Result<(Arc<Slot>, Arc<Insertion>)> {
        let slot = self.slot(id)?;
        let token = slot.token();
        // Looking at the reader may have shown that another card is gone.
        self.purge_removed(&slot.reader);
        Ok((slot, token?))
    }

    /// For functions on a slot that we do not offer.
    ///
    /// # Errors
    /// `CKR_SLOT_ID_INVALID`, `CKR_TOKEN_NOT_PRESENT`, `CKR_TOKEN_NOT_RECOGNIZED`.
    pub(crate) fn check_token(&self, id: CK_SLOT_ID) -> Result<()> {
        self.token(id).map(|_| ())
    }

    /// `C_GetTokenInfo`.
    ///
    /// # Errors
    /// `CKR_SLOT_ID_INVALID`, `CKR_TOKEN_NOT_PRESENT`, `CKR_TOKEN_NOT_RECOGNIZED`, and what the card says.
    pub(crate) fn token_info(&self, id: CK_SLOT_ID) -> Result<CK_TOKEN_INFO> {
        let (slot, token) = self.token(id)?;
        let (sessions, read_write) = self.count_sessions(id);
        let shape = slot.role.pin_shape();
        Ok(CK_TOKEN_INFO {
            label: padded(token_label(slot.role)),
            manufacturerID: padded("JPKI"),
            model: padded(model(&token)),
            serialNumber: padded(&token.serial),
            flags: CKF_LOGIN_REQUIRED
                | CKF_USER_PIN_INITIALIZED
                | CKF_TOKEN_INITIALIZED
                | CKF_WRITE_PROTECTED
                | self.pin_flags(&slot, &token)
                | slot.pin_entry_flags(&token)
                | match token.no_challenge.load(Ordering::Relaxed) {
                    true => 0,
                    false => CKF_RNG,
                },
            ulMaxSessionCount: CK_EFFECTIVELY_INFINITE,
            ulSessionCount: sessions,
            ulMaxRwSessionCount: CK_EFFECTIVELY_INFINITE,
            ulRwSessionCount: read_write,
            ulMaxPinLen: shape.max_length() as CK_ULONG,
            ulMinPinLen: shape.min_length() as CK_ULONG,
            ulTotalPublicMemory: CK_UNAVAILABLE_INFORMATION,
            ulFreePublicMemory: CK_UNAVAILABLE_INFORMATION,
            ulTotalPrivateMemory: CK_UNAVAILABLE_INFORMATION,
            ulFreePrivateMemory: CK_UNAVAILABLE_INFORMATION,
            hardwareVersion: CK_VERSION { major: 0, minor: 0 },
            firmwareVersion: CK_VERSION { major: 0, minor: 0 },
            utcTime: [b' '; 16],
        })
    }

    /// The truth about the PIN, from what the card told last.
    fn pin_flags(&self, slot: &Slot, token: &Arc<Insertion>) -> CK_FLAGS {
        let left = slot.reader.tries(token, slot.role);
        match left {
            Some(0) => CKF_USER_PIN_LOCKED,
            Some(1) => CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY,
            Some(left) if left < slot.role.max_tries() => CKF_USER_PIN_COUNT_LOW,
            Some(_) | None => 0,
        }
    }

    /// `C_GetMechanismList`.
    ///
    /// # Errors
    /// As [`Module::token_info`].
    pub(crate) fn mechanism_list(&self, id: CK_SLOT_ID) -> Result<Vec<CK_MECHANISM_TYPE>> {
        let (slot, token) = self.token(id)?;
        Ok(slot
            .offer(&token)
            .mechanisms()
            .map(|(mechanism, _)| mechanism)
            .collect())
    }

    /// `C_GetMechanismInfo`.
    ///
    /// # Errors
    /// `CKR_MECHANISM_INVALID`, and as [`Module::token_info`].
    pub(crate) fn mechanism_info(
        &self,
        id: CK_SLOT_ID,
        kind: CK_MECHANISM_TYPE,
    ) -> Result<CK_MECHANISM_INFO> {
        let (slot, token) = self.token(id)?;
        let purpose: Use = slot.offer(&token).find(kind)?;
        Ok(purpose.info())
    }

    /// `C_WaitForSlotEvent`. Holds no lock while it waits, and is woken by `C_Finalize`.
    ///
    /// # Errors
    /// `CKR_NO_EVENT`; `CKR_CRYPTOKI_NOT_INITIALIZED` when another thread finalizes meanwhile.
    pub(crate) fn wait_for_slot_event(&self, dont_block: bool) -> Result<CK_SLOT_ID> {
        let _waiting = Waiting::new(self);
        let mut watch: Option<Box<dyn Watch>> = None;
        loop {
            if self.closing.load(Ordering::Acquire) {
                return Err(Rv::CryptokiNotInitialized.into());
            }
            self.survey();
            let slots: Vec<Arc<Slot>> = self.slots.read().clone();
            if let Some(slot) = slots
                .iter()
                .find(|slot| slot.event.swap(false, Ordering::AcqRel))
            {
                return Ok(slot.id);
            }
            if dont_block {
                return Err(Rv::NoEvent.into());
            }
            let waited = match watch.as_mut() {
                Some(watch) => watch.wait(EVENT_LIMIT),
                None => match self.readers.watch() {
                    Ok(fresh) => {
                        self.waits.lock().push(Arc::downgrade(&fresh.canceller()));
                        watch = Some(fresh);
                        // C_Finalize may have looked at the list of waits before.
                        continue;
                    }
                    Err(error) => Err(error),
                },
            };
            if let Err(error) = waited
                && !self.closing.load(Ordering::Acquire)
            {
                // pcscd is not there, or went away. It is tried again after a pause, not at once.
                debug!("wait: {error}");
                watch = None;
                self.waits.lock().retain(|wait| wait.strong_count() > 0);
                std::thread::sleep(RETRY_PAUSE);
            }
        }
    }

    /// Marks both slots of a reader when its card came, went or was changed since the last time.
    fn note_presence(&self, reader: &Arc<Reader>, seen: Option<InsertionId>) -> bool {
        let changed = reader.report_change(seen);
        if changed {
            for slot in self
                .slots
                .read()
                .iter()
                .filter(|slot| Arc::ptr_eq(&slot.reader, reader))
            {
                slot.event.store(true, Ordering::Release);
            }
        }
        changed
    }
}

/// Counts a wait while it lasts.
struct Waiting<'a>(&'a Module);

impl<'a> Waiting<'a> {
    fn new(module: &'a Module) -> Self {
        module.waiting.fetch_add(1, Ordering::AcqRel);
        Waiting(module)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// As OpenSC calls them, so that scripts written for it go on working.
fn token_label(role: Role) -> &'static str {
    match role {
        Role::Authentication => "JPKI (User Authentication PIN)",
        Role::Signature => "JPKI (Digital Signature PIN)",
    }
}

/// A phone says so; a card says what its EF 0006 calls it.
fn model(token: &Insertion) -> &str {
    match token.kind {
        Kind::Android => "Android",
        Kind::Iphone => "iPhone",
        Kind::Plastic | Kind::Juki if !token.model.is_empty() => &token.model,
        Kind::Plastic => "My Number Card",
        Kind::Juki => "Juki Card",
    }
}

/// Reader and role, the role always whole: Firefox shows nothing else to tell the two slots apart.
fn description(reader: &str, role: Role) -> [u8; DESCRIPTION_LENGTH] {
    let role = match role {
        Role::Authentication => " (User Authentication)",
        Role::Signature => " (Digital Signature)",
    };
    let reader = cut(reader, DESCRIPTION_LENGTH.saturating_sub(role.len()));
    field(reader.bytes().chain(role.bytes()))
}

/// Bytes of `slotDescription`.
const DESCRIPTION_LENGTH: usize = 64;

/// The text's beginning, at most so many bytes, cut between two characters.
fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// A text field of PKCS#11: UTF-8, padded with spaces, no NUL.
fn padded<const N: usize>(text: &str) -> [u8; N] {
    field(cut(text, N).bytes())
}

fn field<const N: usize>(bytes: impl Iterator<Item = u8>) -> [u8; N] {
    let mut field = [b' '; N];
    for (place, byte) in field.iter_mut().zip(bytes) {
        *place = byte;
    }
    field
}

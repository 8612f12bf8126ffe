//! What is in a reader, and what one exchange does to it.

use std::time::Duration;

use super::{Event, Misbehaviour, NoSuchCard, Timing, log::Log, plan::Plan};
use crate::card::Card;

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) deck: Vec<(String, Card)>,
    pub(super) inserted: Option<usize>,
    /// The card that was inserted last.
    pub(super) last: usize,
    pub(super) insertions: u64,
    pub(super) changes: u64,
    pub(super) resets: u64,
    pub(super) apdus: u64,
    pub(super) timing: Timing,
    /// The card answers nothing until it is reset.
    pub(super) mute: bool,
    pub(super) plan: Plan,
    pub(super) log: Log,
}

/// What one exchange led to, before it took its time.
pub(super) struct Outcome {
    pub(super) card: Option<String>,
    /// The insertion during which it was performed; `None` if the card is not waited for.
    pub(super) insertion: Option<u64>,
    pub(super) answer: Option<Vec<u8>>,
    pub(super) takes: Duration,
    pub(super) misbehaviours: Vec<Misbehaviour>,
}

impl State {
    pub(super) fn perform(&mut self, command: &[u8]) -> Outcome {
        self.apdus += 1;
        let card = self.inserted_name();
        let mut takes = self.timing.apdu;
        let misbehaviours = match card {
            Some(_) => self.plan.due(),
            None => Vec::new(),
        };
        for misbehaviour in &misbehaviours {
            self.beforehand(misbehaviour);
            if let Misbehaviour::Delay(delay) = misbehaviour {
                takes = takes.saturating_add(*delay);
            }
        }
        if self.mute {
            return Outcome {
                card,
                insertion: self.present(),
                answer: None,
                takes,
                misbehaviours,
            };
        }
        let executes = misbehaviours.iter().all(Misbehaviour::executes);
        let signature = self.timing.signature;
        let mut answer = self.card().map(|card| match executes {
            false => Vec::new(),
            true => {
                let before = signatures(card);
                let answer = card.transmit(command);
                if signatures(card) != before {
                    takes = takes.saturating_add(signature);
                }
                answer
            }
        });
        if let Some(answer) = &mut answer {
            for misbehaviour in &misbehaviours {
                misbehaviour.distort(answer);
            }
            let bytes = command.len().saturating_add(answer.len());
            let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
            takes = takes.saturating_add(self.timing.byte.saturating_mul(bytes));
        }
        Outcome {
            card,
            insertion: self.present(),
            answer: answer.filter(|_| !misbehaviours.contains(&Misbehaviour::RemovedAfter)),
            takes,
            misbehaviours,
        }
    }

    /// What happens on the card before the command reaches it.
    fn beforehand(&mut self, misbehaviour: &Misbehaviour) {
        match misbehaviour {
            Misbehaviour::RemovedBefore => self.remove(),
            Misbehaviour::ResetBefore => {
                self.resets += 1;
                if let Some(card) = self.card() {
                    card.warm_reset();
                }
            }
            Misbehaviour::PowerCycledBefore => {
                self.resets += 1;
                if let Some(card) = self.card() {
                    card.power_on();
                }
            }
            Misbehaviour::PowerLostBefore => {
                self.mute = true;
                if let Some(card) = self.card() {
                    card.power_on();
                }
            }
            Misbehaviour::OtherApplicationBefore => {
                if let Some(card) = self.card() {
                    for select in OTHER_APPLICATIONS {
                        card.transmit(select);
                    }
                }
            }
            Misbehaviour::OtherCommandBefore(command) => {
                if let Some(card) = self.card() {
                    card.transmit(command);
                }
            }
            _ => {}
        }
    }

    /// What happens after the answer left the card.
    pub(super) fn afterwards(&mut self, misbehaviour: &Misbehaviour) {
        match misbehaviour {
            Misbehaviour::RemovedAfter => self.remove(),
            Misbehaviour::ResetAfter => {
                self.resets += 1;
                if let Some(card) = self.card() {
                    card.warm_reset();
                }
            }
            Misbehaviour::PowerCycledAfter => {
                self.resets += 1;
                if let Some(card) = self.card() {
                    card.power_on();
                }
            }
            _ => {}
        }
    }

    pub(super) fn insert(&mut self, index: usize) {
        self.inserted = Some(index);
        self.last = index;
        self.insertions += 1;
    }

    pub(super) fn remove(&mut self) {
        if let Some(card) = self.card() {
            card.power_off();
            self.record(Event::Removed);
            self.inserted = None;
            self.changes += 1;
        }
    }

    /// The number of the present insertion.
    pub(super) fn present(&self) -> Option<u64> {
        self.inserted.map(|_| self.insertions)
    }

    pub(super) fn card(&mut self) -> Option<&mut Card> {
        let index = self.inserted?;
        self.deck.get_mut(index).map(|(_, card)| card)
    }

    pub(super) fn inserted_name(&self) -> Option<String> {
        let (name, _) = self.deck.get(self.inserted?)?;
        Some(name.clone())
    }

    pub(super) fn index(&self, name: &str) -> Result<usize, NoSuchCard> {
        let index = self.deck.iter().position(|(known, _)| known == name);
        index.ok_or_else(|| NoSuchCard(name.to_owned()))
    }

    pub(super) fn record(&mut self, event: Event) {
        let card = self.inserted_name();
        self.record_for(card, event);
    }

    pub(super) fn record_for(&mut self, card: Option<String>, event: Event) {
        self.log.push(card, event);
    }
}

fn signatures(card: &Card) -> u64 {
    let counters = card.counters();
    counters.auth_signatures + counters.sign_signatures
}

/// 共通カードAP, and for cards without it the Issuer Security Domain: what another program selects.
const OTHER_APPLICATIONS: [&[u8]; 2] = [
    &[
        0x00, 0xA4, 0x04, 0x0C, 0x07, 0xA0, 0x00, 0x00, 0x01, 0x51, 0x00, 0x00,
    ],
    &[
        0x00, 0xA4, 0x04, 0x0C, 0x0A, 0xD3, 0x92, 0x10, 0x00, 0x31, 0x00, 0x01, 0x01, 0x01, 0x00,
    ],
];

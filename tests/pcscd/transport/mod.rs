//! The bottom floor by itself: what the floors above are told of readers and cards, and how a card is left.

mod connections;
mod readers;

use std::ffi::CString;
use std::time::{Duration, Instant};

use pcsc::{Card, Context, Protocols, Scope, ShareMode};

use super::common::module::pcsc::{
    Bounded, Channel, Disposition, Error, Exchange, InsertionId, Transport,
};
use super::common::module::pcsc_service;
use super::common::other_client::SELECT_JPKI;
use super::rig::{Rig, control};

/// VERIFY of the authentication PIN by its short identifier (docs/card.md).
const VERIFY: [u8; 9] = [0x00, 0x20, 0x00, 0x98, 0x04, b'1', b'2', b'3', b'4'];

/// Time in which pcscd and a thread of ours do anything that they were asked for.
const PATIENCE: Duration = Duration::from_secs(3);

/// A good card in the first reader, the bottom floor, and nothing above it.
struct Floor {
    transport: Bounded,
    reader: String,
    rig: Rig,
}

impl Floor {
    fn new() -> Floor {
        let rig = Rig::new();
        rig.finalize().unwrap();
        let transport = pcsc_service();
        let reader = transport.survey().unwrap()[0].name.clone();
        Floor {
            transport,
            reader,
            rig,
        }
    }

    fn connect(&self) -> Box<dyn Channel> {
        self.transport.connect(&self.reader).unwrap()
    }

    fn insertion(&self) -> Option<InsertionId> {
        self.transport.insertion(&self.reader).unwrap()
    }

    /// Another program's connection.
    fn other_program(&self) -> Card {
        let context = Context::establish(Scope::User).unwrap();
        let reader = CString::new(self.reader.clone()).unwrap();
        context
            .connect(&reader, ShareMode::Shared, Protocols::ANY)
            .unwrap()
    }
}

fn begin(channel: &mut dyn Channel) -> Box<dyn Exchange + '_> {
    channel.begin(PATIENCE).unwrap()
}

/// Has a PIN verified by the card.
fn open(exchange: &mut dyn Exchange) {
    for command in [&SELECT_JPKI[..], &VERIFY] {
        assert_eq!(exchange.transmit(command), Ok(vec![0x90, 0x00]));
    }
    assert!(is_open());
}

fn is_open() -> bool {
    control("verified").contains("auth=yes")
}

fn was_reset(channel: &mut dyn Channel) -> bool {
    let exchange = begin(channel);
    let was_reset = exchange.was_reset();
    exchange.end(Disposition::Leave).unwrap();
    was_reset
}

/// It may be held back for a moment.
fn is_alive(channel: &mut dyn Channel) -> bool {
    let start = Instant::now();
    loop {
        match channel.is_alive() {
            Err(Error::Stuck) if start.elapsed() < PATIENCE => {}
            answer => return answer.unwrap(),
        }
    }
}

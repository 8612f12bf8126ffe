//! Sends the commands of the examination, measures them and writes down what is answered.

use std::time::{Duration, Instant};

use jpki_pkcs11::pcsc::{Error, Exchange};

use super::apdu;
use super::record::{Answer, Record};

/// So often a command that only reads is sent, for the median of its time.
const TIMES: usize = 5;

/// An answer has so many parts at the most. A card that announces more is not asked for them.
const MAX_PARTS: usize = 64;

/// Done, without a remark.
pub(super) const OK: u16 = 0x9000;

/// INS of the commands that may be sent again with another Le.
const READ_BINARY: u8 = 0xB0;
const GET_CHALLENGE: u8 = 0x84;
const GET_RESPONSE: u8 = 0xC0;
const SELECT: u8 = 0xA4;

/// The card under examination.
pub(super) struct Probe<'a> {
    exchange: &'a mut dyn Exchange,
    pub(super) record: &'a mut Record,
}

/// A status word and data that no report will hold.
pub(super) struct Reply {
    pub(super) status: u16,
    first: u16,
    pub(super) data: Vec<u8>,
}

impl Reply {
    /// Was something read?
    pub(super) fn has_data(&self) -> bool {
        !self.data.is_empty()
    }

    fn answer(&self) -> Answer {
        Answer {
            status: self.status,
            first: (self.first != self.status).then_some(self.first),
            length: self.data.len(),
        }
    }
}

impl<'a> Probe<'a> {
    pub(super) fn new(exchange: &'a mut dyn Exchange, record: &'a mut Record) -> Probe<'a> {
        Probe { exchange, record }
    }

    /// A step: a command that only reads, sent five times. What it was answered the first time.
    pub(super) fn ask(&mut self, step: &'static str, command: &[u8]) -> Option<Reply> {
        self.times(step, TIMES, command)
    }

    /// A step whose command is sent once.
    pub(super) fn once(&mut self, step: &'static str, command: &[u8]) -> Option<Reply> {
        self.times(step, 1, command)
    }

    /// A step whose command is sent so often.
    pub(super) fn times(
        &mut self,
        step: &'static str,
        times: usize,
        command: &[u8],
    ) -> Option<Reply> {
        let mut measured = Vec::new();
        let mut kept: Option<Reply> = None;
        let mut varies = false;
        for _ in 0..times {
            let started = Instant::now();
            let reply = match self.send(command) {
                Ok(reply) => reply,
                Err(error) => {
                    self.record.answer(step, &Err(error), None);
                    return None;
                }
            };
            measured.push(started.elapsed());
            match &kept {
                Some(first) => varies |= first.answer() != reply.answer(),
                None => kept = Some(reply),
            }
        }
        let reply = kept?;
        self.record
            .answer(step, &Ok(reply.answer()), median(measured));
        if varies {
            self.record.word("varies", "yes");
        }
        Some(reply)
    }

    /// A command that belongs to a step of its own, or to none.
    pub(super) fn send(&mut self, command: &[u8]) -> Result<Reply, Error> {
        let (mut status, mut data) = self.transmit(command)?;
        let first = status;
        for _ in 0..MAX_PARTS {
            let [sw1, sw2] = status.to_be_bytes();
            let next = match (sw1, command) {
                (0x61, _) => vec![0x00, GET_RESPONSE, 0x00, 0x00, sw2],
                (
                    0x6C,
                    &[
                        cla,
                        ins @ (READ_BINARY | GET_CHALLENGE | SELECT),
                        p1,
                        p2,
                        ref rest @ ..,
                        _,
                    ],
                ) => [&[cla, ins, p1, p2], rest, &[sw2]].concat(),
                _ => break,
            };
            let (then, mut more) = self.transmit(&next)?;
            status = then;
            data.append(&mut more);
        }
        Ok(Reply {
            status,
            first,
            data,
        })
    }

    /// Selects a file for the next step; false where that is refused, and another file may be the current one.
    pub(super) fn select_file(&mut self, id: u8) -> bool {
        let selected = self.send(&apdu::select_file(id));
        selected.is_ok_and(|reply| reply.status == OK)
    }

    fn transmit(&mut self, command: &[u8]) -> Result<(u16, Vec<u8>), Error> {
        let mut bytes = self.exchange.transmit(command)?;
        let short = || Error::Failed("an answer without a status word".to_owned());
        let at = bytes.len().checked_sub(2).ok_or_else(short)?;
        let status = bytes.split_off(at).try_into().map_err(|_| short())?;
        Ok((u16::from_be_bytes(status), bytes))
    }

    /// Resets the card without taking its power; false where the reader refuses.
    pub(super) fn reset(&mut self) -> bool {
        self.exchange.reset().is_ok()
    }

    /// Reads the current file on from an offset to its end, however this card answers there.
    pub(super) fn read_to_end(&mut self, from: usize) -> Vec<u8> {
        let mut read = Vec::new();
        let mut step = 256;
        while step > 0 && read.len() < MAX_FILE {
            match self.send(&apdu::read(from + read.len(), step)) {
                Ok(mut reply) if reply.has_data() => read.append(&mut reply.data),
                // Past the end, or more than is left and that is refused, or more than one answer holds.
                Ok(_) => step /= 2,
                Err(_) => break,
            }
        }
        read
    }
}

/// No file of the card is longer (docs/card.md, 2.2: at most 4031 bytes).
const MAX_FILE: usize = 0x4000;

fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

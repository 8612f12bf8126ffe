//! The part of the examination that needs no PIN: what the card answers to everybody. Nothing here writes to the card
//! or costs a try.

use std::time::Duration;

use jpki_pkcs11::card::files::{
    CertificateFile, FileId, ISSUER_SECURITY_DOMAIN_AID, JPKI_AID, READ_LENGTH, Role,
};
use jpki_pkcs11::messages::doctor::Phrase;
use jpki_pkcs11::pcsc::Exchange;

use super::apdu;
use super::probe::Probe;
use super::public::Public;
use super::record::Record;

/// How long to wait for the transaction of another program.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// EF 0008: which certificates there are (docs/card.md, section 2: one source).
const PRESENCE: u8 = 0x08;

/// The steps without a PIN.
pub(super) struct Course<'a> {
    probe: Probe<'a>,
    tell: &'a dyn Fn(Phrase),
    /// The authentication PIN has all its tries.
    pub(super) has_all_tries: bool,
    /// P2 of a signature may name the key.
    pub(super) short_identifiers: bool,
}

/// How the files of a certificate are called.
struct Steps {
    file: CertificateFile,
    select: &'static str,
    start: &'static str,
    across_the_end: &'static str,
    past_the_end: &'static str,
}

const CERTIFICATES: [Steps; 4] = [
    Steps {
        file: CertificateFile::Authentication,
        select: "select-000A",
        start: "read-000A",
        across_the_end: "read-across-end-000A",
        past_the_end: "read-past-end-000A",
    },
    Steps {
        file: CertificateFile::AuthenticationAuthority,
        select: "select-000B",
        start: "read-000B",
        across_the_end: "read-across-end-000B",
        past_the_end: "read-past-end-000B",
    },
    Steps {
        file: CertificateFile::Signature,
        select: "select-0001",
        start: "read-0001",
        across_the_end: "read-across-end-0001",
        past_the_end: "read-past-end-0001",
    },
    Steps {
        file: CertificateFile::SignatureAuthority,
        select: "select-0002",
        start: "read-0002",
        across_the_end: "read-across-end-0002",
        past_the_end: "read-past-end-0002",
    },
];

impl<'a> Course<'a> {
    pub(super) fn new(
        exchange: &'a mut dyn Exchange,
        record: &'a mut Record,
        tell: &'a dyn Fn(Phrase),
    ) -> Course<'a> {
        Course {
            probe: Probe::new(exchange, record),
            tell,
            has_all_tries: false,
            short_identifiers: false,
        }
    }

    /// All steps. `max_apdu_data`: what the reader says of extended APDUs.
    pub(super) fn run(&mut self, max_apdu_data: usize) {
        (self.tell)(Phrase::ReportApplications);
        self.applications();
        (self.tell)(Phrase::ReportFiles);
        self.information();
        let readable = self.certificates();
        (self.tell)(Phrase::ReportReading);
        self.reading(readable, max_apdu_data);
        (self.tell)(Phrase::ReportTries);
        self.tries();
        (self.tell)(Phrase::ReportRest);
        self.keys();
        self.probe.ask("challenge-8", &apdu::challenge(8));
        self.probe.ask("challenge-256", &apdu::challenge(256));
    }

    fn applications(&mut self) {
        // The first command after power-up was once seen answered 6F00 (docs/card.md, section 1).
        self.probe.once("first-command", &apdu::SELECT_ROOT);
        self.probe
            .ask("select-root-at-power-up", &apdu::SELECT_ROOT);
        self.probe.ask(
            "select-issuer-domain",
            &apdu::select(&ISSUER_SECURITY_DOMAIN_AID),
        );
        for (step, aid) in &apdu::OTHER_APPLICATIONS {
            self.probe.ask(step, &apdu::select(aid));
        }
        self.probe.ask("select-jpki-fci", &apdu::select_with_fci());
        self.probe.ask("select-jpki", &apdu::select(&JPKI_AID));
        self.probe.ask("select-root-in-jpki", &apdu::SELECT_ROOT);
    }

    fn information(&mut self) {
        let file = apdu::number(FileId::TOKEN_INFORMATION);
        self.probe.ask("select-0006", &apdu::select_file(file));
        let read = self
            .probe
            .ask("read-0006", &apdu::read(0, READ_LENGTH))
            .map(|reply| reply.data)
            .unwrap_or_default();
        // Label and model (docs/card.md, 2.1); nothing else of the file is kept.
        if let Some(label) = read.get(..32) {
            self.probe.record.card("label", &Public::label(label));
        }
        if let Some(model) = read.get(64..80) {
            self.probe.record.card("model", &Public::model(model));
        }
        self.probe.ask("select-0008", &apdu::select_file(PRESENCE));
        let read = self
            .probe
            .ask("read-0008", &apdu::read(0, READ_LENGTH))
            .map(|reply| reply.data)
            .unwrap_or_default();
        for (key, byte) in ["signature-certificate", "authentication-certificate"]
            .iter()
            .zip(read)
        {
            let word = match byte {
                0x8F => "8F",
                0x00 => "00",
                _ => "another",
            };
            self.probe.record.word(key, word);
        }
    }

    /// The four certificate files: can they be read, how long are they, and how do they end? The first of them that can
    /// be read.
    fn certificates(&mut self) -> Option<u8> {
        let mut readable = None;
        for steps in &CERTIFICATES {
            let id = apdu::number(steps.file.id());
            self.probe.ask(steps.select, &apdu::select_file(id));
            let start = self.probe.ask(steps.start, &apdu::read(0, 4));
            let Some(start) = start.filter(|start| start.has_data()) else {
                continue;
            };
            readable = readable.or(Some(id));
            // Where the certificate ends; a file that holds none is looked at from its beginning.
            let end = match start.data.as_slice() {
                &[0x30, 0x82, high, low] => 4 + usize::from(u16::from_be_bytes([high, low])),
                _ => 0,
            };
            let rest = self.probe.read_to_end(end);
            let size = end + rest.len();
            self.probe.record.number("certificate-length", end);
            self.probe.record.number("file-length", size);
            self.probe.record.word("filler", filler(&rest));
            let last = size.saturating_sub(1);
            self.probe.ask(steps.across_the_end, &apdu::read(last, 16));
            self.probe.ask(steps.past_the_end, &apdu::read(size, 16));
        }
        readable
    }

    fn reading(&mut self, readable: Option<u8>, max_apdu_data: usize) {
        let Some(id) = readable.filter(|&id| self.probe.select_file(id)) else {
            return self.probe.record.skip("read-256", "no-file");
        };
        let whole = self.probe.ask("read-256", &apdu::read(0, READ_LENGTH));
        if whole.is_some_and(|reply| !reply.has_data()) {
            // Refused: how much is not?
            let takes = |&length: &usize| {
                let reply = self.probe.send(&apdu::read(0, length));
                reply.is_ok_and(|reply| reply.has_data())
            };
            if let Some(largest) = (1..READ_LENGTH).rev().find(takes) {
                self.probe.record.number("largest", largest);
            }
        }
        self.probe.ask("read-1", &apdu::read(0, 1));
        match max_apdu_data > READ_LENGTH {
            true => drop(self.probe.ask("read-extended", &apdu::READ_EXTENDED)),
            false => self.probe.record.skip("read-extended", "reader"),
        }
        self.probe
            .ask("read-short-identifier", &apdu::read_short(id));
    }

    /// The tries left, in each form of the question. None of them is a try.
    fn tries(&mut self) {
        let mut left = None;
        for (role, long, short) in [
            (Role::Signature, "query-sign", "query-sign-short-identifier"),
            (
                Role::Authentication,
                "query-auth",
                "query-auth-short-identifier",
            ),
        ] {
            self.probe.ask(short, &apdu::query(role.pin().short()));
            // Without its file selected, the question would be for the other PIN.
            left = match self.probe.select_file(apdu::number(role.pin())) {
                true => self.probe.ask(long, &apdu::query(apdu::CURRENT)),
                false => None,
            };
        }
        let full = 0x63C0 | u16::from(Role::Authentication.max_tries());
        self.has_all_tries = left.is_some_and(|left| left.status == full);
        // A fifth byte was answered 6700 by a real card (docs/card.md, 3.3). Should a card take it for an empty PIN all
        // the same, it takes one of three tries, and the right PIN gives it back: once, and only when none is missing.
        if !self.has_all_tries {
            return self.probe.record.skip("query-five-bytes", "try-missing");
        }
        let [cla, ins, p1, p2] = apdu::query(apdu::CURRENT);
        self.probe
            .once("query-five-bytes", &[cla, ins, p1, p2, 0x00]);
        let after = self.probe.send(&apdu::query(apdu::CURRENT));
        let cost = !after.is_ok_and(|after| after.status == full);
        self.probe
            .record
            .word("costs-a-try", if cost { "yes" } else { "no" });
        self.has_all_tries = !cost;
    }

    /// The keys without their PIN: which form of their name does the card understand? It must refuse both.
    fn keys(&mut self) {
        let key = Role::Authentication.key();
        let input = [0; 32];
        let short = self.probe.ask(
            "sign-unverified-short-identifier",
            &apdu::sign(0, key.short(), &input),
        );
        self.short_identifiers = short.is_some_and(|reply| reply.status == NOT_VERIFIED);
        if self.probe.select_file(apdu::number(key)) {
            self.probe
                .ask("sign-unverified", &apdu::sign(0, apdu::CURRENT, &input));
        }
    }
}

/// Security status not satisfied.
pub(super) const NOT_VERIFIED: u16 = 0x6982;

/// What follows a certificate in its file.
fn filler(rest: &[u8]) -> &'static str {
    match rest {
        [] => "none",
        all if all.iter().all(|&byte| byte == 0xFF) => "FF",
        all if all.iter().all(|&byte| byte == 0x00) => "00",
        _ => "mixed",
    }
}

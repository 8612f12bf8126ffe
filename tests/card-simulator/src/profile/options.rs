//! Profiles as text, `plastic,filler=ff,auth-tries=1`. Every field of a profile has its word here. Opens nothing.

use std::{error::Error, fmt, str::FromStr};

use super::{Absent, Answers, Atr, Filler, LockedQuery, Profile};
use crate::pki::{Generation, Validity};

/// The text names no profile, no option, or no value of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownOption(String);

impl Profile {
    /// The names [`Profile::parse`] knows, with a word on each.
    pub const NAMES: &[(&str, &str)] = &[
        ("plastic", "the plastic My Number card"),
        ("android", "an Android phone: EF 000A needs the PIN"),
        ("iphone", "an iPhone: answers 80 FC 00 00"),
        (
            "juki",
            "label of the old resident-registry card, CA generation 1",
        ),
        ("child", "no signing certificate, sign password locked"),
        ("pinless", "both PINs locked from the start"),
        ("expired", "certificates are over"),
        ("foreign", "a smart card without JPKI: 6A82"),
        ("fido", "a security key: 6D00"),
    ];

    /// The options [`Profile::parse`] knows, as a usage text.
    pub const OPTIONS: &[(&str, &str)] = &[
        ("auth-pin=1234", "the auth PIN"),
        ("sign-password=ABC123", "the sign password"),
        ("auth-tries=0..3", "tries left, 0 is locked"),
        ("sign-tries=0..5", "tries left, 0 is locked"),
        (
            "atr=NAME|random|HEX",
            "a name of ATRS; random changes at each power-up",
        ),
        ("label=TEXT", "label in EF 0006"),
        ("model=TEXT", "model in EF 0006"),
        (
            "fci=0..255",
            "length of the FCI; 0: 6A86 to who asks for it",
        ),
        ("generation=1|2|3", "CA generation"),
        ("expired", "certificates are over"),
        ("not-yet-valid", "certificates begin tomorrow"),
        ("days=0..3650", "certificates end after so many days"),
        ("no-sign-certificate", "EF 0001 and key 001A are missing"),
        (
            "absent=nofile|empty|blank",
            "what a missing certificate looks like",
        ),
        ("no-token-information", "EF 0006 is missing"),
        ("no-presence-file", "EF 0008 is missing"),
        ("gated-auth-certificate", "EF 000A needs the auth PIN"),
        ("end-marker", "80 FC 00 00 answers 9000"),
        ("no-other-applications", "6A82 to the other applications"),
        ("no-security-domain", "6A82 to SELECT A0000001510000"),
        ("no-challenge", "6D00 to GET CHALLENGE"),
        (
            "no-extended-reads",
            "6700 to READ BINARY with an extended Le",
        ),
        ("five-byte-query", "00 20 00 P2 00 tells the tries too"),
        ("locked=6984|6983", "VERIFY on a locked PIN"),
        ("locked-query=63c0|6984|6983", "query on a locked PIN"),
        ("query-tells-verified", "query answers 9000 while verified"),
        ("failed-verify-clears", "a wrong PIN logs out"),
        ("warm-reset-clears", "a warm reset logs out"),
        ("leaving-keeps", "another application does not log out"),
        (
            "first-command-fails",
            "6F00 to the first command after power-up",
        ),
        ("raw-scheme-only", "80 2A knows P1=00 only"),
        ("pss-salt=32", "length of the PSS salt"),
        ("sign-length-6700", "6700 for 6985 on a wrong input length"),
        ("wrong-signatures", "signatures do not verify"),
        ("no-short-identifiers", "6A86 to short EF identifiers"),
        ("read-cap=256", "READ BINARY gives at most so many bytes"),
        (
            "read-refuses-above=256",
            "READ BINARY with a greater Le is 6700",
        ),
        ("warns-at-end", "6282 at the end of a file"),
        (
            "refuses-crossing",
            "6B00 to a READ BINARY of more than is left",
        ),
        (
            "filler=none|ff|00[:SIZE]",
            "what follows the certificates, up to SIZE (2048) bytes",
        ),
        (
            "ca-filler=none|ff|00[:SIZE]",
            "the same for those of the authorities alone",
        ),
        ("answers=whole|61|6c|t0", "GET RESPONSE, exact Le, or both"),
        (
            "change-checks-form=yes|no",
            "CHANGE REFERENCE DATA refuses wrong forms",
        ),
        ("change-clears", "CHANGE REFERENCE DATA logs out"),
    ];

    /// Reads `NAME[,OPTION[=VALUE]]...`.
    ///
    /// # Errors
    ///
    /// A name, option or value that is not in [`Profile::NAMES`] and [`Profile::OPTIONS`].
    pub fn parse(text: &str) -> Result<Self, UnknownOption> {
        let mut words = text.split(',');
        let name = words.next().unwrap_or_default();
        let mut profile = match name {
            "plastic" => Self::plastic(),
            "android" => Self::android(),
            "iphone" => Self::iphone(),
            "juki" => Self::juki(),
            "child" => Self::child(),
            "pinless" => Self::pinless(),
            "expired" => Self::expired(),
            "foreign" => Self::foreign(),
            "fido" => Self::fido(),
            _ => return Err(UnknownOption(format!("there is no profile '{name}'"))),
        };
        for word in words {
            let (option, value) = match word.split_once('=') {
                Some((option, value)) => (option, Some(value)),
                None => (word, None),
            };
            profile
                .set(option, value)
                .ok_or_else(|| UnknownOption(format!("option '{word}' is not understood")))?;
        }
        Ok(profile)
    }

    fn set(&mut self, option: &str, value: Option<&str>) -> Option<()> {
        match option {
            "auth-pin" => self.auth_pin = pin(value?)?,
            "sign-password" => self.sign_password = pin(value?)?,
            "auth-tries" => self.auth_tries = number(value?, 3)?,
            "sign-tries" => self.sign_tries = number(value?, 5)?,
            "atr" => self.atr = Atr::named(value?)?,
            "label" => self.label = value?.to_owned(),
            "model" => self.model = value?.to_owned(),
            "fci" => self.fci = number(value?, u8::MAX)?,
            "generation" => {
                self.generation = match value? {
                    "1" => Generation::First,
                    "2" => Generation::Second,
                    "3" => Generation::Third,
                    _ => return None,
                }
            }
            "expired" if flag(value)? => self.validity = Validity::Expired,
            "not-yet-valid" if flag(value)? => self.validity = Validity::NotYet,
            "days" => self.validity = Validity::Days(value?.parse().ok()?),
            "no-sign-certificate" => self.sign_certificate = !flag(value)?,
            "absent" => {
                self.absent_certificate = match value? {
                    "nofile" => Absent::NoFile,
                    "empty" => Absent::Empty,
                    "blank" => Absent::Blank,
                    _ => return None,
                }
            }
            "no-token-information" => self.token_information = !flag(value)?,
            "no-presence-file" => self.presence_file = !flag(value)?,
            "gated-auth-certificate" => self.gated_auth_certificate = flag(value)?,
            "end-marker" => self.end_marker = flag(value)?,
            "no-other-applications" => self.other_applications = !flag(value)?,
            "no-security-domain" => self.selectable_security_domain = !flag(value)?,
            "no-extended-reads" => self.extended_reads = !flag(value)?,
            "no-challenge" => self.challenge = !flag(value)?,
            "five-byte-query" => self.five_byte_query = flag(value)?,
            "leaving-keeps" => self.leaving_keeps = flag(value)?,
            "locked" => {
                self.locked_is_6983 = match value? {
                    "6984" => false,
                    "6983" => true,
                    _ => return None,
                }
            }
            "locked-query" => {
                self.locked_query = match value? {
                    "63c0" => LockedQuery::NoTries,
                    "6984" => LockedQuery::Locked,
                    "6983" => LockedQuery::Blocked,
                    _ => return None,
                }
            }
            "query-tells-verified" => self.query_tells_verified = flag(value)?,
            "failed-verify-clears" => self.failed_verify_clears = flag(value)?,
            "warm-reset-clears" => self.warm_reset_clears = flag(value)?,
            "first-command-fails" => self.first_command_fails = flag(value)?,
            "raw-scheme-only" => self.raw_scheme_only = flag(value)?,
            "pss-salt" => self.pss_salt = number(value?, 222)?,
            "sign-length-6700" => self.sign_length_is_6700 = flag(value)?,
            "wrong-signatures" => self.wrong_signatures = flag(value)?,
            "no-short-identifiers" => self.short_identifiers = !flag(value)?,
            "read-cap" => self.read_cap = positive(value?)?,
            "read-refuses-above" => self.read_refuses_above = positive(value?)?,
            "warns-at-end" => self.warns_at_end = flag(value)?,
            "refuses-crossing" => self.refuses_crossing = flag(value)?,
            "filler" => {
                self.filler = filler(value?)?;
                self.authority_filler = self.filler;
            }
            "ca-filler" => self.authority_filler = filler(value?)?,
            "answers" => {
                self.answers = match value? {
                    "whole" => Answers::Whole,
                    "61" => Answers::GetResponse,
                    "6c" => Answers::ExactLength,
                    "t0" => Answers::T0,
                    _ => return None,
                }
            }
            "change-checks-form" => self.change_checks_form = flag(value)?,
            "change-clears" => self.change_clears = flag(value)?,
            _ => return None,
        }
        Some(())
    }
}

impl FromStr for Profile {
    type Err = UnknownOption;

    fn from_str(text: &str) -> Result<Self, UnknownOption> {
        Self::parse(text)
    }
}

impl fmt::Display for UnknownOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for UnknownOption {}

fn flag(value: Option<&str>) -> Option<bool> {
    match value {
        None | Some("yes") => Some(true),
        Some("no") => Some(false),
        Some(_) => None,
    }
}

fn number(text: &str, most: u8) -> Option<u8> {
    text.parse().ok().filter(|number| *number <= most)
}

fn positive(text: &str) -> Option<u16> {
    text.parse()
        .ok()
        .filter(|number| (1..=256).contains(number))
}

/// Whatever VERIFY can carry; the forms of section 5 are not forced, so that a test may have an odd card.
fn pin(text: &str) -> Option<String> {
    (1..=16).contains(&text.len()).then(|| text.to_owned())
}

fn filler(text: &str) -> Option<Filler> {
    let (value, size) = match text.split_once(':') {
        Some((value, size)) => (value, size.parse().ok()?),
        None => (text, 2048),
    };
    match value {
        "none" => Some(Filler::None),
        "ff" => Some(Filler::To { size, value: 0xFF }),
        "00" => Some(Filler::To { size, value: 0x00 }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Profile;

    #[test]
    fn every_name_and_example_is_understood() {
        for (name, _) in Profile::NAMES {
            assert!(Profile::parse(name).is_ok(), "{name}");
        }
        for (usage, _) in Profile::OPTIONS {
            let (option, values) = match usage.split_once('=') {
                Some((option, values)) => (option, values),
                None => {
                    assert!(
                        Profile::parse(&format!("plastic,{usage}")).is_ok(),
                        "{usage}"
                    );
                    continue;
                }
            };
            let values = values
                .replace("[:SIZE]", "")
                .replace("NAME", "contact-2024")
                .replace("HEX", "3B80");
            for value in values
                .split('|')
                .map(|value| value.split("..").next().unwrap())
            {
                let text = format!("plastic,{option}={value}");
                assert!(Profile::parse(&text).is_ok(), "{text}");
            }
        }
    }

    #[test]
    fn nonsense_is_named() {
        for text in [
            "",
            "gold",
            "plastic,",
            "plastic,auth-tries=4",
            "plastic,expired=maybe",
            "plastic,filler=ee",
        ] {
            assert!(Profile::parse(text).is_err(), "{text}");
        }
        assert_eq!(
            Profile::parse("plastic,wings").unwrap_err().to_string(),
            "option 'wings' is not understood"
        );
    }
}

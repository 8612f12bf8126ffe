//! SELECT (section 3.1) and the rules of section 5 about what it forgets.

use super::Card;
use crate::{
    apdu::{Command, Response, Status},
    profile::Family,
};

/// The application that is current.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Application {
    /// The Issuer Security Domain, current at power-up.
    #[default]
    SecurityDomain,
    /// 公的個人認証AP.
    Jpki,
    /// One of the other applications of the plastic card, by its last AID byte.
    Other(u8),
}

impl Card {
    pub(super) fn select(&mut self, command: &Command<'_>) -> Response {
        if command.extended {
            return Status::WRONG_LENGTH.into();
        }
        match (command.p1, command.p2) {
            (0x04, 0x00 | 0x0C) => self.select_application(command),
            (0x02, 0x00 | 0x0C) => self.select_file(command),
            (0x00, 0x00 | 0x0C) => self.select_root(command),
            _ => Status::BAD_PARAMETERS.into(),
        }
    }

    /// By name or by the beginning of a name. Section 5: another application takes both verifications away, the same one
    /// keeps them. A refused SELECT changes nothing.
    fn select_application(&mut self, command: &Command<'_>) -> Response {
        let name = command.data.unwrap_or_default();
        let Some((application, full_name)) = self.application_named(name) else {
            return Status::NOT_FOUND.into();
        };
        if (application, command.p2, self.profile.fci) == (Application::Jpki, 0x00, 0) {
            return Status::BAD_PARAMETERS.into();
        }
        if application != self.volatile.application {
            self.volatile.application = application;
            if !self.profile.leaving_keeps {
                self.volatile.auth_verified = false;
                self.volatile.sign_verified = false;
            }
        }
        self.volatile.current = None;
        match (command.p2, command.expected) {
            // What the FCI of the real card holds is not published: the DF name alone.
            (0x00, Some(le)) => {
                let mut fci = template(0x84, full_name, le);
                if application == Application::Jpki {
                    fci.resize(le.min(self.profile.fci.into()), 0x00);
                }
                Response::ok(fci)
            }
            _ => Status::OK.into(),
        }
    }

    /// The first application whose AID begins with `name` (JICSAP 4.2 allows that).
    fn application_named(&self, name: &[u8]) -> Option<(Application, &'static [u8])> {
        let jicsap = self.profile.family == Family::Jpki;
        let known = APPLICATIONS
            .iter()
            .filter(|(application, _)| match application {
                Application::SecurityDomain => self.profile.selectable_security_domain,
                Application::Jpki => jicsap,
                Application::Other(_) => jicsap && self.profile.other_applications,
            });
        let mut matching = known.filter(|(_, aid)| aid.starts_with(name));
        matching.next().copied()
    }

    /// P1=02 is the only form that selects an EF.
    fn select_file(&mut self, command: &Command<'_>) -> Response {
        let Some(&[high, low]) = command.data else {
            return Status::WRONG_LENGTH.into();
        };
        let id = u16::from_be_bytes([high, low]);
        if !self.is_jpki_selected() || self.files.find(id).is_none() {
            return Status::NOT_FOUND.into();
        }
        self.volatile.current = Some(id);
        match (command.p2, command.expected) {
            (0x00, Some(le)) => Response::ok(template(0x83, &[high, low], le)),
            _ => Status::OK.into(),
        }
    }

    /// The master file: 6A86 after a cold reset, 9000 without effect in an application, 6A82 by its identifier.
    fn select_root(&self, command: &Command<'_>) -> Response {
        match (command.data, self.volatile.application) {
            (Some(_), _) => Status::NOT_FOUND.into(),
            (None, Application::SecurityDomain) => Status::BAD_PARAMETERS.into(),
            (None, _) => Status::OK.into(),
        }
    }
}

/// `6F len tag len value`, cut at Le.
fn template(tag: u8, value: &[u8], le: usize) -> Vec<u8> {
    let length = u8::try_from(value.len()).unwrap_or(u8::MAX);
    let mut bytes = vec![0x6F, length.saturating_add(2), tag, length];
    bytes.extend(value);
    bytes.truncate(le);
    bytes
}

/// Section 1.2. The order decides which one an ambiguous prefix means: D392 is not JPKI.
const APPLICATIONS: &[(Application, &[u8])] = &[
    (
        Application::SecurityDomain,
        &[0xA0, 0x00, 0x00, 0x01, 0x51, 0x00, 0x00],
    ),
    (
        Application::Other(0x00),
        &[0xD3, 0x92, 0x10, 0x00, 0x31, 0x00, 0x01, 0x01, 0x01, 0x00],
    ),
    (
        Application::Other(0x01),
        &[0xD3, 0x92, 0x10, 0x00, 0x31, 0x00, 0x01, 0x01, 0x04, 0x01],
    ),
    (
        Application::Other(0x02),
        &[0xD3, 0x92, 0x10, 0x00, 0x31, 0x00, 0x01, 0x01, 0x04, 0x02],
    ),
    (
        Application::Other(0x08),
        &[0xD3, 0x92, 0x10, 0x00, 0x31, 0x00, 0x01, 0x01, 0x04, 0x08],
    ),
    (
        Application::Jpki,
        &[0xD3, 0x92, 0xF0, 0x00, 0x26, 0x01, 0x00, 0x00, 0x00, 0x01],
    ),
];

//! What people read, in Japanese and English. It uses std. It never holds a PIN, a name or anything
//! else out of a certificate but its dates.

pub mod doctor;
mod english;
mod japanese;
mod names;
mod pin_dialog;
#[cfg(test)]
mod tests;
mod windows;

use std::path::PathBuf;

pub use names::{CardKind, Language, Token};
pub use pin_dialog::{DialogText, PinDialog, Remark, Request, ShownHash};

/// Something that the holder of the card should know. Each message says what happened, what that
/// means, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A PIN of the wrong shape was refused before it reached the card.
    PinShape {
        /// The PIN's token.
        token: Token,
    },
    /// A new PIN of the wrong shape was refused before it reached the card.
    NewPinShape {
        /// The PIN's token.
        token: Token,
    },
    /// The card says that the PIN is wrong.
    WrongPin {
        /// The PIN's token.
        token: Token,
        /// How many tries are left; more than none.
        tries_left: u8,
    },
    /// One try is left and was not spent.
    LastTryKept {
        /// The PIN's token.
        token: Token,
    },
    /// The card has refused this value before; it was not sent again.
    RefusedBefore {
        /// The PIN's token.
        token: Token,
    },
    /// The PIN is locked.
    PinLocked {
        /// The PIN's token.
        token: Token,
    },
    /// Both PINs are locked, which is normal for a card issued without PINs.
    PinsNotSet,
    /// Unblocking, setting a first PIN, the security officer: not for citizens.
    CannotUnblock,
    /// The exchange was torn while the PIN was changed.
    PinChangeUnclear {
        /// The PIN's token.
        token: Token,
    },
    /// The login ended because the card could not be proved to be the same, or refused the PIN.
    LoginLost {
        /// The token.
        token: Token,
    },
    /// Somebody entered a wrong PIN since the login, or changed the PIN: the login has ended.
    PinChangedElsewhere {
        /// The PIN's token.
        token: Token,
        /// Tries left; more than none.
        tries_left: u8,
    },
    /// The card refused a new PIN.
    NewPinRefused {
        /// The PIN's token.
        token: Token,
    },
    /// Neither another application nor a loss of power takes away what a PIN has opened.
    CardStaysOpen,
    /// pcscd is not installed.
    PcscdNotInstalled,
    /// pcscd does not answer.
    PcscdNotRunning {
        /// In the words of the PC/SC library.
        reason: String,
    },
    /// The program has no file descriptor left to reach pcscd with.
    NoDescriptor,
    /// polkit does not let this user use the reader.
    NotAuthorised,
    /// There is no reader.
    NoReader,
    /// The reader was unplugged.
    ReaderGone {
        /// Its name.
        reader: String,
    },
    /// The reader is empty.
    NoCard {
        /// The reader.
        reader: String,
    },
    /// The card in the reader is another kind of card.
    NotMyNumberCard {
        /// The reader.
        reader: String,
    },
    /// The exchange broke off, as it does when a contactless card moves.
    CardMoved {
        /// The reader.
        reader: String,
    },
    /// The card was taken away.
    CardRemoved {
        /// The reader.
        reader: String,
    },
    /// Another program holds the card for itself.
    CardBusy {
        /// The reader.
        reader: String,
    },
    /// The PIN dialog could not be shown.
    NoDialog {
        /// In the words of pinentry or of the system.
        reason: String,
    },
    /// The certificate has expired.
    CertificateExpired {
        /// The certificate's token.
        token: Token,
        /// Its last day.
        until: String,
    },
    /// The certificate will expire.
    CertificateExpiresSoon {
        /// The certificate's token.
        token: Token,
        /// Its last day.
        until: String,
        /// How many days that is from now.
        days: u32,
    },
    /// The certificate is not valid yet; mostly the clock is wrong.
    CertificateNotYetValid {
        /// The certificate's token.
        token: Token,
        /// Its first day.
        from: String,
    },
    /// A signature certificate ends when its holder moves house; the card does not know.
    SignatureCertificateMayBeVoid,
    /// The card has no signature certificate, as for children.
    NoSignatureCertificate,
    /// The card refuses RSA-PSS; it is not offered any more.
    PssWithdrawn,
    /// The card's signature does not fit its certificate.
    SignatureWrong,
    /// A setting is wrong.
    ConfigComplaint {
        /// Where and what, as `config::Diagnostic::text` says it.
        complaint: String,
    },
    /// The log file cannot be written.
    LogFileNotWritable {
        /// Its path.
        path: PathBuf,
        /// In the words of the system.
        reason: String,
    },
}

impl Message {
    /// The message on one line.
    pub fn text(&self, language: Language) -> String {
        self.text_on(is_windows(), language)
    }

    fn text_on(&self, is_windows: bool, language: Language) -> String {
        let Parts {
            happened,
            meaning,
            next,
        } = self.parts_on(is_windows, language);
        match language {
            Language::Japanese => format!("{happened}{meaning}{next}"),
            Language::English => format!("{happened} {meaning} {next}"),
        }
    }

    /// Its name in the doctor's JSON, for programs: the same in every language and every version.
    pub fn id(&self) -> &'static str {
        match self {
            Message::PinShape { .. } => "pin-shape",
            Message::NewPinShape { .. } => "new-pin-shape",
            Message::WrongPin { .. } => "wrong-pin",
            Message::LastTryKept { .. } => "last-try-kept",
            Message::RefusedBefore { .. } => "refused-before",
            Message::PinLocked { .. } => "pin-locked",
            Message::PinsNotSet => "pins-not-set",
            Message::CannotUnblock => "cannot-unblock",
            Message::PinChangeUnclear { .. } => "pin-change-unclear",
            Message::LoginLost { .. } => "login-lost",
            Message::PinChangedElsewhere { .. } => "pin-changed-elsewhere",
            Message::NewPinRefused { .. } => "new-pin-refused",
            Message::CardStaysOpen => "card-stays-open",
            Message::PcscdNotInstalled => "pcscd-not-installed",
            Message::PcscdNotRunning { .. } => "pcscd-not-running",
            Message::NoDescriptor => "no-descriptor",
            Message::NotAuthorised => "not-authorised",
            Message::NoReader => "no-reader",
            Message::ReaderGone { .. } => "reader-gone",
            Message::NoCard { .. } => "no-card",
            Message::NotMyNumberCard { .. } => "not-my-number-card",
            Message::CardMoved { .. } => "card-moved",
            Message::CardRemoved { .. } => "card-removed",
            Message::CardBusy { .. } => "card-busy",
            Message::NoDialog { .. } => "no-dialog",
            Message::CertificateExpired { .. } => "certificate-expired",
            Message::CertificateExpiresSoon { .. } => "certificate-expires-soon",
            Message::CertificateNotYetValid { .. } => "certificate-not-yet-valid",
            Message::SignatureCertificateMayBeVoid => "signature-certificate-may-be-void",
            Message::NoSignatureCertificate => "no-signature-certificate",
            Message::PssWithdrawn => "pss-withdrawn",
            Message::SignatureWrong => "signature-wrong",
            Message::ConfigComplaint { .. } => "config-complaint",
            Message::LogFileNotWritable { .. } => "log-file-not-writable",
        }
    }

    /// The message in its three parts, for whoever wants to set them apart.
    pub fn parts(&self, language: Language) -> Parts {
        self.parts_on(is_windows(), language)
    }

    fn parts_on(&self, is_windows: bool, language: Language) -> Parts {
        let fields = self.fields(language);
        let templates = self.templates(is_windows, language);
        let [happened, meaning, next] = templates.map(|part| fill(part, &fields));
        Parts {
            happened,
            meaning,
            next,
        }
    }

    fn templates(&self, is_windows: bool, language: Language) -> [&'static str; 3] {
        let of_windows = is_windows.then(|| windows::templates(self, language));
        of_windows.flatten().unwrap_or_else(|| match language {
            Language::Japanese => japanese::templates(self),
            Language::English => english::templates(self),
        })
    }

    /// What the places in the templates are filled with.
    fn fields(&self, language: Language) -> Vec<(&'static str, String)> {
        match self {
            Message::PinShape { token }
            | Message::NewPinShape { token }
            | Message::LastTryKept { token }
            | Message::RefusedBefore { token }
            | Message::PinLocked { token }
            | Message::PinChangeUnclear { token }
            | Message::NewPinRefused { token }
            | Message::LoginLost { token } => pin_fields(*token, language),
            Message::WrongPin { token, tries_left }
            | Message::PinChangedElsewhere { token, tries_left } => {
                let mut fields = pin_fields(*token, language);
                fields.push(("tries", language.tries(*tries_left)));
                fields
            }
            Message::PcscdNotRunning { reason } | Message::NoDialog { reason } => {
                vec![("reason", reason.clone())]
            }
            Message::ReaderGone { reader }
            | Message::NoCard { reader }
            | Message::NotMyNumberCard { reader }
            | Message::CardMoved { reader }
            | Message::CardRemoved { reader }
            | Message::CardBusy { reader } => vec![("reader", reader.clone())],
            Message::CertificateExpired { token, until } => vec![
                ("certificate", token.certificate(language).to_owned()),
                ("date", until.clone()),
            ],
            Message::CertificateExpiresSoon { token, until, days } => vec![
                ("certificate", token.certificate(language).to_owned()),
                ("date", until.clone()),
                ("days", language.days(*days)),
            ],
            Message::CertificateNotYetValid { token, from } => vec![
                ("certificate", token.certificate(language).to_owned()),
                ("date", from.clone()),
            ],
            Message::ConfigComplaint { complaint } => vec![("complaint", complaint.clone())],
            Message::LogFileNotWritable { path, reason } => vec![
                ("path", path.display().to_string()),
                ("reason", reason.clone()),
            ],
            Message::PinsNotSet
            | Message::CannotUnblock
            | Message::CardStaysOpen
            | Message::PcscdNotInstalled
            | Message::NoDescriptor
            | Message::NotAuthorised
            | Message::NoReader
            | Message::SignatureCertificateMayBeVoid
            | Message::NoSignatureCertificate
            | Message::PssWithdrawn
            | Message::SignatureWrong => Vec::new(),
        }
    }
}

/// Which words people here understand.
fn is_windows() -> bool {
    std::env::consts::FAMILY == "windows"
}

/// A message in its three parts; each is one sentence or more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// What happened.
    pub happened: String,
    /// What it means for the holder.
    pub meaning: String,
    /// What to do next.
    pub next: String,
}

fn pin_fields(token: Token, language: Language) -> Vec<(&'static str, String)> {
    vec![
        ("pin", token.pin(language).to_owned()),
        ("other", token.other().pin(language).to_owned()),
        ("shape", token.shape(language).to_owned()),
        ("certificate", token.certificate(language).to_owned()),
    ]
}

/// Puts the fields into a template's `{places}`, once: what a field holds is never looked at again.
/// Control characters become blanks, since a reader's name comes from outside.
fn fill(template: &str, fields: &[(&'static str, String)]) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        if let Some((_, value)) = fields.iter().find(|(field, _)| *field == name) {
            text.extend(value.chars().map(|c| if c.is_control() { ' ' } else { c }));
        }
        rest = after;
    }
    text.push_str(rest);
    text
}

//! What is measured: the steps, each of them from a process that knows nothing yet.
//! A list with names. It runs nothing.

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// `dlopen` and `C_Initialize`.
    Load,
    /// Slots, slot information and token information of both tokens.
    Tokens,
    /// All objects that are there without a login, certificates with their bytes.
    PublicObjects,
    /// The authentication certificate, found by class and ID.
    Certificate,
    /// Token by label, login, key, first signature, with the authentication key.
    LoginAuthentication,
    /// The same with the signature key.
    LoginSignature,
    /// What a TLS client does: certificate read, login, one signature.
    FirstTls,
    /// The same where the authentication token alone is shown, as in browsers.
    FirstTlsOneToken,
    /// A further signature, logged in already.
    WarmSignature,
    /// The same with `login_state = "card"`.
    WarmSignatureOnCard,
    /// One login, a hundred signatures with the signature key.
    Documents,
    /// A minute of Firefox: 60 looks at both slots.
    Polling,
    /// A card that is not a My Number card.
    ForeignCard,
}

/// How many signatures a warm signature is the mean of.
pub const WARM: usize = 10;

/// Documents in [`Step::Documents`].
pub const DOCUMENTS: usize = 100;

/// Looks in [`Step::Polling`]; Firefox looks about once a second.
pub const LOOKS: usize = 60;

impl Step {
    /// In the order of the table.
    pub const ALL: [Step; 13] = [
        Step::Load,
        Step::Tokens,
        Step::PublicObjects,
        Step::Certificate,
        Step::LoginAuthentication,
        Step::LoginSignature,
        Step::FirstTls,
        Step::FirstTlsOneToken,
        Step::WarmSignature,
        Step::WarmSignatureOnCard,
        Step::Documents,
        Step::Polling,
        Step::ForeignCard,
    ];

    /// On the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Step::Load => "load",
            Step::Tokens => "tokens",
            Step::PublicObjects => "public-objects",
            Step::Certificate => "certificate",
            Step::LoginAuthentication => "login-authentication",
            Step::LoginSignature => "login-signature",
            Step::FirstTls => "first-tls-signature",
            Step::FirstTlsOneToken => "first-tls-signature-one-token",
            Step::WarmSignature => "warm-signature",
            Step::WarmSignatureOnCard => "warm-signature-on-card",
            Step::Documents => "documents",
            Step::Polling => "polling",
            Step::ForeignCard => "foreign-card",
        }
    }

    /// In the table.
    pub fn title(self) -> &'static str {
        match self {
            Step::Load => "load and `C_Initialize`",
            Step::Tokens => "slots and token info",
            Step::PublicObjects => "list public objects, certificates with their bytes",
            Step::Certificate => "read the authentication certificate",
            Step::LoginAuthentication => "cold login and signature, authentication key",
            Step::LoginSignature => "cold login and signature, signature key",
            Step::FirstTls => "cold to first TLS signature, certificate read",
            Step::FirstTlsOneToken => "the same with `slots = \"auth\"`, as in a browser",
            Step::WarmSignature => "warm signature",
            Step::WarmSignatureOnCard => "warm signature, `login_state = \"card\"`",
            Step::Documents => "sign 100 documents, one login",
            Step::Polling => "60 looks at both slots (a minute of Firefox)",
            Step::ForeignCard => "a card that is not ours, looked at 3 times",
        }
    }

    /// By its name.
    pub fn parse(name: &str) -> Option<Step> {
        Step::ALL.into_iter().find(|step| step.name() == name)
    }

    /// Settings of our module that the step is about.
    pub fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Step::FirstTlsOneToken => &[("JPKI_PKCS11_SLOTS", "auth")],
            Step::WarmSignatureOnCard => &[("JPKI_PKCS11_LOGIN_STATE", "card")],
            Step::Documents => &[("JPKI_PKCS11_ALWAYS_AUTHENTICATE", "no")],
            _ => &[],
        }
    }

    /// Is it the same for a module that has no such setting?
    pub fn is_ours_alone(self) -> bool {
        matches!(self, Step::WarmSignatureOnCard | Step::FirstTlsOneToken)
    }

    /// Runs of which the median counts. A long one is its own mean.
    pub fn runs(self, asked: usize) -> usize {
        match self {
            Step::Documents => 1,
            _ => asked,
        }
    }
}

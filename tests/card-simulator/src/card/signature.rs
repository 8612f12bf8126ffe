//! COMPUTE DIGITAL SIGNATURE, `80 2A P1 P2 Lc data 00` (section 3.5).

use getrandom::SysRng;
use rsa::{Pkcs1v15Sign, PrivateKey, Pss};
use sha2::{Digest, Sha256};

use super::{Card, Role, files::Content};
use crate::apdu::{Command, Response, Status};

impl Card {
    pub(super) fn compute_signature(&mut self, command: &Command<'_>) -> Response {
        match self.signature(command) {
            Ok(signature) => Response::ok(signature),
            Err(status) => status.into(),
        }
    }

    /// The order of the checks is not published: scheme, key, PIN, length of the input.
    fn signature(&mut self, command: &Command<'_>) -> Result<Vec<u8>, Status> {
        let scheme = Scheme::from_p1(command.p1).ok_or(Status::BAD_PARAMETERS)?;
        if self.profile.raw_scheme_only && scheme != Scheme::Raw {
            return Err(Status::BAD_PARAMETERS);
        }
        let Content::Key(role) = self.referenced_file(command.p2)?.content else {
            return Err(Status::WRONG_STRUCTURE);
        };
        if !self.is_verified(role) {
            return Err(Status::NOT_VERIFIED);
        }
        let (Some(input), Some(256), false) = (command.data, command.expected, command.extended)
        else {
            return Err(Status::WRONG_LENGTH);
        };
        if !scheme.takes(input.len()) {
            return Err(match self.profile.sign_length_is_6700 {
                true => Status::WRONG_LENGTH,
                false => Status::CONDITIONS,
            });
        }
        let identity = match role {
            Role::Auth => self.credentials.auth.as_ref(),
            Role::Sign => self.credentials.sign.as_ref(),
        };
        let key = &identity.ok_or(Status::NOT_FOUND)?.key;
        let salt = usize::from(self.profile.pss_salt);
        let mut signature = scheme.sign(key, input, salt).map_err(|_| Status::UNKNOWN)?;
        if self.profile.wrong_signatures
            && let Some(last) = signature.last_mut()
        {
            *last ^= 0x01;
        }
        let signatures = match role {
            Role::Auth => &mut self.counters.auth_signatures,
            Role::Sign => &mut self.counters.sign_signatures,
        };
        *signatures = signatures.saturating_add(1);
        Ok(signature)
    }
}

/// What P1 asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    /// 00: PKCS#1 v1.5 over the input as it is.
    Raw,
    /// 01: PKCS#1 v1.5 over the bare SHA-256 of the input.
    BareHashOfMessage,
    /// 02: PKCS#1 v1.5 with DigestInfo over a SHA-256.
    Digest,
    /// 03: PKCS#1 v1.5 with DigestInfo over the SHA-256 of the input.
    Message,
    /// 04: PSS over a SHA-256.
    PssDigest,
    /// 05: PSS over the SHA-256 of the input.
    PssMessage,
}

impl Scheme {
    fn from_p1(p1: u8) -> Option<Self> {
        Some(match p1 {
            0x00 => Self::Raw,
            0x01 => Self::BareHashOfMessage,
            0x02 => Self::Digest,
            0x03 => Self::Message,
            0x04 => Self::PssDigest,
            0x05 => Self::PssMessage,
            _ => return None,
        })
    }

    /// An input is never empty: a command without data has another form.
    fn takes(self, length: usize) -> bool {
        match self {
            Self::Raw => length <= 245,
            Self::Digest | Self::PssDigest => length == 32,
            Self::BareHashOfMessage | Self::Message | Self::PssMessage => true,
        }
    }

    fn sign(self, key: &PrivateKey, input: &[u8], salt: usize) -> rsa::Result<Vec<u8>> {
        let plain = Pkcs1v15Sign::new_unprefixed;
        let with_digest_info = Pkcs1v15Sign::new::<Sha256>;
        let pss = || Pss::<Sha256>::new_with_salt(salt);
        let hash = Sha256::digest(input);
        match self {
            Self::Raw => key.sign_with_rng(&mut SysRng, plain(), input),
            Self::BareHashOfMessage => key.sign_with_rng(&mut SysRng, plain(), &hash),
            Self::Digest => key.sign_with_rng(&mut SysRng, with_digest_info(), input),
            Self::Message => key.sign_with_rng(&mut SysRng, with_digest_info(), &hash),
            Self::PssDigest => key.sign_with_rng(&mut SysRng, pss(), input),
            Self::PssMessage => key.sign_with_rng(&mut SysRng, pss(), &hash),
        }
    }
}

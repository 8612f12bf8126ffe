//! The elementary files of the JPKI application (section 2). Contents and read conditions.

use super::Role;
use crate::{
    pki::Credentials,
    profile::{Absent, Filler, Profile},
};

/// The files by identifier.
#[derive(Debug)]
pub(super) struct FileSystem(Vec<File>);

/// An elementary file.
#[derive(Debug)]
pub(super) struct File {
    pub(super) id: u16,
    pub(super) content: Content,
}

/// What an elementary file is.
#[derive(Debug)]
pub(super) enum Content {
    /// Bytes that READ BINARY gives.
    Transparent { bytes: Vec<u8>, access: Access },
    /// A private key (IEF).
    Key(Role),
    /// A PIN (IEF).
    Pin(Role),
    /// An internal file nobody could name.
    Internal,
}

/// Who may read a transparent file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Access {
    /// Everybody.
    Free,
    /// Who verified the PIN of the role.
    Verified(Role),
    /// Nobody: no PIN opens it.
    Nobody,
}

impl FileSystem {
    pub(super) fn new(profile: &Profile, credentials: &Credentials) -> Self {
        let mut files = Vec::new();
        let mut add = |id, content| files.push(File { id, content });
        let auth_access = match profile.gated_auth_certificate {
            true => Access::Verified(Role::Auth),
            false => Access::Free,
        };
        let sign = credentials.sign.as_ref();
        let auth = credentials.auth.as_ref();
        let leaf = |certificate: Option<&Vec<u8>>, access| {
            let bytes = match (certificate, profile.absent_certificate) {
                (Some(certificate), _) => certificate.as_slice(),
                (None, Absent::NoFile) => return None,
                (None, Absent::Empty) => return Some(transparent(Vec::new(), access)),
                (None, Absent::Blank) => &[],
            };
            Some(transparent(filled(bytes, profile.filler), access))
        };

        let sign_access = Access::Verified(Role::Sign);
        if let Some(content) = leaf(sign.map(|identity| &identity.certificate), sign_access) {
            add(0x0001, content);
        }
        let sign_ca = filled(&credentials.sign_ca, profile.authority_filler);
        add(0x0002, transparent(sign_ca, Access::Free));
        add(0x0005, Content::Internal);
        if profile.token_information {
            let information = token_information(&profile.label, &profile.model);
            add(0x0006, transparent(information, Access::Free));
        }
        if profile.presence_file {
            let mark = |present| if present { 0x8F } else { 0x00 };
            let presence = vec![mark(sign.is_some()), mark(auth.is_some()), 0x00];
            add(0x0008, transparent(presence, Access::Free));
        }
        add(0x0009, transparent(vec![0; 16], Access::Nobody));
        if let Some(content) = leaf(auth.map(|identity| &identity.certificate), auth_access) {
            add(0x000A, content);
        }
        let auth_ca = filled(&credentials.auth_ca, profile.authority_filler);
        add(0x000B, transparent(auth_ca, Access::Free));
        if auth.is_some() {
            add(0x0017, Content::Key(Role::Auth));
        }
        add(0x0018, Content::Pin(Role::Auth));
        if sign.is_some() {
            add(0x001A, Content::Key(Role::Sign));
        }
        add(0x001B, Content::Pin(Role::Sign));
        for id in [0x0010, 0x0016, 0x0019, 0x001C, 0x001E] {
            add(id, Content::Internal);
        }
        Self(files)
    }

    pub(super) fn find(&self, id: u16) -> Option<&File> {
        self.0.iter().find(|file| file.id == id)
    }
}

fn transparent(bytes: Vec<u8>, access: Access) -> Content {
    Content::Transparent { bytes, access }
}

fn filled(bytes: &[u8], filler: Filler) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Filler::To { size, value } = filler {
        bytes.resize(bytes.len().max(size.into()), value);
    }
    bytes
}

/// EF 0006: a `CK_TOKEN_INFO` of 160 bytes with big-endian numbers (section 2.1, one source).
fn token_information(label: &str, model: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(160);
    let mut text = |text: &str, length: usize| {
        let padded = text.bytes().chain(std::iter::repeat(b' ')).take(length);
        bytes.extend(padded);
    };
    text(label, 32);
    text("00000000000000000000000000000001", 32);
    text(model, 16);
    text("0000000020500003", 16);
    // Flags: RNG, LOGIN_REQUIRED, USER_PIN_INITIALIZED, TOKEN_INITIALIZED; sessions; PIN lengths; no memory figures.
    let numbers: [u32; 11] = [
        0x0000_040D,
        1,
        0,
        1,
        0,
        16,
        6,
        u32::MAX,
        u32::MAX,
        u32::MAX,
        u32::MAX,
    ];
    bytes.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
    bytes.extend(b"0301");
    bytes.extend([b'9'; 16]);
    bytes
}

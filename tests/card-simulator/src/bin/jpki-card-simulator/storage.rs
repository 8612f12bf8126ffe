//! The state directory: authorities, and for each card its certificates with keys and its memory. Writes whole files or none.

use std::{
    collections::HashMap,
    error::Error,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use jpki_card_simulator::{
    Card, Profile,
    card::Memory,
    issue::Issuer,
    pki::{Authorities, Credentials, Generation, Holder},
    profile::Family,
};

/// Where cards come from and where they are kept.
#[derive(Debug)]
pub(crate) struct Storage {
    /// `None`: nothing outlives the program.
    folder: Option<PathBuf>,
    issuer: Issuer,
    written: HashMap<String, Memory>,
}

impl Storage {
    pub(crate) fn open(folder: Option<&Path>) -> Result<Self, Box<dyn Error>> {
        let issuer = Issuer::new();
        if let Some(folder) = folder {
            fs::create_dir_all(folder)?;
            for generation in GENERATIONS {
                let path = folder.join(authorities_file(generation));
                if let Some(bytes) = read(&path)? {
                    issuer.adopt(Authorities::from_bytes(&bytes)?);
                }
            }
        }
        Ok(Self {
            folder: folder.map(Path::to_owned),
            issuer,
            written: HashMap::new(),
        })
    }

    /// The card of an earlier run if there is one of this name and kind, otherwise a new one.
    pub(crate) fn card(&mut self, name: &str, profile: &Profile) -> Result<Card, Box<dyn Error>> {
        let Some(folder) = self
            .folder
            .clone()
            .filter(|_| profile.family == Family::Jpki)
        else {
            let credentials = self.issuer.credentials(profile, &Holder::sample())?;
            return Ok(Card::new(profile.clone(), credentials));
        };
        let path = |what: &str| folder.join(format!("{name}.{what}"));
        let kind = kind(profile);
        let stored = match read(&path("kind"))? == Some(kind.clone().into_bytes()) {
            true => read(&path("credentials"))?,
            false => None,
        };
        if let Some(bytes) = stored {
            let mut card = Card::new(profile.clone(), Credentials::from_bytes(&bytes)?);
            if let Some(memory) = read(&path("memory"))? {
                card.restore(Memory::parse(&String::from_utf8(memory)?)?);
            }
            return Ok(card);
        }
        let credentials = self.issuer.credentials(profile, &Holder::sample())?;
        let authorities = self.issuer.authorities(profile.generation)?;
        let authorities_path = folder.join(authorities_file(profile.generation));
        write(&authorities_path, &authorities.to_bytes()?)?;
        write(&path("credentials"), &credentials.to_bytes()?)?;
        let card = Card::new(profile.clone(), credentials);
        write(&path("memory"), card.memory().to_string().as_bytes())?;
        // Last: without it the others are not believed.
        write(&path("kind"), kind.as_bytes())?;
        Ok(card)
    }

    /// Keeps what the card would keep without power, before its answer goes out.
    pub(crate) fn save(&mut self, name: &str, memory: Memory) -> io::Result<()> {
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        if self.written.get(name) == Some(&memory) {
            return Ok(());
        }
        let path = folder.join(format!("{name}.memory"));
        write(&path, memory.to_string().as_bytes())?;
        self.written.insert(name.to_owned(), memory);
        Ok(())
    }
}

/// What decides about the certificates; a card whose kind changed is issued anew.
fn kind(profile: &Profile) -> String {
    let Profile {
        generation,
        validity,
        sign_certificate,
        ..
    } = profile;
    format!("{generation:?} {validity:?} sign={sign_certificate}\n")
}

fn authorities_file(generation: Generation) -> String {
    format!("authorities.{generation:?}").to_lowercase()
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Through a second file and a rename, so that a crash leaves the old or the new one.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    let mut file = fs::File::create(&new)?;
    file.write_all(bytes)?;
    drop(file);
    fs::rename(new, path)
}

const GENERATIONS: [Generation; 3] = [Generation::First, Generation::Second, Generation::Third];

//! Cards ready to use. One pair of authorities per generation in the whole process, because keys take time to make.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    card::Card,
    pki::{self, Authorities, Credentials, Error, Generation, Holder, IssueOptions},
    profile::{Family, Profile},
};

/// Issues cards. Clones share their authorities and samples.
#[derive(Debug, Clone, Default)]
pub struct Issuer(Arc<Mutex<Made>>);

#[derive(Debug, Default)]
struct Made {
    authorities: HashMap<u8, Arc<Authorities>>,
    samples: Vec<(Profile, Credentials)>,
}

impl Issuer {
    /// An issuer that has made nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The authorities of a generation, made at the first call.
    ///
    /// # Errors
    ///
    /// If the system has no randomness.
    pub fn authorities(&self, generation: Generation) -> Result<Arc<Authorities>, Error> {
        authorities(&mut self.lock(), generation)
    }

    /// Makes these the authorities of their generation from now on.
    pub fn adopt(&self, authorities: Authorities) {
        let number = number(authorities.generation());
        let mut made = self.lock();
        made.authorities.insert(number, Arc::new(authorities));
        made.samples.clear();
    }

    /// New keys and certificates for a card of this profile.
    ///
    /// # Errors
    ///
    /// If the holder does not fit a certificate, or the system has no randomness.
    pub fn credentials(&self, profile: &Profile, holder: &Holder) -> Result<Credentials, Error> {
        if profile.family != Family::Jpki {
            return Ok(NOTHING);
        }
        let authorities = self.authorities(profile.generation)?;
        issue(&authorities, profile, holder)
    }

    /// The keys and certificates of [`Card::sample`].
    ///
    /// # Errors
    ///
    /// If the system has no randomness.
    pub fn sample(&self, profile: &Profile) -> Result<Credentials, Error> {
        if profile.family != Family::Jpki {
            return Ok(NOTHING);
        }
        // Only what decides about the certificates.
        let kind = Profile {
            label: profile.label.clone(),
            generation: profile.generation,
            validity: profile.validity,
            ..Profile::plastic()
        };
        let mut made = self.lock();
        let known = made.samples.iter().find(|(known, _)| *known == kind);
        let mut credentials = match known {
            Some((_, credentials)) => credentials.clone(),
            None => {
                let authorities = authorities(&mut made, kind.generation)?;
                let new = issue(&authorities, &kind, &Holder::sample())?;
                made.samples.push((kind, new.clone()));
                new
            }
        };
        if !profile.sign_certificate {
            credentials.sign = None;
        }
        Ok(credentials)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Made> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Card {
    /// A card with keys and certificates of its own.
    ///
    /// # Errors
    ///
    /// If the system has no randomness.
    pub fn issue(profile: Profile) -> Result<Self, Error> {
        let credentials = issuer().credentials(&profile, &Holder::sample())?;
        Ok(Self::new(profile, credentials))
    }

    /// A card with the keys that every sample of its kind (label, CA generation, expired or not) shares in this process.
    /// Only the first one of a kind takes time.
    ///
    /// # Errors
    ///
    /// If the system has no randomness.
    pub fn sample(profile: Profile) -> Result<Self, Error> {
        let credentials = issuer().sample(&profile)?;
        Ok(Self::new(profile, credentials))
    }
}

/// The issuer of this process.
pub fn issuer() -> &'static Issuer {
    static ISSUER: std::sync::OnceLock<Issuer> = std::sync::OnceLock::new();
    ISSUER.get_or_init(Issuer::new)
}

fn authorities(made: &mut Made, generation: Generation) -> Result<Arc<Authorities>, Error> {
    let number = number(generation);
    if let Some(known) = made.authorities.get(&number) {
        return Ok(Arc::clone(known));
    }
    let new = Arc::new(Authorities::generate(generation)?);
    made.authorities.insert(number, Arc::clone(&new));
    Ok(new)
}

fn issue(
    authorities: &Authorities,
    profile: &Profile,
    holder: &Holder,
) -> Result<Credentials, Error> {
    let options = IssueOptions {
        validity: profile.validity,
        sign: profile.sign_certificate,
        ..IssueOptions::default()
    };
    pki::issue(authorities, holder, &options)
}

fn number(generation: Generation) -> u8 {
    match generation {
        Generation::First => 1,
        Generation::Second => 2,
        Generation::Third => 3,
    }
}

/// What a card of another family holds.
const NOTHING: Credentials = Credentials {
    auth: None,
    sign: None,
    auth_ca: Vec::new(),
    sign_ca: Vec::new(),
};

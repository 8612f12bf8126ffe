//! Certificates as files for servers and tests.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use der::pem::{LineEnding, encode_string};
use jpki_card_simulator::{VirtualReader, pki::Identity};

/// Writes the authorities of all cards in two bundles, and the leaves of each card.
pub(crate) fn export(folder: &Path, reader: &VirtualReader) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let mut bundles = [
        Bundle::new(folder, "auth-ca"),
        Bundle::new(folder, "sign-ca"),
    ];
    for name in reader.names() {
        let credentials = reader.card(&name, |card| card.credentials().clone())?;
        let [auth_ca, sign_ca] = &mut bundles;
        auth_ca.add(credentials.auth_ca);
        sign_ca.add(credentials.sign_ca);
        leaf(folder, &format!("{name}-auth"), credentials.auth.as_ref())?;
        leaf(folder, &format!("{name}-sign"), credentials.sign.as_ref())?;
    }
    bundles.iter().try_for_each(Bundle::write)
}

/// A PEM file of several certificates, one for each CA generation in use.
struct Bundle {
    path: PathBuf,
    certificates: Vec<Vec<u8>>,
}

impl Bundle {
    fn new(folder: &Path, name: &str) -> Self {
        Self {
            path: folder.join(format!("{name}.pem")),
            certificates: Vec::new(),
        }
    }

    fn add(&mut self, certificate: Vec<u8>) {
        if !certificate.is_empty() && !self.certificates.contains(&certificate) {
            self.certificates.push(certificate);
        }
    }

    fn write(&self) -> Result<(), Box<dyn Error>> {
        let pems: Result<Vec<String>, _> = self.certificates.iter().map(|der| pem(der)).collect();
        Ok(fs::write(&self.path, pems?.concat())?)
    }
}

/// A missing certificate leaves no file, also not that of an earlier run.
fn leaf(folder: &Path, name: &str, identity: Option<&Identity>) -> Result<(), Box<dyn Error>> {
    let (der_path, pem_path) = (
        folder.join(format!("{name}.der")),
        folder.join(format!("{name}.pem")),
    );
    match identity {
        Some(identity) => {
            fs::write(der_path, &identity.certificate)?;
            fs::write(pem_path, pem(&identity.certificate)?)?;
        }
        None => {
            for path in [der_path, pem_path] {
                if path.exists() {
                    fs::remove_file(path)?;
                }
            }
        }
    }
    Ok(())
}

fn pem(der: &[u8]) -> Result<String, der::pem::Error> {
    encode_string("CERTIFICATE", LineEnding::LF, der)
}

//! The judgement of OpenSSL, which is not lenient with critical extensions.

use std::{fs, path::PathBuf, process::Command};

use super::super::{Generation, IssueOptions, Validity};
use super::{GENERATIONS, auth, authorities, quick, sample, sign};

/// A directory of one test, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Self {
        let name = format!("jpki-sim-pki-{}-{test}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path.into_os_string().into_string().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Whether `openssl` was content, and what it said.
fn openssl(arguments: &[&str]) -> (bool, String) {
    let output = Command::new("openssl").args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

fn verify(scratch: &Scratch, ca: &[u8], leaf: &[u8], flags: &[&str]) -> (bool, String) {
    let ca = scratch.file("ca.der", ca);
    // OpenSSL 3.0 takes trusted certificates as PEM only.
    let pem = format!("{ca}.pem");
    let (good, said) = openssl(&["x509", "-inform", "DER", "-in", &ca, "-out", &pem]);
    assert!(good, "{said}");
    let leaf = scratch.file("leaf.der", leaf);
    let fixed = ["verify", "-x509_strict", "-CAfile", &pem];
    openssl(&[&fixed[..], flags, &[&leaf]].concat())
}

#[test]
fn verifies_leaves() {
    let scratch = Scratch::new("leaves");
    let leaves = [
        (auth(), &sample().auth_ca, "1.2.392.200149.8.5.1.0.30"),
        (sign(), &sample().sign_ca, "1.2.392.200149.8.5.1.0.20"),
    ];
    for (identity, ca, policy) in leaves {
        let leaf = &identity.certificate;
        for flags in [
            &[][..],
            &["-ignore_critical"],
            &["-explicit_policy", "-policy", policy],
        ] {
            let (good, said) = verify(&scratch, ca, leaf, flags);
            assert!(good, "{flags:?}: {said}");
        }
        let wrong = ["-explicit_policy", "-policy", "1.2.3.4"];
        assert!(!verify(&scratch, ca, leaf, &wrong).0);
    }
    let client = ["-purpose", "sslclient"];
    let (good, said) = verify(&scratch, &sample().auth_ca, &auth().certificate, &client);
    assert!(good, "{said}");
}

#[test]
fn picks_the_right_generation_only() {
    let scratch = Scratch::new("generations");
    for generation in GENERATIONS {
        let ca = authorities(generation).auth_ca();
        let (good, _) = verify(&scratch, ca, &auth().certificate, &["-no_check_time"]);
        assert_eq!(good, generation == Generation::Third);
    }
}

#[test]
fn sees_expiry() {
    let scratch = Scratch::new("expiry");
    for (validity, reason) in [
        (Validity::Expired, "certificate has expired"),
        (Validity::NotYet, "certificate is not yet valid"),
    ] {
        let options = IssueOptions {
            validity,
            ..IssueOptions::default()
        };
        let issued = quick(options);
        let leaf = issued.sign.unwrap().certificate;
        // A key of 1024 bits is below the default security level.
        let flags = ["-auth_level", "0"];
        let (good, said) = verify(&scratch, &issued.sign_ca, &leaf, &flags);
        assert!(!good && said.contains(reason), "{said}");
    }
}

#[test]
fn prints_what_was_meant() {
    let scratch = Scratch::new("text");
    let print = |der: &[u8]| {
        let file = scratch.file("printed.der", der);
        let fixed = ["x509", "-noout", "-text", "-nameopt", "utf8,sep_comma_plus"];
        let (good, said) = openssl(&[&fixed[..], &["-in", &file]].concat());
        assert!(good, "{said}");
        said
    };
    let text = print(&auth().certificate);
    for part in [
        "sha256WithRSAEncryption",
        "X509v3 Key Usage: critical",
        "TLS Web Client Authentication",
        "X509v3 Certificate Policies: critical",
        "CPS: http://www.jpki.go.jp/cps.html",
        "OCSP - URI:http://ocspauthnorm.jpki-sim.invalid",
        "serial:06:D1:80:06",
    ] {
        assert!(text.contains(part), "{part} not in {text}");
    }
    let text = print(&sign().certificate);
    assert!(text.contains("Digital Signature, Non Repudiation"));
    assert!(!text.contains("Authority Information Access"));
    assert!(!text.contains("Extended Key Usage"));
    assert!(!text.contains("Basic Constraints"));
    assert!(print(&sample().sign_ca).contains("CA:TRUE"));
}

#[test]
fn reads_the_stored_key() {
    let scratch = Scratch::new("key");
    let key = scratch.file("key.der", &auth().key_pkcs8().unwrap());
    let (good, said) = openssl(&["pkey", "-inform", "DER", "-in", &key, "-check", "-noout"]);
    assert!(good, "{said}");
}

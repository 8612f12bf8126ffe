//! `tls`: what servers of OpenSSL ask for, and a server that asks for nothing.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::{Doctor, Folder, Pcscd};

/// `openssl s_server` with a certificate of its own.
struct Server {
    child: Child,
    site: String,
}

fn openssl() -> Command {
    Command::new("openssl")
}

impl Server {
    fn start(folder: &Folder, options: &[&str]) -> Server {
        let (key, certificate) = (
            folder.path().join("key.pem"),
            folder.path().join("cert.pem"),
        );
        if !certificate.exists() {
            let made = openssl()
                .args([
                    "req",
                    "-x509",
                    "-newkey",
                    "rsa:2048",
                    "-nodes",
                    "-subj",
                    "/CN=Server CA/O=Somebody",
                ])
                .arg("-keyout")
                .arg(&key)
                .arg("-out")
                .arg(&certificate)
                .output()
                .expect("openssl is not there: apt-get install openssl");
            assert!(made.status.success(), "{made:?}");
        }
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let site = format!("127.0.0.1:{port}");
        let mut child = openssl()
            .args(["s_server", "-accept", &site, "-key"])
            .arg(&key)
            .arg("-cert")
            .arg(&certificate)
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(
            lines.any(|line| line.unwrap().starts_with("ACCEPT")),
            "s_server does not start"
        );
        // Its later output must not stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Server { child, site }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn ask(doctor: &Doctor<'_>, server: &Server) -> (Vec<String>, Value, i32) {
    let (report, status) = doctor.json(&["tls", &server.site]);
    let lines = report["checks"].as_array().unwrap();
    let found = lines
        .iter()
        .map(|line| {
            format!(
                "{} {}",
                line["finding"].as_str().unwrap(),
                line["mark"].as_str().unwrap()
            )
        })
        .collect();
    (found, report, status)
}

#[test]
fn a_server_for_the_card_is_told_from_others() {
    let folder = Folder::new();
    let pcscd = Pcscd::start(&["--dir", folder.path().join("card").to_str().unwrap()]);
    let doctor = Doctor::new(Some(&pcscd));
    let authority = folder.path().join("card/certificates/auth-ca.pem");
    let authority = authority.to_str().unwrap();
    assert!(Path::new(authority).exists());

    let server = Server::start(&folder, &["-Verify", "1", "-CAfile", authority]);
    let (found, report, status) = ask(&doctor, &server);
    assert_eq!(
        found,
        [
            "tls-accepts ok",
            "tls-accepts ok",
            "tls-authorities note",
            "tls-authority-matches ok"
        ]
    );
    assert_eq!(status, 0);
    assert_eq!(report["checks"][0]["facts"]["version"], "TLS 1.3");
    let (text, _) = doctor.text(&["tls", &server.site, "--lang", "ja"]);
    assert!(
        text.contains("rsa_pss_rsae_sha256") && text.contains("rsa_pkcs1_sha256"),
        "{text}"
    );
    drop(server);

    let own = folder.path().join("cert.pem");
    let server = Server::start(
        &folder,
        &["-verify", "1", "-CAfile", own.to_str().unwrap(), "-tls1_2"],
    );
    let (found, report, status) = ask(&doctor, &server);
    assert_eq!(
        found,
        [
            "tls-version-refused note",
            "tls-accepts ok",
            "tls-authorities note",
            "tls-authority-missing todo"
        ]
    );
    assert_eq!(status, 1);
    assert!(report.to_string().contains("Server CA"), "{report}");
}

#[test]
fn a_server_that_cannot_take_the_card_is_told() {
    let folder = Folder::new();
    let doctor = Doctor::new(None);
    for schemes in ["ECDSA+SHA256:ed25519", "ECDSA+SHA256:RSA-PSS+SHA512"] {
        let server = Server::start(&folder, &["-Verify", "1", "-client_sigalgs", schemes]);
        let (found, _, status) = ask(&doctor, &server);
        assert_eq!(
            found[..2],
            ["tls-refuses todo", "tls-refuses todo"],
            "{schemes}"
        );
        assert_eq!(status, 1);
    }
    let server = Server::start(&folder, &[]);
    let (found, _, status) = ask(&doctor, &server);
    assert_eq!(
        (found, status),
        (vec!["tls-asks-nothing todo".to_owned(); 2], 1)
    );
    drop(server);

    // Nobody listens there any more.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let (report, status) = doctor.json(&["tls", &format!("127.0.0.1:{port}")]);
    assert_eq!(report["checks"][0]["finding"], "tls-unreachable");
    assert_eq!((report["checks"].as_array().unwrap().len(), status), (1, 1));
}

//! Real programs from their start to their end: gnutls-cli logs in to a server, OpenSSH lists and logs in.
//! It runs Debian's programs as they are. It takes no login for granted that the server did not confirm.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::card::{PIN, folder};
use crate::meter::{Cost, Meter};
use crate::{Result, step};

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// TLS 1.3 with a client certificate, gnutls-cli.
    Tls13,
    /// TLS 1.2, for modules that cannot sign for 1.3.
    Tls12,
    /// `ssh-keygen -D`.
    SshList,
    /// `ssh -I` to an sshd of this user.
    SshLogin,
}

impl Program {
    /// In the order of the table.
    pub const ALL: [Program; 4] = [
        Program::Tls13,
        Program::Tls12,
        Program::SshList,
        Program::SshLogin,
    ];

    /// In JSON.
    pub fn name(self) -> &'static str {
        match self {
            Program::Tls13 => "tls-1.3-login",
            Program::Tls12 => "tls-1.2-login",
            Program::SshList => "ssh-list",
            Program::SshLogin => "ssh-login",
        }
    }

    /// In the table.
    pub fn title(self) -> &'static str {
        match self {
            Program::Tls13 => "TLS 1.3 login, `gnutls-cli` from its start",
            Program::Tls12 => "TLS 1.2 login, `gnutls-cli` from its start",
            Program::SshList => "`ssh-keygen -D`",
            Program::SshLogin => "`ssh -I` login",
        }
    }
}

/// Servers and files that the programs need; they end with it.
pub struct Scene {
    folder: PathBuf,
    /// One for TLS 1.3, one for TLS 1.2.
    tls: Vec<(Child, u16)>,
}

impl Scene {
    /// Makes keys and starts the servers.
    ///
    /// # Errors
    /// When openssl or OpenSSH is not there.
    pub fn new() -> Result<Scene> {
        let folder = folder("VIRTUAL_CARD_DIR")?.join("programs");
        fs::create_dir_all(&folder)?;
        let words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
                     -addext subjectAltName=DNS:localhost -keyout server.key -out server.pem";
        let mut openssl = Command::new("openssl");
        done(openssl.args(words.split_whitespace()).current_dir(&folder))?;
        let mut keygen = Command::new("ssh-keygen");
        done(
            keygen
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(folder.join("host")),
        )?;
        // Where root's sshd wants to see an empty folder; the system makes it when its own sshd starts.
        let _ = fs::create_dir("/run/sshd");
        script(&folder.join("askpass"), &format!("echo {PIN}"))?;
        let mut scene = Scene {
            folder,
            tls: Vec::new(),
        };
        for version in ["-tls1_3", "-tls1_2"] {
            scene.start_tls(version)?;
        }
        Ok(scene)
    }

    fn start_tls(&mut self, version: &str) -> Result<()> {
        let authorities = folder("VIRTUAL_CARD_DIR")?.join("certificates/auth-ca.pem");
        let mut server = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-www", version])
            .args(["-cert", "server.pem", "-key", "server.key"])
            .args(["-Verify", "1", "-verify_return_error", "-CAfile"])
            .arg(authorities)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let output = server.stdout.take().ok_or("s_server has no output")?;
        // It is stopped with the scene, also when it says nothing useful.
        self.tls.push((server, 0));
        let mut lines = BufReader::new(output).lines();
        let port = loop {
            let line = lines.next().ok_or("s_server did not start")??;
            if let Some(place) = line.strip_prefix("ACCEPT ") {
                break place
                    .rsplit_once(':')
                    .ok_or("ACCEPT without a port")?
                    .1
                    .parse()?;
            }
        };
        if let Some((_, place)) = self.tls.last_mut() {
            *place = port;
        }
        // Its output must have somewhere to go.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(())
    }

    /// Runs a program once with a module.
    ///
    /// # Errors
    /// When it does not do what it was started for.
    pub fn run(&self, program: Program, module: &Path) -> Result<Cost> {
        let meter = Meter::start()?;
        match program {
            Program::Tls13 => self.tls_login(0, "NORMAL:-VERS-ALL:+VERS-TLS1.3", module)?,
            Program::Tls12 => self.tls_login(1, "NORMAL:-VERS-ALL:+VERS-TLS1.2", module)?,
            Program::SshList => {
                self.ssh_keys(module)?;
            }
            Program::SshLogin => self.ssh_login(module)?,
        }
        meter.stop(1)
    }

    fn tls_login(&self, server: usize, priority: &str, module: &Path) -> Result<()> {
        let (_, port) = self.tls.get(server).ok_or("no such server")?;
        let token = "pkcs11:token=JPKI%20%28User%20Authentication%20PIN%29;id=%01";
        let mut client = Command::new("gnutls-cli")
            .arg("--provider")
            .arg(module)
            .args(["--priority", priority])
            .args(["--x509cafile", "server.pem"])
            .args(["--x509certfile", &format!("{token};type=cert")])
            .args(["--x509keyfile", &format!("{token};type=private")])
            .args(["-p", &port.to_string(), "localhost"])
            .env("GNUTLS_PIN", PIN)
            .current_dir(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut input = client.stdin.take().ok_or("gnutls-cli has no input")?;
        input.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        let output = client.wait_with_output()?;
        drop(input);
        let page = String::from_utf8_lossy(&output.stdout);
        // The server's page says who it takes the client for.
        match page.contains("Client certificate") && !page.contains("no client certificate") {
            true => Ok(()),
            false => Err(said(&output).into()),
        }
    }

    fn ssh_keys(&self, module: &Path) -> Result<Vec<u8>> {
        let output = Command::new("ssh-keygen").arg("-D").arg(module).output()?;
        match output.stdout.starts_with(b"ssh-rsa ") {
            true => Ok(output.stdout),
            false => Err(said(&output).into()),
        }
    }

    fn ssh_login(&self, module: &Path) -> Result<()> {
        let path = |name: &str| self.folder.join(name).display().to_string();
        let user = String::from_utf8(done(Command::new("id").arg("-un"))?.stdout)?;
        let proxy = format!(
            "/usr/sbin/sshd -i -f /dev/null -E {} -o HostKey={} -o AuthorizedKeysFile={} -o StrictModes=no \
             -o PermitRootLogin=yes -o UsePAM=no -o PasswordAuthentication=no",
            path("sshd.log"),
            path("host"),
            path("authorized_keys")
        );
        let output = Command::new("ssh")
            .args(["-F", "none", "-I"])
            .arg(module)
            .args(["-o", &format!("ProxyCommand={proxy}")])
            .args([
                "-o",
                "StrictHostKeyChecking=no",
                "-o",
                "UserKnownHostsFile=/dev/null",
            ])
            .args([
                "-o",
                "PreferredAuthentications=publickey",
                "-o",
                "IdentityFile=none",
            ])
            .args([&format!("{}@localhost", user.trim()), "echo", "logged-in"])
            .env("SSH_ASKPASS", path("askpass"))
            .env("SSH_ASKPASS_REQUIRE", "force")
            .env_remove("SSH_AUTH_SOCK")
            .stdin(Stdio::null())
            .output()?;
        match output.stdout.ends_with(b"logged-in\n") {
            true => Ok(()),
            false => Err(said(&output).into()),
        }
    }

    /// Lets the keys of a module in; [`Program::SshLogin`] needs it.
    ///
    /// # Errors
    /// When `ssh-keygen` finds none.
    pub fn authorize(&self, module: &Path) -> Result<()> {
        Ok(fs::write(
            self.folder.join("authorized_keys"),
            self.ssh_keys(module)?,
        )?)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        for (server, _) in &mut self.tls {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// A step in a process of its own, which is what makes it cold.
///
/// # Errors
/// What the step says.
pub fn in_a_process(step: step::Step, arguments: &[&str], ours: bool) -> Result<Cost> {
    let mut child = Command::new(std::env::current_exe()?);
    child.args(arguments).arg(step.name());
    if ours {
        child.envs(step.settings().iter().copied());
    }
    let output = done(&mut child)?;
    let value = serde_json::from_slice(&output.stdout)?;
    Cost::from_json(&value).ok_or_else(|| format!("{value} is no cost").into())
}

fn done(command: &mut Command) -> Result<Output> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(output),
        false => Err(format!("{command:?}: {}", said(&output)).into()),
    }
}

fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    format!("{}: {}", output.status, String::from_utf8_lossy(&text))
}

fn script(path: &Path, line: &str) -> Result<()> {
    fs::write(path, format!("#!/bin/sh\n{line}\n"))?;
    Ok(fs::set_permissions(
        path,
        fs::Permissions::from_mode(0o700),
    )?)
}

//! A pcscd of one program's own, with vpcd for the phone, in namespaces: no root, nothing in /etc, no port that anybody else
//! could reach. It ends with this program.

use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use jpki_pkcs11::messages::Language;

use super::port::PORT;
use super::wire::is_readable;
use crate::commands::{is_there, output};

/// The name of the reader, as programs show it.
pub(crate) const READER: &str = "Android phone (vpcd)";

/// Where libpcsclite of the program finds the service.
const SOCKET_VARIABLE: &str = "PCSCLITE_CSOCK_NAME";

/// Where distributions put drivers.
const DRIVERS: [&str; 4] = [
    "/usr/lib/pcsc/drivers",
    "/usr/lib64/pcsc/drivers",
    "/usr/lib64/readers",
    "/usr/local/lib/pcsc/drivers",
];

/// How long the relay and pcscd may take to end.
const ENDING_LIMIT: Duration = Duration::from_secs(3);

/// Between two looks at whether they have.
const LOOK: Duration = Duration::from_millis(20);

/// $1: the folder of the socket, $2: that of reader.conf, $3: an option of pcscd or nothing, and then the relay. The namespaces
/// have their own loopback device, which is down at first. pcscd has its socket at a fixed place, and is where an ordinary user's
/// search path does not lead.
const SCRIPT: &str = r#"
set -e
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
ip link set lo up
if [ ! -d /run/pcscd ]; then mount -t tmpfs tmpfs /run && mkdir /run/pcscd; fi
mount --bind "$1" /run/pcscd
setpriv --pdeathsig TERM pcscd $3 --foreground --config "$2" < /dev/null > "$2/pcscd.log" 2>&1 &
pcscd=$!
trap 'kill $pcscd 2> /dev/null' EXIT
for _ in $(seq 100); do
    [ ! -S /run/pcscd/pcscd.comm ] || break
    kill -0 $pcscd || exit 1
    sleep 0.1
done
shift 3
"$@"
"#;

/// The service and the relay beside it.
pub(super) struct PrivateService {
    process: Child,
    /// The relay says a line each time programs can see a card. It ends when nobody reads any more. `None` while ending.
    said: Option<ChildStdout>,
    socket: PathBuf,
}

impl PrivateService {
    /// Starts both. `listener`: where phones arrive. `folder`: an empty one of this user's own.
    pub(super) fn start(
        folder: &Path,
        listener: OwnedFd,
        language: Language,
    ) -> io::Result<PrivateService> {
        let (run, configuration) = (folder.join("run"), folder.join("conf"));
        fs::create_dir(&run)?;
        fs::create_dir(&configuration)?;
        let driver = driver().ok_or(io::ErrorKind::NotFound)?;
        let reader = format!(
            "FRIENDLYNAME \"{READER}\"\nDEVICENAME /dev/null:{PORT}\nLIBPATH {}\nCHANNELID {PORT}\n",
            driver.display()
        );
        fs::write(configuration.join("reader.conf"), reader)?;
        let mut process = Command::new("unshare")
            .args(namespaces())
            .arg("--")
            .args(["sh", "-c", SCRIPT, "jpki-doctor"])
            .args([&run, &configuration])
            .arg(if knows_polkit_option() {
                "--disable-polkit"
            } else {
                ""
            })
            .arg(std::env::current_exe()?)
            .args(["phone-relay", "--lang"])
            .arg(match language {
                Language::Japanese => "ja",
                Language::English => "en",
            })
            .stdin(listener)
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(PrivateService {
            said: process.stdout.take(),
            process,
            socket: run.join("pcscd.comm"),
        })
    }

    /// Can programs see the card?
    pub(super) fn is_ready(&mut self) -> bool {
        let Some(said) = &mut self.said else {
            return false;
        };
        is_readable(said.as_fd(), Duration::ZERO) && matches!(said.read(&mut [0; 64]), Ok(1..))
    }

    /// Has it ended by itself?
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }

    /// A program that uses this service and no other.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env(SOCKET_VARIABLE, &self.socket);
        command
    }
}

impl Drop for PrivateService {
    fn drop(&mut self) {
        self.said = None;
        let end = Instant::now() + ENDING_LIMIT;
        while !self.has_ended() {
            if Instant::now() > end {
                // It may end by itself meanwhile.
                let _ = self.process.kill();
                let _ = self.process.wait();
                return;
            }
            thread::sleep(LOOK);
        }
    }
}

/// What [unshare(1)] is told. The superuser needs no namespace of users, which is refused in some containers.
///
/// [unshare(1)]: https://man7.org/linux/man-pages/man1/unshare.1.html
pub(super) fn namespaces() -> &'static [&'static str] {
    match rustix::process::geteuid().is_root() {
        true => &["--mount", "--net"],
        false => &["--user", "--map-root-user", "--mount", "--net"],
    }
}

/// The file of vpcd's driver.
pub(super) fn driver() -> Option<PathBuf> {
    let folder = |folder| {
        let mut found: Vec<PathBuf> = below(Path::new(folder), 4)
            .into_iter()
            .filter(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with("libifdvpcd.so")
            })
            .collect();
        found.sort();
        found.into_iter().next()
    };
    DRIVERS.into_iter().find_map(folder)
}

/// All files below a folder, so many levels deep.
fn below(folder: &Path, depth: u8) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    paths
        .flat_map(|path| match path.is_dir() {
            true if depth > 0 => below(&path, depth - 1),
            true => Vec::new(),
            false => vec![path],
        })
        .collect()
}

/// The first program that is missing for a private service.
pub(super) fn missing_program() -> Option<&'static str> {
    ["pcscd", "unshare", "setpriv", "ip", "mount"]
        .into_iter()
        .find(|program| !is_there(program) && !Path::new("/usr/sbin").join(program).exists())
}

/// pcscd from 2.0 on asks polkit about each client, which fails in namespaces; the socket's folder is this user's alone.
fn knows_polkit_option() -> bool {
    ["pcscd", "/usr/sbin/pcscd"].iter().any(|program| {
        let said = output(program, &["--help"], ENDING_LIMIT);
        said.is_some_and(|said| said.contains("--disable-polkit"))
    })
}

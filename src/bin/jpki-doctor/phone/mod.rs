//! `phone`: an Android phone with the app of vsmartcard as the card reader, over a USB cable, or through a tunnel when the
//! user asks for it. The app passes on what the card says; vpcd in pcscd makes a reader of that.

mod adb;
mod checks;
pub(crate) mod port;
mod private;
mod relay;
mod wire;

use std::fs::Permissions;
use std::io;
use std::net::{IpAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jpki_pkcs11::messages::Language;
use jpki_pkcs11::messages::doctor::{Fields, Phrase};
use jpki_pkcs11::pcsc::Transport;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use rustix::event::{PollFd, PollFlags};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::arguments::Way;
use crate::context::{Context, Outcome};
use crate::report::{Report, Section};
use crate::{service, terminal};
use checks::Link;
use private::PrivateService;
pub(crate) use private::READER;
use relay::{Event, Relay};

/// The ports of the phone from which one is drawn: those that no service has.
const PHONE_PORTS: std::ops::Range<u16> = 20_000..60_000;

/// The port that the app has from the start.
const APP_PORT: u16 = port::PORT;

/// Between two looks at the program and the signals.
const LOOK: Duration = Duration::from_millis(50);

/// pcscd ends itself after a minute without a client, and its socket starts it again when it is asked.
const KEEP_AWAKE: Duration = Duration::from_secs(20);

/// APDUs of a login with its first signature (docs/benchmark.md).
const LOGIN_APDUS: u32 = 22;

/// Brings a phone into the system's pcscd, or beside a program into one of its own.
pub(crate) fn run(context: &Context, way: &Way, program: &[String]) -> Outcome {
    let language = context.arguments.language;
    let mut report = Report::new(language, context.paths.home.clone());
    report.section(Section::Phone);
    let link = checks::check(way, !program.is_empty(), &mut report);
    let (Some(link), false) = (link, context.arguments.dry_run) else {
        return report.print(context.arguments.json);
    };
    report.print(context.arguments.json);
    match serve(language, &link, program) {
        Ok(outcome) => outcome,
        Err(error) => {
            complain(
                language,
                Phrase::PhoneTrouble,
                &[("reason", error.to_string())],
            );
            Outcome::Todo
        }
    }
}

fn complain(language: Language, phrase: Phrase, fields: Fields<'_>) {
    terminal::complain(&phrase.say(language, fields));
}

fn serve(language: Language, link: &Link, program: &[String]) -> io::Result<Outcome> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    // Only for this user: a program that reaches the socket is the card.
    let mut folder = tempfile::Builder::new();
    let folder = folder
        .prefix("jpki-phone.")
        .permissions(Permissions::from_mode(0o700));
    let folder = match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(runtime) => folder.tempdir_in(runtime)?,
        None => folder.tempdir()?,
    };
    let (listener, arrival) = listen(link, folder.path())?;
    let _link = arrival.announce(language, link, folder.path())?;
    match program.split_first() {
        None => {
            keep_awake(&stop);
            let mut relay = Relay::new(listener, port::PORT, |event| tell(language, event));
            relay.run(|| stop.load(Ordering::Acquire));
            tell_latency(language, relay.median());
            Ok(Outcome::Fine)
        }
        Some((program, arguments)) => {
            let mut own = PrivateService::start(folder.path(), listener, language)?;
            while !own.is_ready() {
                if stop.load(Ordering::Acquire) {
                    return Ok(Outcome::Todo);
                }
                if own.has_ended() {
                    return Err(io::Error::other("pcscd"));
                }
                thread::sleep(LOOK);
            }
            complain(
                language,
                Phrase::PhoneStarting,
                &[("program", program.clone())],
            );
            let process = own.command(program).args(arguments).spawn();
            let named = |error| io::Error::other(format!("{program}: {error}"));
            let mut process = process.map_err(named)?;
            loop {
                if let Some(status) = process.try_wait()? {
                    let code = status.code().and_then(|code| u8::try_from(code).ok());
                    return Ok(Outcome::OfProgram(code.unwrap_or(1)));
                }
                if stop.load(Ordering::Acquire) {
                    // Ctrl-C reaches the program as well, and it may want to ask before it ends.
                    stop.store(false, Ordering::Release);
                    let _ = rustix::process::kill_process(
                        rustix::process::Pid::from_child(&process),
                        rustix::process::Signal::TERM,
                    );
                }
                thread::sleep(LOOK);
            }
        }
    }
}

/// The relay inside the namespaces of a private service: phones arrive at its standard input. It ends when nobody reads its standard
/// output any more.
pub(crate) fn relay_inside(language: Language) -> Outcome {
    let Ok(listener) = io::stdin().as_fd().try_clone_to_owned() else {
        return Outcome::Usage;
    };
    let mut relay = Relay::new(listener, port::PORT, |event| {
        if event == Event::Ready {
            terminal::say("ready");
        }
        tell(language, event);
    });
    relay.run(|| {
        let out = io::stdout();
        let mut out = [PollFd::from_borrowed_fd(out.as_fd(), PollFlags::empty())];
        wire::wait(&mut out, Duration::ZERO).is_ok_and(|ready| ready > 0)
    });
    tell_latency(language, relay.median());
    Outcome::Fine
}

/// On standard error: standard output belongs to the program that is run, or to the report.
fn tell(language: Language, event: Event) {
    let phrase = match event {
        Event::Connected => Phrase::PhoneCardHere,
        Event::Ready => Phrase::PhoneCardReady,
        Event::Gone => Phrase::PhoneCardGone,
        Event::Late => Phrase::PhoneLate,
        Event::Silent => Phrase::PhoneSilent,
        Event::Refused => Phrase::PhoneRefused,
        Event::Taken => Phrase::PhoneTaken,
    };
    complain(language, phrase, &[]);
}

fn tell_latency(language: Language, median: Option<(Duration, usize)>) {
    let Some((median, answers)) = median else {
        return;
    };
    let login = median.saturating_mul(LOGIN_APDUS);
    let fields = [
        ("answers", answers.to_string()),
        ("milliseconds", median.as_millis().to_string()),
        ("seconds", format!("{:.1}", login.as_secs_f64())),
    ];
    complain(language, Phrase::PhoneLatency, &fields);
}

/// A client that is always there keeps pcscd from ending, and wakes it when it was started again.
fn keep_awake(stop: &Arc<AtomicBool>) {
    let stop = Arc::clone(stop);
    thread::spawn(move || {
        let pcsc = service::open();
        while !stop.load(Ordering::Acquire) {
            // Without a service there is nothing to keep; the next time it may be back.
            let _ = pcsc.survey();
            let next = Instant::now() + KEEP_AWAKE;
            while Instant::now() < next && !stop.load(Ordering::Acquire) {
                thread::sleep(LOOK);
            }
        }
    });
}

/// Where phones arrive, as the app is to be told.
struct Arrival {
    port: u16,
}

fn listen(link: &Link, folder: &Path) -> io::Result<(OwnedFd, Arrival)> {
    match link {
        Link::Address(address) => {
            let listener = TcpListener::bind((*address, 0))?;
            let port = listener.local_addr()?.port();
            Ok((listener.into(), Arrival { port }))
        }
        Link::Ssh => Ok((
            UnixListener::bind(socket(folder))?.into(),
            Arrival { port: APP_PORT },
        )),
        Link::Usb(_) => {
            let mut random = [0; 2];
            getrandom::fill(&mut random).map_err(io::Error::other)?;
            let room = PHONE_PORTS.end - PHONE_PORTS.start;
            let port = PHONE_PORTS.start + u16::from_ne_bytes(random) % room;
            Ok((UnixListener::bind(socket(folder))?.into(), Arrival { port }))
        }
    }
}

fn socket(folder: &Path) -> std::path::PathBuf {
    folder.join("phone")
}

impl Arrival {
    /// Tells the phone, or its user, where to connect. What comes back undoes it.
    fn announce<'a>(
        &self,
        language: Language,
        link: &'a Link,
        folder: &Path,
    ) -> io::Result<Option<Forwarding<'a>>> {
        let mut forwarding = None;
        match link {
            Link::Usb(device) => {
                if !device.reverse(self.port, &socket(folder)) {
                    return Err(io::Error::other("adb reverse"));
                }
                forwarding = Some(Forwarding {
                    device,
                    port: self.port,
                });
                if !device.start(self.port) {
                    return Err(io::Error::other("adb shell am start"));
                }
            }
            Link::Ssh => {
                let command = format!(
                    "ssh -N -L {APP_PORT}:{} {}@COMPUTER",
                    socket(folder).display(),
                    std::env::var("USER").unwrap_or_else(|_| "USER".to_owned()),
                );
                complain(language, Phrase::PhoneOverSsh, &[("command", command)]);
                self.show("127.0.0.1", language);
            }
            Link::Address(IpAddr::V6(address)) => self.show(&format!("[{address}]"), language),
            Link::Address(address) => self.show(&address.to_string(), language),
        }
        complain(language, Phrase::PhoneLayCardOn, &[]);
        Ok(forwarding)
    }

    /// The address as a QR code that the app reads in its settings.
    fn show(&self, host: &str, language: Language) {
        let address = format!("vpcd://{host}:{}", self.port);
        if let Ok(code) = QrCode::new(&address) {
            let text = code.render::<Dense1x2>().build();
            for line in text.lines() {
                terminal::complain(&terminal::dark_on_light(line));
            }
        }
        complain(language, Phrase::PhoneScan, &[("address", address)]);
    }
}

/// The way through the cable, while this program runs.
struct Forwarding<'a> {
    device: &'a adb::Device,
    port: u16,
}

impl Drop for Forwarding<'_> {
    fn drop(&mut self) {
        self.device.end_reverse(self.port);
        // It shows every command, the PIN too.
        self.device.stop();
    }
}

//! The relay between the app on the phone and the driver vpcd. One phone at a time; each answer has a limit; a pcscd that is
//! started again finds the phone still there.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::net::accept;

use super::wire::{ATR, Lost, POWER_OFF, POWER_ON, RESET, Wire, wait};

/// How long a card may take for an answer. A signature takes less than one second, over a slow link two.
const ANSWER_LIMIT: Duration = Duration::from_secs(8);

/// How long a phone may take for its ATR, which it gives without asking the card.
const LIFE_LIMIT: Duration = Duration::from_secs(3);

/// After so much silence a phone is asked whether it is still there. The driver's own question, every 400 ms, is
/// answered without it.
const LIFE_INTERVAL: Duration = Duration::from_secs(2);

/// How long the driver may take for the rest of a message, or to say its first word.
const DRIVER_LIMIT: Duration = Duration::from_secs(3);

/// Between two looks at whether to stop, and two attempts to reach the driver.
const TICK: Duration = Duration::from_millis(200);

/// The driver looks for a card every 400 ms. One that comes back before it was missed can get stuck in pcscd (docs/pcscd.md).
const ABSENCE: Duration = Duration::from_secs(1);

/// The last so many answers count for the median.
const REMEMBERED: usize = 1000;

/// What the user should hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// A phone has a card, and says so.
    Connected,
    /// pcscd has powered the card and tells its programs.
    Ready,
    /// The phone has closed the connection: the card was lifted or the app left.
    Gone,
    /// The phone did not answer in time.
    Late,
    /// Something connected that gives no ATR.
    Silent,
    /// A second one wanted to be the card while the first was there.
    Refused,
    /// vpcd does not speak to us: somebody else is its card.
    Taken,
}

struct Phone {
    wire: Wire,
    atr: Vec<u8>,
    /// When it last said something.
    heard: Instant,
}

struct Driver {
    wire: Wire,
    since: Instant,
    /// Has it said anything?
    spoke: bool,
    /// How often it has asked for the ATR since it powered the card. `None`: it has not.
    asked: Option<u8>,
    /// Was the user told that programs see the card?
    told: bool,
}

/// See the module.
pub(super) struct Relay<T: FnMut(Event)> {
    /// Where phones arrive.
    listener: OwnedFd,
    /// Of vpcd, on the loopback address.
    port: u16,
    phone: Option<Phone>,
    driver: Option<Driver>,
    /// When the last phone was lost.
    lost: Option<Instant>,
    answers: VecDeque<Duration>,
    tell: T,
}

impl<T: FnMut(Event)> Relay<T> {
    pub(super) fn new(listener: OwnedFd, port: u16, tell: T) -> Relay<T> {
        Relay {
            listener,
            port,
            phone: None,
            driver: None,
            lost: None,
            answers: VecDeque::new(),
            tell,
        }
    }

    /// Until told to stop.
    pub(super) fn run(&mut self, stop: impl Fn() -> bool) {
        while !stop() {
            self.step();
        }
    }

    /// How long the phone took for an answer, half of the time, and of how many answers this is known.
    pub(super) fn median(&self) -> Option<(Duration, usize)> {
        let mut sorted: Vec<Duration> = self.answers.iter().copied().collect();
        sorted.sort_unstable();
        let middle = sorted.get(sorted.len() / 2)?;
        Some((*middle, sorted.len()))
    }

    fn step(&mut self) {
        let [newcomer, phone, driver] = self.what_is_ready();
        if newcomer {
            self.receive_newcomer();
        } else if phone {
            // It was asked for nothing: it has gone, or does not keep to the protocol.
            self.lose(Event::Gone);
        } else if driver {
            self.serve_driver();
        }
        self.reach_driver();
    }

    /// Waits for a word of the listener, the phone or the driver.
    fn what_is_ready(&self) -> [bool; 3] {
        let phone = self.phone.as_ref().map(|phone| phone.wire.as_fd());
        let driver = self.driver.as_ref().map(|driver| driver.wire.as_fd());
        let all = [Some(self.listener.as_fd()), phone, driver];
        let mut sockets: Vec<PollFd<'_>> = all
            .iter()
            .flatten()
            .map(|socket| PollFd::from_borrowed_fd(*socket, PollFlags::IN))
            .collect();
        let mut ready = [false; 3];
        if wait(&mut sockets, TICK).is_ok() {
            let mut seen = sockets.iter().map(|socket| !socket.revents().is_empty());
            for (ready, socket) in ready.iter_mut().zip(all) {
                *ready = socket.is_some() && seen.next().unwrap_or(false);
            }
        }
        ready
    }

    fn receive_newcomer(&mut self) {
        let Ok(socket) = accept(&self.listener) else {
            return;
        };
        let mut wire = Wire::new(socket);
        if self.phone.is_some() && self.is_phone_alive() {
            return (self.tell)(Event::Refused);
        }
        match ask_atr(&mut wire) {
            Ok(atr) => {
                self.phone = Some(Phone {
                    wire,
                    atr,
                    heard: Instant::now(),
                });
                (self.tell)(Event::Connected);
            }
            Err(_) => (self.tell)(Event::Silent),
        }
    }

    /// Asks it. One that does not answer is lost.
    fn is_phone_alive(&mut self) -> bool {
        let Some(phone) = &mut self.phone else {
            return false;
        };
        match ask_atr(&mut phone.wire) {
            // Another one would be another card.
            Ok(atr) if atr == phone.atr => {
                phone.heard = Instant::now();
                true
            }
            Ok(_) | Err(Lost::Closed) => {
                self.lose(Event::Gone);
                false
            }
            Err(Lost::Late) => {
                self.lose(Event::Late);
                false
            }
        }
    }

    /// Neither the phone nor the driver's view of it outlives the other: an answer that comes later is an answer to another question.
    fn lose(&mut self, event: Event) {
        self.phone = None;
        self.driver = None;
        self.lost = Some(Instant::now());
        (self.tell)(event);
    }

    /// Connects to the driver while there is a phone. To be connected is to be an inserted card.
    fn reach_driver(&mut self) {
        if self.phone.is_none() || self.lost.is_some_and(|lost| lost.elapsed() < ABSENCE) {
            return;
        }
        match &mut self.driver {
            Some(driver) if !driver.spoke && driver.since.elapsed() > DRIVER_LIMIT => {
                driver.spoke = true;
                (self.tell)(Event::Taken);
            }
            Some(_) => {}
            None => {
                let address = (Ipv4Addr::LOCALHOST, self.port).into();
                if let Ok(stream) = TcpStream::connect_timeout(&address, TICK) {
                    self.driver = Some(Driver {
                        wire: Wire::new(stream.into()),
                        since: Instant::now(),
                        spoke: false,
                        asked: None,
                        told: false,
                    });
                }
            }
        }
    }

    fn serve_driver(&mut self) {
        let Some(driver) = &mut self.driver else {
            return;
        };
        let Ok(command) = driver.wire.receive(DRIVER_LIMIT) else {
            // pcscd ends or starts again. The phone stays.
            self.driver = None;
            return;
        };
        driver.spoke = true;
        match *command {
            [] => {}
            [ATR] => self.answer_atr(),
            [control @ (POWER_OFF | POWER_ON | RESET)] => {
                driver.asked = None;
                let told = self.phone.as_mut().map(|it| it.wire.send(&command));
                if !matches!(told, Some(Ok(()))) {
                    return self.lose(Event::Gone);
                }
                if let (Some(driver), POWER_ON) = (&mut self.driver, control) {
                    driver.asked = Some(0);
                }
            }
            _ => self.pass_on(&command),
        }
    }

    fn answer_atr(&mut self) {
        let heard = self.phone.as_ref().map(|phone| phone.heard.elapsed());
        if heard.is_none_or(|ago| ago > LIFE_INTERVAL) && !self.is_phone_alive() {
            return;
        }
        let (Some(phone), Some(driver)) = (&self.phone, &mut self.driver) else {
            return;
        };
        if driver.wire.send(&phone.atr).is_err() {
            self.driver = None;
            return;
        }
        // The first question belongs to the powering; at the next one pcscd has told its programs.
        let asked = driver.asked.map(|asked| asked.saturating_add(1));
        driver.asked = asked;
        if asked > Some(1) && !std::mem::replace(&mut driver.told, true) {
            (self.tell)(Event::Ready);
        }
    }

    /// An APDU and its answer.
    fn pass_on(&mut self, command: &[u8]) {
        let (Some(phone), Some(driver)) = (&mut self.phone, &mut self.driver) else {
            return;
        };
        let start = Instant::now();
        let sent = phone.wire.send(command);
        match sent.and_then(|()| phone.wire.receive(ANSWER_LIMIT)) {
            Ok(answer) => {
                phone.heard = Instant::now();
                if self.answers.len() == REMEMBERED {
                    self.answers.pop_front();
                }
                self.answers.push_back(start.elapsed());
                if driver.wire.send(&answer).is_err() {
                    self.driver = None;
                }
            }
            Err(Lost::Closed) => self.lose(Event::Gone),
            Err(Lost::Late) => self.lose(Event::Late),
        }
    }
}

fn ask_atr(wire: &mut Wire) -> Result<Vec<u8>, Lost> {
    wire.send(&[ATR])?;
    let atr = wire.receive(LIFE_LIMIT)?;
    // An ATR has at least two bytes (ISO 7816-3, 8.2).
    if atr.len() < 2 {
        Err(Lost::Closed)
    } else {
        Ok(atr)
    }
}

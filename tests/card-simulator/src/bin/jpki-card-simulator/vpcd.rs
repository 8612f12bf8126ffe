//! The wire to vsmartcard's vpcd, the reader driver in pcscd. A connection is an inserted card.
//! Messages are a length of two bytes, then the payload; a payload of one byte is a control command.

use std::{
    error::Error,
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    process::ExitCode,
    thread,
    time::Duration,
};

use jpki_card_simulator::VirtualReader;

use crate::storage::Storage;

/// Connects whenever a card is in the reader, for ever.
pub(crate) fn serve(
    address: &str,
    reader: &VirtualReader,
    storage: &mut Storage,
) -> Result<ExitCode, Box<dyn Error>> {
    loop {
        let changes = reader.changes();
        if reader.inserted().is_none() {
            reader.wait_for_change(changes, Duration::from_secs(3600));
            continue;
        }
        // pcscd may not be there yet, may be gone, or may come back.
        let Ok(stream) = TcpStream::connect(address) else {
            reader.wait_for_change(changes, RETRY);
            continue;
        };
        let served = Connection::new(stream, changes)
            .and_then(|mut connection| connection.serve(reader, storage));
        if let Err(error) = served {
            reader.mark(&format!("connection to vpcd: {error}"));
        }
        reader.power_off();
        if reader.changes() == changes {
            // The driver hung up with the card still in the reader: no hurry.
            thread::sleep(RETRY);
        }
    }
}

/// One insertion.
struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    /// [`VirtualReader::changes`] of this insertion.
    changes: u64,
}

impl Connection {
    fn new(stream: TcpStream, changes: u64) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LOOK))?;
        Ok(Self {
            stream,
            received: Vec::new(),
            changes,
        })
    }

    /// Until the card is taken out or the driver hangs up.
    fn serve(&mut self, reader: &VirtualReader, storage: &mut Storage) -> io::Result<()> {
        while let Some(message) = self.message(reader)? {
            match *message {
                [] => {}
                [POWER_OFF] => reader.power_off(),
                // Without a card the ATR that follows is missing, which is the answer.
                [POWER_ON] => drop(reader.power_on()),
                [RESET] => drop(reader.warm_reset()),
                [ATR] => match reader.atr() {
                    Some(atr) => self.send(&atr)?,
                    None => return Ok(()),
                },
                ref command => {
                    let answer = reader.exchange(command);
                    keep(reader, storage)?;
                    match answer {
                        Ok(answer) => self.send(&answer)?,
                        Err(_) => return Ok(()),
                    }
                }
            }
        }
        Ok(())
    }

    /// The next message; `None` if the card is not the one of this connection any more, or the driver hung up.
    fn message(&mut self, reader: &VirtualReader) -> io::Result<Option<Vec<u8>>> {
        let mut buffer = [0; 4096];
        loop {
            if reader.changes() != self.changes {
                return Ok(None);
            }
            if let Some(message) = self.complete() {
                return Ok(Some(message));
            }
            acknowledge_at_once(&self.stream)?;
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(length) => self.received.extend(buffer.iter().take(length)),
                Err(error) if is_timeout(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn complete(&mut self) -> Option<Vec<u8>> {
        let (length, rest) = self.received.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length));
        let message = rest.get(..length)?.to_vec();
        self.received.drain(..length.saturating_add(2));
        Some(message)
    }

    /// In one piece; what the length cannot say is cut off.
    fn send(&mut self, payload: &[u8]) -> io::Result<()> {
        let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
        let mut message = length.to_be_bytes().to_vec();
        message.extend(payload.iter().take(length.into()));
        self.stream.write_all(&message)
    }
}

/// Counters go to disk before the answer goes out, as a card writes them before it compares.
fn keep(reader: &VirtualReader, storage: &mut Storage) -> io::Result<()> {
    for name in reader.names() {
        if let Ok(memory) = reader.card(&name, |card| card.memory()) {
            storage.save(&name, memory)?;
        }
    }
    Ok(())
}

/// vpcd sends the length and the payload in two small writes, and its kernel keeps the second one back until the first is
/// acknowledged. Linux acknowledges late, up to 40 ms, unless told otherwise before each read.
#[cfg(target_os = "linux")]
fn acknowledge_at_once(stream: &TcpStream) -> io::Result<()> {
    rustix::net::sockopt::set_tcp_quickack(stream, true).map_err(io::Error::from)
}

#[cfg(not(target_os = "linux"))]
fn acknowledge_at_once(_: &TcpStream) -> io::Result<()> {
    Ok(())
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

/// Control commands of vpcd.
const POWER_OFF: u8 = 0x00;
const POWER_ON: u8 = 0x01;
const RESET: u8 = 0x02;
const ATR: u8 = 0x04;

/// How often to look whether the card was taken out.
const LOOK: Duration = Duration::from_millis(20);

/// How often to knock at vpcd.
const RETRY: Duration = Duration::from_millis(100);

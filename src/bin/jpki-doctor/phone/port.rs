//! Who can reach the port of vpcd. The first program that connects is the card and receives the PIN.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use jpki_pkcs11::messages::doctor::Finding;
use serde_json::json;

use crate::commands::output;
use crate::report::{Report, Severity};

/// The port of vpcd's first reader (vpcd.h).
pub(crate) const PORT: u16 = 35963;

/// The state of a socket that waits for connections, in Linux's tables.
const LISTENING: &str = "0A";

/// Who may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Nobody listens.
    Closed,
    /// Programs on this computer.
    Computer,
    /// Everybody who reaches one of its network addresses.
    Network,
}

/// Adds to the check-up what is wrong with the port, if anything.
pub(crate) fn check(report: &mut Report) {
    if reach() == Reach::Network {
        add(report);
    }
}

/// That the port is open to the network.
pub(super) fn add(report: &mut Report) {
    report.add(
        "vpcd-port",
        Severity::Todo,
        Finding::PhonePortOpen,
        &[("port", PORT.to_string())],
        json!({ "port": PORT }),
    );
}

/// Who may connect at this moment?
pub(super) fn reach() -> Reach {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let listening: Vec<IpAddr> = tables
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .flat_map(|table| listeners(&table))
        .collect();
    if listening.is_empty() {
        Reach::Closed
    } else if listening.iter().all(is_of_this_computer) || is_filtered() {
        Reach::Computer
    } else {
        Reach::Network
    }
}

/// The addresses on which the port is open, in a table of Linux: local address and port in hexadecimal, each word of an
/// address in the order of the processor.
fn listeners(table: &str) -> Vec<IpAddr> {
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        let (local, state) = (words.nth(1)?, words.nth(1)?);
        let (address, port) = local.split_once(':')?;
        (state == LISTENING && u16::from_str_radix(port, 16) == Ok(PORT)).then_some(())?;
        match address.len() {
            8 => Some(IpAddr::from(Ipv4Addr::from(word(address)?))),
            32 => {
                let mut octets = [0; 16];
                for (index, place) in octets.chunks_exact_mut(4).enumerate() {
                    place.copy_from_slice(&word(address.get(8 * index..8 * index + 8)?)?);
                }
                Some(IpAddr::from(Ipv6Addr::from(octets)))
            }
            _ => None,
        }
    };
    table.lines().filter_map(address).collect()
}

fn word(hexadecimal: &str) -> Option<[u8; 4]> {
    Some(u32::from_str_radix(hexadecimal, 16).ok()?.to_ne_bytes())
}

fn is_of_this_computer(address: &IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Does systemd keep everything but this computer away from pcscd?
fn is_filtered() -> bool {
    let arguments = [
        "show",
        "pcscd.service",
        "--property=IPAddressDeny",
        "--property=IPAddressAllow",
    ];
    let said = output("systemctl", &arguments, Duration::from_secs(3));
    said.is_some_and(|said| is_filter(&said))
}

fn is_filter(properties: &str) -> bool {
    let value = |name: &str| {
        let line = properties.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().split_whitespace()
    };
    let denied = |all: &str| value("IPAddressDeny=").any(|range| range == all);
    let local = |range: &str| range.starts_with("127.") || range.starts_with("::1/");
    denied("0.0.0.0/0") && denied("::/0") && value("IPAddressAllow=").all(local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_sockets_are_found_in_linux_own_table() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue\n\
            0: 0100007F:8C7B 00000000:0000 0A 00000000:00000000 00:00000000\n\
            1: 00000000:8C7B 00000000:0000 0A 00000000:00000000 00:00000000\n\
            2: 00000000:8C7B 0100007F:1234 01 00000000:00000000 00:00000000\n\
            3: 00000000:8C7C 00000000:0000 0A 00000000:00000000 00:00000000\n";
        let found = listeners(table);
        assert_eq!(
            found,
            [IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0])]
        );
        let six = "0: 00000000000000000000000001000000:8C7B 00000000000000000000000000000000:0000 0A\n\
            1: 0000000000000000FFFF00000100007F:8C7B 00000000000000000000000000000000:0000 0A\n\
            2: 00000000000000000000000000000000:8C7B 00000000000000000000000000000000:0000 0A\n";
        let local: Vec<bool> = listeners(six).iter().map(is_of_this_computer).collect();
        assert_eq!(local, [true, true, false]);
    }

    #[test]
    fn filter_of_systemd_must_deny_everything_and_allow_this_computer_alone() {
        let deny = "IPAddressDeny=::/0 0.0.0.0/0\n";
        assert!(is_filter(&format!(
            "IPAddressAllow=127.0.0.0/8 ::1/128\n{deny}"
        )));
        assert!(is_filter(&format!("IPAddressAllow=\n{deny}")));
        assert!(!is_filter(&format!(
            "IPAddressAllow=127.0.0.0/8 10.0.0.0/8\n{deny}"
        )));
        assert!(!is_filter("IPAddressAllow=\nIPAddressDeny=\n"));
        assert!(!is_filter(""));
    }
}

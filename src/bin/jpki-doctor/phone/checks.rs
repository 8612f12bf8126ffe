//! What must be there before a phone can be the reader, each with its next step.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use jpki_pkcs11::messages::doctor::{Fields, Finding};
use serde_json::json;

use super::adb::{self, Device, Devices};
use super::port::{self, Reach};
use super::private;
use crate::arguments::Way;
use crate::commands::{is_there, output, succeeds};
use crate::report::{Report, Severity};
use crate::service;

/// How the phone reaches this computer.
#[derive(Debug)]
pub(super) enum Link {
    Usb(Device),
    Ssh,
    Address(IpAddr),
}

/// Checks everything. `None`: something is to be done first. `is_private`: for a pcscd of one program's own.
pub(super) fn check(way: &Way, is_private: bool, report: &mut Report) -> Option<Link> {
    let here = match is_private {
        true => private_parts(report),
        false => system_parts(report),
    };
    let link = match way {
        Way::Usb => usb(report),
        Way::Ssh => Some(Link::Ssh),
        Way::Address(address) => over_tunnel(*address, report).then_some(Link::Address(*address)),
    };
    link.filter(|_| here)
}

fn todo(report: &mut Report, check: &'static str, finding: Finding, fields: Fields<'_>) {
    report.add(check, Severity::Todo, finding, fields, json!({}));
}

fn ok(report: &mut Report, check: &'static str, finding: Finding) {
    report.add(check, Severity::Ok, finding, &[], json!({}));
}

fn driver(report: &mut Report) -> bool {
    let there = private::driver().is_some();
    match there {
        true => ok(report, "vpcd", Finding::PhoneDriverFound),
        false => todo(report, "vpcd", Finding::PhoneDriverMissing, &[]),
    }
    there
}

fn private_parts(report: &mut Report) -> bool {
    if !driver(report) {
        return false;
    }
    if let Some(program) = private::missing_program() {
        let fields = [("program", program.to_owned())];
        todo(
            report,
            "private-pcscd",
            Finding::PhoneProgramMissing,
            &fields,
        );
        return false;
    }
    let arguments = [private::namespaces(), &["true"]].concat();
    if !succeeds("unshare", &arguments, Duration::from_secs(3)) {
        todo(
            report,
            "private-pcscd",
            Finding::PhoneNamespacesRefused,
            &[],
        );
        return false;
    }
    ok(report, "private-pcscd", Finding::PhonePrivateFine);
    true
}

fn system_parts(report: &mut Report) -> bool {
    if !driver(report) || service::check(report).is_none() {
        return false;
    }
    if output(
        "systemctl",
        &["cat", "pcscd.service"],
        Duration::from_secs(3),
    )
    .is_some_and(|unit| unit.contains("--auto-exit"))
    {
        report.add(
            "auto-exit",
            Severity::Note,
            Finding::PhoneAutoExit,
            &[],
            json!({}),
        );
    }
    match port::reach() {
        Reach::Computer => {
            ok(report, "vpcd-port", Finding::PhonePortLocal);
            true
        }
        Reach::Network => {
            port::add(report);
            false
        }
        Reach::Closed => {
            todo(report, "vpcd-port", Finding::PhonePortClosed, &[]);
            false
        }
    }
}

fn usb(report: &mut Report) -> Option<Link> {
    if !is_there("adb") {
        todo(report, "adb", Finding::PhoneNoAdb, &[]);
        return None;
    }
    let device = match adb::devices() {
        Devices::One(device) => device,
        other => {
            let finding = match other {
                Devices::Unauthorised => Finding::PhoneUnauthorised,
                Devices::NotPermitted => Finding::PhoneNotPermitted,
                Devices::Offline => Finding::PhoneOffline,
                Devices::Several => Finding::PhoneSeveral,
                Devices::None | Devices::One(_) => Finding::PhoneNotConnected,
            };
            todo(report, "phone", finding, &[]);
            return None;
        }
    };
    ok(report, "phone", Finding::PhoneConnected);
    if !device.has_app() {
        todo(
            report,
            "app",
            Finding::PhoneAppMissing,
            &[("app", adb::APP.to_owned())],
        );
        return None;
    }
    ok(report, "app", Finding::PhoneAppFound);
    match device.is_nfc_on() {
        Some(true) => ok(report, "nfc", Finding::PhoneNfcOn),
        Some(false) => {
            todo(report, "nfc", Finding::PhoneNfcOff, &[]);
            return None;
        }
        None => report.add(
            "nfc",
            Severity::Note,
            Finding::PhoneNfcUnknown,
            &[],
            json!({}),
        ),
    }
    Some(Link::Usb(device))
}

/// Is this an address of a tunnel's own interface? What goes over any other one can be read and changed on its way.
fn over_tunnel(address: IpAddr, report: &mut Report) -> bool {
    let fields = [("address", address.to_string())];
    let tunnel = interface_of(address).filter(|name| is_tunnel(name));
    match tunnel {
        Some(_) => report.add(
            "tunnel",
            Severity::Ok,
            Finding::PhoneTunnel,
            &fields,
            json!({}),
        ),
        None => todo(report, "tunnel", Finding::PhoneNoTunnel, &fields),
    }
    tunnel.is_some()
}

fn interface_of(address: IpAddr) -> Option<String> {
    let arguments = ["-oneline", "address", "show", "to", &address.to_string()];
    let said = output("ip", &arguments, Duration::from_secs(3))?;
    said.split_whitespace().nth(1).map(str::to_owned)
}

/// WireGuard in Linux itself, or a program's own device (wireguard-go, and other private networks).
fn is_tunnel(interface: &str) -> bool {
    let folder = Path::new("/sys/class/net").join(interface);
    let kind = std::fs::read_to_string(folder.join("uevent")).unwrap_or_default();
    kind.lines().any(|line| line == "DEVTYPE=wireguard") || folder.join("tun_flags").exists()
}

//! The phone over USB, by adb.

use std::path::Path;
use std::time::Duration;

use crate::commands::{output, succeeds};

/// The reader app of vsmartcard, "Remote Smart Card Reader" (its build.gradle).
pub(super) const APP: &str = "com.vsmartcard.remotesmartcardreader.app";

/// adb may have to start its server first.
const LIMIT: Duration = Duration::from_secs(15);

/// What adb says of the phones at this computer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Devices {
    One(Device),
    None,
    /// The phone asks its user whether this computer may speak to it.
    Unauthorised,
    /// The device file may not be opened: a udev rule is missing.
    NotPermitted,
    Offline,
    Several,
}

/// A phone that takes commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Device {
    serial: String,
}

/// All phones; with `ANDROID_SERIAL`, that one.
pub(super) fn devices() -> Devices {
    // The server keeps the standard streams of the program that starts it: none of ours may be among them.
    succeeds("adb", &["start-server"], LIMIT);
    let wanted = std::env::var("ANDROID_SERIAL").ok();
    of_list(
        &output("adb", &["devices"], LIMIT).unwrap_or_default(),
        wanted.as_deref(),
    )
}

fn of_list(list: &str, wanted: Option<&str>) -> Devices {
    let lines = list.lines().filter_map(|line| line.split_once('\t'));
    let mut found = lines.filter(|(serial, _)| wanted.is_none_or(|it| it == *serial));
    let (first, second) = (found.next(), found.next());
    match (first, second) {
        (None, _) => Devices::None,
        (Some(_), Some(_)) => Devices::Several,
        (Some((serial, state)), None) => match state.trim() {
            "device" => Devices::One(Device {
                serial: serial.to_owned(),
            }),
            "unauthorized" => Devices::Unauthorised,
            state if state.starts_with("no permissions") => Devices::NotPermitted,
            _ => Devices::Offline,
        },
    }
}

impl Device {
    fn adb(&self, arguments: &[&str]) -> Option<String> {
        output("adb", &[&["-s", &self.serial], arguments].concat(), LIMIT)
    }

    fn shell(&self, command: &str) -> Option<String> {
        self.adb(&["shell", command])
    }

    /// Is the reader app installed?
    pub(super) fn has_app(&self) -> bool {
        let said = self.shell(&format!("pm path {APP}"));
        said.is_some_and(|said| said.starts_with("package:"))
    }

    /// Is NFC on? `None`: the phone does not say.
    pub(super) fn is_nfc_on(&self) -> Option<bool> {
        let said = self.shell("dumpsys nfc | grep -m1 mState=")?;
        let state = said.trim().strip_prefix("mState=")?;
        Some(state.starts_with("on"))
    }

    /// Forwards connections to this port on the phone to a socket on this computer.
    pub(super) fn reverse(&self, port: u16, socket: &Path) -> bool {
        let (from, to) = (
            format!("tcp:{port}"),
            format!("localfilesystem:{}", socket.display()),
        );
        self.adb(&["reverse", &from, &to]).is_some()
    }

    pub(super) fn end_reverse(&self, port: u16) {
        // A phone that was unplugged has forgotten it already.
        let _ = self.adb(&["reverse", "--remove", &format!("tcp:{port}")]);
    }

    /// Tells the app where to connect, and shows it: it reads cards only while it is in front.
    pub(super) fn start(&self, port: u16) -> bool {
        let settings = format!(
            "am start -W -a android.intent.action.VIEW -d vpcd://127.0.0.1:{port} -p {APP}"
        );
        let main = format!("am start -W -n {APP}/.MainActivity");
        let started = |said: Option<String>| said.is_some_and(|said| !said.contains("Error"));
        started(self.shell(&settings)) && started(self.shell(&main))
    }

    /// Ends the app, and with it what it shows.
    pub(super) fn stop(&self) {
        let _ = self.shell(&format!("am force-stop {APP}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_understood_as_adb_lists_them() {
        let list = |lines: &str| of_list(&format!("List of devices attached\n{lines}\n"), None);
        let one = |serial: &str| {
            Devices::One(Device {
                serial: serial.to_owned(),
            })
        };
        assert_eq!(list(""), Devices::None);
        assert_eq!(list("R58M\tdevice"), one("R58M"));
        assert_eq!(list("R58M\tunauthorized"), Devices::Unauthorised);
        assert_eq!(list("R58M\toffline"), Devices::Offline);
        assert_eq!(
            list(
                "R58M\tno permissions (user in plugdev group; are your udev rules wrong?); see [http://x]"
            ),
            Devices::NotPermitted
        );
        assert_eq!(list("a\tdevice\nb\tdevice"), Devices::Several);
        let both = "List of devices attached\na\tdevice\nb\tdevice\n";
        assert_eq!(of_list(both, Some("b")), one("b"));
        assert_eq!(of_list("", None), Devices::None);
    }
}

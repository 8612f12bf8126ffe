//! Ends of validity, as people in Japan read them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use der::DateTime;
use jpki_pkcs11::messages::Language;

/// The certificates end at 23:59:59 in Japan, whatever the computer's own time zone is.
const JAPAN: Duration = Duration::from_secs(9 * 60 * 60);

const DAY: u64 = 24 * 60 * 60;

/// The day in Japan.
pub(crate) fn day(moment: DateTime, language: Language) -> String {
    let there = DateTime::from_unix_duration(moment.unix_duration() + JAPAN).unwrap_or(moment);
    let (year, month, day) = (there.year(), there.month(), there.day());
    match language {
        Language::Japanese => format!("{year}年{month}月{day}日"),
        Language::English => format!("{year}-{month:02}-{day:02}"),
    }
}

/// Where a period of validity stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    NotYet,
    /// So many whole days are left.
    Valid(u32),
    Over,
}

/// Where the period stands now.
pub(crate) fn standing(from: DateTime, until: DateTime) -> Standing {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    standing_at(now, from.unix_duration(), until.unix_duration())
}

fn standing_at(now: Duration, from: Duration, until: Duration) -> Standing {
    if now < from {
        return Standing::NotYet;
    }
    match until.checked_sub(now) {
        None => Standing::Over,
        Some(left) => Standing::Valid(u32::try_from(left.as_secs() / DAY).unwrap_or(u32::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_second_is_still_valid() {
        let seconds = Duration::from_secs;
        let at = |now| standing_at(seconds(now), seconds(100), seconds(100 + 2 * DAY));
        assert_eq!(at(99), Standing::NotYet);
        assert_eq!(at(100), Standing::Valid(2));
        assert_eq!(at(101), Standing::Valid(1));
        assert_eq!(at(100 + 2 * DAY), Standing::Valid(0));
        assert_eq!(at(101 + 2 * DAY), Standing::Over);
    }

    #[test]
    fn days_are_those_of_japan() {
        let end = DateTime::new(2030, 4, 30, 14, 59, 59).unwrap();
        assert_eq!(day(end, Language::English), "2030-04-30");
        let next = DateTime::new(2030, 4, 30, 15, 0, 0).unwrap();
        assert_eq!(day(next, Language::Japanese), "2030年5月1日");
    }
}

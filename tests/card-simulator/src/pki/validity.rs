//! From when until when a test certificate is good. Uses the system clock and the rules of card sheet 6 and 6.3.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use der::DateTime;

use super::{BirthDate, Error};

/// The period of validity of an issued certificate, relative to the moment of issuing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Validity {
    /// Issued 30 days ago, good until the holder's fifth birthday after that.
    #[default]
    Current,
    /// Issued 400 days ago, ended with yesterday (in Japan).
    Expired,
    /// Begins in 24 hours, good until the holder's fifth birthday after that.
    NotYet,
    /// Issued now, good for the rest of today (in Japan) and this many days more.
    Days(u16),
}

/// The first and the last second of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Period {
    pub(super) not_before: DateTime,
    pub(super) not_after: DateTime,
}

impl Validity {
    pub(super) fn period(self, now: SystemTime, birth: BirthDate) -> Result<Period, Error> {
        let now = now.duration_since(UNIX_EPOCH).map_err(|_| Error::Clock)?;
        let ago = |days| now.saturating_sub(DAY * days);
        let (not_before, not_after) = match self {
            Self::Current => (ago(30), fifth_birthday(ago(30), birth)?),
            Self::Expired => (ago(400), end_of_day(ago(1))?),
            Self::NotYet => (now + DAY, fifth_birthday(now + DAY, birth)?),
            Self::Days(days) => (now, end_of_day(now + DAY * u32::from(days))?),
        };
        Ok(Period {
            not_before: DateTime::from_unix_duration(not_before)?,
            not_after,
        })
    }
}

/// The clock in Japan at this instant, which has no summer time.
pub(super) fn in_japan(since_epoch: Duration) -> Result<DateTime, Error> {
    Ok(DateTime::from_unix_duration(since_epoch + JAPAN)?)
}

/// 23:59:59 in Japan of the day that it is there at this instant.
fn end_of_day(since_epoch: Duration) -> Result<DateTime, Error> {
    let day = in_japan(since_epoch)?;
    last_second(day.year(), day.month(), day.day())
}

/// The last second of the fifth birthday after this instant (card sheet 6.3). Who was born on
/// 29 February grows older on the 28th in common years.
fn fifth_birthday(issued: Duration, birth: BirthDate) -> Result<DateTime, Error> {
    let issued = in_japan(issued)?;
    let had_this_year = (birth.month, birth.day) <= (issued.month(), issued.day());
    let year = issued.year() + if had_this_year { 5 } else { 4 };
    let leap_day = (birth.month, birth.day) == (2, 29);
    last_second(year, birth.month, birth.day).or_else(|error| {
        if leap_day {
            last_second(year, 2, 28)
        } else {
            Err(error)
        }
    })
}

/// 23:59:59 in Japan, hence 14:59:59 UTC of the same date.
pub(super) fn last_second(year: u16, month: u8, day: u8) -> Result<DateTime, Error> {
    Ok(DateTime::new(year, month, day, 14, 59, 59)?)
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const JAPAN: Duration = Duration::from_secs(9 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    const BORN: BirthDate = BirthDate {
        era: super::super::Era::Heisei,
        year: 1996,
        month: 2,
        day: 29,
    };

    fn at(text: &str) -> SystemTime {
        text.parse::<DateTime>().unwrap().to_system_time()
    }

    fn ends(validity: Validity, now: &str) -> String {
        let period = validity.period(at(now), BORN).unwrap();
        assert!(period.not_before < period.not_after);
        period.not_after.to_string()
    }

    #[test]
    fn a_day_ends_in_japan() {
        let days = Validity::Days(0);
        assert_eq!(ends(days, "2026-03-01T14:59:58Z"), "2026-03-01T14:59:59Z");
        assert_eq!(ends(days, "2026-03-01T15:00:00Z"), "2026-03-02T14:59:59Z");
        assert_eq!(
            ends(Validity::Days(31), "2026-03-01T00:00:00Z"),
            "2026-04-01T14:59:59Z"
        );
    }

    #[test]
    fn expired_has_ended_whatever_the_hour() {
        for now in ["2026-03-01T14:59:59Z", "2026-03-01T15:00:00Z"] {
            let period = Validity::Expired.period(at(now), BORN).unwrap();
            assert!(period.not_after.to_system_time() < at(now));
        }
    }

    #[test]
    fn current_ends_on_the_fifth_birthday_after_issue() {
        let current = Validity::Current;
        assert_eq!(
            ends(current, "2026-03-01T00:00:00Z"),
            "2030-02-28T14:59:59Z"
        );
        assert_eq!(
            ends(current, "2026-08-01T00:00:00Z"),
            "2031-02-28T14:59:59Z"
        );
        assert_eq!(
            ends(current, "2027-08-01T00:00:00Z"),
            "2032-02-29T14:59:59Z"
        );
    }

    #[test]
    fn not_yet_begins_after_now() {
        let now = at("2026-03-01T00:00:00Z");
        let period = Validity::NotYet.period(now, BORN).unwrap();
        assert!(period.not_before.to_system_time() > now);
    }
}

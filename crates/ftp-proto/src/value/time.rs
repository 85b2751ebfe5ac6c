//! Time values (RFC 3659 §2.3), always in UTC.

use nom::Parser;
use nom::bytes::complete::{tag, take, take_while1};
use nom::combinator::{map_opt, opt};
use nom::sequence::preceded;

use crate::grammar::{Argument, Encode, Expected, Parsed, number, put_padded, trimmed, whole};

/// Seconds in a day.
const DAY: i64 = 86_400;
/// The seconds of 0001-01-01 and of 9999-12-31T23:59:59 before and after 1970, the ends of `time-val`.
const RANGE: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// A moment in UTC, between the years 1 and 9999.
///
/// ```abnf
/// time-val = 14DIGIT ["." 1*DIGIT]      ; RFC 3659 §2.3: YYYYMMDDHHMMSS.sss
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeVal {
    seconds: i64,
    nanos: u32,
}

/// A date and a time of day in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calendar {
    /// 1 to 9999.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60; 60 is a leap second and counts as the second after 59.
    pub second: u8,
}

impl TimeVal {
    /// From seconds since 1970-01-01 UTC; moved to the nearest end if the year would not have four digits.
    #[must_use]
    pub fn from_unix(seconds: i64) -> Self {
        Self { seconds: seconds.clamp(*RANGE.start(), *RANGE.end()), nanos: 0 }
    }

    /// The same second with a fraction. `nanos` of a whole second or more count as 0.
    #[must_use]
    pub fn with_nanos(self, nanos: u32) -> Self {
        Self { nanos: if nanos < 1_000_000_000 { nanos } else { 0 }, ..self }
    }

    /// Seconds since 1970-01-01 UTC.
    #[must_use]
    pub fn unix(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds of the fraction.
    #[must_use]
    pub fn nanos(self) -> u32 {
        self.nanos
    }

    /// The parts of the date, by the proleptic Gregorian calendar.
    #[must_use]
    pub fn calendar(self) -> Calendar {
        let (days, rest) = (self.seconds.div_euclid(DAY), self.seconds.rem_euclid(DAY));
        // Counted from 0000-03-01, so that the leap day is the last of its year.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let small = |value: i64| u8::try_from(value).unwrap_or(0);
        Calendar {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month: small(month),
            day: small(day_of_year - (153 * shifted_month + 2) / 5 + 1),
            hour: small(rest / 3600),
            minute: small(rest / 60 % 60),
            second: small(rest % 60),
        }
    }

    /// The moment of a date, if there is such a date.
    #[must_use]
    pub fn from_calendar(calendar: Calendar) -> Option<Self> {
        let Calendar { year, month, day, hour, minute, second } = calendar;
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let last_day = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let legal = (1..=9999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=last_day).contains(&day)
            && hour < 24
            && minute < 60
            && second <= 60;
        if !legal {
            return None;
        }
        let shifted_year = if month <= 2 { year - 1 } else { year };
        let era = shifted_year.div_euclid(400);
        let year_of_era = shifted_year.rem_euclid(400);
        let shifted_month = (i64::from(month) + 9) % 12;
        let day_of_year = (153 * shifted_month + 2) / 5 + i64::from(day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = era * 146_097 + day_of_era - 719_468;
        Some(Self::from_unix(
            days * DAY + i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second),
        ))
    }
}

/// `n` digits as a number.
fn digits<'a>(count: usize) -> impl Parser<&'a [u8], Output = u64, Error = nom::error::Error<&'a [u8]>> {
    map_opt(take(count), |field: &[u8]| whole(number, field))
}

/// A fraction as nanoseconds; digits beyond the ninth are dropped.
fn fraction(input: &[u8]) -> Parsed<'_, u32> {
    let (rest, digits) =
        preceded(tag(&b"."[..]), take_while1(|octet: u8| octet.is_ascii_digit())).parse(input)?;
    let padded = digits.iter().copied().chain(std::iter::repeat(b'0')).take(9);
    Ok((rest, padded.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'))))
}

/// `time-val`.
pub(crate) fn time_val(input: &[u8]) -> Parsed<'_, TimeVal> {
    let date = (digits(4), digits(2), digits(2), digits(2), digits(2), digits(2));
    map_opt((date, opt(fraction)), |((year, month, day, hour, minute, second), nanos)| {
        let small = |value: u64| u8::try_from(value).ok();
        let calendar = Calendar {
            year: i64::try_from(year).ok()?,
            month: small(month)?,
            day: small(day)?,
            hour: small(hour)?,
            minute: small(minute)?,
            second: small(second)?,
        };
        Some(TimeVal::from_calendar(calendar)?.with_nanos(nanos.unwrap_or(0)))
    })
    .parse(input)
}

impl Encode for TimeVal {
    fn encode(&self, out: &mut Vec<u8>) {
        let Calendar { year, month, day, hour, minute, second } = self.calendar();
        put_padded(u64::try_from(year).unwrap_or(0), 4, out);
        for part in [month, day, hour, minute, second] {
            out.extend_from_slice(&[b'0' + part / 10, b'0' + part % 10]);
        }
        if self.nanos > 0 {
            out.push(b'.');
            put_padded(u64::from(self.nanos), 9, out);
            while out.last() == Some(&b'0') {
                out.pop();
            }
        }
    }
}

impl Argument for TimeVal {
    fn parse(argument: &[u8]) -> Result<Self, Expected> {
        whole(time_val, trimmed(argument)).ok_or(Expected::Syntax("a time in UTC as YYYYMMDDHHMMSS"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_both_ways() {
        for (text, unix) in [
            ("19700101000000", 0),
            ("20000229000000", 951_782_400),
            ("20380120000000", 2_147_558_400),
            ("21000301000000", 4_107_542_400),
            ("20020717210715", 1_026_940_035),
            ("00010101000000", -62_135_596_800),
            ("99991231235959", 253_402_300_799),
        ] {
            let parsed = TimeVal::parse(text.as_bytes()).unwrap();
            assert_eq!(parsed.unix(), unix, "{text}");
            assert_eq!(parsed.to_bytes(), text.as_bytes());
        }
        let fraction = TimeVal::parse(b"19980615100045.014").unwrap();
        assert_eq!((fraction.nanos(), fraction.to_bytes()), (14_000_000, b"19980615100045.014".to_vec()));
    }

    #[test]
    fn impossible_dates_are_refused() {
        for bad in [
            "20010229000000",
            "20021301000000",
            "20020717250000",
            "2002",
            "20020717210715.",
            "20020700000000",
        ] {
            assert!(TimeVal::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(TimeVal::parse(b"20161231235960").is_ok(), "a leap second");
    }

    #[test]
    fn every_day_of_four_centuries_survives() {
        for day in -40_000..110_000i64 {
            let time = TimeVal::from_unix(day * DAY + 1);
            assert_eq!(TimeVal::from_calendar(time.calendar()), Some(time));
        }
    }
}

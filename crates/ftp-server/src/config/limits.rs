//! `[limits]`: numbers and times, and between what they have to lie. What is outside would panic, serve nobody, or mean
//! something else than it says.

use std::fmt::Display;
use std::ops::RangeInclusive;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// Seconds that something may take: more than a quarter of a year is as good as never.
const SECONDS_MAX: u64 = 10_000_000;
/// Seconds for which the first failed login may wait.
const DELAY_MAX: f64 = 3600.0;
/// Octets of a command line: a name may have 4096 and each be doubled (Telnet), and all of it is held for each session.
const LINE: RangeInclusive<usize> = 512..=1_048_576;
/// Octets of the largest segment that the kernel takes.
const SEGMENT: RangeInclusive<u32> = 88..=32_767;

/// `[limits]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsSection {
    /// Sessions in all.
    #[serde(deserialize_with = "places")]
    pub sessions: usize,
    /// Sessions from one address.
    #[serde(deserialize_with = "places")]
    pub per_address: usize,
    /// Sessions of one user, where the user has no number of its own.
    pub per_user: Option<usize>,
    /// Octets that one file may have, where the user has no number of its own.
    pub file_max: Option<u64>,
    /// Seconds a session may be idle.
    #[serde(deserialize_with = "time")]
    pub idle: u64,
    /// Seconds to log in.
    #[serde(deserialize_with = "time")]
    pub login_time: u64,
    /// Failed logins before the connection is closed.
    #[serde(deserialize_with = "attempts")]
    pub attempts: u32,
    /// Seconds the first failed login waits; later ones wait longer.
    #[serde(deserialize_with = "delay")]
    pub login_delay: f64,
    /// Seconds to wait on a passive port.
    #[serde(deserialize_with = "time")]
    pub accept: u64,
    /// Seconds to try an active connection.
    #[serde(deserialize_with = "time")]
    pub connect: u64,
    /// Seconds without an octet in a transfer.
    #[serde(deserialize_with = "time")]
    pub stall: u64,
    /// Octets a second that a transfer has to move, over `stall` seconds; 0 if few will do.
    pub rate: u64,
    /// Seconds for a TLS handshake.
    #[serde(deserialize_with = "time")]
    pub handshake: u64,
    /// Octets of a command line.
    #[serde(deserialize_with = "line")]
    pub line: usize,
    /// Seconds that a stopping server waits for transfers.
    #[serde(deserialize_with = "time_or_none")]
    pub drain: u64,
}

impl Default for LimitsSection {
    fn default() -> Self {
        Self {
            sessions: 10_000,
            per_address: 300,
            per_user: None,
            file_max: None,
            idle: 300,
            login_time: 120,
            attempts: 3,
            login_delay: 1.0,
            accept: 20,
            connect: 10,
            stall: 60,
            rate: 0,
            handshake: 30,
            line: ftp_proto::frame::LINE_MAX,
            drain: 30,
        }
    }
}

/// A number that lies in a range.
fn within<'de, D, T>(deserializer: D, range: &RangeInclusive<T>, what: &str) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + PartialOrd + Display,
{
    let number = T::deserialize(deserializer)?;
    if range.contains(&number) {
        return Ok(number);
    }
    Err(Error::custom(format!(
        "{number} is out of range: expected {} to {} {what}",
        range.start(),
        range.end()
    )))
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    within(deserializer, &(1..=SECONDS_MAX), "seconds")
}

fn time_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    within(deserializer, &(0..=SECONDS_MAX), "seconds")
}

/// NaN lies in no range.
fn delay<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    within(deserializer, &(0.0..=DELAY_MAX), "seconds")
}

fn line<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    within(deserializer, &LINE, "octets")
}

fn attempts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    within(deserializer, &(1..=1_000_000), "failed logins")
}

fn places<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    within(deserializer, &(1..=1_000_000_000), "sessions")
}

/// `data_mss` of `[passive]`.
pub(super) fn segment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    within(deserializer, &SEGMENT, "octets").map(Some)
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn numbers_out_of_range_are_told_with_their_line_and_the_range() {
        for key in ["idle", "login_time", "accept", "connect", "stall", "handshake"] {
            for number in ["0", "9223372036854775807", "10000001"] {
                let text = format!("[limits]\n{key} = {number}");
                let error = Config::parse(&text).unwrap_err().to_string();
                assert!(
                    error.contains("line 2") && error.contains("expected 1 to 10000000 seconds"),
                    "{error}"
                );
            }
        }
        for wrong in [
            "login_delay = nan",
            "login_delay = -1.0",
            "login_delay = inf",
            "line = 0",
            "line = 99999999",
            "attempts = 0",
            "sessions = 0",
            "per_address = 0",
            "drain = 18446744073709551615",
            "idle = -1",
        ] {
            assert!(Config::parse(&format!("[limits]\n{wrong}")).is_err(), "{wrong}");
        }
        assert!(Config::parse("[passive]\ndata_mss = 1").is_err());
        assert!(
            Config::parse("[passive]\ndata_mss = 1200\n[limits]\nidle = 10000000\ndrain = 0\nline = 8192")
                .is_ok()
        );
        assert_eq!(Config::parse("[limits]\nlogin_delay = 0.5").unwrap().limits.login_delay, 0.5);
    }
}

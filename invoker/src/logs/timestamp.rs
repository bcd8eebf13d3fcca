//! The time at the start of a log line.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

/// Writes times as RFC 3339 with nanoseconds, always 30 characters. Remembers the second it wrote last: a chatty
/// action's lines mostly share it.
#[derive(Debug, Default)]
pub(super) struct Timestamps {
    second: i64,
    /// `2026-01-01T00:00:00`; empty before the first.
    prefix: String,
}

impl Timestamps {
    pub(super) fn write(&mut self, time: SystemTime, out: &mut String) {
        let (second, nanosecond) = split(time);
        if self.prefix.is_empty() || self.second != second {
            // A clock outside the years -9999 to 9999 shows as the epoch.
            let time = jiff::Timestamp::from_second(second).unwrap_or_default().to_string();
            self.second = second;
            time.trim_end_matches('Z').clone_into(&mut self.prefix);
        }
        // Writing to a string does not fail.
        let _ = write!(out, "{}.{nanosecond:09}Z", self.prefix);
    }
}

/// Seconds since the epoch, rounded down, and the nanoseconds beyond.
fn split(time: SystemTime) -> (i64, u32) {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => (i64::try_from(after.as_secs()).unwrap_or(i64::MAX), after.subsec_nanos()),
        Err(before) => {
            let before = before.duration();
            let seconds = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
            match before.subsec_nanos() {
                0 => (-seconds, 0),
                nanos => (-seconds - 1, 1_000_000_000 - nanos),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_have_nanoseconds_and_thirty_characters() {
        let mut timestamps = Timestamps::default();
        let mut write = |time| {
            let mut text = String::new();
            timestamps.write(time, &mut text);
            text
        };
        let start = UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        assert_eq!(write(start), "2026-01-01T00:00:00.000000000Z");
        assert_eq!(write(start + Duration::from_nanos(123_456_789)), "2026-01-01T00:00:00.123456789Z");
        assert_eq!(write(start + Duration::new(61, 5)), "2026-01-01T00:01:01.000000005Z");
        assert_eq!(write(UNIX_EPOCH - Duration::from_nanos(1)), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(write(UNIX_EPOCH).len(), 30);
    }
}

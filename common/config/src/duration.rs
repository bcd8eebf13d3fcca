//! Durations as people and HOCON write them: `10 minutes`, `5m`, `100 ms`, `1.5 hours`.

use std::time::Duration;

/// The text is not a number with a unit of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a duration such as '10 minutes', '60 s' or '100 ms'")]
pub struct DurationError(String);

const SECOND: u128 = 1_000_000_000;

/// Unit names of HOCON and of Scala's durations, each with its nanoseconds.
const UNITS: &[(&[&str], u128)] = &[
    (&["ns", "nano", "nanos", "nanosecond", "nanoseconds"], 1),
    (&["us", "µs", "micro", "micros", "microsecond", "microseconds"], 1_000),
    (&["ms", "milli", "millis", "millisecond", "milliseconds"], 1_000_000),
    (&["s", "sec", "second", "seconds"], SECOND),
    (&["m", "min", "minute", "minutes"], 60 * SECOND),
    (&["h", "hr", "hour", "hours"], 3_600 * SECOND),
    (&["d", "day", "days"], 86_400 * SECOND),
];

/// Reads a duration. A unit is required (only `0` needs none): a bare number means milliseconds to some tools and
/// seconds to others.
///
/// # Errors
/// When the text has no number, no known unit, or is longer than some 500 years.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    read(text.trim()).ok_or_else(|| DurationError(text.to_owned()))
}

fn read(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = (&text[..split], text[split..].trim());
    if number == "0" && unit.is_empty() {
        return Some(Duration::ZERO);
    }
    let (_, factor) = UNITS.iter().find(|(names, _)| names.contains(&unit))?;
    let nanoseconds = u64::try_from(scaled(number, *factor)?).ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

/// `number * factor` for a decimal number, exactly; `None` if it is no number or the result is not whole.
fn scaled(number: &str, factor: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || (number.contains('.') && fraction.is_empty()) || fraction.len() > 9 {
        return None;
    }
    let base = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let product = digits.checked_mul(factor)?;
    (product % base == 0).then_some(product / base)
}

/// The shortest exact text that [`parse`] reads back, for example `5 minutes` or `1500 ms`.
#[must_use]
pub fn format(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos();
    let shown = [
        (86_400 * SECOND, "day", "days"),
        (3_600 * SECOND, "hour", "hours"),
        (60 * SECOND, "minute", "minutes"),
        (SECOND, "s", "s"),
        (1_000_000, "ms", "ms"),
        (1_000, "us", "us"),
        (1, "ns", "ns"),
    ];
    let exact =
        shown.into_iter().find(|(unit, ..)| nanoseconds >= *unit && nanoseconds.is_multiple_of(*unit));
    match exact {
        Some((unit, one, many)) => {
            let count = nanoseconds / unit;
            format!("{count} {}", if count == 1 { one } else { many })
        }
        None => "0 s".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_with_every_unit() {
        for (text, milliseconds) in [
            ("10 minutes", 600_000),
            ("5m", 300_000),
            ("60 s", 60_000),
            ("100 ms", 100),
            ("100millis", 100),
            (" 1 hour ", 3_600_000),
            ("2 days", 172_800_000),
            ("1.5 s", 1_500),
            ("0", 0),
            ("0 s", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        assert_eq!(parse("7 us"), Ok(Duration::from_micros(7)));
        for bad in
            ["", "5", "m", "-5 s", "1.2.3 s", ". s", "5. s", "5 parsecs", "5 M", "0.5 ns", "999999 days"]
        {
            assert_eq!(parse(bad), Err(DurationError(bad.to_owned())), "{bad}");
        }
    }

    #[test]
    fn durations_print_as_they_can_be_read() {
        for (duration, text) in [
            (Duration::ZERO, "0 s"),
            (Duration::from_secs(1), "1 s"),
            (Duration::from_secs(60), "1 minute"),
            (Duration::from_secs(90), "90 s"),
            (Duration::from_millis(1500), "1500 ms"),
            (Duration::from_secs(7200), "2 hours"),
            (Duration::from_nanos(3), "3 ns"),
        ] {
            assert_eq!(format(duration), text);
            assert_eq!(parse(text), Ok(duration));
        }
    }
}

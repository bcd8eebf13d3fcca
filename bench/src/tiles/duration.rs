//! Durations as they are written on a command line.

use std::time::Duration;

/// `50ms`, `1.5s`, `250us`; 0 needs no unit.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let end = text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let seconds = match unit {
        "s" => 1.0,
        "ms" => 1e-3,
        "us" => 1e-6,
        "" if number == "0" => 1.0,
        _ => return Err("a duration is a number and s, ms or us, such as 50ms".into()),
    };
    let number: f64 = number.parse().map_err(|_| format!("'{number}' is no number"))?;
    Duration::try_from_secs_f64(number * seconds).map_err(|error| error.to_string())
}

pub(crate) fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_unit() {
        for (text, expected) in [("50ms", 50_000), ("1.5s", 1_500_000), ("250us", 250), ("0", 0)] {
            assert_eq!(parse(text), Ok(Duration::from_micros(expected)), "{text}");
        }
        for text in ["", "5", "ms", "-1s", "5 ms", "1e9h"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}

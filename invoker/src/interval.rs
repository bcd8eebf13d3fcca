//! Durations as OpenWhisk's files write them: `2 minutes`, `10 s`, `500ms`.

use std::time::Duration;

/// Milliseconds of each unit and the names it goes by.
const UNITS: [(u64, &[&str]); 5] = [
    (1, &["ms", "milli", "millis", "millisecond", "milliseconds"]),
    (1_000, &["s", "sec", "secs", "second", "seconds"]),
    (60_000, &["m", "min", "mins", "minute", "minutes"]),
    (3_600_000, &["h", "hr", "hour", "hours"]),
    (86_400_000, &["d", "day", "days"]),
];

/// The duration, or `None` if the text is not a whole number and a unit.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let (factor, _) = UNITS.iter().find(|(_, names)| names.contains(&unit.as_str()))?;
    number.parse::<u64>().ok()?.checked_mul(*factor).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        for (text, seconds) in
            [("2 minutes", 120), ("10s", 10), (" 1 Hour ", 3600), ("5000 ms", 5), ("1d", 86_400)]
        {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "2", "minutes", "-1 s", "1.5 s", "2 fortnights", "99999999999999999999 s"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}

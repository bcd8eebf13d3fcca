//! How long a request may take.

use std::time::Duration;

use http::HeaderMap;

/// The client's deadline: at most eight digits and a unit.
fn of_client(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

/// The shorter of the client's deadline and `longest`. A deadline that cannot be read is none.
pub(super) fn of_request(headers: &HeaderMap, longest: Duration) -> Duration {
    of_client(headers).map_or(longest, |wanted| wanted.min(longest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shorter_deadline_holds() {
        let longest = Duration::from_secs(30);
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", text.parse().unwrap());
            of_request(&headers, longest)
        };
        assert_eq!(of("5S"), Duration::from_secs(5));
        assert_eq!(of("250m"), Duration::from_millis(250));
        assert_eq!(of("7u"), Duration::from_micros(7));
        assert_eq!(of("0n"), Duration::ZERO);
        for text in ["1H", "99999999H", "1M", "", "S", "5", "-5S", "123456789n", "5X", "é"] {
            assert_eq!(of(text), longest, "{text}");
        }
        assert_eq!(of_request(&HeaderMap::new(), longest), longest);
    }
}

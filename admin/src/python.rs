//! How Python 3 writes values, where OpenWhisk's `wskadmin` prints them as they are.

mod json;

pub(crate) use json::json;

/// `repr` of a string: in single quotes, unless it has one and no double quotes.
pub(crate) fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if u32::from(c) < 0x100 && c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// A list of strings: `['a', 'b']`.
pub(crate) fn list(values: &[String]) -> String {
    format!("[{}]", values.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(", "))
}

/// `True` or `False`.
pub(crate) fn boolean(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

/// `str.strip`, then the letters that the UUID has once Python has made it one of version 4: `uuid.UUID(text, version=4)`
/// takes braces, `urn:uuid:` and missing hyphens, and sets version and variant whatever they were.
pub(crate) fn uuid4(text: &str) -> Option<String> {
    let hex: String = text.replace("urn:", "").replace("uuid:", "");
    let hex: String = hex.trim_matches(|c| c == '{' || c == '}').replace('-', "");
    if hex.len() != 32 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let number = u128::from_str_radix(&hex, 16).ok()?;
    Some(uuid::Builder::from_random_bytes(number.to_be_bytes()).into_uuid().hyphenated().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_print_as_python_prints_them() {
        assert_eq!(list(&["nodejs:20".to_owned(), "it's".to_owned()]), r#"['nodejs:20', "it's"]"#);
        assert_eq!(list(&[]), "[]");
        assert_eq!(quoted("a'\"\\\n\u{1}é"), r#"'a\'"\\\n\x01é'"#);
        assert_eq!((boolean(true), boolean(false)), ("True", "False"));
    }

    #[test]
    fn uuids_become_version_4() {
        let given = "23bc46b1-71f6-4ed5-8c54-816aa4f8c502";
        let forms =
            [given.to_owned(), format!("{{{given}}}"), format!("urn:uuid:{given}"), given.replace('-', "")];
        for form in forms {
            assert_eq!(uuid4(&form).as_deref(), Some(given), "{form}");
        }
        assert_eq!(uuid4(&given.to_uppercase()).as_deref(), Some(given));
        assert_eq!(
            uuid4("11111111-1111-1111-1111-111111111111").unwrap(),
            "11111111-1111-4111-9111-111111111111"
        );
        for none in
            ["", "x", &given[1..], "23bc46b1-71f6-4ed5-8c54-816aa4f8c50g", "+3bc46b171f64ed58c54816aa4f8c502"]
        {
            assert_eq!(uuid4(none), None, "{none}");
        }
    }
}

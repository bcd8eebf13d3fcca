//! How Python 3 writes a JSON text once it has read it.
//!
//! Rows are no trees of `serde_json`: those end at 128 levels, know no number beyond a double's range and no half of a
//! surrogate pair, and all of these are stored as they came.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// `json.dumps(json.loads(text), sort_keys=True, indent=4, separators=(',', ': '))`, each line but the first moved in by
/// `level` levels.
///
/// # Errors
/// When it is no JSON text.
pub(crate) fn json(text: &str, level: usize) -> Result<String, serde_json::Error> {
    let mut out = String::with_capacity(text.len() * 2);
    write(serde_json::from_str(text)?, level, &mut out)?;
    Ok(out)
}

/// As deep as the text, which the platform limits.
fn write(value: &RawValue, level: usize, out: &mut String) -> Result<(), serde_json::Error> {
    let text = value.get();
    match text.bytes().next() {
        Some(b'{') => {
            let Members(members) = serde_json::from_str(text)?;
            list(members.into_iter(), ('{', '}'), level, out, |(name, value), out| {
                string(&name, out);
                out.push_str(": ");
                write(value, level + 1, out)
            })
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text)?;
            list(items.into_iter(), ('[', ']'), level, out, |item, out| write(item, level + 1, out))
        }
        Some(b'"') => {
            let Text(bytes) = serde_json::from_str(text)?;
            string(&bytes, out);
            Ok(())
        }
        Some(b'-' | b'0'..=b'9') => {
            out.push_str(&number(text));
            Ok(())
        }
        _ => {
            out.push_str(text);
            Ok(())
        }
    }
}

fn list<T>(
    items: impl ExactSizeIterator<Item = T>,
    (open, close): (char, char),
    level: usize,
    out: &mut String,
    mut write: impl FnMut(T, &mut String) -> Result<(), serde_json::Error>,
) -> Result<(), serde_json::Error> {
    let count = items.len();
    out.push(open);
    for (n, item) in items.enumerate() {
        new_line(level + 1, out);
        write(item, out)?;
        if n + 1 < count {
            out.push(',');
        }
    }
    if count > 0 {
        new_line(level, out);
    }
    out.push(close);
    Ok(())
}

fn new_line(level: usize, out: &mut String) {
    out.push('\n');
    (0..level).for_each(|_| out.push_str("    "));
}

/// Members in the order of their names' code points; of equal names the last one.
struct Members<'a>(BTreeMap<Cow<'a, [u8]>, &'a RawValue>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                    let Text(name) = serde_json::from_str(name.get()).map_err(A::Error::custom)?;
                    members.insert(name, value);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Read)
    }
}

/// A string's bytes: UTF-8, but for surrogates that stand alone.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, [u8]>);

/// In double quotes, all in ASCII.
fn string(bytes: &[u8], out: &mut String) {
    out.push('"');
    let mut rest = bytes;
    while let Some(chunk) = rest.utf8_chunks().next() {
        chunk.valid().chars().for_each(|c| character(c, out));
        rest = &rest[chunk.valid().len()..];
        if let [0xed, second @ 0xa0..=0xbf, third @ 0x80..=0xbf, behind @ ..] = rest {
            unit(0xd000 | u16::from(second & 0x3f) << 6 | u16::from(third & 0x3f), out);
            rest = behind;
        } else {
            rest = &rest[chunk.invalid().len()..];
        }
    }
    out.push('"');
}

fn character(c: char, out: &mut String) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        ' '..='~' => out.push(c),
        c => c.encode_utf16(&mut [0; 2]).iter().for_each(|code| unit(*code, out)),
    }
}

fn unit(code: u16, out: &mut String) {
    out.push_str(&format!("\\u{code:04x}"));
}

/// Whole numbers have as many digits as they have; all others are doubles, with the fewest digits that tell them apart.
fn number(text: &str) -> Cow<'_, str> {
    if !text.contains(['.', 'e', 'E']) {
        return if text == "-0" { "0".into() } else { text.into() };
    }
    // What is too large becomes infinite, in Python as well.
    let value: f64 = text.parse().unwrap_or(f64::NAN);
    if value.is_infinite() {
        return if value > 0.0 { "Infinity".into() } else { "-Infinity".into() };
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>().unwrap_or(0) {
        -4..=15 => {
            let plain = value.to_string();
            if plain.contains('.') { plain.into() } else { format!("{plain}.0").into() }
        }
        exponent => format!("{mantissa}e{exponent:+03}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_prints_as_python_prints_it() {
        let text = r#"{"b":[],"a":{}, "é":["😀\"\n",1,1.5,null,true]}"#;
        let expected = "{\n    \"a\": {},\n    \"b\": [],\n    \"\\u00e9\": [\n        \"\\ud83d\\ude00\\\"\\n\",\n        1,\n        \
                        1.5,\n        null,\n        true\n    ]\n}";
        assert_eq!(json(text, 0).unwrap(), expected);
        assert_eq!(json(r#"{"a":1}"#, 2).unwrap(), "{\n            \"a\": 1\n        }");
        assert_eq!(json(r#"{"a":1,"a":2}"#, 0).unwrap(), "{\n    \"a\": 2\n}");
        assert!(json("{", 0).is_err() && json("", 0).is_err() && json("[1] 2", 0).is_err());
    }

    /// Pairs of Python 3.11: what is read, and `json.dumps(json.loads(text))`.
    #[test]
    fn numbers_and_strings_are_pythons() {
        let pairs = [
            ("-0", "0"),
            ("-0.0", "-0.0"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("1E5", "100000.0"),
            ("1.0", "1.0"),
            ("0.1000000000000000055511151231257827", "0.1"),
            ("1e15", "1000000000000000.0"),
            ("1e16", "1e+16"),
            ("1.25e-7", "1.25e-07"),
            ("0.0001", "0.0001"),
            ("0.00001", "1e-05"),
            ("1e300", "1e+300"),
            ("1e400", "Infinity"),
            ("-1e400", "-Infinity"),
            ("1e-400", "0.0"),
            (r#""\ud800x\udc00""#, r#""\ud800x\udc00""#),
            (r#""\ud83d\ude00\/\u007f\u0001\b\f""#, r#""\ud83d\ude00/\u007f\u0001\b\f""#),
        ];
        for (text, expected) in pairs {
            assert_eq!(json(text, 0).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_the_platform_stores_is_not_too_deep() {
        let text = format!("{}{}", "[".repeat(1010), "]".repeat(1010));
        assert_eq!(json(&text, 0).unwrap().lines().count(), 2019);
    }
}

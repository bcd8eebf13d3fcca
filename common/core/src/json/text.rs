//! Values that stay the texts they came as.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::skip_string;

/// The text of `value`. For types that serialise without failing: no maps with other keys than strings, no fallible
/// values.
#[must_use]
pub fn raw(value: &(impl Serialize + ?Sized)) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// The same value without white space between its parts, which is what sizes count and environments hold. Numbers and
/// strings stay letter by letter.
#[must_use]
pub fn compact(value: &RawValue) -> Box<RawValue> {
    let text = value.get();
    let (mut kept, mut from) = (String::new(), 0);
    let mut bytes = text.as_bytes().iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes),
            b' ' | b'\t' | b'\n' | b'\r' => {
                let behind = text.len() - bytes.as_slice().len();
                kept.push_str(&text[from..behind - 1]);
                from = behind;
            }
            _ => {}
        }
    }
    if from == 0 {
        return value.to_owned();
    }
    kept.push_str(&text[from..]);
    // White space between the parts of a JSON text never matters, so what is left is one too.
    RawValue::from_string(kept).unwrap_or_else(|_| value.to_owned())
}

/// The string that `value` is; `None` for other values, and for strings with half a surrogate pair, which are no text.
#[must_use]
pub fn string(value: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

    let text = value.get();
    // Looked at first: the parser would quote a long value of another type in its error.
    if !text.starts_with('"') {
        return None;
    }
    serde_json::from_str::<Text<'_>>(text).ok().map(|Text(text)| text)
}

/// As [`string`], with replacement characters where half a surrogate pair is.
#[must_use]
pub fn string_lossy(value: &RawValue) -> Option<String> {
    string_bytes(value).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// The bytes of a string: UTF-8, but for surrogates that stand alone.
pub(super) fn string_bytes(value: &RawValue) -> Option<Cow<'_, [u8]>> {
    #[derive(Deserialize)]
    struct Bytes<'a>(#[serde(borrow)] Cow<'a, [u8]>);

    let text = value.get();
    if !text.starts_with('"') {
        return None;
    }
    serde_json::from_str::<Bytes<'_>>(text).ok().map(|Bytes(bytes)| bytes)
}

#[must_use]
pub fn boolean(value: &RawValue) -> Option<bool> {
    match value.get() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// It is neither `false`, `0`, `""` nor `null`.
#[must_use]
pub fn is_truthy(value: &RawValue) -> bool {
    match value.get() {
        "null" | "false" | "\"\"" => false,
        text if text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => {
            let mantissa = text.split(['e', 'E']).next().unwrap_or(text);
            mantissa.contains(|digit: char| matches!(digit, '1'..='9'))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn parse(text: &str) -> &RawValue {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn only_white_space_between_parts_goes() {
        for (text, compacted) in [
            ("{ \"a b\" :\t[ 1E5 ,\r\n-0.10 , \"\\\" x\" ] }", "{\"a b\":[1E5,-0.10,\"\\\" x\"]}"),
            ("[1,\"  \"]", "[1,\"  \"]"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("{ \"é \" : \"\\ud800 \" }", "{\"é \":\"\\ud800 \"}"),
            (" { } ", "{}"),
        ] {
            assert_eq!(compact(parse(text)).get(), compacted);
        }
    }

    #[test]
    fn strings_are_told_from_the_rest() {
        assert_eq!(string(parse(r#""plain""#)), Some(Cow::Borrowed("plain")));
        assert_eq!(string(parse(r#""\u00e9\n""#)).as_deref(), Some("é\n"));
        for other in [r#""\ud800""#, "1", "null", "[\"a\"]"] {
            assert_eq!(string(parse(other)), None, "{other}");
        }
        assert!(string_lossy(parse(r#""a\ud800b""#)).unwrap().starts_with("a\u{fffd}"));
        assert_eq!(string_lossy(parse(r#""\ud83d\ude00""#)).as_deref(), Some("😀"));
        assert_eq!(string_lossy(parse("1")), None);
    }

    #[test]
    fn truth_is_that_of_openwhisk() {
        for falsy in ["null", "false", "0", "-0", "0.0", "0e9", "-0.00E+5", "\"\""] {
            assert!(!is_truthy(parse(falsy)), "{falsy}");
        }
        for truthy in ["true", "1", "0.1", "1e-400", "-10", "\"0\"", "[]", "{}"] {
            assert!(is_truthy(parse(truthy)), "{truthy}");
        }
    }

    proptest! {
        #[test]
        fn a_compacted_text_is_the_same_value(
            keys in prop::collection::vec(r#"[ \t"\\{:,é]{0,5}"#, 0..4), numbers: Vec<f64>,
        ) {
            let members = keys.iter().map(|key| (key.clone(), Value::from(numbers.clone())));
            let value = Value::Object(members.collect());
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            let compacted = compact(parse(&pretty));
            prop_assert_eq!(compacted.get(), value.to_string());
        }
    }
}

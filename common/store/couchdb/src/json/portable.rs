//! A form of a text that every reader takes.

use std::borrow::Cow;

use super::lexer::{Token, tokens};
use super::number::{Fate, fate};

/// A text that survives, and whether it stands for another that would not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Portable<'a> {
    pub(crate) text: Cow<'a, str>,
    /// The original would come back as another value, if it is taken at all.
    pub(crate) is_lossy: bool,
}

/// `text` with `null` for numbers too large for double precision, and replacement characters for halves of surrogate
/// pairs. Most texts stay as they are.
pub(crate) fn portable(text: &str) -> Portable<'_> {
    let (mut written, mut from, mut is_lossy) = (String::new(), 0, false);
    let base = text.as_ptr() as usize;
    for token in tokens(text) {
        let Some(part) = token.bytes() else { continue };
        let replacement = match token {
            Token::Number(number) => match fate(number) {
                Fate::Kept => continue,
                Fate::Rounded => {
                    is_lossy = true;
                    continue;
                }
                Fate::Refused => "null".to_owned(),
            },
            Token::Text(string) if has_half_pair(string) => without_half_pairs(string),
            _ => continue,
        };
        is_lossy = true;
        // Parts are slices of the text.
        let at = part.as_ptr() as usize - base;
        written.push_str(&text[from..at]);
        written.push_str(&replacement);
        from = at + part.len();
    }
    if from == 0 {
        return Portable { text: Cow::Borrowed(text), is_lossy };
    }
    written.push_str(&text[from..]);
    Portable { text: Cow::Owned(written), is_lossy }
}

/// Serde refuses exactly the strings that are no text.
fn has_half_pair(string: &str) -> bool {
    let may_have = string.contains("\\ud") || string.contains("\\uD");
    may_have && serde_json::from_str::<String>(string).is_err()
}

/// The string with `\ufffd` where an escape is half of a pair.
fn without_half_pairs(string: &str) -> String {
    let mut written = String::with_capacity(string.len());
    let mut rest = string;
    while let Some(at) = rest.find('\\') {
        written.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = match (surrogate(rest), rest.get(6..).and_then(surrogate)) {
            (Some(Half::High), Some(Half::Low)) => 12,
            (Some(_), _) => {
                written.push_str("\\ufffd");
                rest = &rest[6..];
                continue;
            }
            // An escape of two characters; of longer ones the rest needs no look.
            (None, _) => 2.min(rest.len()),
        };
        written.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    written.push_str(rest);
    written
}

enum Half {
    High,
    Low,
}

/// Which half of a surrogate pair the escape at the beginning of `text` is, if it is one.
fn surrogate(text: &str) -> Option<Half> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    match u16::from_str_radix(digits, 16).ok()? {
        0xD800..=0xDBFF => Some(Half::High),
        0xDC00..=0xDFFF => Some(Half::Low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_texts_stay_as_they_are() {
        let text = r#"{"a":[1,-2.5,"\u001b[0m é \ud83d\ude00 \\ud800"],"b":null}"#;
        assert_eq!(portable(text), Portable { text: Cow::Borrowed(text), is_lossy: false });
    }

    #[test]
    fn what_nobody_can_hold_is_replaced() {
        let text = r#"{"a":1e400,"b":"x\ud800\u00e9\udc00\ud83d\ude00","c":12345678901234567890,"\ud800":1}"#;
        let expected =
            r#"{"a":null,"b":"x\ufffd\u00e9\ufffd\ud83d\ude00","c":12345678901234567890,"\ufffd":1}"#;
        assert_eq!(portable(text), Portable { text: expected.into(), is_lossy: true });
    }

    proptest::proptest! {
        #[test]
        fn the_outcome_is_portable(
            strings in proptest::collection::vec(r#"(\\u[dD][8-9a-f][0-9a-f]{2}|\\\\|\\"|[a-z]|\\u00e9){0,6}"#, 0..5),
            numbers in proptest::collection::vec(r"-?[1-9][0-9]{0,30}(\.[0-9]{1,5})?([eE][+-]?[0-9]{1,4})?", 0..5),
        ) {
            let strings: Vec<String> = strings.iter().map(|text| format!("\"{text}\"")).collect();
            let text = format!("[{}]", strings.into_iter().chain(numbers).collect::<Vec<_>>().join(","));
            let portable = portable(&text);
            proptest::prop_assert!(serde_json::from_str::<serde_json::Value>(&portable.text).is_ok(), "{}", portable.text);
            if !portable.is_lossy {
                proptest::prop_assert_eq!(&*portable.text, &text);
            }
        }
    }
}

//! Parts of a JSON text, one after the other and without recursion: depth costs nothing.

use std::borrow::Cow;

use super::number::same_number;

/// A part of a text that is known to be JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// One of `{}[],:`.
    Mark(u8),
    /// With its quotes.
    Text(&'a str),
    Number(&'a str),
    /// `true`, `false` or `null`.
    Word(&'a str),
}

impl<'a> Token<'a> {
    pub(super) const fn bytes(&self) -> Option<&'a str> {
        match self {
            Self::Mark(_) => None,
            Self::Text(text) | Self::Number(text) | Self::Word(text) => Some(text),
        }
    }
}

/// The parts of `text`, white space left out. Of a text that is no JSON the parts mean nothing, but they end.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', '\n', '\r']);
        let first = *rest.as_bytes().first()?;
        let length = match first {
            b'{' | b'}' | b'[' | b']' | b',' | b':' => 1,
            b'"' => string_length(rest),
            _ => scalar_length(rest),
        };
        let (token, behind) = rest.split_at(length);
        rest = behind;
        Some(match first {
            b'{' | b'}' | b'[' | b']' | b',' | b':' => Token::Mark(first),
            b'"' => Token::Text(token),
            b'-' | b'0'..=b'9' => Token::Number(token),
            _ => Token::Word(token),
        })
    })
}

/// Bytes of the string that `text` begins with.
fn string_length(text: &str) -> usize {
    let mut bytes = text.bytes().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return at + 1,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
    text.len()
}

fn scalar_length(text: &str) -> usize {
    let ends = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r' | ',' | ':' | '"' | '{' | '}' | '[' | ']');
    // At least one character, so that reading goes on.
    let first = text.chars().next().map_or(0, char::len_utf8);
    text[first..].find(ends).map_or(text.len(), |at| first + at)
}

/// Whether two JSON texts have the same values in the same order, however they are written.
pub(crate) fn same_value(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (tokens(one), tokens(other));
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            (Some(one), Some(other)) if same_token(one, other) => {}
            _ => return false,
        }
    }
}

fn same_token(one: Token<'_>, other: Token<'_>) -> bool {
    match (one, other) {
        (Token::Number(one), Token::Number(other)) => one == other || same_number(one, other),
        (Token::Text(one), Token::Text(other)) => {
            one == other || matches!((decoded(one), decoded(other)), (Some(one), Some(other)) if one == other)
        }
        (one, other) => one == other,
    }
}

fn decoded(text: &str) -> Option<Cow<'_, str>> {
    serde_json::from_str::<String>(text).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_into_its_parts() {
        let parts: Vec<_> = tokens(r#" {"a\"{" : [-1.5e3 ,true], "": null}"#)
            .map(|token| token.bytes().map_or_else(|| format!("{token:?}"), str::to_owned))
            .collect();
        let marks = |mark: u8| format!("{:?}", Token::Mark(mark));
        let expected = [
            marks(b'{'),
            r#""a\"{""#.to_owned(),
            marks(b':'),
            marks(b'['),
            "-1.5e3".to_owned(),
            marks(b','),
            "true".to_owned(),
            marks(b']'),
            marks(b','),
            r#""""#.to_owned(),
            marks(b':'),
            "null".to_owned(),
            marks(b'}'),
        ];
        assert_eq!(parts, expected);
    }

    #[test]
    fn values_are_the_same_however_they_are_written() {
        assert!(same_value(r#"{"a":[1.50,"\u00e9\/"]}"#, "{ \"a\" : [ 15e-1, \"é/\" ] }"));
        for (one, other) in [
            ("[1]", "[2]"),
            ("[1]", "[1,1]"),
            (r#"{"a":1}"#, r#"{"b":1}"#),
            ("true", "false"),
            ("1", "\"1\""),
            ("[]", "{}"),
        ] {
            assert!(!same_value(one, other), "{one} {other}");
        }
    }

    #[test]
    fn depth_does_not_matter() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(same_value(&deep, &deep));
        assert!(!same_value(&deep, &deep[1..]));
    }

    proptest::proptest! {
        #[test]
        fn whatever_the_text_is_it_ends(text: String) {
            proptest::prop_assert!(tokens(&text).count() <= text.len());
        }
    }
}

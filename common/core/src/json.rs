//! JSON texts that are passed on as they came.
//!
//! Arguments, results, parameters and annotations are never parsed into trees here: no digit of a number is lost, and no
//! depth can hurt this code. But depth would hurt those that get them: runtimes and clients parse recursively.

mod members;
mod object;
mod text;

pub use members::Members;
pub use object::{Object, with_members};
pub use text::{boolean, compact, is_truthy, raw, string, string_lossy};

/// Arrays and objects that may stand in each other, as in OpenWhisk's parser.
pub const MAX_DEPTH: usize = 1000;

/// A text whose arrays and objects are nested more than [`MAX_DEPTH`] deep. The words are those of OpenWhisk's parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "JSON input nested too deeply:JSON input was nested more deeply than the configured limit of maxNesting = {MAX_DEPTH}"
)]
pub struct TooDeep;

/// Looks at brackets outside strings only: whether `text` is JSON at all is for a parser to say. One pass, no memory.
///
/// # Errors
/// When more than [`MAX_DEPTH`] arrays and objects stand in each other.
pub fn check_depth(text: &[u8]) -> Result<(), TooDeep> {
    // Each level takes two bytes, so short texts need no look.
    if text.len() <= MAX_DEPTH || depth(text) <= MAX_DEPTH { Ok(()) } else { Err(TooDeep) }
}

/// How deep arrays and objects are nested in `text`: 0 for a lone scalar, 1 for `{}`.
#[must_use]
pub fn depth(text: &[u8]) -> usize {
    let (mut deepest, mut open) = (0_usize, 0_usize);
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                open += 1;
                deepest = deepest.max(open);
            }
            b'}' | b']' => open = open.saturating_sub(1),
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
    }
    deepest
}

/// Goes behind the quote that ends a string.
fn skip_string(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn nested(levels: usize) -> String {
        format!("{}{}", "[".repeat(levels), "]".repeat(levels))
    }

    #[test]
    fn a_thousand_levels_are_allowed_and_one_more_is_not() {
        assert_eq!(check_depth(nested(MAX_DEPTH).as_bytes()), Ok(()));
        assert_eq!(check_depth(nested(MAX_DEPTH + 1).as_bytes()), Err(TooDeep));
        assert_eq!(check_depth("[".repeat(10_000_000).as_bytes()), Err(TooDeep));
        let flat = format!("[{}0]", "[],".repeat(10_000));
        assert_eq!((depth(flat.as_bytes()), check_depth(flat.as_bytes())), (2, Ok(())));
    }

    #[test]
    fn brackets_in_strings_do_not_count() {
        assert_eq!(depth(br#"{"[[[\"[[\\": "]]{{"}"#), 1);
        let text = Value::from("[".repeat(5_000)).to_string();
        assert_eq!(check_depth(text.as_bytes()), Ok(()));
    }

    fn depth_of(value: &Value) -> usize {
        match value {
            Value::Array(items) => 1 + items.iter().map(depth_of).max().unwrap_or(0),
            Value::Object(members) => 1 + members.values().map(depth_of).max().unwrap_or(0),
            _ => 0,
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let text = r#"[\[\]{}"\\,:a\x00é]{0,6}"#;
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(8, 64, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(text, inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_depth_is_that_of_the_parsed_tree(value in any_json()) {
            prop_assert_eq!(depth(value.to_string().as_bytes()), depth_of(&value));
            prop_assert_eq!(depth(serde_json::to_string_pretty(&value).unwrap().as_bytes()), depth_of(&value));
        }

        #[test]
        fn whatever_the_bytes_are_it_ends(bytes: Vec<u8>) {
            prop_assert!(depth(&bytes) <= bytes.len());
        }
    }
}

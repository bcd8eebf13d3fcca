//! What is wrong with a JSON text, in the words OpenWhisk's parser uses.

/// Describes the fault that `error` found in `text`: where it is, the line, and a mark under the place.
pub(crate) fn describe(text: &[u8], error: &serde_json::Error) -> String {
    let (line_number, column) = (error.line().max(1), error.column());
    let text = String::from_utf8_lossy(text);
    let line = text.lines().nth(line_number - 1).unwrap_or("");
    let before: usize = text.lines().take(line_number - 1).map(|line| line.chars().count() + 1).sum();
    let position = column.max(1);
    let index = before + position - 1;
    let expected = if is_at_value(error) { "JSON Value".to_owned() } else { reason(error) };
    let found = match line.chars().nth(position - 1) {
        Some(character) if !error.is_eof() => format!("character '{character}'"),
        _ => "end-of-input".to_owned(),
    };
    let mark = " ".repeat(position - 1);
    format!(
        "Unexpected {found} at input index {index} (line {line_number}, position {position}), expected {expected}:\n{line}\n{mark}^\n"
    )
}

fn is_at_value(error: &serde_json::Error) -> bool {
    let text = error.to_string();
    text.starts_with("expected value")
        || text.starts_with("expected ident")
        || text.starts_with("EOF while parsing a value")
}

/// The parser's own words without its place, which is told already.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or(&text);
    reason.strip_prefix("expected ").unwrap_or(reason).to_owned()
}

#[cfg(test)]
mod tests {
    use super::describe;

    fn fault(text: &str) -> String {
        describe(text.as_bytes(), &serde_json::from_str::<serde_json::Value>(text).unwrap_err())
    }

    #[test]
    fn an_empty_body_is_an_unexpected_end() {
        assert_eq!(
            fault(""),
            "Unexpected end-of-input at input index 0 (line 1, position 1), expected JSON Value:\n\n^\n"
        );
    }

    #[test]
    fn the_place_is_shown() {
        assert!(fault("{\n\"a\": x}").starts_with(
            "Unexpected character 'x' at input index 7 (line 2, position 6), expected JSON Value:\n\"a\": x}\n     ^"
        ));
    }
}

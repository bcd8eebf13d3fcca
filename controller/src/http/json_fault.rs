//! What is wrong with a JSON text, in the words OpenWhisk's parser uses.

/// Bytes of a line that are shown on either side of the fault: a body in one line of megabytes is not sent back.
const SHOWN: usize = 256;

/// Describes the fault that `error` found in `text`: where it is, the line, and a mark under the place.
pub(crate) fn describe(text: &[u8], error: &serde_json::Error) -> String {
    let line_number = error.line().max(1);
    let start = start_of_line(text, line_number);
    let line = text[start..].split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    // The parser counts bytes, people count characters.
    let before = error.column().saturating_sub(1).min(line.len());
    let position = characters(&line[..before]) + 1;
    let index = characters(&text[..start]) + position - 1;
    let expected = if is_at_value(error) { "JSON Value".to_owned() } else { reason(error) };
    let found = match String::from_utf8_lossy(&line[before..line.len().min(before + 4)]).chars().next() {
        Some(character) if !error.is_eof() => format!("character '{character}'"),
        _ => "end-of-input".to_owned(),
    };
    let shown_before = &line[before.saturating_sub(SHOWN)..before];
    let shown = String::from_utf8_lossy(&line[before - shown_before.len()..line.len().min(before + SHOWN)]);
    let mark = " ".repeat(characters(shown_before));
    format!(
        "Unexpected {found} at input index {index} (line {line_number}, position {position}), expected {expected}:\n{shown}\n{mark}^\n"
    )
}

/// Where line `number`, counted from 1, begins.
fn start_of_line(text: &[u8], number: usize) -> usize {
    let ends = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(index, _)| index + 1);
    std::iter::once(0).chain(ends).nth(number - 1).unwrap_or(text.len())
}

fn characters(bytes: &[u8]) -> usize {
    String::from_utf8_lossy(bytes).chars().count()
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

    #[test]
    fn places_are_counted_in_characters() {
        assert_eq!(
            fault("{\"é\": x}\r\n"),
            "Unexpected character 'x' at input index 6 (line 1, position 7), expected JSON Value:\n{\"é\": x}\n      ^\n"
        );
    }

    #[test]
    fn of_a_long_line_only_the_part_around_the_place_is_shown() {
        let text = format!("{{\"a\": \"{}\", \"b\": x, \"c\": \"{0}\"}}", "y".repeat(1_000_000));
        let fault = fault(&text);
        assert!(
            fault.starts_with("Unexpected character 'x' at input index 1000015 (line 1, position 1000016)")
        );
        assert!(fault.len() < 2_000, "{}", fault.len());
        let lines: Vec<&str> = fault.lines().collect();
        assert_eq!(lines[1].as_bytes()[lines[2].find('^').unwrap()], b'x');
    }

    #[test]
    fn no_bytes_whatever_break_it() {
        for text in [
            &b"\xff"[..],
            b"{\"a\xff\": 1}",
            b"\xef\xbb\xbf{}",
            b"\n\n\n",
            b"\r\n",
            b"{\"\xc3",
            b"\"\\ud800\"",
        ] {
            let error = serde_json::from_slice::<serde_json::Value>(text).unwrap_err();
            assert!(describe(text, &error).starts_with("Unexpected "), "{text:?}");
        }
    }
}

//! What Python's `argparse` takes and `clap` does not.

use std::ffi::OsString;

/// `-ns NS` and `-ns=NS`: a long name behind one hyphen. Behind `--` everything is a value.
pub(super) fn adapted(arguments: Vec<OsString>) -> Vec<OsString> {
    let mut is_option = true;
    let adapt = |argument: OsString| {
        is_option &= argument != "--";
        match argument.to_str() {
            Some("-ns") if is_option => "--namespace".into(),
            Some(text) if is_option && text.starts_with("-ns=") => {
                format!("--namespace={}", &text[4..]).into()
            }
            _ => argument,
        }
    };
    arguments.into_iter().map(adapt).collect()
}

/// OpenWhisk's words for a boolean, in any case.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err(format!("{text} is not a valid boolean.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_options_are_adapted() {
        let adapt = |words: &[&str]| adapted(words.iter().map(OsString::from).collect());
        assert_eq!(
            adapt(&["a", "-ns", "b", "-ns=c", "-s"]),
            ["a", "--namespace", "b", "--namespace=c", "-s"]
        );
        assert_eq!(adapt(&["--", "-ns"]), ["--", "-ns"]);
    }
}

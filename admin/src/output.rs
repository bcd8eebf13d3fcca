//! What is printed.

use std::io::Write;

use serde_json::{Value, json};

/// Standard output and error. A reader that has gone away has read enough, so failures to write are no failures.
pub(crate) struct Output<'a> {
    stdout: &'a mut dyn Write,
    stderr: &'a mut dyn Write,
    /// Whether results are JSON instead of OpenWhisk's texts.
    pub(crate) json: bool,
}

impl<'a> Output<'a> {
    pub(crate) fn new(stdout: &'a mut dyn Write, stderr: &'a mut dyn Write) -> Self {
        Self { stdout, stderr, json: false }
    }

    /// A result: a line of text, or the JSON.
    pub(crate) fn result(&mut self, text: &str, value: &Value) {
        if self.json { self.value(value) } else { self.line(text) }
    }

    /// A result of any number of lines.
    pub(crate) fn lines(&mut self, lines: impl IntoIterator<Item = String>, value: &Value) {
        if self.json {
            self.value(value);
        } else {
            lines.into_iter().for_each(|line| self.line(&line));
        }
    }

    /// A failure, on standard output as OpenWhisk's `wskadmin` has it.
    pub(crate) fn failure(&mut self, text: &str) {
        self.result(text, &json!({ "error": text }));
    }

    pub(crate) fn line(&mut self, text: &str) {
        let _ = writeln!(self.stdout, "{text}");
    }

    fn value(&mut self, value: &Value) {
        let _ = writeln!(self.stdout, "{value:#}");
    }

    /// Something beside the result.
    pub(crate) fn remark(&mut self, text: &str) {
        let _ = writeln!(self.stderr, "{text}");
    }
}

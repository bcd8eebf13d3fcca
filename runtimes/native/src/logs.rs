//! What the proxy itself writes on stdout and stderr: the action's passed-on output, its own remarks, the sentinels.

use std::io::{self, Write};

/// Ends an activation's part of each log stream; OpenWhisk's log collectors look for this line.
const SENTINEL: &[u8] = b"XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n";
const SENTINEL_ON_NEW_LINE: &[u8] = b"\nXXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n";

/// The proxy's stdout as the action's log: knows whether the last line was ended.
#[derive(Debug)]
pub(crate) struct Logs {
    at_line_start: bool,
}

impl Default for Logs {
    fn default() -> Self {
        Self { at_line_start: true }
    }
}

impl Logs {
    /// Passes on what the action wrote on its stdout.
    pub(crate) fn stdout(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last() {
            self.at_line_start = *last == b'\n';
            write_whole(&mut io::stdout().lock(), bytes);
        }
    }

    /// Writes the sentinel on both streams, on a line of its own wherever the proxy knows how the line before ended.
    ///
    /// The action's stderr goes around the proxy, so there only the action can end its last line.
    pub(crate) fn end_activation(&mut self) {
        let sentinel = if self.at_line_start { SENTINEL } else { SENTINEL_ON_NEW_LINE };
        write_whole(&mut io::stdout().lock(), sentinel);
        write_whole(&mut io::stderr().lock(), SENTINEL);
        self.at_line_start = true;
    }
}

/// Says something of the proxy's own on stderr, in one line.
pub(crate) fn complain(message: &str) {
    write_whole(&mut io::stderr().lock(), format!("oxwhisk-runtime-native: {message}\n").as_bytes());
}

/// A log stream nobody reads any more must not fail the activation: the result is worth more than its log.
fn write_whole(stream: &mut impl Write, bytes: &[u8]) {
    let _unread_log = stream.write_all(bytes).and_then(|()| stream.flush());
}

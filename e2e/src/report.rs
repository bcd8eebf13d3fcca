//! Lines that a test run must show even when every test passes.

use std::io::Write;

/// Says on stderr that something was not tested, and why.
///
/// Written to the stream itself: the test harness captures `eprintln!` and would hide the line of a passing test.
pub fn skipped(what: &str, why: &str) {
    line(&format!("skipped: {what}: {why}"));
}

/// Writes one line to the real stderr.
pub fn line(text: &str) {
    // A closed stderr leaves nobody to tell.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

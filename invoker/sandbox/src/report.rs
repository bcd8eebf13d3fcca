//! What isolation is in force, for a person to read at start.

use std::fmt;

/// Lines of `topic: what is in force`, with warnings where the machine gives less than it should.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    lines: Vec<Line>,
}

/// One fact of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub topic: &'static str,
    pub text: String,
    /// The machine could not give what a full sandbox has.
    pub warning: bool,
}

impl Report {
    pub(crate) fn fact(&mut self, topic: &'static str, text: impl Into<String>) {
        self.lines.push(Line { topic, text: text.into(), warning: false });
    }

    pub(crate) fn warning(&mut self, topic: &'static str, text: impl Into<String>) {
        self.lines.push(Line { topic, text: text.into(), warning: true });
    }

    /// The facts in the order in which they read best.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.warning { "WARNING: " } else { "" };
        write!(f, "sandbox {}: {mark}{}", self.topic, self.text)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

//! Starts that are not possible.

use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;

use oxwhisk_config::{Faults, Origin};

use crate::exit::Exit;

/// A start that is not possible: lines for people and an exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub exit: Exit,
    lines: Vec<String>,
}

impl Refusal {
    /// One reason, as one line: what is wrong and with what.
    pub fn new(exit: Exit, reason: impl fmt::Display) -> Self {
        Self { exit, lines: vec![reason.to_string().lines().collect::<Vec<_>>().join(": ")] }
    }

    /// Faults of flags alone are a wrong use; anything else is a wrong configuration.
    #[must_use]
    pub fn of_faults(faults: &Faults) -> Self {
        let only_flags = faults.iter().all(|fault| matches!(fault.origin, Origin::Flag(_)));
        let exit = if only_flags { Exit::Usage } else { Exit::Config };
        Self { exit, lines: faults.iter().map(ToString::to_string).collect() }
    }

    /// Writes the lines to stderr, each with the program's name, and gives the exit code for `main`.
    pub fn report(&self, program: &str) -> ExitCode {
        let text: String = self.lines.iter().map(|line| format!("{program}: {line}\n")).collect();
        // Without a stderr there is nobody to tell; the exit code still does.
        let _ = io::stderr().write_all(text.as_bytes());
        self.exit.into()
    }
}

/// One line for each reason.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

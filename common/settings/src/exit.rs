//! Exit codes: those of `sysexits.h`, so that scripts can tell what to do about a failed start.

use std::process::ExitCode;

/// Why the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Drained, nothing left behind.
    Stopped,
    /// The command line is wrong.
    Usage,
    /// An address cannot be had.
    Unavailable,
    /// A fault of ours.
    Software,
    /// The machine lacks what the server needs of it.
    System,
    /// A file or directory cannot be made.
    CannotCreate,
    /// Reading or writing data failed.
    Io,
    /// The configuration is wrong, or what it names.
    Config,
}

impl Exit {
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Stopped => 0,
            Self::Usage => 64,
            Self::Unavailable => 69,
            Self::Software => 70,
            Self::System => 71,
            Self::CannotCreate => 73,
            Self::Io => 74,
            Self::Config => 78,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The codes a program can end with and what they mean, a line each, as its `--help` shows them.
#[must_use]
pub fn table(codes: &[(Exit, &str)]) -> String {
    let lines: String =
        codes.iter().map(|(exit, meaning)| format!("  {:<4} {meaning}\n", exit.code())).collect();
    format!("{lines}  130  SIGINT twice: stopped without waiting (SIGTERM twice: 143)\n")
}

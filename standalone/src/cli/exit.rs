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
    /// The machine does not let actions be isolated.
    System,
    /// The data directory or the ready file cannot be had.
    CannotCreate,
    /// Reading or writing data failed.
    Io,
    /// The configuration is wrong.
    Config,
}

impl Exit {
    /// Every code with its meaning, as `--help` shows it.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::Stopped, "stopped on request; what was running has finished"),
        (Self::Usage, "wrong use: an unknown flag, or a flag with a value or file that cannot be used"),
        (Self::Unavailable, "the address or port cannot be had"),
        (Self::Software, "an internal fault"),
        (Self::System, "actions cannot be isolated on this machine"),
        (Self::CannotCreate, "the data directory or the ready file cannot be had"),
        (Self::Io, "data cannot be read or written"),
        (Self::Config, "wrong configuration: a file or a variable of the environment"),
    ];

    #[must_use]
    pub fn code(self) -> u8 {
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

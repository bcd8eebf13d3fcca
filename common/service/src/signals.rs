//! SIGINT and SIGTERM: the first begins a drain, the second ends it.

use std::fmt;
use std::future::Future;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// A request to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopSignal {
    Interrupt,
    Terminate,
}

impl StopSignal {
    /// What a shell reports for a process that such a signal ended: 128 and the signal's number.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 128 + 2,
            Self::Terminate => 128 + 15,
        }
    }
}

impl fmt::Display for StopSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        })
    }
}

/// The stop signals of this process, taken over from the default action from the moment it exists.
#[derive(Debug)]
pub struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    /// # Errors
    /// When the handlers cannot be installed.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O.
    pub fn install() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the next stop signal. Signals of the same kind that arrive together count once, as the kernel
    /// merges them.
    pub async fn recv(&mut self) -> StopSignal {
        tokio::select! {
            Some(()) = self.interrupt.recv() => StopSignal::Interrupt,
            Some(()) = self.terminate.recv() => StopSignal::Terminate,
            // Both streams end only with the runtime, which ends this future, too.
            else => std::future::pending().await,
        }
    }
}

/// Runs `drain` to its end unless a further signal comes first.
///
/// # Errors
/// The signal that cut the drain short; the caller should exit with [`StopSignal::exit_code`] at once.
pub async fn drain_or_force<T>(
    drain: impl Future<Output = T>,
    signal: impl Future<Output = StopSignal>,
) -> Result<T, StopSignal> {
    tokio::select! {
        // A drain that is done is done, whatever arrived meanwhile.
        biased;
        drained = drain => Ok(drained),
        signal = signal => Err(signal),
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::process::Command;

    use super::*;

    fn send(signal: &str) {
        let own = std::process::id().to_string();
        let status = Command::new("sh").args(["-c", &format!("kill -{signal} {own}")]).status();
        assert!(status.expect("sh runs").success());
    }

    #[tokio::test]
    async fn signals_are_received_instead_of_ending_the_process() {
        let mut signals = StopSignals::install().expect("handlers can be installed");
        send("TERM");
        assert_eq!(signals.recv().await, StopSignal::Terminate);
        send("INT");
        assert_eq!(signals.recv().await, StopSignal::Interrupt);
    }

    #[tokio::test]
    async fn a_second_signal_cuts_the_drain() {
        let cut = drain_or_force(pending::<()>(), ready(StopSignal::Interrupt)).await;
        assert_eq!(cut, Err(StopSignal::Interrupt));
        let done = drain_or_force(ready(5), ready(StopSignal::Terminate)).await;
        assert_eq!(done, Ok(5));
        assert_eq!((StopSignal::Interrupt.exit_code(), StopSignal::Terminate.exit_code()), (130, 143));
    }
}

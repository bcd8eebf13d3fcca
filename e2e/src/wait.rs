//! Waiting on conditions, never on the clock.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long any condition may take. Generous, because a test machine compiles and runs containers at the same
/// time; a passing test never waits this long.
pub const DEADLINE: Duration = Duration::from_secs(90);

const POLL: Duration = Duration::from_millis(20);

/// Polls `probe` until it gives a value.
///
/// # Panics
/// When `deadline` passes first; the message names `what` was awaited and the last error of `probe`.
#[track_caller]
pub fn until_within<T>(deadline: Duration, what: &str, mut probe: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match probe() {
            Ok(value) => return value,
            Err(state) if start.elapsed() > deadline => {
                panic!("gave up after {deadline:?} waiting for {what}; last state: {state}")
            }
            Err(_) => sleep(POLL),
        }
    }
}

/// [`until_within`] with the usual [`DEADLINE`].
#[track_caller]
pub fn until<T>(what: &str, probe: impl FnMut() -> Result<T, String>) -> T {
    until_within(DEADLINE, what, probe)
}

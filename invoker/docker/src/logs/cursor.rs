//! How far a container's output has been read, so that a stream that is opened again neither loses nor doubles a line.
//! Pure.
//!
//! The daemon keeps each line with the time it came, in nanoseconds, and can be asked for those since a second. Within
//! one of the two streams times do not go back (the daemon reads it from one place), so what is older than the last line
//! was seen, and of those with the same time, as many as were counted.

use oxwhisk_container::LogOrigin;

/// Nanoseconds since the epoch.
pub(super) type Nanoseconds = i128;

#[derive(Debug, Default)]
pub(super) struct Cursor {
    stdout: Mark,
    stderr: Mark,
}

#[derive(Debug, Default)]
struct Mark {
    /// The time of the last line, and how many had it.
    last: Option<(Nanoseconds, u64)>,
    /// While what was seen comes again: how many of those with the last time have come.
    replayed: Option<u64>,
}

impl Cursor {
    /// From which second on a new stream must tell; what comes next may be what was seen.
    pub(super) fn reopen(&mut self) -> i64 {
        let mut seconds = i64::MAX;
        for mark in [&mut self.stdout, &mut self.stderr] {
            mark.replayed = mark.last.map(|_| 0);
            let last = mark.last.map_or(0, |(time, _)| time.div_euclid(1_000_000_000));
            seconds = seconds.min(i64::try_from(last).unwrap_or(0));
        }
        seconds.max(0)
    }

    /// Whether a line is new. A new one counts as seen from then on.
    pub(super) fn accept(&mut self, origin: LogOrigin, time: Nanoseconds) -> bool {
        match origin {
            LogOrigin::Stdout => self.stdout.accept(time),
            LogOrigin::Stderr => self.stderr.accept(time),
        }
    }
}

impl Mark {
    fn accept(&mut self, time: Nanoseconds) -> bool {
        if let (Some(replayed), Some((last, seen))) = (&mut self.replayed, self.last) {
            if time < last {
                return false;
            }
            if time == last && *replayed < seen {
                *replayed += 1;
                return false;
            }
            self.replayed = None;
        }
        self.last = match self.last {
            Some((last, seen)) if last == time => Some((last, seen + 1)),
            // A clock that was set back begins anew.
            _ => Some((time, 1)),
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_first_stream_tells_everything() {
        let mut cursor = Cursor::default();
        assert_eq!(cursor.reopen(), 0);
        assert!(cursor.accept(LogOrigin::Stdout, 5) && cursor.accept(LogOrigin::Stderr, 3));
    }

    #[test]
    fn a_clock_that_is_set_back_loses_nothing_while_the_stream_holds() {
        let mut cursor = Cursor::default();
        assert!(cursor.accept(LogOrigin::Stdout, 5) && cursor.accept(LogOrigin::Stdout, 3));
    }

    /// What a container wrote: its origin and the time to the line before in the same stream.
    fn written() -> impl Strategy<Value = Vec<(bool, Nanoseconds)>> {
        let steps = prop_oneof![Just(0), Just(1), Just(400_000_000), Just(1_000_000_000)];
        prop::collection::vec((any::<bool>(), steps), 0..40)
    }

    proptest! {
        /// However often and wherever the stream breaks, each line is told once, in order.
        #[test]
        fn nothing_is_lost_and_nothing_doubled(
            written in written(),
            breaks in prop::collection::vec(0_usize..45, 0..6),
        ) {
            let mut clocks = [1_000_000_000_000; 2];
            let lines: Vec<_> = written.iter().map(|(is_stdout, step)| {
                clocks[usize::from(*is_stdout)] += step;
                let origin = if *is_stdout { LogOrigin::Stdout } else { LogOrigin::Stderr };
                (origin, clocks[usize::from(*is_stdout)])
            }).collect();
            let mut cursor = Cursor::default();
            let mut told = Vec::new();
            for length in breaks.into_iter().chain([usize::MAX]) {
                let since = i128::from(cursor.reopen()) * 1_000_000_000;
                let stream = lines.iter().enumerate().filter(|(_, (_, time))| *time >= since);
                let heard = stream.take(length);
                told.extend(heard.filter(|(_, (origin, time))| cursor.accept(*origin, *time)).map(|(place, _)| place));
            }
            for origin in [LogOrigin::Stdout, LogOrigin::Stderr] {
                let of = |place: &usize| lines[*place].0 == origin;
                let expected: Vec<_> = (0..lines.len()).filter(of).collect();
                let heard: Vec<_> = told.iter().copied().filter(of).collect();
                prop_assert_eq!(heard, expected);
            }
        }
    }
}

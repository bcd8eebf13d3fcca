//! Which of several records of one activation is kept.

use crate::guards::{Guard, Guards};
use crate::names::RecordKind;

/// Where a record comes from. A run may hand its record over twice: first without logs, then with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordOrigin {
    pub kind: RecordKind,
    /// Names the run: where it ran, and which life of that invoker, for example. Different for every run.
    pub run: u64,
    /// Grows with what one run adds to its record.
    pub version: u32,
}

/// Whether `new` takes the place of `old`, which is on `completed` before it. The first durable record is the client's
/// view and stays, except that the same run may complete its own: a loss never hides a result, and a result never
/// changes what a client has read.
#[must_use]
pub fn supersedes(guards: Guards, old: &RecordOrigin, new: &RecordOrigin) -> bool {
    let completes = old.kind == RecordKind::Result && old.run == new.run && new.version > old.version;
    guards.without(Guard::FirstRecordStays) || completes
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn record(kind: RecordKind, run: u64, version: u32) -> RecordOrigin {
        RecordOrigin { kind, run, version }
    }

    #[test]
    fn the_first_record_stays_unless_its_own_run_completes_it() {
        let first = record(RecordKind::Result, 1, 1);
        let replaces = |new| supersedes(Guards::default(), &first, &new);
        assert!(replaces(record(RecordKind::Result, 1, 2)));
        assert!(!replaces(record(RecordKind::Result, 1, 1)));
        assert!(!replaces(record(RecordKind::Result, 2, 9)));
        assert!(!replaces(record(RecordKind::Lost, 0, 9)));
        let lost = record(RecordKind::Lost, 0, 0);
        assert!(!supersedes(Guards::default(), &lost, &first));
    }
}

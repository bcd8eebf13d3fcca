//! Which of several records of one activation is kept.

pub use oxwhisk_core::record::RecordOrigin;

use crate::guards::{Guard, Guards};

/// Whether `new` takes the place of `old`, which is on `completed` before it: [`RecordOrigin::completes`], by which stores
/// go, too.
#[must_use]
pub fn supersedes(guards: Guards, old: &RecordOrigin, new: &RecordOrigin) -> bool {
    guards.without(Guard::FirstRecordStays) || new.completes(old)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::RecordKind;

    #[test]
    fn without_its_guard_the_last_record_stays() {
        let origin = |kind, run| RecordOrigin { kind, run, version: 0 };
        let (result, lost) = (origin(RecordKind::Result, 1), origin(RecordKind::Lost, 2));
        assert!(!supersedes(Guards::default(), &result, &lost));
        assert!(supersedes(Guards::omitting(Guard::FirstRecordStays), &result, &lost));
    }
}

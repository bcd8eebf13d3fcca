use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const BOUNDS: Bounds = Bounds { metadata: 4096, outstanding: 10_000 };

fn fresh(committed: u64, bounds: Bounds) -> Tracker {
    Tracker::resume(committed, "", bounds).0
}

#[test]
fn a_slow_message_holds_the_offset_back_and_nothing_else() {
    let mut tracker = fresh(10, BOUNDS);
    for offset in 10..20 {
        assert_eq!(tracker.admit(offset), Admission::Fresh);
    }
    for offset in (11..20).rev() {
        assert!(tracker.complete(offset));
        assert!(!tracker.complete(offset), "it is done already");
    }
    assert_eq!(tracker.committed(), 10);
    let (mut resumed, fault) = Tracker::resume(10, &tracker.metadata(), BOUNDS);
    assert_eq!(fault, None);
    assert_eq!(resumed.admit(10), Admission::Fresh);
    for offset in 11..20 {
        assert_eq!(resumed.admit(offset), Admission::Done);
    }
    assert_eq!(resumed.admit(20), Admission::Fresh);
    resumed.complete(10);
    assert_eq!((resumed.committed(), resumed.metadata()), (20, String::new()));
}

#[test]
fn metadata_of_somebody_else_is_told_and_counts_as_none() {
    for text in ["x", "1", "1r", "1x0000", "1r****", "1rgA", "1rAQ", "1rAAE", "ä", "2b//8"] {
        let (mut tracker, fault) = Tracker::resume(5, text, BOUNDS);
        let expects_fault = text != "1r";
        assert_eq!(fault.is_some(), expects_fault, "{text}");
        assert_eq!(tracker.admit(5), Admission::Fresh, "{text}");
        assert_eq!(tracker.admit(6), Admission::Fresh, "{text}");
    }
}

#[test]
fn records_that_are_gone_from_the_log_hold_nothing_back() {
    let mut tracker = fresh(0, BOUNDS);
    for offset in 0..10 {
        tracker.admit(offset);
    }
    tracker.complete(9);
    let (mut resumed, _) = Tracker::resume(0, &tracker.metadata(), BOUNDS);
    assert_eq!(resumed.admit(7), Admission::Fresh);
    assert_eq!(resumed.committed(), 7);
    // A leap beyond everything that was known.
    assert_eq!(resumed.admit(1_000_000), Admission::Fresh);
    resumed.complete(7);
    assert_eq!(resumed.committed(), 1_000_000);
}

/// One message that takes for ever must not stop its partition.
#[test]
fn behind_one_stuck_message_hundreds_of_thousands_are_done() {
    let mut tracker = fresh(0, BOUNDS);
    tracker.admit(0);
    for offset in 1..500_000 {
        assert!(tracker.room() > 0, "{offset}");
        tracker.admit(offset);
        tracker.complete(offset);
    }
    let metadata = tracker.metadata();
    assert!(metadata.len() <= 8, "{metadata}");
}

#[derive(Clone, Debug)]
enum Step {
    Read,
    /// Completes one of what is outstanding.
    Complete(prop::sample::Index),
    /// The process dies after this share of its commits: what was done since the last one is not known.
    Crash,
    Commit,
}

fn some_steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => Just(Step::Read),
        5 => any::<prop::sample::Index>().prop_map(Step::Complete),
        1 => Just(Step::Crash),
        2 => Just(Step::Commit),
    ];
    prop::collection::vec(step, 0..400)
}

proptest! {
    /// Against a model that remembers everything: nothing that is not done is skipped, nothing that was done at the last
    /// commit is handed out again, and metadata keeps to its limit as long as room is kept.
    #[test]
    fn crashes_skip_nothing_and_repeat_only_what_was_not_committed(
        steps in some_steps(), metadata in 12_usize..60, start in 0_u64..1_000,
    ) {
        let bounds = Bounds { metadata, outstanding: 50 };
        let mut tracker = fresh(start, bounds);
        let mut commit = (start, String::new());
        let (mut done, mut committed_done) = (BTreeSet::new(), BTreeSet::new());
        let mut handed_out: BTreeSet<u64> = BTreeSet::new();
        let mut position = start;
        for step in steps {
            match step {
                Step::Read if tracker.room() == 0 => {}
                Step::Read => {
                    match tracker.admit(position) {
                        Admission::Done => prop_assert!(done.contains(&position), "{position} skipped, not done"),
                        Admission::Fresh => {
                            prop_assert!(!committed_done.contains(&position), "{position} is repeated");
                            handed_out.insert(position);
                        }
                    }
                    position += 1;
                }
                Step::Complete(which) => {
                    if !handed_out.is_empty() {
                        let offset = *which.get(&handed_out.iter().copied().collect::<Vec<_>>());
                        handed_out.remove(&offset);
                        prop_assert!(tracker.complete(offset));
                        done.insert(offset);
                    }
                }
                Step::Commit => {
                    commit = (tracker.committed(), tracker.metadata());
                    committed_done.clone_from(&done);
                }
                Step::Crash => {
                    let (resumed, fault) = Tracker::resume(commit.0, &commit.1, bounds);
                    prop_assert_eq!(fault, None);
                    tracker = resumed;
                    position = commit.0;
                    done.clone_from(&committed_done);
                    handed_out.clear();
                }
            }
            prop_assert!(tracker.metadata().len() <= metadata);
            prop_assert!((start..tracker.committed()).all(|offset| done.contains(&offset)));
        }
    }

    /// Whatever the pattern, what is written is read back, the shorter form is taken, and no metadata is too long.
    #[test]
    fn patterns_survive(done in prop::collection::vec((1_u64..40, 1_u64..4000), 1..120), limit in 64_usize..4096) {
        let mut outstanding = BTreeSet::new();
        let mut at = 0;
        for (left, run) in done {
            outstanding.extend(at..at + left);
            at += left + run;
        }
        let text = metadata::encode(0, at, &outstanding, limit);
        prop_assert!(text.len() <= limit);
        let beyond = metadata::decode(&text).unwrap();
        // Nothing is said to be done that is not; unless it is too long for either form, nothing is left out.
        let left: BTreeSet<u64> = beyond.outstanding.into_iter().collect();
        let said: Vec<u64> = (0..beyond.span).filter(|offset| !left.contains(offset)).collect();
        prop_assert!(said.iter().all(|offset| !outstanding.contains(offset)));
        if text.starts_with("1r") {
            prop_assert_eq!(said.len() as u64, at - outstanding.len() as u64);
        }
    }

    #[test]
    fn no_text_makes_a_decoder_panic(text in "1?[br]?[A-Za-z0-9+/]{0,40}") {
        let _ = metadata::decode(&text);
    }
}

//! Each guard is needed: without it the model finds a way to break the promise, and prints it.

#![expect(
    clippy::print_stderr,
    reason = "sizes and traces are for people, who ask for them with --nocapture"
)]

use std::collections::BTreeSet;
use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model, Path};

use super::enabled::Step;
use super::properties as p;
use super::setting::{BLOCKING, BLOCKING_ONCE, Faults, NON_BLOCKING, NON_BLOCKING_ONCE, NONE, Setting};
use super::trace;
use super::world::World;
use crate::guards::Guard;

/// Without `guard`, `promise` is broken; with it, the same setting keeps it.
#[track_caller]
fn breaks(guard: Guard, setting: Setting, promise: &'static str) {
    let begun = Instant::now();
    let look = |setting: Setting, depth: usize| {
        let found = HasDiscoveries::AnyOf(BTreeSet::from([promise]));
        let checker = setting.checker().threads(2).finish_when(found).target_max_depth(depth);
        checker.target_state_count(2_000_000).spawn_bfs().join()
    };
    let checker = look(setting.clone().without(guard), usize::MAX);
    let Some(mut path) = checker.discovery(promise) else {
        panic!("without {guard:?} nothing breaks in {} states", checker.unique_state_count());
    };
    let states = checker.unique_state_count();
    // The checker keeps the last one that it meets.
    while let Some(shorter) = look(setting.clone().without(guard), steps(&path) + 1).discovery(promise) {
        path = shorter;
    }
    eprintln!("without {guard:?} ({states} states, {:?})\n{}", begun.elapsed(), trace(promise, &path));
    assert!(look(setting, usize::MAX).discovery(promise).is_none(), "it is broken with {guard:?} too");
}

fn steps(path: &Path<World, Step>) -> usize {
    path.clone().into_actions().len()
}

fn setting(kind: super::setting::Kind, faults: Faults) -> Setting {
    Setting::of(&[kind]).with(faults)
}

const CONTROLLER: Faults = Faults { controller_deaths: 1, ..NONE };
const INVOKER: Faults = Faults { invoker_deaths: 1, ..NONE };
const BOTH: Faults = Faults { controller_deaths: 1, invoker_deaths: 1, ..NONE };

#[test]
fn accept_after_produce() {
    breaks(Guard::AcceptAfterProduce, setting(NON_BLOCKING, NONE), p::NEVER_FORGOTTEN);
}

#[test]
fn accept_after_note() {
    breaks(Guard::AcceptAfterNote, setting(BLOCKING, NONE), p::NEVER_FORGOTTEN);
}

#[test]
fn done_after_record() {
    breaks(Guard::DoneAfterRecord, setting(NON_BLOCKING, NONE), p::NOT_DONE_WHILE_OWED);
}

#[test]
fn withdraw_after_record() {
    breaks(Guard::WithdrawAfterRecord, setting(BLOCKING, NONE), p::NEVER_FORGOTTEN);
}

#[test]
fn done_after_retry() {
    breaks(Guard::DoneAfterRetry, setting(NON_BLOCKING, INVOKER), p::NOT_DONE_WHILE_OWED);
}

#[test]
fn done_after_park() {
    breaks(Guard::DoneAfterPark, setting(NON_BLOCKING, Faults { parks: 1, ..NONE }), p::NOT_DONE_WHILE_OWED);
}

#[test]
fn record_after_dead_letter() {
    breaks(
        Guard::RecordAfterDeadLetter,
        setting(NON_BLOCKING, Faults { invoker_deaths: 2, ..NONE }).with_invokers_back(),
        p::EXHAUSTED_IS_BURIED,
    );
}

#[test]
fn dead_letter_is_recorded() {
    breaks(
        Guard::DeadLetterIsRecorded,
        setting(NON_BLOCKING, Faults { invoker_deaths: 2, ..NONE }).with_invokers_back(),
        p::NOT_DONE_WHILE_OWED,
    );
}

#[test]
fn replacement_is_owed() {
    breaks(Guard::ReplacementIsOwed, setting(NON_BLOCKING, INVOKER), p::NOT_DONE_WHILE_OWED);
}

#[test]
fn skip_done() {
    breaks(Guard::SkipDone, setting(NON_BLOCKING, CONTROLLER).remembering().lagging(), p::DONE_IS_NOT_RUN);
}

#[test]
fn skip_recorded() {
    breaks(Guard::SkipRecorded, setting(NON_BLOCKING, CONTROLLER).remembering(), p::RECORDED_IS_NOT_RUN);
}

#[test]
fn await_answers() {
    breaks(
        Guard::AwaitAnswers,
        setting(NON_BLOCKING, CONTROLLER).remembering(),
        p::ONCE_WITHOUT_INVOKER_FAULTS,
    );
}

#[test]
fn await_answers_once() {
    breaks(Guard::AwaitAnswers, setting(NON_BLOCKING_ONCE, CONTROLLER).remembering(), p::NO_FALSE_LOSS);
}

#[test]
fn check_after_answers() {
    breaks(Guard::CheckAfterAnswers, setting(NON_BLOCKING, CONTROLLER), p::ONCE_WITHOUT_INVOKER_FAULTS);
}

#[test]
fn answer_of_this_round() {
    breaks(
        Guard::AnswerOfThisRound,
        setting(BLOCKING_ONCE, Faults { cuts: 1, controller_deaths: 1, ..NONE })
            .asking_another()
            .remembering(),
        p::NO_FALSE_LOSS,
    );
}

#[test]
fn mark_before_dispatch() {
    breaks(Guard::MarkBeforeDispatch, setting(NON_BLOCKING_ONCE, BOTH), p::AT_MOST_ONCE);
}

#[test]
fn first_mark_only() {
    breaks(
        Guard::FirstMarkOnly,
        setting(NON_BLOCKING_ONCE, Faults { rebalances: 1, ..NONE }),
        p::AT_MOST_ONCE,
    );
}

#[test]
fn sent_may_have_started() {
    breaks(Guard::SentMayHaveStarted, setting(NON_BLOCKING_ONCE, INVOKER), p::AT_MOST_ONCE);
}

#[test]
fn not_arrived_if_resumed() {
    breaks(
        Guard::NotArrivedIfResumed,
        setting(NON_BLOCKING_ONCE, INVOKER).with_invokers_back(),
        p::AT_MOST_ONCE,
    );
}

#[test]
fn dispatch_after_welcome() {
    breaks(
        Guard::DispatchAfterWelcome,
        setting(NON_BLOCKING_ONCE, Faults { cuts: 1, ..NONE }),
        p::AT_MOST_ONCE,
    );
}

#[test]
fn bury_after_last_attempt() {
    breaks(Guard::BuryAfterLastAttempt, setting(NON_BLOCKING, INVOKER), p::LAST_ATTEMPT);
}

#[test]
fn write_when_stream_ends() {
    breaks(Guard::WriteWhenStreamEnds, setting(NON_BLOCKING, INVOKER), p::ENDS_RECORDED);
}

#[test]
fn acknowledge_after_record() {
    breaks(Guard::AcknowledgeAfterRecord, setting(BLOCKING, CONTROLLER), p::ENDS_RECORDED);
}

#[test]
fn adopt_notes() {
    breaks(Guard::AdoptNotes, setting(BLOCKING, CONTROLLER), p::ENDS_RECORDED);
}

#[test]
fn first_record_stays() {
    breaks(Guard::FirstRecordStays, setting(NON_BLOCKING_ONCE, INVOKER), p::VIEW_STAYS);
}

#[test]
fn attach_duplicate() {
    breaks(
        Guard::AttachDuplicate,
        setting(NON_BLOCKING, Faults { rebalances: 1, ..NONE }).one_invoker(),
        p::RUNS_ALONE,
    );
}

#[test]
fn keep_until_acknowledged() {
    breaks(
        Guard::KeepUntilAcknowledged,
        setting(NON_BLOCKING_ONCE, Faults { cuts: 1, ..NONE }),
        p::AT_MOST_ONCE,
    );
}

#[test]
fn keep_until_durable() {
    breaks(Guard::KeepUntilDurable, setting(BLOCKING, CONTROLLER), p::ENDS_RECORDED);
}

//! The guards: every condition that the promise hangs on, by name.
//!
//! `docs/protocol.md` says why each is there. The tests leave out one at a time, and the model then shows how an
//! activation is lost, runs twice, or is recorded wrongly.

use oxwhisk_core::delivery::Delivery;

use crate::entry::{Entry, Stage};
use crate::names::{Incarnation, Obligation, RecordKind, Replacement, Source};
use crate::wire::{Ended, RecordState};

/// The name of a guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Guard {
    /// 202 for a non-blocking invocation only when its message is durable.
    AcceptAfterProduce,
    /// 202 for a blocking one only when its note is durable.
    AcceptAfterNote,
    /// A message is marked as done for its record's sake only when that is durable.
    DoneAfterRecord,
    /// A note is withdrawn only when the record is durable.
    WithdrawAfterRecord,
    /// A message is marked as done for its retry's sake only when that is durable.
    DoneAfterRetry,
    /// The same for its parked copy.
    DoneAfterPark,
    /// The same for its dead letter.
    RecordAfterDeadLetter,
    /// A dead letter alone does not make a message done: the client is owed a record that says so.
    DeadLetterIsRecorded,
    /// A replacement that is polled before its produce was acknowledged is not done with what it replaces.
    ReplacementIsOwed,
    /// What the committed bitmap says is done is not handed out.
    SkipDone,
    /// What has a record is not run.
    SkipRecorded,
    /// Nothing of a new lane is dispatched, and no loss recorded, before every known invoker has said what it holds, or is
    /// gone.
    AwaitAnswers,
    /// Records are looked up after invokers were asked, not only before.
    CheckAfterAnswers,
    /// An answer counts for the question that it answers, not for later ones.
    AnswerOfThisRound,
    /// The mark of an at-most-once activation is durable before its dispatch.
    MarkBeforeDispatch,
    /// Whoever finds an earlier mark than its own does not dispatch.
    FirstMarkOnly,
    /// At most once: what was sent to an invoker that is gone may have started, whether or not it said so.
    SentMayHaveStarted,
    /// What is missing in a welcome never arrived only if the invoker has forgotten nothing since.
    NotArrivedIfResumed,
    /// Nothing is sent on a stream before its welcome has been read.
    DispatchAfterWelcome,
    /// An invocation goes to the dead letters only after its last attempt.
    BuryAfterLastAttempt,
    /// The controller writes the record of a result that it has when the invoker's stream ends first.
    WriteWhenStreamEnds,
    /// A result is acknowledged only when its record is durable.
    AcknowledgeAfterRecord,
    /// Another controller's note is taken over when that controller has ended.
    AdoptNotes,
    /// A late record does not take the place of the first.
    FirstRecordStays,
    /// Invoker: what is held already is not run again for a second dispatch.
    AttachDuplicate,
    /// Invoker: a result is kept until it was acknowledged by all who wait for it.
    KeepUntilAcknowledged,
    /// Invoker: a result that nobody waits for is kept until its record is durable.
    KeepUntilDurable,
}

/// Which guards hold: all of them, outside of the tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Guards {
    #[cfg(test)]
    omitted: Option<Guard>,
}

impl Guards {
    #[cfg(test)]
    pub(crate) fn omitting(guard: Guard) -> Self {
        Self { omitted: Some(guard) }
    }

    /// Whether the guard is left out; never, outside of the tests.
    pub(crate) const fn without(self, guard: Guard) -> bool {
        #[cfg(test)]
        return matches!(self.omitted, Some(omitted) if omitted as u8 == guard as u8);
        #[cfg(not(test))]
        {
            let _ = guard;
            false
        }
    }

    /// 202 may go out for a message that is (not) known to be durable.
    #[must_use]
    pub const fn may_accept(self, guard: Guard, durable: bool) -> bool {
        durable || self.without(guard)
    }

    /// Whether a polled message is to be looked at: the commit does not say that it is done.
    #[must_use]
    pub const fn may_hand_out(self, done: bool) -> bool {
        !done || self.without(Guard::SkipDone)
    }

    /// Whether an activation with a record is left alone.
    pub(crate) const fn skips_recorded(self, recorded: bool) -> bool {
        recorded && !self.without(Guard::SkipRecorded)
    }

    /// Whether an obligation ends although its record is not known to be durable.
    pub(crate) const fn may_end_early(self, obligation: &Obligation) -> bool {
        match obligation.position.source {
            Source::Note => self.without(Guard::WithdrawAfterRecord),
            Source::Queue | Source::Parked => self.without(Guard::DoneAfterRecord),
        }
    }

    /// Whether messages are done as soon as the produce of their replacement was begun.
    pub(crate) const fn done_before_replaced(self, by: Replacement) -> bool {
        match by {
            Replacement::Retry { .. } => self.without(Guard::DoneAfterRetry),
            Replacement::Park { .. } => self.without(Guard::DoneAfterPark),
        }
    }

    /// Whether a durable replacement says what the obligation says. The replacement itself may have been polled by then,
    /// and is an obligation of the same entry: it stays.
    pub(crate) const fn is_replaced(self, obligation: &Obligation, by: Replacement) -> bool {
        let older = match by {
            Replacement::Retry { attempt } => obligation.attempt < attempt,
            Replacement::Park { attempt } => {
                matches!(obligation.position.source, Source::Queue) && obligation.attempt <= attempt
            }
        };
        older || self.without(Guard::ReplacementIsOwed)
    }

    /// Whether a mark must be durable before the activation goes to an invoker.
    pub(crate) const fn needs_mark(self, delivery: Delivery) -> bool {
        matches!(delivery, Delivery::AtMostOnce) && !self.without(Guard::MarkBeforeDispatch)
    }

    /// Whether the mark that was read back lets its writer dispatch: it is the first of that activation in the log.
    pub(crate) fn may_dispatch_marked(self, first: Incarnation, own: Incarnation) -> bool {
        first == own || self.without(Guard::FirstMarkOnly)
    }

    /// Whether what was sent to an invoker that is gone has started, for all that is known.
    pub(crate) const fn may_have_started(self, delivery: Delivery, started: bool) -> bool {
        let sent_counts =
            matches!(delivery, Delivery::AtMostOnce) && !self.without(Guard::SentMayHaveStarted);
        started || sent_counts
    }

    /// Whether an activation that a welcome does not mention was never received.
    pub(crate) const fn never_arrived(self, resumed: bool, adopted: bool) -> bool {
        (resumed && !adopted) || self.without(Guard::NotArrivedIfResumed)
    }

    /// Whether one more attempt is made.
    pub(crate) const fn may_retry(self, attempt: u32, most: u32) -> bool {
        attempt < most && !self.without(Guard::BuryAfterLastAttempt)
    }

    /// Whether the controller itself has to write the record when the stream of `invoker` ends.
    pub(crate) fn must_write(self, entry: &Entry, invoker: oxwhisk_core::id::InvokerId) -> bool {
        entry.stage == Stage::Ended { invoker } && !self.without(Guard::WriteWhenStreamEnds)
    }

    /// Whether a result may be forgotten by its invoker, as far as the controller is concerned.
    pub(crate) const fn may_acknowledge(self, record: RecordState) -> bool {
        record.is_settled() || self.without(Guard::AcknowledgeAfterRecord)
    }

    /// Whether an invoker may forget an activation. `watched`: somebody has not acknowledged it.
    pub(crate) const fn may_forget(self, ended: Ended, watched: bool) -> bool {
        let unwatched = !watched || self.without(Guard::KeepUntilAcknowledged);
        let durable = ended.cut_off || ended.record.is_settled() || self.without(Guard::KeepUntilDurable);
        unwatched && durable
    }
}

/// The record of an activation that may have started, is not to start again, and has no result.
pub(crate) const fn record_instead(delivery: Delivery) -> Option<RecordKind> {
    match delivery {
        Delivery::AtMostOnce => Some(RecordKind::Lost),
        Delivery::AtLeastOnce => None,
    }
}

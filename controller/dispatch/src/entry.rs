//! What a controller knows of one activation.

use oxwhisk_core::id::InvokerId;

use crate::names::{Message, Obligation, RecordKind, Replacement, Round};

/// How far an activation has come, at this controller. The transitions are drawn in `docs/protocol.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// An earlier owner may have dispatched it: invokers are being asked. `marked`: at most once, and it was.
    Adopting { round: Round, marked: bool },
    /// No invoker holds it (any more): whether there is a record is looked up, after that, since what is held becomes
    /// recorded and never the other way round.
    Checking { then: Then },
    /// Given to the fair queue.
    Queued,
    /// The mark of an at-most-once activation is being produced and read back.
    Marking,
    /// Given to the balancer.
    Placing,
    /// Sent to an invoker. `adopted`: sent by another controller, and this one has asked to be told. `started` as far as
    /// the invoker said so.
    Dispatched { invoker: InvokerId, adopted: bool, started: bool },
    /// Its result is known, its record not known to be durable: the invoker writes that.
    Ended { invoker: InvokerId },
    /// This controller writes the record. `kept_by` may forget the result afterwards.
    Recording { kind: RecordKind, kept_by: Option<InvokerId> },
    /// Another message is being produced that takes the place of this one.
    Replacing { by: Replacement },
    /// A dead letter is being produced.
    Burying,
}

/// What is done with an activation that has no record after all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Then {
    /// It is queued; or its loss recorded, if it is to run at most once and is `marked` as begun.
    Admit { marked: bool },
    /// It was sent to an invoker that is gone: it goes again, or its loss is recorded.
    SendAgain { started: bool },
}

/// A client that waits for a blocking invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    Waiting,
    /// It waits no more; the note is being produced, and then it gets a 202.
    Noting,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// With the highest attempt of all its messages.
    pub message: Message,
    pub obligations: Vec<Obligation>,
    pub call: Option<Call>,
    pub stage: Stage,
    /// Its namespace has enough queued.
    pub surplus: bool,
    /// The record is durable, and the result not yet here.
    pub recorded: bool,
}

impl Entry {
    pub(crate) fn new(message: Message, stage: Stage) -> Self {
        Self { message, obligations: Vec::new(), call: None, stage, surplus: false, recorded: false }
    }

    /// Whether this controller has to see to it. One that it does not owe is only watched: what was sent to an invoker
    /// before the lane was revoked, or was called by a client who has gone.
    #[must_use]
    pub fn is_owed(&self) -> bool {
        !self.obligations.is_empty() || self.call.is_some()
    }

    pub(crate) fn attach(&mut self, obligation: Obligation) {
        if !self.obligations.contains(&obligation) {
            self.obligations.push(obligation);
            self.obligations.sort_unstable();
        }
        self.message.attempt = self.message.attempt.max(obligation.attempt);
    }

    /// Whether an invoker or Kafka is still to be heard about it, so that it is kept although nothing is owed.
    pub(crate) const fn is_outside(&self) -> bool {
        matches!(self.stage, Stage::Dispatched { .. } | Stage::Ended { .. } | Stage::Recording { .. })
    }
}

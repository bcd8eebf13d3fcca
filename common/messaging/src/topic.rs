//! Names of topics and channels, in one place.

use crate::BusError;

/// When a message counts as accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It survives a power cut.
    PowerCut,
    /// It survives the death of the process that produced it.
    ProcessDeath,
}

/// A durable queue: each message is handed to one consumer and stays until it is completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Non-blocking invocations, accepted with a 202 and not run yet.
    Activations,
    /// The surplus of namespaces that have too much in `activations`, so that a flood delays only itself.
    Parked,
    /// Notes of activations that are owed and on no other topic: answered 202 and running, or begun and not to be begun
    /// again.
    InFlight,
    /// Activation records on their way to the store.
    Completed,
    /// Invocations that failed on every attempt.
    DeadLetters,
}

impl Topic {
    pub const ALL: [Self; 5] =
        [Self::Activations, Self::Parked, Self::InFlight, Self::Completed, Self::DeadLetters];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Activations => "activations",
            Self::Parked => "activations.parked",
            Self::InFlight => "inflight",
            Self::Completed => "completed",
            Self::DeadLetters => "dead-letters",
        }
    }

    #[must_use]
    pub const fn durability(self) -> Durability {
        match self {
            Self::Activations | Self::Parked | Self::InFlight | Self::DeadLetters => Durability::PowerCut,
            Self::Completed => Durability::ProcessDeath,
        }
    }

    /// Whether the topic's partitions of one number belong together with those of the other two: see [`crate::LaneBus`].
    #[must_use]
    pub const fn has_lanes(self) -> bool {
        matches!(self, Self::Activations | Self::Parked | Self::InFlight)
    }

    /// Refuses a topic without lanes.
    ///
    /// # Errors
    /// [`BusError::Unavailable`].
    pub fn must_have_lanes(self) -> Result<(), BusError> {
        if self.has_lanes() {
            return Ok(());
        }
        Err(BusError::Unavailable(format!("the queue '{}' has no lanes", self.name())))
    }

    /// Refuses a topic that a bus hands out by lanes only.
    ///
    /// # Errors
    /// [`BusError::Unavailable`].
    pub fn must_not_have_lanes(self) -> Result<(), BusError> {
        if self.has_lanes() {
            let text = format!("the queue '{}' is consumed with its lanes, not alone", self.name());
            return Err(BusError::Unavailable(text));
        }
        Ok(())
    }

    /// Whether messages of the topic are notes: they can be withdrawn by their key, by any process.
    #[must_use]
    pub const fn holds_notes(self) -> bool {
        matches!(self, Self::InFlight | Self::DeadLetters)
    }

    /// Refuses a topic whose messages must survive more than the process: producing those takes waiting.
    ///
    /// # Errors
    /// [`BusError::Unavailable`].
    pub fn must_not_wait(self) -> Result<(), BusError> {
        match self.durability() {
            Durability::ProcessDeath => Ok(()),
            Durability::PowerCut => {
                let text = format!("the queue '{}' takes messages only from callers that wait", self.name());
                Err(BusError::Unavailable(text))
            }
        }
    }

    /// Refuses a topic whose messages nobody withdraws.
    ///
    /// # Errors
    /// [`BusError::Unavailable`].
    pub fn must_hold_notes(self) -> Result<(), BusError> {
        if self.holds_notes() {
            return Ok(());
        }
        Err(BusError::Unavailable(format!("messages of the queue '{}' cannot be withdrawn", self.name())))
    }

    /// The error of a second subscription.
    #[must_use]
    pub fn already_subscribed(self) -> BusError {
        BusError::Unavailable(format!("the queue '{}' has a subscription already", self.name()))
    }
}

/// A fan-out topic: every listener hears every message that is published while it listens, and nothing is promised to
/// those who do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// Heartbeats of invokers.
    Health,
    /// Entities whose cached copies are out of date.
    CacheInvalidation,
    /// User events, for whoever outside wants them.
    Events,
}

impl Channel {
    pub const ALL: [Self; 3] = [Self::Health, Self::CacheInvalidation, Self::Events];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::CacheInvalidation => "cacheInvalidation",
            Self::Events => "events",
        }
    }
}

//! Names of topics, in one place.

use crate::BusError;

/// When a message counts as accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It survives a power cut.
    PowerCut,
    /// It survives the death of the process that produced it.
    ProcessDeath,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Non-blocking invocations, accepted with a 202 and not run yet.
    Activations,
    /// Blocking invocations that outlived their wait: answered 202, running.
    InFlight,
    /// Activation records on their way to the store.
    Completed,
    /// Invocations that failed on every attempt.
    DeadLetters,
}

impl Topic {
    pub const ALL: [Self; 4] = [Self::Activations, Self::InFlight, Self::Completed, Self::DeadLetters];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Activations => "activations",
            Self::InFlight => "inflight",
            Self::Completed => "completed",
            Self::DeadLetters => "dead-letters",
        }
    }

    #[must_use]
    pub const fn durability(self) -> Durability {
        match self {
            Self::Activations | Self::InFlight | Self::DeadLetters => Durability::PowerCut,
            Self::Completed => Durability::ProcessDeath,
        }
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

    /// The error of a second subscription.
    #[must_use]
    pub fn already_subscribed(self) -> BusError {
        BusError::Unavailable(format!("the queue '{}' has a subscription already", self.name()))
    }
}

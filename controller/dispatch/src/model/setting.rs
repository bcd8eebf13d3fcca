//! What is let loose on the protocol, and within which bounds.

use oxwhisk_core::delivery::Delivery;

use crate::guards::{Guard, Guards};

/// One invocation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) blocking: bool,
    pub(super) delivery: Delivery,
}

/// How often each fault may happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Faults {
    pub(super) controller_deaths: u8,
    pub(super) invoker_deaths: u8,
    /// Streams that break between two processes that live.
    pub(super) cuts: u8,
    /// A lane goes to another controller although its owner lives; that one learns of it later.
    pub(super) rebalances: u8,
    /// A controller takes an invoker for dead that lives, after a cut.
    pub(super) suspicions: u8,
    /// An invoker is shut down under an activation.
    pub(super) cut_offs: u8,
    /// No room comes free at an invoker for what it took.
    pub(super) no_rooms: u8,
    /// A namespace has too much queued.
    pub(super) parks: u8,
    /// Kafka's answer is lost, and the same is produced again.
    pub(super) doubles: u8,
}

/// Nothing fails.
pub(super) const NONE: Faults = Faults {
    controller_deaths: 0,
    invoker_deaths: 0,
    cuts: 0,
    rebalances: 0,
    suspicions: 0,
    cut_offs: 0,
    no_rooms: 0,
    parks: 0,
    doubles: 0,
};

/// A model to check. Everything is explored that can happen within it.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) kinds: Vec<Kind>,
    pub(super) controllers: usize,
    pub(super) invokers: usize,
    /// The controller that clients ask; the first one owns the lane.
    pub(super) asked: usize,
    pub(super) faults: Faults,
    /// The store may be behind `completed`.
    pub(super) lag: bool,
    /// What a controller wrote before its death may arrive long after it.
    pub(super) late_orders: bool,
    /// Invokers forget dead controllers only when all is done, which is what a long time-out amounts to.
    pub(super) long_memory: bool,
    /// Dead controllers are started again; else another takes over.
    pub(super) controllers_return: bool,
    /// Dead invokers are started again.
    pub(super) invokers_return: bool,
    pub(super) max_attempts: u32,
    /// What an invoker may hold.
    pub(super) bound: usize,
    pub(super) guards: Guards,
}

pub(super) const NON_BLOCKING: Kind = Kind { blocking: false, delivery: Delivery::AtLeastOnce };
pub(super) const NON_BLOCKING_ONCE: Kind = Kind { blocking: false, delivery: Delivery::AtMostOnce };
pub(super) const BLOCKING: Kind = Kind { blocking: true, delivery: Delivery::AtLeastOnce };
pub(super) const BLOCKING_ONCE: Kind = Kind { blocking: true, delivery: Delivery::AtMostOnce };

impl Setting {
    /// Two controllers, two invokers and nothing that fails.
    pub(super) fn of(kinds: &[Kind]) -> Self {
        Self {
            kinds: kinds.to_vec(),
            controllers: 2,
            invokers: 2,
            asked: 0,
            faults: Faults::default(),
            lag: false,
            late_orders: false,
            long_memory: false,
            controllers_return: false,
            invokers_return: false,
            max_attempts: 2,
            bound: 4,
            guards: Guards::default(),
        }
    }

    pub(super) fn with(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    pub(super) fn without(mut self, guard: Guard) -> Self {
        self.guards = Guards::omitting(guard);
        self
    }

    pub(super) fn lagging(mut self) -> Self {
        self.lag = true;
        self
    }

    pub(super) fn one_invoker(mut self) -> Self {
        self.invokers = 1;
        self
    }

    pub(super) fn one_controller(mut self) -> Self {
        self.controllers = 1;
        self
    }

    pub(super) fn asking_another(mut self) -> Self {
        self.asked = 1;
        self
    }

    /// Invokers hold one activation at most.
    pub(super) fn narrow(mut self) -> Self {
        self.bound = 1;
        self
    }

    pub(super) fn with_late_orders(mut self) -> Self {
        self.late_orders = true;
        self
    }

    pub(super) fn with_controllers_back(mut self) -> Self {
        self.controllers_return = true;
        self
    }

    pub(super) fn with_invokers_back(mut self) -> Self {
        self.invokers_return = true;
        self
    }

    pub(super) fn remembering(mut self) -> Self {
        self.long_memory = true;
        self
    }

    /// Nobody is taken for dead who lives, so what one process believes of another is true, if late.
    pub(super) fn is_without_zombies(&self) -> bool {
        self.faults.suspicions == 0 && self.faults.rebalances == 0 && !self.late_orders
    }
}

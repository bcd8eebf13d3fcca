//! The health of one invoker: OpenWhisk's `InvokerActor` as a value.
//!
//! ```text
//!              sign of life            a success, buffer within tolerance
//!   Offline ───────────────▶ Unhealthy ──────────────────────────────────▶ Healthy
//!      ▲                       ▲   ▲ │ timeouts                              │  │
//!      │ silence, or           │   └─┴────▶ Unresponsive ◀── > 3 timeouts ───┘  │
//!      │ it says it is off     └──────────────────────── > 3 system errors ─────┘
//!      └──────────── from any other state
//! ```
//!
//! A sign of life is a heartbeat or an open stream. The last ten results count, of users' activations too. With three
//! results or fewer, one bad one is enough. In `Offline` results are remembered and change nothing.
//!
//! Test actions are due on entering `Unhealthy` or `Unresponsive`, a minute after the last one, and in `Unhealthy` after
//! each success. Other than in OpenWhisk a success asks for no second one while one is on its way: else every success of
//! a user's activation would start one more chain of them.

use std::time::Instant;

use super::results::{Outcome, Results, TOLERATED};
use super::{FleetConfig, State};

/// Whose result it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Activation,
    TestAction,
}

#[derive(Clone, Debug)]
pub(super) struct Health {
    state: State,
    results: Results,
    /// The last heartbeat, or the end of the last stream.
    heard: Option<Instant>,
    stream_open: bool,
    /// No sign of life for too long, or none yet.
    gone: bool,
    /// Test actions can only be sent over a stream: one that is due waits for it.
    test: Test,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    NotNeeded,
    Due,
    /// Sent; without a result the next one is due at this time.
    Sent {
        next: Instant,
    },
    /// Answered; the next one is due at this time.
    Answered {
        next: Instant,
    },
}

impl Default for Health {
    fn default() -> Self {
        Self {
            state: State::Offline,
            results: Results::default(),
            heard: None,
            stream_open: false,
            gone: true,
            test: Test::NotNeeded,
        }
    }
}

impl Health {
    pub(super) fn state(&self) -> State {
        self.state
    }

    pub(super) fn is_stream_open(&self) -> bool {
        self.stream_open
    }

    /// Nothing of it is heard any more, whether or not it took work before that.
    pub(super) fn is_gone(&self) -> bool {
        self.gone
    }

    /// A sign of life; `enabled` is whether it takes work.
    pub(super) fn heard(&mut self, enabled: bool, now: Instant) {
        self.heard = self.heard.max(Some(now));
        self.gone = false;
        if !enabled {
            self.enter(State::Offline);
        } else if self.state == State::Offline {
            self.enter(State::Unhealthy);
        }
    }

    pub(super) fn stream_opened(&mut self) {
        self.stream_open = true;
        self.gone = false;
    }

    /// It was there until now. `dead`: and is no more.
    pub(super) fn stream_closed(&mut self, dead: bool, now: Instant) {
        self.stream_open = false;
        self.heard = self.heard.max(Some(now));
        if dead {
            self.gone = true;
            self.enter(State::Offline);
        }
    }

    /// Another process under the same id: what the old one did says nothing about it.
    pub(super) fn restarted(&mut self) {
        self.results = Results::default();
        self.enter(State::Offline);
    }

    pub(super) fn result(&mut self, outcome: Outcome, source: Source, config: &FleetConfig, now: Instant) {
        self.results.add(outcome);
        if let (Source::TestAction, Test::Sent { .. }) = (source, self.test) {
            self.test = Test::Answered { next: now + config.test_interval };
        }
        let is_flushing = outcome == Outcome::Success && self.state == State::Unhealthy;
        if is_flushing && matches!(self.test, Test::Answered { .. }) {
            self.test = Test::Due;
        }
        let stays = match self.state {
            State::Offline => true,
            State::Healthy => outcome == Outcome::Success,
            State::Unhealthy | State::Unresponsive => false,
        };
        if !stays {
            self.enter(self.judge(outcome));
        }
    }

    /// Where a result leads.
    fn judge(&self, outcome: Outcome) -> State {
        let is_priming = self.results.len() <= TOLERATED;
        if self.results.count(Outcome::SystemError) > TOLERATED {
            State::Unhealthy
        } else if self.results.count(Outcome::Timeout) > TOLERATED {
            State::Unresponsive
        } else {
            match outcome {
                Outcome::Success => State::Healthy,
                Outcome::SystemError if is_priming => State::Unhealthy,
                Outcome::Timeout if is_priming => State::Unresponsive,
                Outcome::SystemError | Outcome::Timeout => self.state,
            }
        }
    }

    fn enter(&mut self, state: State) {
        if self.state == state {
            return;
        }
        self.state = state;
        self.test = match state {
            State::Unhealthy | State::Unresponsive => Test::Due,
            State::Healthy | State::Offline => Test::NotNeeded,
        };
    }

    /// Goes offline after too long a silence.
    pub(super) fn tick(&mut self, config: &FleetConfig, now: Instant) {
        if self.silent_at(config).is_some_and(|deadline| deadline <= now) {
            self.gone = true;
            self.enter(State::Offline);
        }
    }

    fn silent_at(&self, config: &FleetConfig) -> Option<Instant> {
        if self.stream_open || self.gone {
            return None;
        }
        self.heard.map(|heard| heard + config.offline_after)
    }

    /// A test action is due and can be sent: it counts as sent from here on.
    pub(super) fn take_test(&mut self, config: &FleetConfig, now: Instant) -> bool {
        let due = match self.test {
            Test::NotNeeded => false,
            Test::Due => true,
            Test::Sent { next } | Test::Answered { next } => next <= now,
        };
        if !due || !self.stream_open {
            return false;
        }
        self.test = Test::Sent { next: now + config.test_interval };
        true
    }

    /// When [`Health::tick`], or [`Health::take_test`] if tests are sent at all, has something to do next.
    pub(super) fn next_deadline(&self, tests: bool, config: &FleetConfig) -> Option<Instant> {
        let test = match self.test {
            Test::Sent { next } | Test::Answered { next } if self.stream_open && tests => Some(next),
            _ => None,
        };
        self.silent_at(config).into_iter().chain(test).min()
    }
}

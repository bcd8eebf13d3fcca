//! Whether a service may take requests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// What a readiness probe answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// These parts have not reported yet.
    Starting(Vec<&'static str>),
    Ready,
    /// The service is stopping; it never gets ready again.
    Draining,
}

/// A latch that opens when the last of its [`Part`]s has reported, and closes for good when the drain begins.
#[derive(Clone, Debug)]
pub struct Readiness {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    awaited: Mutex<BTreeMap<u64, &'static str>>,
    state: watch::Sender<State>,
}

/// A part of the service that has to be up first. Dropping it unreported leaves the service unready, as it should:
/// whoever held it has failed.
#[derive(Debug)]
#[must_use]
pub struct Part {
    id: u64,
    shared: Arc<Shared>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

impl Readiness {
    /// A latch with no parts yet: ready until the first [`Readiness::await_part`].
    #[must_use]
    pub fn new() -> Self {
        let shared = Shared { awaited: Mutex::default(), state: watch::Sender::new(State::Ready) };
        Self { shared: Arc::new(shared) }
    }

    /// Makes readiness wait for a part, until [`Part::ready`] is called.
    pub fn await_part(&self, name: &'static str) -> Part {
        let id = self.shared.change(|awaited| {
            let id = awaited.last_key_value().map_or(0, |(last, _)| last + 1);
            awaited.insert(id, name);
            id
        });
        Part { id, shared: Arc::clone(&self.shared) }
    }

    #[must_use]
    pub fn state(&self) -> State {
        self.shared.state.borrow().clone()
    }

    /// The state now and whenever it changes.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<State> {
        self.shared.state.subscribe()
    }

    /// Begins to answer [`State::Draining`].
    pub fn drain(&self) {
        self.shared.state.send_replace(State::Draining);
    }

    /// Waits until the service is ready; `false` if it began to drain instead.
    pub async fn ready(&self) -> bool {
        let mut state = self.shared.state.subscribe();
        let settled = state.wait_for(|state| !matches!(state, State::Starting(_))).await;
        settled.is_ok_and(|state| *state == State::Ready)
    }
}

impl Part {
    /// Reports that this part is up.
    pub fn ready(self) {
        self.shared.change(|awaited| awaited.remove(&self.id));
    }
}

impl Shared {
    fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<u64, &'static str>) -> T) -> T {
        let mut awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = change(&mut awaited);
        self.state.send_if_modified(|state| {
            let next = match (&*state, awaited.is_empty()) {
                (State::Draining, _) => return false,
                (_, true) => State::Ready,
                (_, false) => State::Starting(awaited.values().copied().collect()),
            };
            let changed = *state != next;
            *state = next;
            changed
        });
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_ready_when_the_last_part_is() {
        let readiness = Readiness::new();
        let (store, feed) = (readiness.await_part("store"), readiness.await_part("feed"));
        let waiting = readiness.clone();
        let waiter = async move { waiting.ready().await };
        assert_eq!(readiness.state(), State::Starting(vec!["store", "feed"]));
        store.ready();
        assert_eq!(readiness.state(), State::Starting(vec!["feed"]));
        let (was_ready, ()) = tokio::join!(waiter, async { feed.ready() });
        assert!(was_ready);
        assert_eq!(readiness.state(), State::Ready);
    }

    #[tokio::test]
    async fn a_dropped_part_keeps_it_unready_and_draining_is_final() {
        let readiness = Readiness::new();
        let late = readiness.await_part("late");
        drop(readiness.await_part("failed"));
        assert_eq!(readiness.state(), State::Starting(vec!["late", "failed"]));
        readiness.drain();
        late.ready();
        assert_eq!(readiness.state(), State::Draining);
        assert!(!readiness.ready().await);
    }
}

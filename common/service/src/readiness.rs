//! Whether a service may take requests, and if not, why.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// What a readiness probe answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// These parts are not up: not yet, or not any more.
    Unready(Vec<Reason>),
    Ready,
    /// The service is stopping; it never gets ready again.
    Draining,
}

/// Why a part is not up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    pub part: &'static str,
    pub reason: Cow<'static, str>,
}

/// What is said of a part that has not reported yet.
const NOT_YET: Cow<'static, str> = Cow::Borrowed("has not started yet");

/// Says yes while all of its [`Part`]s are up, and no for good when the drain begins.
#[derive(Clone, Debug)]
pub struct Readiness {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    down: Mutex<Down>,
    state: watch::Sender<State>,
}

/// The parts that are not up, in the order in which they were announced.
#[derive(Debug, Default)]
struct Down {
    next: u64,
    parts: BTreeMap<u64, Reason>,
}

/// A part of the service that has to be up. Dropped while it is not, it leaves the service unready, as it should:
/// whoever held it has failed.
#[derive(Debug)]
#[must_use]
pub struct Part {
    id: u64,
    name: &'static str,
    shared: Arc<Shared>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

impl Readiness {
    /// No parts yet: ready until the first [`Readiness::await_part`].
    #[must_use]
    pub fn new() -> Self {
        let shared = Shared { down: Mutex::default(), state: watch::Sender::new(State::Ready) };
        Self { shared: Arc::new(shared) }
    }

    /// Makes readiness wait for a part, until [`Part::ready`] is called.
    pub fn await_part(&self, name: &'static str) -> Part {
        let id = self.shared.change(|down| {
            let id = down.next;
            down.next += 1;
            down.parts.insert(id, Reason { part: name, reason: NOT_YET });
            id
        });
        Part { id, name, shared: Arc::clone(&self.shared) }
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
        let settled = state.wait_for(|state| !matches!(state, State::Unready(_))).await;
        settled.is_ok_and(|state| *state == State::Ready)
    }
}

impl Part {
    /// Reports that this part is up.
    pub fn ready(&self) {
        self.shared.change(|down| down.parts.remove(&self.id));
    }

    /// Reports that this part is not up, or not any more.
    pub fn unready(&self, reason: impl Into<Cow<'static, str>>) {
        let reason = Reason { part: self.name, reason: reason.into() };
        self.shared.change(|down| down.parts.insert(self.id, reason));
    }

    /// Reports what a status says, now and whenever it changes, until nobody changes it any more: `of` gives the reason
    /// why a part with that status is not up.
    pub async fn follow<T>(self, mut status: watch::Receiver<T>, of: impl Fn(&T) -> Result<(), String> + Send)
    where
        T: Send + Sync,
    {
        loop {
            let up = of(&status.borrow_and_update());
            match up {
                Ok(()) => self.ready(),
                Err(reason) => self.unready(reason),
            }
            if status.changed().await.is_err() {
                return;
            }
        }
    }
}

impl Shared {
    fn change<T>(&self, change: impl FnOnce(&mut Down) -> T) -> T {
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = change(&mut down);
        self.state.send_if_modified(|state| {
            let next = match (&*state, down.parts.is_empty()) {
                (State::Draining, _) => return false,
                (_, true) => State::Ready,
                (_, false) => State::Unready(down.parts.values().cloned().collect()),
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

    fn unready(reasons: &[(&'static str, &'static str)]) -> State {
        let reason =
            |(part, reason): &(&'static str, &'static str)| Reason { part, reason: (*reason).into() };
        State::Unready(reasons.iter().map(reason).collect())
    }

    #[tokio::test]
    async fn it_is_ready_when_the_last_part_is() {
        let readiness = Readiness::new();
        let (store, feed) = (readiness.await_part("store"), readiness.await_part("feed"));
        let waiting = readiness.clone();
        let waiter = async move { waiting.ready().await };
        let state = unready(&[("store", "has not started yet"), ("feed", "has not started yet")]);
        assert_eq!(readiness.state(), state);
        store.ready();
        assert_eq!(readiness.state(), unready(&[("feed", "has not started yet")]));
        let (was_ready, ()) = tokio::join!(waiter, async { feed.ready() });
        assert!(was_ready);
        assert_eq!(readiness.state(), State::Ready);
    }

    #[test]
    fn a_part_may_go_away_and_come_back() {
        let readiness = Readiness::new();
        let (kafka, store) = (readiness.await_part("kafka"), readiness.await_part("store"));
        kafka.ready();
        store.ready();
        kafka.unready("no broker answers");
        assert_eq!(readiness.state(), unready(&[("kafka", "no broker answers")]));
        kafka.unready(format!("for {} s", 5));
        assert_eq!(readiness.state(), unready(&[("kafka", "for 5 s")]));
        kafka.ready();
        assert_eq!(readiness.state(), State::Ready);
        drop(kafka);
        assert_eq!(readiness.state(), State::Ready);
    }

    #[tokio::test]
    async fn a_dropped_part_keeps_it_unready_and_draining_is_final() {
        let readiness = Readiness::new();
        let late = readiness.await_part("late");
        drop(readiness.await_part("failed"));
        let state = unready(&[("late", "has not started yet"), ("failed", "has not started yet")]);
        assert_eq!(readiness.state(), state);
        readiness.drain();
        late.ready();
        assert_eq!(readiness.state(), State::Draining);
        assert!(!readiness.ready().await);
    }

    #[tokio::test]
    async fn a_part_follows_a_status_until_that_ends() {
        let readiness = Readiness::new();
        let status = watch::Sender::new(None::<&str>);
        let of = |status: &Option<&str>| status.map_or(Ok(()), |why| Err(why.to_owned()));
        let following = tokio::spawn(readiness.await_part("bus").follow(status.subscribe(), of));
        assert!(readiness.ready().await);
        status.send_replace(Some("away"));
        let mut states = readiness.subscribe();
        let away = states.wait_for(|state| *state == unready(&[("bus", "away")])).await;
        assert!(away.is_ok());
        drop(away);
        drop(status);
        following.await.expect("it ends with the status");
        assert_eq!(readiness.state(), unready(&[("bus", "away")]));
    }
}

//! Whether there is a record: looked up after the lane's `inflight` was read on to its end.

use std::sync::Arc;

use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::EntityName;
use oxwhisk_dispatch::{Event, Message};
use oxwhisk_messaging::{Barrier, Partition};

use super::Core;
use super::state::State;

impl Core {
    pub(super) fn check(self: &Arc<Self>, state: &mut State, message: Message) {
        match self.lanes.get() {
            Some(lanes) => {
                let barrier = lanes.barrier(Partition(message.lane.0));
                state.checks.insert(barrier, message);
            }
            // A call, before lanes are consumed: there is nothing to read.
            None => self.look_up(state, message),
        }
    }

    /// The lane was read as far as was asked for.
    pub(super) fn passed(self: &Arc<Self>, state: &mut State, barrier: Barrier) {
        if let Some(message) = state.checks.remove(&barrier) {
            self.look_up(state, message);
        }
    }

    fn look_up(self: &Arc<Self>, state: &State, message: Message) {
        let id = message.id;
        let Some(namespace) = state.live.get(&id).and_then(|live| Some(live.to_message()?.namespace.clone()))
        else {
            return;
        };
        let this = Arc::clone(self);
        self.spawn(async move {
            let recorded = this.recorded_among(&[(namespace, id)]).await.contains(&id);
            let mut state = this.state();
            this.handle(&mut state, Event::Checked { id, recorded });
        });
    }

    /// Those that have a record, in the store or on the way there. While the store is away: none.
    pub(super) async fn recorded_among(&self, asked: &[(EntityName, ActivationId)]) -> Vec<ActivationId> {
        if asked.is_empty() {
            return Vec::new();
        }
        let stored = match self.parts.activations.existing(asked).await {
            Ok(stored) => stored,
            Err(error) => {
                // Running one twice is better than losing it.
                tracing::error!(%error, "cannot tell which activations have a record");
                vec![false; asked.len()]
            }
        };
        asked.iter().zip(stored).filter(|(_, stored)| *stored).map(|((_, id), _)| *id).collect()
    }
}

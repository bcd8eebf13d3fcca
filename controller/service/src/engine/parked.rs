//! Messages of `activations.parked` that were read and wait until their namespace may have more queued.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use oxwhisk_core::message::ActivationMessage;
use oxwhisk_core::name::EntityName;
use oxwhisk_dispatch::{Message, Position};

#[derive(Debug)]
pub(super) struct ParkedMessage {
    pub(super) message: Message,
    pub(super) position: Position,
    pub(super) recorded: bool,
    pub(super) payload: Arc<ActivationMessage>,
    pub(super) bytes: usize,
}

#[derive(Debug, Default)]
pub(super) struct Parked {
    waiting: HashMap<EntityName, VecDeque<ParkedMessage>>,
    count: usize,
    bytes: usize,
}

impl Parked {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn len_of(&self, namespace: &EntityName) -> usize {
        self.waiting.get(namespace).map_or(0, VecDeque::len)
    }

    pub(super) fn push(&mut self, parked: ParkedMessage) {
        self.count += 1;
        self.bytes += parked.bytes;
        self.waiting.entry(parked.payload.namespace.clone()).or_default().push_back(parked);
    }

    /// The oldest message of a namespace that may have one back.
    pub(super) fn pop(&mut self, may_return: impl Fn(&EntityName) -> bool) -> Option<ParkedMessage> {
        let namespace = self.waiting.keys().find(|namespace| may_return(namespace))?.clone();
        let waiting = self.waiting.get_mut(&namespace)?;
        let parked = waiting.pop_front()?;
        if waiting.is_empty() {
            self.waiting.remove(&namespace);
        }
        self.count -= 1;
        self.bytes -= parked.bytes;
        Some(parked)
    }

    /// A lane is another controller's.
    pub(super) fn revoke(&mut self, lane: oxwhisk_dispatch::Lane) {
        self.waiting.retain(|_, waiting| {
            waiting.retain(|parked| parked.position.lane != lane);
            !waiting.is_empty()
        });
        self.count = self.waiting.values().map(VecDeque::len).sum();
        self.bytes = self.waiting.values().flatten().map(|parked| parked.bytes).sum();
    }
}

//! Messages of `activations.parked` that were read and wait until their namespace may have more queued.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use oxwhisk_core::id::ActivationId;
use oxwhisk_core::message::ActivationMessage;
use oxwhisk_core::name::EntityName;
use oxwhisk_dispatch::{Event, Message, Position};

/// One message, of which there may be copies: a lane that changes hands just when something is parked has it once more.
#[derive(Debug)]
pub(super) struct ParkedMessage {
    pub(super) message: Message,
    pub(super) positions: Vec<Position>,
    pub(super) recorded: bool,
    pub(super) payload: Arc<ActivationMessage>,
    pub(super) bytes: usize,
}

impl ParkedMessage {
    /// What the dispatcher is told of it and its copies.
    pub(super) fn polled(&self) -> impl Iterator<Item = Event> {
        let (message, recorded) = (self.message, self.recorded);
        self.positions.iter().map(move |position| Event::Polled {
            message,
            position: *position,
            recorded,
            surplus: false,
        })
    }
}

#[derive(Debug, Default)]
pub(super) struct Parked {
    waiting: HashMap<EntityName, VecDeque<ParkedMessage>>,
    ids: HashSet<ActivationId>,
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
        if let Some(copy) = self.find(parked.message.id, &parked.payload.namespace) {
            copy.positions.extend(parked.positions);
            copy.recorded |= parked.recorded;
            return;
        }
        self.count += 1;
        self.bytes += parked.bytes;
        self.ids.insert(parked.message.id);
        self.waiting.entry(parked.payload.namespace.clone()).or_default().push_back(parked);
    }

    fn find(&mut self, id: ActivationId, namespace: &EntityName) -> Option<&mut ParkedMessage> {
        let waiting = self.waiting.get_mut(namespace).filter(|_| self.ids.contains(&id))?;
        waiting.iter_mut().find(|parked| parked.message.id == id)
    }

    /// The oldest message of a namespace that may have one back.
    pub(super) fn pop(&mut self, may_return: impl Fn(&EntityName) -> bool) -> Option<ParkedMessage> {
        let namespace = self.waiting.keys().find(|namespace| may_return(namespace))?.clone();
        let waiting = self.waiting.get_mut(&namespace)?;
        let parked = waiting.pop_front()?;
        self.taken(&namespace, &parked);
        Some(parked)
    }

    /// The one of this activation, if there is one here.
    pub(super) fn take(&mut self, id: ActivationId, namespace: &EntityName) -> Option<ParkedMessage> {
        if !self.ids.contains(&id) {
            return None;
        }
        let waiting = self.waiting.get_mut(namespace)?;
        let at = waiting.iter().position(|parked| parked.message.id == id)?;
        let parked = waiting.remove(at)?;
        self.taken(namespace, &parked);
        Some(parked)
    }

    fn taken(&mut self, namespace: &EntityName, parked: &ParkedMessage) {
        if self.waiting.get(namespace).is_some_and(VecDeque::is_empty) {
            self.waiting.remove(namespace);
        }
        self.ids.remove(&parked.message.id);
        self.count -= 1;
        self.bytes -= parked.bytes;
    }

    /// A lane is another controller's.
    pub(super) fn revoke(&mut self, lane: oxwhisk_dispatch::Lane) {
        self.waiting.retain(|_, waiting| {
            waiting.retain(|parked| parked.message.lane != lane);
            !waiting.is_empty()
        });
        self.ids = self.waiting.values().flatten().map(|parked| parked.message.id).collect();
        self.count = self.waiting.values().map(VecDeque::len).sum();
        self.bytes = self.waiting.values().flatten().map(|parked| parked.bytes).sum();
    }
}

#[cfg(test)]
mod tests {
    use oxwhisk_core::delivery::Delivery;
    use oxwhisk_dispatch::{Lane, Source};

    use super::super::read::tests::message;
    use super::*;

    fn parked(payload: &Arc<ActivationMessage>, lane: u32, offset: i64) -> ParkedMessage {
        let (lane, delivery) = (Lane(lane), Delivery::AtLeastOnce);
        ParkedMessage {
            message: Message { id: payload.activation_id, lane, delivery, attempt: 1 },
            positions: vec![Position { source: Source::Parked, lane, offset }],
            recorded: offset == 9,
            payload: Arc::clone(payload),
            bytes: 10,
        }
    }

    #[test]
    fn copies_of_one_message_come_back_together() {
        let (first, second) = (Arc::new(message("guest")), Arc::new(message("guest")));
        let mut waiting = Parked::default();
        waiting.push(parked(&first, 1, 8));
        waiting.push(parked(&second, 1, 7));
        waiting.push(parked(&first, 1, 9));
        assert_eq!((waiting.len(), waiting.bytes(), waiting.len_of(&first.namespace)), (2, 20, 2));
        let back = waiting.take(first.activation_id, &first.namespace).unwrap();
        let offsets: Vec<i64> = back.positions.iter().map(|position| position.offset).collect();
        assert_eq!((offsets, back.recorded, back.polled().count()), (vec![8, 9], true, 2));
        assert!(waiting.take(first.activation_id, &first.namespace).is_none());
        assert_eq!(waiting.pop(|_| true).unwrap().message.id, second.activation_id);
        assert_eq!((waiting.len(), waiting.bytes()), (0, 0));
    }

    #[test]
    fn what_lies_in_a_lane_goes_with_it() {
        let (first, second) = (Arc::new(message("guest")), Arc::new(message("other")));
        let mut waiting = Parked::default();
        waiting.push(parked(&first, 1, 1));
        waiting.push(parked(&second, 2, 1));
        waiting.revoke(Lane(1));
        assert_eq!((waiting.len(), waiting.bytes(), waiting.len_of(&first.namespace)), (1, 10, 0));
        assert!(waiting.take(first.activation_id, &first.namespace).is_none());
        assert!(waiting.take(second.activation_id, &second.namespace).is_some());
    }
}

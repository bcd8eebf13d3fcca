//! The course of a subscription on a bus without partitions.

use crate::{Delivery, DeliveryId, Event, Partition};

/// What a subscription has to say beside its messages.
#[derive(Debug, Default)]
pub(crate) struct Course {
    assigned: bool,
    caught_up: bool,
    /// Messages below this offset were there when the subscription began.
    boundary: u64,
    withdrawn: Vec<DeliveryId>,
}

impl Course {
    /// A subscription begins; messages from `boundary` on are new.
    pub(crate) fn begin(boundary: u64) -> Self {
        Self { boundary, ..Self::default() }
    }

    pub(crate) fn boundary(&self) -> u64 {
        self.boundary
    }

    pub(crate) fn withdraw(&mut self, ids: impl IntoIterator<Item = DeliveryId>) {
        self.withdrawn.extend(ids);
    }

    /// What is to be said before any more messages. `old_waits` tells whether messages below the boundary are still to
    /// be handed out.
    pub(crate) fn due(&mut self, old_waits: bool) -> Option<Event> {
        if !std::mem::replace(&mut self.assigned, true) {
            return Some(Event::Assigned(Partition::default()));
        }
        if !self.withdrawn.is_empty() {
            return Some(Event::Withdrawn(std::mem::take(&mut self.withdrawn)));
        }
        if old_waits || std::mem::replace(&mut self.caught_up, true) {
            return None;
        }
        Some(Event::CaughtUp(Partition::default()))
    }

    /// Messages that are handed out now.
    pub(crate) fn hand_out(&self, mut deliveries: Vec<Delivery>) -> Event {
        for delivery in &mut deliveries {
            delivery.again = delivery.id.offset < self.boundary;
        }
        Event::Messages(deliveries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_messages_lie_between_the_beginning_and_having_caught_up() {
        let mut course = Course::begin(5);
        assert!(matches!(course.due(true), Some(Event::Assigned(Partition(0)))));
        assert!(course.due(true).is_none());
        assert!(matches!(course.due(false), Some(Event::CaughtUp(Partition(0)))));
        assert!(course.due(false).is_none());
        course.withdraw([DeliveryId::of_offset(3)]);
        assert!(
            matches!(course.due(false), Some(Event::Withdrawn(ids)) if ids == [DeliveryId::of_offset(3)])
        );
        assert!(course.due(false).is_none());
    }
}

//! The few invokers that a policy chose.

use super::{InvokerView, PROBES, PlacementRequest};

/// At most [`PROBES`] indexes into a pool, each once, best first; those that seem to have room come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Candidates {
    indexes: [usize; PROBES],
    with_room: usize,
    count: usize,
}

impl Candidates {
    /// Takes invokers in the order of `order` until enough of them have room.
    pub(super) fn collect(
        invokers: &[InvokerView],
        request: &PlacementRequest<'_>,
        order: impl Iterator<Item = usize>,
    ) -> Self {
        let mut chosen = Self::default();
        let mut full = [0; PROBES];
        let mut full_count = 0;
        for index in order {
            let invoker = &invokers[index];
            if !invoker.serves(request) {
                continue;
            }
            if invoker.has_room(request) {
                chosen.indexes[chosen.with_room] = index;
                chosen.with_room += 1;
                if chosen.with_room == PROBES {
                    break;
                }
            } else if full_count < PROBES {
                full[full_count] = index;
                full_count += 1;
            }
        }
        chosen.count = (chosen.with_room + full_count).min(PROBES);
        chosen.indexes[chosen.with_room..chosen.count]
            .copy_from_slice(&full[..chosen.count - chosen.with_room]);
        chosen
    }

    /// Those that seem to have room.
    #[must_use]
    pub fn with_room(&self) -> &[usize] {
        &self.indexes[..self.with_room]
    }

    /// Those that seem to have room, then those that seem full.
    #[must_use]
    pub fn all(&self) -> &[usize] {
        &self.indexes[..self.count]
    }

    pub(super) fn with_room_mut(&mut self) -> &mut [usize] {
        &mut self.indexes[..self.with_room]
    }
}

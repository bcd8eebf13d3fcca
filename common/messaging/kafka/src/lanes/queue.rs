//! Messages of one topic that wait to be taken by the program.

use std::collections::VecDeque;

use oxwhisk_messaging::{LaneMessage, Partition};

use crate::config::Consuming;

/// How much waits.
#[derive(Clone, Debug, Default)]
pub(super) struct Load {
    messages: usize,
    bytes: usize,
    /// It is enough; reading goes on when half of it is gone.
    full: bool,
}

fn size(message: &LaneMessage) -> usize {
    message.key.len() + message.payload.as_ref().map_or(0, bytes::Bytes::len)
}

impl Load {
    pub(super) fn add(&mut self, message: &LaneMessage) {
        self.messages += 1;
        self.bytes += size(message);
    }

    pub(super) fn remove(&mut self, message: &LaneMessage) {
        self.messages -= 1;
        self.bytes -= size(message);
    }

    pub(super) fn is_full(&mut self, bounds: Consuming) -> bool {
        let Consuming { pending_messages, pending_bytes, .. } = bounds;
        self.full = if self.full {
            self.messages > pending_messages / 2 || self.bytes > pending_bytes / 2
        } else {
            self.messages >= pending_messages || self.bytes >= pending_bytes
        };
        self.full
    }
}

/// In the order in which they were read.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<LaneMessage>,
    pub(super) load: Load,
}

impl Queue {
    pub(super) fn push(&mut self, message: LaneMessage) {
        self.load.add(&message);
        self.waiting.push_back(message);
    }

    pub(super) fn take(&mut self, max: usize) -> Vec<LaneMessage> {
        let taken: Vec<LaneMessage> = self.waiting.drain(..max.min(self.waiting.len())).collect();
        taken.iter().for_each(|message| self.load.remove(message));
        taken
    }

    /// Those of a lane wait no more.
    pub(super) fn forget(&mut self, lane: Partition) {
        let load = &mut self.load;
        self.waiting.retain(|message| {
            let keep = message.lane != lane;
            if !keep {
                load.remove(message);
            }
            keep
        });
    }
}

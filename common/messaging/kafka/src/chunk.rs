//! Messages too large for one record: how they are cut into chunks, and how a consumer puts them together again.
//!
//! All chunks of a message go to one partition, one behind the other as seen from their producer; chunks of several
//! producers may alternate. So a message that a producer gave up half-way (its time ran out, its queue was full, it died) shows
//! by anything else of that producer that comes behind it, or, when nothing comes any more, by time: [`Assembler::silent`].

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

/// Names a message: which producer, and its how-manieth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MessageId {
    /// Random, chosen anew whenever a producer is made.
    pub producer: u64,
    pub sequence: u64,
}

impl MessageId {
    pub const BYTES: usize = 16;

    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        ((u128::from(self.producer) << 64) | u128::from(self.sequence)).to_be_bytes()
    }

    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let both = u128::from_be_bytes(bytes.try_into().ok()?);
        Some(Self { producer: (both >> 64) as u64, sequence: both as u64 })
    }
}

/// Which part of its message a record is. A message in one record is part 0 of 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub index: u32,
    pub count: u32,
}

impl Part {
    pub const WHOLE: Self = Self { index: 0, count: 1 };
    pub const BYTES: usize = 8;

    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        ((u64::from(self.index) << 32) | u64::from(self.count)).to_be_bytes()
    }

    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let both = u64::from_be_bytes(bytes.try_into().ok()?);
        let part = Self { index: (both >> 32) as u32, count: both as u32 };
        (part.index < part.count).then_some(part)
    }
}

/// Cuts a payload into parts of at most `size` bytes; an empty one is one part.
pub fn split(payload: &Bytes, size: usize) -> impl Iterator<Item = (Part, Bytes)> + use<> {
    let count = u32::try_from(payload.len().div_ceil(size).max(1)).unwrap_or(u32::MAX);
    let payload = payload.clone();
    (0..count).map(move |index| {
        let from = index as usize * size;
        (Part { index, count }, payload.slice(from..payload.len().min(from + size)))
    })
}

/// A record as far as putting together is concerned.
#[derive(Clone, Debug)]
pub struct Chunk {
    pub offset: u64,
    /// `None` for a record that was not produced by us.
    pub message: Option<MessageId>,
    pub part: Part,
    pub payload: Bytes,
}

/// A message that is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// Its records, the last one last.
    pub offsets: Vec<u64>,
    pub payload: Bytes,
}

/// What came of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    pub whole: Option<Whole>,
    /// Records of messages that never will be complete.
    pub given_up: Vec<u64>,
}

#[derive(Debug)]
struct Partial {
    message: MessageId,
    chunks: Vec<(u64, Bytes)>,
    /// When the last chunk was read.
    since: Duration,
    /// Once it has been silent for long: the end of the log at that time. When that is passed, it is given up.
    end: Option<u64>,
}

impl Partial {
    fn offsets(self) -> impl Iterator<Item = u64> {
        self.chunks.into_iter().map(|(offset, _)| offset)
    }
}

/// Puts the messages of one partition together. Time is that since any moment.
#[derive(Debug, Default)]
pub struct Assembler {
    /// By producer.
    partial: HashMap<u64, Partial>,
    bytes: usize,
}

impl Assembler {
    /// Bytes held of messages that are not complete.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes a record, in the order of the partition.
    pub fn take(&mut self, chunk: Chunk, now: Duration) -> Taken {
        let Chunk { offset, message, part, payload } = chunk;
        let Some(message) = message else {
            return Taken { whole: Some(Whole { offsets: vec![offset], payload }), given_up: Vec::new() };
        };
        let mut given_up = Vec::new();
        if let Some(partial) = self.partial.get(&message.producer)
            && (partial.message != message || partial.chunks.len() != part.index as usize)
        {
            given_up.extend(self.remove(message.producer));
        }
        if part == Part::WHOLE {
            return Taken { whole: Some(Whole { offsets: vec![offset], payload }), given_up };
        }
        let known = self.partial.contains_key(&message.producer);
        if !known && part.index > 0 {
            // Its beginning is gone from the log, or was given up.
            given_up.push(offset);
            return Taken { whole: None, given_up };
        }
        self.bytes += payload.len();
        let partial = self.partial.entry(message.producer).or_insert_with(|| Partial {
            message,
            chunks: Vec::with_capacity(part.count.min(1024) as usize),
            since: now,
            end: None,
        });
        partial.chunks.push((offset, payload));
        (partial.since, partial.end) = (now, None);
        let whole = (part.index + 1 == part.count).then(|| self.join(message.producer));
        Taken { whole, given_up }
    }

    fn remove(&mut self, producer: u64) -> Vec<u64> {
        let Some(partial) = self.partial.remove(&producer) else { return Vec::new() };
        self.bytes -= partial.chunks.iter().map(|(_, payload)| payload.len()).sum::<usize>();
        partial.offsets().collect()
    }

    fn join(&mut self, producer: u64) -> Whole {
        let mut payload = BytesMut::new();
        if let Some(partial) = self.partial.get(&producer) {
            payload.reserve(partial.chunks.iter().map(|(_, part)| part.len()).sum());
            partial.chunks.iter().for_each(|(_, part)| payload.extend_from_slice(part));
        }
        Whole { offsets: self.remove(producer), payload: payload.freeze() }
    }

    /// Whether a message has had no new chunk for `patience`, and nobody knows yet where the log ended then.
    #[must_use]
    pub fn silent(&self, now: Duration, patience: Duration) -> bool {
        self.partial.values().any(|partial| partial.is_silent(now, patience))
    }

    /// The log ends at `end` now: what has been silent for `patience` will be complete before that, or never.
    pub fn log_ends(&mut self, end: u64, now: Duration, patience: Duration) {
        for partial in self.partial.values_mut().filter(|partial| partial.is_silent(now, patience)) {
            partial.end = Some(end);
        }
    }

    /// Gives up what should have been complete before `position`, the next record to be read.
    pub fn give_up(&mut self, position: u64) -> Vec<u64> {
        let over = |partial: &Partial| partial.end.is_some_and(|end| end <= position);
        let late: Vec<u64> =
            self.partial.iter().filter(|(_, partial)| over(partial)).map(|(producer, _)| *producer).collect();
        late.into_iter().flat_map(|producer| self.remove(producer)).collect()
    }
}

impl Partial {
    fn is_silent(&self, now: Duration, patience: Duration) -> bool {
        self.end.is_none() && now.saturating_sub(self.since) >= patience
    }
}

//! Which messages of a partition are done, in any order, and what of that is written into a commit.
//!
//! Kafka keeps one offset for a partition and group: everything below it is done. What is done beyond it goes into the
//! metadata of the commit, as Confluent's parallel consumer does, so that a slow message holds up nothing and what was done
//! behind it is not done again after a crash. The metadata is bounded (4,096 bytes unless the broker says otherwise), so
//! that reading ahead has a bound too: [`Tracker::room`] says how many more messages may be read such that whatever is done
//! in whatever order still fits.

mod metadata;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

/// Bounds of reading ahead in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of a commit's metadata, as the broker's `offset.metadata.max.bytes`.
    pub metadata: usize,
    /// Messages read and not done.
    pub outstanding: usize,
}

/// What is to become of a record that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is not done.
    Fresh,
    /// It was done before it was read.
    Done,
}

/// The offsets of one partition from the committed one on.
#[derive(Clone, Debug)]
pub struct Tracker {
    bounds: Bounds,
    /// Seen and not done.
    outstanding: BTreeSet<u64>,
    /// The first offset of which nothing is known: below it, what is not outstanding is done.
    end: u64,
    /// The offset of the next record to be read. Below `end` after resuming.
    position: u64,
}

impl Tracker {
    /// Takes up a partition at the committed offset, with the metadata of that commit.
    ///
    /// # Errors
    /// Why the metadata cannot be read; the tracker then takes everything beyond the offset as not done.
    #[must_use]
    pub fn resume(committed: u64, metadata: &str, bounds: Bounds) -> (Self, Option<String>) {
        let (beyond, fault) = match metadata::decode(metadata) {
            Ok(beyond) => (beyond, None),
            Err(fault) => (metadata::Beyond::default(), Some(fault)),
        };
        let tracker = Self {
            bounds,
            outstanding: beyond.outstanding.iter().map(|distance| committed + distance).collect(),
            end: committed + beyond.span,
            position: committed,
        };
        (tracker, fault)
    }

    /// A record was read, in the order of the partition.
    pub fn admit(&mut self, offset: u64) -> Admission {
        // What lies between was cut off the log before anybody could read it.
        let gone: Vec<u64> =
            self.outstanding.range(self.position..offset.max(self.position)).copied().collect();
        for offset in gone {
            self.outstanding.remove(&offset);
        }
        self.position = self.position.max(offset + 1);
        if offset >= self.end {
            self.outstanding.insert(offset);
            self.end = offset + 1;
            return Admission::Fresh;
        }
        if self.outstanding.contains(&offset) { Admission::Fresh } else { Admission::Done }
    }

    /// A record is done. Says whether that is news.
    pub fn complete(&mut self, offset: u64) -> bool {
        self.outstanding.remove(&offset)
    }

    /// The offset of the next record to be read.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Everything below is done.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.outstanding.first().copied().unwrap_or(self.end)
    }

    /// What is done beyond [`Tracker::committed`], for [`Tracker::resume`].
    #[must_use]
    pub fn metadata(&self) -> String {
        metadata::encode(self.committed(), self.end, &self.outstanding, self.bounds.metadata)
    }

    /// How many more records may be read. What is read beyond that may be handed out again after a crash although it is done.
    #[must_use]
    pub fn room(&self) -> usize {
        // What is known already and only read again takes no room.
        let known = usize::try_from(self.end.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let span = self.end - self.committed();
        let beyond = metadata::room(span, self.outstanding.len(), self.bounds.metadata);
        let outstanding = self.bounds.outstanding.saturating_sub(self.outstanding.len());
        known.saturating_add(beyond.min(outstanding))
    }

    /// Whether a good part of the room there could be is free: then reading may go on after it had to stop.
    #[must_use]
    pub fn is_relaxed(&self) -> bool {
        let span = self.end - self.committed();
        let best = metadata::room(span, 0, self.bounds.metadata).min(self.bounds.outstanding);
        self.room() > 0 && self.room() >= best / 4
    }

    /// The log begins at `low` now: what was below is gone.
    pub fn cut(&mut self, low: u64) {
        self.outstanding = self.outstanding.split_off(&low);
        self.end = self.end.max(low);
        self.position = self.position.max(low);
    }
}

/// How many records up to `end` a group has not done, by its commit.
#[must_use]
pub fn left(committed: u64, metadata: &str, end: u64) -> u64 {
    let beyond = metadata::decode(metadata).unwrap_or_default();
    let done = beyond.span - beyond.outstanding.len() as u64;
    end.saturating_sub(committed).saturating_sub(done)
}

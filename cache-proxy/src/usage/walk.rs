//! Once over all keys of a server, or over those of some namespaces.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use oxwhisk_cache_commands::reply::texts;
use oxwhisk_cache_commands::{Owner, Prefix};
use oxwhisk_cache_upstream::UpstreamError;

use super::count::{Census, Remedy, Whose, remedy, whose};
use super::evict::{Candidate, Cut, Evicting};
use super::link::{Failed, Link, Requests, check, number};
use super::pace::{Batch, Pace};

/// Of a value that has values in it, how many the server looks at: all of nearly every one that it does not keep in one piece,
/// the size of which it knows.
const SAMPLES: &[u8] = b"64";
/// A value of more than that many parts has at least so many bytes, and is looked at more closely.
const LARGE: u64 = 3000;
/// As many parts as keep the server for less than a millisecond.
const MORE_SAMPLES: &[u8] = b"4000";
/// Keys that the server is asked for, looked at, looked at closely, and changed at once.
const MOST: [usize; 4] = [2000, 500, 16, 500];

/// What is to be done.
#[derive(Clone, Debug, Default)]
pub(super) struct Orders {
    /// Whose keys are of interest; `None`: everybody's.
    pub(super) only: Option<HashSet<Owner>>,
    pub(super) cuts: HashMap<Owner, Cut>,
    /// Generations that are over.
    pub(super) flushed: HashSet<Prefix>,
    /// Seconds.
    pub(super) key_expiry: u32,
    pub(super) max_key_expiry: u32,
}

/// What was found and done since somebody asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) evicted: u64,
    pub(super) given_an_expiry: u64,
    pub(super) flushed: u64,
}

#[derive(Debug)]
pub(super) struct Walk {
    orders: Orders,
    /// `None` when it is over.
    cursor: Option<Vec<u8>>,
    scan: Batch,
    look: Batch,
    measure: Batch,
    change: Batch,
    pace: Pace,
    began: Instant,
    evicting: HashMap<Owner, Evicting>,
    pub(super) census: Census,
    /// Generations that are over and did have keys.
    pub(super) had_keys: HashSet<Prefix>,
    pub(super) done: Done,
}

/// What was seen of one key.
#[derive(Clone, Debug)]
struct Seen {
    key: Bytes,
    owner: Owner,
    bytes: u64,
    ttl: i64,
    idle: Option<u64>,
}

impl Walk {
    /// At most `most` keys at once.
    pub(super) fn new(orders: Orders, percent: u32, most: usize) -> Self {
        let [scan, look, measure, change] = MOST.map(|usual| Batch::new(usual.min(most)));
        let evicting = orders.cuts.iter().map(|(owner, cut)| (*owner, Evicting::new(*cut))).collect();
        Self {
            orders,
            cursor: Some(b"0".to_vec()),
            scan,
            look,
            measure,
            change,
            pace: Pace::new(percent),
            began: Instant::now(),
            evicting,
            census: Census::default(),
            had_keys: HashSet::new(),
            done: Done::default(),
        }
    }

    pub(super) const fn busy(&self) -> Duration {
        self.pace.busy()
    }

    pub(super) fn lasted(&self) -> Duration {
        self.began.elapsed()
    }

    /// Looks at some more keys. Says whether there are more.
    pub(super) async fn step(&mut self, link: &mut Link) -> Result<bool, Failed> {
        let Some(cursor) = self.cursor.take() else { return Ok(false) };
        let keys = self.scan(link, &cursor).await?;
        let mut rest = &keys[..];
        while !rest.is_empty() {
            let (some, others) = rest.split_at(rest.len().min(self.look.size()));
            self.look_at(link, some).await?;
            rest = others;
        }
        if self.cursor.is_none() {
            let left = self.evicting.iter_mut().map(|(owner, evicting)| (*owner, evicting.end())).collect();
            self.evict(link, left).await?;
        }
        Ok(self.cursor.is_some())
    }

    async fn scan(&mut self, link: &mut Link, cursor: &[u8]) -> Result<Vec<Bytes>, Failed> {
        let count = self.scan.size();
        let count_text = count.to_string();
        let mut words = vec![b"SCAN", cursor, b"COUNT", count_text.as_bytes()];
        // One pattern is all that it takes.
        let pattern = match &self.orders.only {
            Some(only) if only.len() == 1 => {
                only.iter().next().map(|owner| [b"1", owner.as_bytes(), b"*"].concat())
            }
            _ => None,
        };
        if let Some(pattern) = &pattern {
            words.extend([b"MATCH", pattern.as_slice()]);
        }
        let requests = Requests::one(&words);
        let replies = ask(link, &mut self.pace, &requests, (&mut self.scan, count)).await?;
        let reply = replies.into_iter().next().unwrap_or_default();
        check(&reply)?;
        let texts = texts(&reply).map_err(|_| UpstreamError::Broken)?;
        let (next, keys) = texts.split_first().ok_or(UpstreamError::Broken)?;
        self.cursor = (*next != b"0").then(|| next.to_vec());
        Ok(keys.iter().map(|key| reply.slice_ref(key)).collect())
    }

    async fn look_at(&mut self, link: &mut Link, keys: &[Bytes]) -> Result<(), Failed> {
        self.census.keys += keys.len() as u64;
        let (mut of_owners, mut over) = (Vec::with_capacity(keys.len()), Requests::default());
        for key in keys {
            match whose(key, &self.orders.flushed) {
                Whose::Of(owner) => of_owners.push((key, owner)),
                Whose::Flushed(prefix) => {
                    self.had_keys.insert(prefix);
                    over.push(&[b"UNLINK", key]);
                }
                Whose::Ours => {}
                Whose::Unknown => self.census.unknown += 1,
            }
        }
        if let Some(only) = &self.orders.only {
            of_owners.retain(|(_, owner)| only.contains(owner));
        }
        self.done.flushed += self.change(link, over).await?;
        let mut seen = self.see(link, &of_owners).await?;
        self.see_closely(link, &mut seen).await?;
        self.set_expiries(link, &seen).await?;
        let mut lost = Vec::new();
        for Seen { key, owner, bytes, idle, .. } in seen {
            self.census.add(owner, bytes);
            if let Some(evicting) = self.evicting.get_mut(&owner) {
                // A server that does not know how long keys were idle is one that has other ideas of what is old.
                lost.push((owner, evicting.add(Candidate { key, bytes, idle: idle.unwrap_or_default() })));
            }
        }
        self.evict(link, lost).await
    }

    async fn see(&mut self, link: &mut Link, keys: &[(&Bytes, Owner)]) -> Result<Vec<Seen>, Failed> {
        let mut requests = Requests::default();
        for (key, owner) in keys {
            requests.push(&[b"TTL", key]);
            requests.push(&[b"MEMORY", b"USAGE", key, b"SAMPLES", SAMPLES]);
            if self.evicting.contains_key(owner) {
                requests.push(&[b"OBJECT", b"IDLETIME", key]);
            }
        }
        let batch = (&mut self.look, keys.len());
        let mut replies = ask(link, &mut self.pace, &requests, batch).await?.into_iter();
        let mut seen = Vec::with_capacity(keys.len());
        for (key, owner) in keys {
            let (ttl, bytes) = (replies.next().unwrap_or_default(), replies.next().unwrap_or_default());
            let idle = self.evicting.contains_key(owner).then(|| replies.next()).flatten();
            check(&ttl)?;
            check(&bytes)?;
            // Else it is gone.
            if let (Some(ttl), Some(bytes)) = (number(&ttl), size(&bytes)) {
                let idle = idle.and_then(|idle| size(&idle));
                seen.push(Seen { key: (*key).clone(), owner: *owner, bytes, ttl, idle });
            }
        }
        Ok(seen)
    }

    /// Values of many parts, a few of which may be most of it.
    async fn see_closely(&mut self, link: &mut Link, seen: &mut [Seen]) -> Result<(), Failed> {
        let mut large: Vec<_> = seen.iter_mut().filter(|seen| seen.bytes >= LARGE).collect();
        let mut rest = &mut large[..];
        while !rest.is_empty() {
            let (some, others) = rest.split_at_mut(rest.len().min(self.measure.size()));
            let mut requests = Requests::default();
            for seen in &*some {
                requests.push(&[b"MEMORY", b"USAGE", &seen.key, b"SAMPLES", MORE_SAMPLES]);
            }
            let batch = (&mut self.measure, some.len());
            let replies = ask(link, &mut self.pace, &requests, batch).await?;
            for (seen, reply) in some.iter_mut().zip(replies) {
                seen.bytes = size(&reply).unwrap_or(seen.bytes);
            }
            rest = others;
        }
        Ok(())
    }

    async fn set_expiries(&mut self, link: &mut Link, seen: &[Seen]) -> Result<(), Failed> {
        let (usual, most) = (self.orders.key_expiry.to_string(), self.orders.max_key_expiry.to_string());
        let mut requests = Requests::default();
        for seen in seen {
            // Each does nothing where the key was given an expiry, or an earlier one, meanwhile.
            match remedy(seen.ttl, self.orders.max_key_expiry) {
                Some(Remedy::Give) => requests.push(&[b"EXPIRE", &seen.key, usual.as_bytes(), b"NX"]),
                Some(Remedy::Cut) => requests.push(&[b"EXPIRE", &seen.key, most.as_bytes(), b"LT"]),
                None => {}
            }
        }
        self.done.given_an_expiry += self.change(link, requests).await?;
        Ok(())
    }

    async fn evict(&mut self, link: &mut Link, lost: Vec<(Owner, Vec<Candidate>)>) -> Result<(), Failed> {
        let mut requests = Requests::default();
        for (owner, candidates) in &lost {
            for candidate in candidates {
                requests.push(&[b"UNLINK", &candidate.key]);
                self.census.remove(*owner, candidate.bytes);
            }
        }
        self.done.evicted += self.change(link, requests).await?;
        Ok(())
    }

    /// How many keys were changed.
    async fn change(&mut self, link: &mut Link, requests: Requests) -> Result<u64, Failed> {
        if requests.is_empty() {
            return Ok(0);
        }
        let batch = (&mut self.change, requests.len());
        let replies = ask(link, &mut self.pace, &requests, batch).await?;
        Ok(replies.iter().filter(|reply| number(reply) == Some(1)).count() as u64)
    }
}

/// As `MEMORY USAGE` and `OBJECT IDLETIME` say it.
fn size(reply: &[u8]) -> Option<u64> {
    number(reply).and_then(|number| u64::try_from(number).ok())
}

/// Asks, and leaves the server alone for as long as it should be then.
async fn ask(
    link: &mut Link,
    pace: &mut Pace,
    requests: &Requests,
    batch: (&mut Batch, usize),
) -> Result<Vec<Bytes>, Failed> {
    if requests.is_empty() {
        return Ok(Vec::new());
    }
    let began = Instant::now();
    let replies = link.ask(requests).await?;
    let (batch, count) = batch;
    let time = batch.took(count, began.elapsed());
    if let Some(pause) = pace.worked(time) {
        tokio::time::sleep(pause).await;
    }
    Ok(replies)
}

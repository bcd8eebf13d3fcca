//! What the proxies of one server tell each other, in keys of it: what each namespace has, as the one that sweeps has found, and
//! what it may have, as those say that have its tokens. And which generations are over, so that their keys are deleted.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use oxwhisk_cache_commands::reply::texts;
use oxwhisk_cache_commands::{Owner, Prefix};
use oxwhisk_cache_tokens::{Account, Budget, Usage, Written};
use oxwhisk_cache_upstream::UpstreamError;
use oxwhisk_core::cache::CacheTier;

use super::link::{Failed, Link, Requests, number, text};

/// Generations that are over.
const FLUSHED: &[u8] = b"0flushed";
/// Of those, how many are remembered; the keys of others go with their expiry.
const MOST_FLUSHED: &[u8] = b"999";
/// The name of the last pass.
const SWEPT: &[u8] = b"0swept";
/// Seconds for which it is there to be read. A namespace that still has something is said again with each pass.
const USAGE_KEPT: &[u8] = b"600";
const BUDGET_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// Keys in one request.
const AT_ONCE: usize = 200;

fn usage_key(owner: Owner) -> Vec<u8> {
    [b"0usage:", owner.as_bytes()].concat()
}

fn budget_key(owner: Owner) -> Vec<u8> {
    [b"0budget:", owner.as_bytes()].concat()
}

/// Says that nobody will ask for what has this before it. Two replies come.
pub(crate) fn flushed(prefix: Prefix) -> Bytes {
    let mut requests = Requests::one(&[b"LPUSH", FLUSHED, prefix.as_bytes()]);
    requests.push(&[b"LTRIM", FLUSHED, b"0", MOST_FLUSHED]);
    requests.freeze()
}

/// The generations that are over and may have keys.
pub(super) async fn all_flushed(link: &mut Link) -> Result<HashSet<Prefix>, Failed> {
    let reply = link.ask_one(&[b"LRANGE", FLUSHED, b"0", b"-1"]).await?;
    let texts = texts(&reply).map_err(|_| UpstreamError::Broken)?;
    Ok(texts.into_iter().filter_map(Prefix::of_key).collect())
}

/// These have none any more.
pub(super) async fn forget_flushed(
    link: &mut Link,
    prefixes: impl Iterator<Item = &Prefix>,
) -> Result<(), Failed> {
    let mut requests = Requests::default();
    for prefix in prefixes {
        requests.push(&[b"LREM", FLUSHED, b"0", prefix.as_bytes()]);
    }
    link.ask(&requests).await.map(drop)
}

/// What one proxy has said and read.
#[derive(Debug, Default)]
pub(super) struct Board {
    said: HashMap<Owner, (Budget, Instant)>,
    read: HashMap<Owner, Read>,
    swept: Vec<u8>,
}

/// What was read of a namespace last, and what was written when it was looked for.
#[derive(Debug, Default)]
struct Read {
    text: Vec<u8>,
    written: Written,
}

impl Board {
    /// The server may have lost what was said.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Says what namespaces may have, where that is new or was said long ago.
    pub(super) async fn say_budgets(
        &mut self,
        link: &mut Link,
        accounts: &[Arc<Account>],
    ) -> Result<(), Failed> {
        let now = Instant::now();
        let is_new = |account: &&Arc<Account>| {
            self.said.get(&account.owner()).is_none_or(|(budget, when)| {
                *budget != account.budget() || now.saturating_duration_since(*when) > BUDGET_KEPT / 4
            })
        };
        let new: Vec<_> = accounts.iter().filter(is_new).collect();
        let kept = BUDGET_KEPT.as_secs().to_string();
        for some in new.chunks(AT_ONCE) {
            let mut requests = Requests::default();
            for account in some {
                let budget = account.budget();
                let text = budget_text(&budget);
                requests.push(&[
                    b"SET",
                    &budget_key(account.owner()),
                    text.as_bytes(),
                    b"EX",
                    kept.as_bytes(),
                ]);
                self.said.insert(account.owner(), (budget, now));
            }
            link.ask(&requests).await?;
        }
        if self.said.len() > accounts.len() * 2 {
            let living: HashSet<Owner> = accounts.iter().map(|account| account.owner()).collect();
            self.said.retain(|owner, _| living.contains(owner));
        }
        Ok(())
    }

    /// What one of the other proxies has found is so for this one, too.
    pub(super) async fn read_usage(
        &mut self,
        link: &mut Link,
        tier: CacheTier,
        accounts: &[Arc<Account>],
    ) -> Result<(), Failed> {
        let swept = link.ask_one(&[b"GET", SWEPT]).await?;
        let swept = text(&swept).unwrap_or_default().to_vec();
        let is_another = swept != self.swept;
        let mut read = HashMap::with_capacity(accounts.len());
        for some in accounts.chunks(AT_ONCE) {
            let mut requests = Requests::default();
            for account in some {
                requests.push(&[b"GET", &usage_key(account.owner())]);
            }
            for (account, reply) in some.iter().zip(link.ask(&requests).await?) {
                let before = self.read.remove(&account.owner()).unwrap_or_default();
                let found = text(&reply).unwrap_or_default().to_vec();
                if found != before.text || (found.is_empty() && is_another) {
                    // What was written when it was looked for the last time was there to be counted.
                    account.counted_after(tier, usage(&found).unwrap_or_default(), before.written);
                }
                let written = account.written(tier);
                read.insert(account.owner(), Read { text: found, written });
            }
        }
        (self.read, self.swept) = (read, swept);
        Ok(())
    }
}

/// Says what was found. `name` is another one each time.
pub(super) async fn say_usage(
    link: &mut Link,
    name: &str,
    found: impl Iterator<Item = (&Owner, &Usage)>,
) -> Result<(), Failed> {
    let mut requests = Requests::default();
    for (owner, usage) in found {
        let text = format!("{} {} {name}", usage.bytes, usage.keys);
        requests.push(&[b"SET", &usage_key(*owner), text.as_bytes(), b"EX", USAGE_KEPT]);
        if requests.len() >= AT_ONCE {
            link.ask(&std::mem::take(&mut requests)).await?;
        }
    }
    if requests.is_empty() { Ok(()) } else { link.ask(&requests).await.map(drop) }
}

/// All keys were looked at: who is not said to have any has none.
pub(super) async fn say_swept(link: &mut Link, name: &str) -> Result<(), Failed> {
    link.ask(&Requests::one(&[b"SET", SWEPT, name.as_bytes(), b"EX", USAGE_KEPT])).await.map(drop)
}

/// What those may have whom this proxy does not know.
pub(super) async fn budgets(
    link: &mut Link,
    owners: &[Owner],
    default: Budget,
) -> Result<HashMap<Owner, Budget>, Failed> {
    let mut budgets = HashMap::new();
    for some in owners.chunks(AT_ONCE) {
        let mut requests = Requests::default();
        for owner in some {
            requests.push(&[b"GET", &budget_key(*owner)]);
        }
        let replies = link.ask(&requests).await?;
        let known = some
            .iter()
            .zip(replies)
            .filter_map(|(owner, reply)| Some((*owner, budget(text(&reply)?, default)?)));
        budgets.extend(known);
    }
    Ok(budgets)
}

/// The server's memory as it says: what is used, and the limit. What its clients send and get is not counted, since it comes and
/// goes, nor what does not count towards the limit.
pub(super) async fn memory(link: &mut Link) -> Result<(Option<u64>, Option<u64>), Failed> {
    let replies = link.ask(&Requests::one(&[b"INFO", b"memory"])).await?;
    let info = replies.first().and_then(|reply| text(reply)).unwrap_or_default();
    let of = |name: &[u8]| -> Option<u64> {
        let line = info.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(name))?;
        std::str::from_utf8(line).ok()?.trim().parse().ok()
    };
    let passing: u64 =
        [&b"mem_clients_normal:"[..], b"mem_not_counted_for_evict:"].into_iter().filter_map(of).sum();
    let used = of(b"used_memory:").map(|used| used.saturating_sub(passing));
    Ok((used, of(b"maxmemory:").filter(|most| *most > 0)))
}

/// How many keys the server has.
pub(super) async fn keys(link: &mut Link) -> Result<u64, Failed> {
    let reply = link.ask_one(&[b"DBSIZE"]).await?;
    Ok(number(&reply).and_then(|keys| u64::try_from(keys).ok()).unwrap_or_default())
}

fn usage(text: &[u8]) -> Option<Usage> {
    let mut words = std::str::from_utf8(text).ok()?.split(' ');
    Some(Usage { bytes: words.next()?.parse().ok()?, keys: words.next()?.parse().ok()? })
}

fn budget_text(budget: &Budget) -> String {
    format!("{} {} {}", budget.bytes, budget.keys, u8::from(budget.refuse_when_full))
}

/// Of what it says, all that matters here.
fn budget(text: &[u8], default: Budget) -> Option<Budget> {
    let mut words = std::str::from_utf8(text).ok()?.split(' ');
    let bytes = words.next()?.parse().ok()?;
    let keys = words.next()?.parse().ok()?;
    Some(Budget { bytes, keys, refuse_when_full: words.next()? == "1", ..default })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_can_be_read() {
        let said = Budget { bytes: 7, keys: 8, refuse_when_full: true, ..Budget::default() };
        assert_eq!(budget(budget_text(&said).as_bytes(), Budget::default()), Some(said));
        assert_eq!(budget(b"", said), None);
        assert_eq!(usage(b"5 6 pass"), Some(Usage { bytes: 5, keys: 6 }));
        assert_eq!(usage(b"5"), None);
    }
}

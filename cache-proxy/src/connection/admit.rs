//! Whether a command may run.

use std::sync::Arc;
use std::time::Instant;

use oxwhisk_cache_commands::{Access, Prefixes, Request};
use oxwhisk_cache_tokens::{Current, Entry, OverQuota};
use oxwhisk_core::cache::CacheRights;

use super::{Connection, Right, Stream};
use crate::generations::{self, NoGeneration};

/// Why it may not. Its text is what the client gets.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotAdmitted {
    #[error("NOAUTH Authentication required.")]
    NoActivation,
    #[error("NOPERM this action may read the cache, and not write it")]
    ReadOnly,
    #[error("{0}")]
    Over(#[from] OverQuota),
    #[error("NOPERM at most {MOST_PICKS} elements can be asked for at once, where the same may come again")]
    TooManyPicks,
    #[error("ERR DB index is out of range")]
    NoTier,
    #[error("ERR {0}")]
    NoGeneration(NoGeneration),
    /// In the server's words, since no key could be written, whosever.
    #[error("OOM command not allowed when used memory > 'maxmemory'.")]
    ServerFull,
}

impl From<NoGeneration> for NotAdmitted {
    fn from(no: NoGeneration) -> Self {
        match no {
            NoGeneration::Full => Self::ServerFull,
            other => Self::NoGeneration(other),
        }
    }
}

/// Values that small arguments make large: where the place in them stands, and how many of these are a byte.
const PLACES: [(&str, usize, u64); 2] = [("SETRANGE", 2, 1), ("SETBIT", 2, 8)];

/// What a negative count asks for may come again and again: a few bytes could keep the server busy for minutes, and fill its
/// memory with the reply.
const PICKS: [&str; 3] = ["SRANDMEMBER", "HRANDFIELD", "ZRANDMEMBER"];
const MOST_PICKS: i64 = 10_000;

impl<S: Stream> Connection<S> {
    /// In whose right the next command runs.
    pub(super) fn right(&mut self) -> Result<&mut Right, NotAdmitted> {
        if self.right.is_none() {
            let login = self.login.as_ref().ok_or(NotAdmitted::NoActivation)?;
            let entry = login.hold.current(Instant::now()).ok_or(NotAdmitted::NoActivation)?;
            let tier = self.selected.unwrap_or_else(|| entry.grant().tier);
            let prefixes = entry.grant().scope.prefixes(tier);
            self.right = Some(Right { entry, tier, prefixes });
        }
        self.right.as_mut().ok_or(NotAdmitted::NoActivation)
    }

    /// Whether a command that was planned for may run.
    pub(super) fn admit(
        &mut self,
        request: &Request,
        buffer: &[u8],
        access: Access,
    ) -> Result<(), NotAdmitted> {
        let command = self.plan.command();
        self.place.count(1);
        let right = self.right()?;
        let grant = right.entry.grant();
        let (account, tier) = (&grant.account, right.tier);
        let budget = account.budget();
        account.admit(1, &budget, Instant::now())?;
        check_picks(command.name, request, buffer)?;
        if access == Access::Read {
            return Ok(());
        }
        if grant.rights < CacheRights::Write {
            return Err(NotAdmitted::ReadOnly);
        }
        check_values(command.name, request, buffer, budget.value_bytes)?;
        // Who has too much may make room.
        let refused =
            if budget.refuse_when_full && command.takes_room() { account.is_over(tier) } else { None };
        if refused.is_none() {
            account.writes(tier, buffer.len() as u64);
        }
        // Also where it is refused: it may have made room before.
        if account.may_be_over(tier, &budget) {
            self.plane.alarm.ring(tier);
        }
        refused.map_or(Ok(()), |over| Err(over.into()))
    }

    /// What stands before the scope's names. Asks the server when nobody has yet.
    pub(super) async fn prefixes(&mut self) -> Result<Prefixes, NotAdmitted> {
        if let Some(prefixes) = self.right()?.prefixes {
            return Ok(prefixes);
        }
        self.current().await.map(|current| current.prefixes)
    }

    /// The same, as it is now, with word of the next flush.
    pub(super) async fn current(&mut self) -> Result<Current, NotAdmitted> {
        let plane = Arc::clone(&self.plane);
        let right = self.right()?;
        let server = plane.upstreams.tier(right.tier).ok_or(NotAdmitted::NoTier)?;
        let scope = Arc::clone(&right.entry.grant().scope);
        let current = generations::current(&scope, right.tier, server).await?;
        right.prefixes = Some(current.prefixes);
        Ok(current)
    }

    /// The activation that a batch runs for.
    pub(super) fn entry(&mut self) -> Result<Arc<Entry>, NotAdmitted> {
        self.right().map(|right| Arc::clone(&right.entry))
    }
}

fn check_picks(name: &str, request: &Request, buffer: &[u8]) -> Result<(), NotAdmitted> {
    if !PICKS.contains(&name) {
        return Ok(());
    }
    let count =
        request.argument(buffer, 2).and_then(|text| std::str::from_utf8(text).ok()?.parse::<i64>().ok());
    // What is no number the server finds fault with.
    if count.is_some_and(|count| count < -MOST_PICKS) { Err(NotAdmitted::TooManyPicks) } else { Ok(()) }
}

fn check_values(name: &str, request: &Request, buffer: &[u8], most: u64) -> Result<(), OverQuota> {
    let too_large = |found: u64| if found > most { Err(OverQuota::Value { found, most }) } else { Ok(()) };
    // No argument can be larger than all of them.
    if buffer.len() as u64 > most {
        let longest = request.arguments(buffer).map(<[u8]>::len).max().unwrap_or_default();
        too_large(longest as u64)?;
    }
    for (command, at, per_byte) in PLACES {
        if name == command {
            let place = request
                .argument(buffer, at)
                .and_then(|text| std::str::from_utf8(text).ok()?.parse::<u64>().ok());
            let added =
                if per_byte == 1 { request.argument(buffer, at + 1).map_or(0, <[u8]>::len) } else { 1 };
            too_large((place.unwrap_or_default() / per_byte).saturating_add(added as u64))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use oxwhisk_cache_commands::Bounds;

    use super::*;

    #[test]
    fn picks_that_repeat_are_bounded() {
        let check = |line: &str| {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            let (mut buffer, mut request) = (BytesMut::new(), Request::default());
            Request::write(&words, &mut buffer);
            request.read(&buffer, &Bounds::default()).unwrap();
            check_picks(line.split(' ').next().unwrap(), &request, &buffer).is_ok()
        };
        for name in PICKS {
            assert!(check(&format!("{name} k -10000")) && !check(&format!("{name} k -10001")));
            assert!(
                check(&format!("{name} k 99999999"))
                    && check(&format!("{name} k"))
                    && check(&format!("{name} k x"))
            );
            assert!(!check(&format!("{name} k -9223372036854775808")));
        }
        assert!(check("GET k -99999"));
    }

    #[test]
    fn values_are_bounded_however_small_the_words_that_make_them() {
        let check = |words: &[&str]| {
            let bytes: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
            let (mut buffer, mut request) = (BytesMut::new(), Request::default());
            Request::write(&bytes, &mut buffer);
            request.read(&buffer, &Bounds::default()).unwrap();
            check_values(words[0], &request, &buffer, 100).is_ok()
        };
        assert!(check(&["SET", "k", &"v".repeat(100)]));
        assert!(!check(&["SET", "k", &"v".repeat(101)]));
        assert!(check(&["MSET", "k", &"v".repeat(90), "l", &"v".repeat(90)]));
        assert!(check(&["SETRANGE", "k", "99", "v"]) && !check(&["SETRANGE", "k", "100", "v"]));
        assert!(check(&["SETBIT", "k", "799", "1"]) && !check(&["SETBIT", "k", "800", "1"]));
        assert!(check(&["SETRANGE", "k", "x", "v"]), "the server finds fault with it");
    }
}

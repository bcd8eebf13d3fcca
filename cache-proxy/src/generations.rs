//! Which generation a scope is in: a number that its server keeps, so that all proxies of it agree, and that goes when the
//! server loses it.

use std::num::NonZeroUsize;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use oxwhisk_cache_commands::Request;
use oxwhisk_cache_tokens::{Current, Generation, LiveScope};
use oxwhisk_cache_upstream::UpstreamError;
use oxwhisk_core::cache::CacheTier;
use rand::TryRngCore as _;
use rand::rngs::OsRng;

use crate::upstreams::Tier;

/// It is kept for longer than any key that has it before it, and from its last use on.
const KEPT: Duration = Duration::from_secs(60 * 24 * 60 * 60);

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoGeneration {
    #[error("{0}")]
    Upstream(#[from] UpstreamError),
    /// With the server's own words in the log.
    #[error("the cache's server does not keep a scope's generation")]
    NotKept,
    #[error("the cache's server is full")]
    Full,
    #[error("the system has no random numbers")]
    NoRandom,
}

/// What the scope's names have before them. Asks the server where that is not known yet.
pub(crate) async fn current(
    scope: &LiveScope,
    tier: CacheTier,
    server: &Tier,
) -> Result<Current, NoGeneration> {
    loop {
        if let Some(current) = scope.current(tier) {
            return Ok(current);
        }
        let (key, asked) = (scope.generation_key(), scope.version(tier));
        let fresh = random()?;
        let kept = KEPT.as_secs().to_string();
        // Whoever is first makes one; all others get that.
        let requests = requests(&[
            &[b"SET", key, fresh.0.to_string().as_bytes(), b"EX", kept.as_bytes(), b"NX", b"GET"],
            &[b"EXPIRE", key, kept.as_bytes()],
        ]);
        let replies = server.ask(requests, TWO).await?;
        let first = replies.ends.first().and_then(|end| replies.bytes.get(..*end)).unwrap_or_default();
        scope.learn(tier, generation(first)?.unwrap_or(fresh), asked);
    }
}

/// Begins another one: all that the scope has in this tier is out of reach. Other proxies are told.
pub(crate) async fn flush(scope: &LiveScope, tier: CacheTier, server: &Tier) -> Result<(), NoGeneration> {
    let key = scope.generation_key();
    let next = random()?;
    let kept = KEPT.as_secs().to_string();
    let requests = requests(&[
        &[b"SET", key, next.0.to_string().as_bytes(), b"EX", kept.as_bytes(), b"GET"],
        &[b"PUBLISH", FLUSHED, key],
    ]);
    let replies = server.ask(requests, TWO).await?;
    let (had, told) = replies.bytes.split_at(replies.ends.first().copied().unwrap_or_default());
    let before = generation(had)?;
    if told.starts_with(b"-") {
        let reply = String::from_utf8_lossy(told);
        tracing::warn!(reply = reply.trim_end(), "other proxies are not told that a scope was flushed");
    }
    scope.begin(tier, next);
    if let Some(before) = before {
        // Whoever sweeps deletes its keys; without that they go with their expiry.
        let request = crate::usage::flushed(scope.scope().keys(before));
        if let Err(error) = server.ask(request, TWO).await {
            tracing::debug!(%error, "the keys of a scope that was flushed stay until they expire");
        }
    }
    Ok(())
}

/// Asks the server again, after word that somebody has flushed it, or to have it kept for longer.
pub(crate) async fn ask_again(scope: &LiveScope, tier: CacheTier, server: &Tier) {
    let asked = scope.version(tier);
    let kept = KEPT.as_secs().to_string();
    let request = requests(&[&[b"GETEX", scope.generation_key(), b"EX", kept.as_bytes()]]);
    let known = match scope.current(tier) {
        // Somebody may be asking, and has been told what was before.
        None => None,
        Some(_) => server.ask(request, NonZeroUsize::MIN).await.ok(),
    };
    match known.map(|replies| generation(&replies.bytes)) {
        Some(Ok(Some(generation))) => scope.learn(tier, generation, asked),
        _ => scope.forget(tier),
    }
}

/// The channel on which proxies of one server tell each other which scope was flushed, by the key of its generation. No scope's
/// channel begins like that.
pub(crate) const FLUSHED: &[u8] = b"0flushed";
const TWO: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

/// What the server had; `None`: nothing.
fn generation(reply: &[u8]) -> Result<Option<Generation>, NoGeneration> {
    let text = match reply {
        b"$-1\r\n" => return Ok(None),
        [b'$', ..] => reply.splitn(3, |byte| *byte == b'\n').nth(1).unwrap_or_default().trim_ascii(),
        _ if reply.starts_with(b"-OOM ") => return Err(NoGeneration::Full),
        _ => return Err(not_kept(reply)),
    };
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.map(|number| Some(Generation(number))).ok_or_else(|| not_kept(reply))
}

fn not_kept(reply: &[u8]) -> NoGeneration {
    let reply = String::from_utf8_lossy(reply.get(..200).unwrap_or(reply));
    tracing::warn!(reply = reply.trim_end(), "the cache's server does not keep a scope's generation");
    NoGeneration::NotKept
}

fn random() -> Result<Generation, NoGeneration> {
    OsRng.try_next_u64().map(Generation).map_err(|_| NoGeneration::NoRandom)
}

/// Whole requests, one behind the other.
pub(crate) fn requests(requests: &[&[&[u8]]]) -> Bytes {
    let mut out = BytesMut::new();
    for words in requests {
        Request::write(words, &mut out);
    }
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_generation_is_read() {
        assert_eq!(generation(b"$-1\r\n"), Ok(None));
        assert_eq!(generation(b"$2\r\n12\r\n"), Ok(Some(Generation(12))));
        assert_eq!(generation(b"-OOM command not allowed\r\n"), Err(NoGeneration::Full));
        for bad in [&b"+OK\r\n"[..], b"$1\r\nx\r\n", b"-ERR no\r\n", b"$20\r\n99999999999999999999\r\n"] {
            assert_eq!(generation(bad), Err(NoGeneration::NotKept));
        }
    }
}

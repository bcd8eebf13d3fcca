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
        let fresh = random()?.0.to_string();
        let kept = KEPT.as_secs().to_string();
        // Whoever is first makes one; all others get that.
        let requests = requests(&[
            &[b"SET", key, fresh.as_bytes(), b"EX", kept.as_bytes(), b"NX", b"GET"],
            &[b"EXPIRE", key, kept.as_bytes()],
        ]);
        let replies = server.ask(requests, TWO).await?;
        let first = replies.ends.first().and_then(|end| replies.bytes.get(..*end)).unwrap_or_default();
        scope.learn(tier, generation(first, &fresh)?, asked);
    }
}

/// Begins another one: all that the scope has in this tier is out of reach. Other proxies are told.
pub(crate) async fn flush(scope: &LiveScope, tier: CacheTier, server: &Tier) -> Result<(), NoGeneration> {
    let key = scope.generation_key();
    let next = random()?;
    let kept = KEPT.as_secs().to_string();
    let requests = requests(&[
        &[b"SET", key, next.0.to_string().as_bytes(), b"EX", kept.as_bytes()],
        &[b"PUBLISH", FLUSHED, key],
    ]);
    let replies = server.ask(requests, TWO).await?;
    let (kept, told) = replies.bytes.split_at(replies.ends.first().copied().unwrap_or_default());
    if kept != b"+OK\r\n" {
        return Err(not_kept(kept));
    }
    if told.starts_with(b"-") {
        let reply = String::from_utf8_lossy(told);
        tracing::warn!(reply = reply.trim_end(), "other proxies are not told that a scope was flushed");
    }
    scope.begin(tier, next);
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
    match known.filter(|replies| &*replies.bytes != NOTHING).map(|replies| generation(&replies.bytes, "")) {
        Some(Ok(generation)) => scope.learn(tier, generation, asked),
        _ => scope.forget(tier),
    }
}

/// The channel on which proxies of one server tell each other which scope was flushed, by the key of its generation. No scope's
/// channel begins like that.
pub(crate) const FLUSHED: &[u8] = b"0flushed";
const NOTHING: &[u8] = b"$-1\r\n";
const TWO: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

/// What the server had, or what it took: it had none.
fn generation(reply: &[u8], fresh: &str) -> Result<Generation, NoGeneration> {
    let text = match reply {
        b"$-1\r\n" => fresh.as_bytes(),
        [b'$', ..] => reply.splitn(3, |byte| *byte == b'\n').nth(1).unwrap_or_default().trim_ascii(),
        _ => return Err(not_kept(reply)),
    };
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.map(Generation).ok_or_else(|| not_kept(reply))
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
    fn the_servers_generation_goes_before_a_fresh_one() {
        assert_eq!(generation(b"$-1\r\n", "7"), Ok(Generation(7)));
        assert_eq!(generation(b"$2\r\n12\r\n", "7"), Ok(Generation(12)));
        for bad in [&b"+OK\r\n"[..], b"$1\r\nx\r\n", b"-OOM no\r\n", b"$20\r\n99999999999999999999\r\n"] {
            assert_eq!(generation(bad, "7"), Err(NoGeneration::NotKept));
        }
    }
}

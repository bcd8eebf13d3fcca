//! What other proxies of the same server have flushed.

use std::time::Duration;

use oxwhisk_cache_commands::reply::texts;
use oxwhisk_cache_upstream::{Private, UpstreamError};
use oxwhisk_core::cache::CacheTier;

use crate::generations::{self, FLUSHED};
use crate::plane::Plane;
use crate::upstreams::Tier;

/// Before it is tried again to listen.
const PAUSE: Duration = Duration::from_millis(200);
/// After a silence of this length it is asked whether the server is still there, and after another that is the answer.
const SILENCE: Duration = Duration::from_secs(20);

/// Never ends, but where there is no such tier.
pub(crate) async fn listen(plane: &Plane, tier: CacheTier) {
    let Some(server) = plane.upstreams.tier(tier) else { return };
    loop {
        let error = listen_once(plane, tier, server).await;
        tracing::debug!(%error, "what other proxies flush is not heard");
        tokio::time::sleep(PAUSE).await;
    }
}

async fn listen_once(plane: &Plane, tier: CacheTier, server: &Tier) -> UpstreamError {
    let mut private = match server.listen().await {
        Ok(private) => private,
        Err(error) => return error,
    };
    match hear(plane, tier, server, &mut private).await {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

enum Never {}

async fn hear(
    plane: &Plane,
    tier: CacheTier,
    server: &Tier,
    private: &mut Private,
) -> Result<Never, UpstreamError> {
    private.send(&generations::requests(&[&[b"SUBSCRIBE", FLUSHED]]), 1).await?;
    let subscribed = private.receive().await?;
    if subscribed.starts_with(b"-") {
        let reply = String::from_utf8_lossy(&subscribed);
        tracing::warn!(reply = reply.trim_end(), "the cache's server lets nobody hear of flushes");
        return Err(UpstreamError::Away);
    }
    // Whatever was said before that was not heard.
    ask_for_all(plane, tier, server).await;
    loop {
        let message = match tokio::time::timeout(SILENCE, private.receive()).await {
            Ok(message) => message?,
            Err(_) => {
                private.send(&generations::requests(&[&[b"PING"]]), 1).await?;
                let answered = tokio::time::timeout(SILENCE, private.receive()).await;
                answered.unwrap_or(Err(UpstreamError::TimedOut))?
            }
        };
        let words = texts(&message).map_err(|_| UpstreamError::Broken)?;
        let [b"message", FLUSHED, key] = words[..] else { continue };
        if let Some(scope) = plane.control.scope_of_generation(key) {
            generations::ask_again(&scope, tier, server).await;
        }
    }
}

/// Renews what is known of all scopes.
pub(crate) async fn ask_for_all(plane: &Plane, tier: CacheTier, server: &Tier) {
    for scope in plane.control.scopes() {
        generations::ask_again(&scope, tier, server).await;
    }
}

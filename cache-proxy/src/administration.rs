//! What administrators do to a proxy from outside of its threads.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, BytesMut};
use oxwhisk_cache_commands::Request;
use oxwhisk_cache_commands::reply::texts;
use oxwhisk_cache_tokens::{Account, owner_of};
use oxwhisk_cache_upstream::UpstreamError;
use oxwhisk_core::cache::CacheTier;
use tokio::sync::{mpsc, oneshot};

use crate::plane::Plane;
use crate::{Control, Proxy, Session, Sessions};

/// Orders that wait for one under way; who has one more waits to hand it over.
pub(crate) const WAITING: usize = 16;
/// Keys that the server looks at at once. Nobody is served meanwhile.
const AT_ONCE: &[u8] = b"1000";
/// Between two looks, for everybody else.
const PAUSE: Duration = Duration::from_millis(1);

/// Empties a namespace's share of a tier.
#[derive(Debug)]
pub(crate) struct FlushOrder {
    namespace_uuid: Arc<str>,
    tier: CacheTier,
    done: oneshot::Sender<Result<u64, NotFlushed>>,
}

/// Why a namespace was not emptied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFlushed {
    #[error("there is no such tier here")]
    NoTier,
    #[error("{0}")]
    Upstream(#[from] UpstreamError),
}

/// Of a proxy that runs. Clones are of the same.
#[derive(Clone, Debug)]
pub struct Administration {
    control: Arc<Control>,
    sessions: Arc<Sessions>,
    orders: mpsc::Sender<FlushOrder>,
}

impl Administration {
    #[must_use]
    pub fn of(proxy: &Proxy) -> Self {
        Self {
            control: Arc::clone(proxy.control()),
            sessions: Arc::clone(proxy.sessions()),
            orders: proxy.orders().clone(),
        }
    }

    /// What namespaces use, those that are known here.
    #[must_use]
    pub fn accounts(&self) -> Vec<Arc<Account>> {
        self.control.accounts()
    }

    /// Connections of clients.
    #[must_use]
    pub fn sessions(&self) -> Vec<Session> {
        self.sessions.list()
    }

    /// Deletes all that a namespace has in a tier, and says how many keys that was. It goes through everybody's, and may take as long.
    ///
    /// # Errors
    /// When not all of it was deleted.
    pub async fn flush(&self, namespace_uuid: &str, tier: CacheTier) -> Result<u64, NotFlushed> {
        let (done, flushed) = oneshot::channel();
        let order = FlushOrder { namespace_uuid: namespace_uuid.into(), tier, done };
        let closed = NotFlushed::Upstream(UpstreamError::Closed);
        self.orders.send(order).await.map_err(|_| closed)?;
        flushed.await.unwrap_or(Err(closed))
    }
}

/// Does what is ordered, one after the other.
pub(crate) async fn obey(plane: &Plane, mut orders: mpsc::Receiver<FlushOrder>) {
    while let Some(FlushOrder { namespace_uuid, tier, done }) = orders.recv().await {
        // Whoever has given up waiting needs no answer.
        let _ = done.send(flush(plane, &namespace_uuid, tier).await);
    }
}

async fn flush(plane: &Plane, namespace_uuid: &str, tier: CacheTier) -> Result<u64, NotFlushed> {
    let server = plane.upstreams.tier(tier).ok_or(NotFlushed::NoTier)?;
    let owner = owner_of(namespace_uuid);
    // Every prefix of the namespace's begins with this, which has no character that means something in a pattern.
    let pattern = [b"1".as_slice(), owner.as_bytes(), b"*"].concat();
    let (mut cursor, mut deleted) = (b"0".to_vec(), 0);
    loop {
        let mut request = BytesMut::new();
        Request::write(&[b"SCAN", &cursor, b"MATCH", &pattern, b"COUNT", AT_ONCE], &mut request);
        let replies = server.ask(request.freeze(), NonZeroUsize::MIN).await?;
        let texts = texts(&replies.bytes).map_err(|_| UpstreamError::Broken)?;
        let Some((next, keys)) = texts.split_first() else { return Err(UpstreamError::Broken.into()) };
        if !keys.is_empty() {
            let words: Vec<&[u8]> = std::iter::once(&b"UNLINK"[..]).chain(keys.iter().copied()).collect();
            let mut request = BytesMut::new();
            Request::write(&words, &mut request);
            let replies = server.ask(request.freeze(), NonZeroUsize::MIN).await?;
            deleted += number(&replies.bytes).ok_or(UpstreamError::Broken)?;
        }
        if *next == b"0" {
            return Ok(deleted);
        }
        cursor.clear();
        cursor.put_slice(next);
        tokio::time::sleep(PAUSE).await;
    }
}

fn number(reply: &[u8]) -> Option<u64> {
    let digits = reply.strip_prefix(b":")?.strip_suffix(b"\r\n")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

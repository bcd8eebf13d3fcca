//! What all connections of one thread share.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use oxwhisk_cache_upstream::UpstreamError;
use tokio_util::sync::CancellationToken;

use crate::strangers::{Stranger, Strangers};
use crate::upstreams::Upstreams;
use crate::usage::Alarm;
use crate::{Control, Counts, ProxyConfig, Sessions};

/// Replies that are smaller are not counted.
const SMALL: usize = 16 << 10;

/// What is waited for at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) reply_timeout: Duration,
    /// Bytes of replies to what a client has sent at once.
    pub(crate) max_replies: usize,
}

#[derive(Debug)]
pub(crate) struct Plane {
    pub(crate) control: Arc<Control>,
    pub(crate) upstreams: Upstreams,
    pub(crate) config: ProxyConfig,
    /// Seconds.
    pub(crate) key_expiry: u32,
    pub(crate) bounds: Bounds,
    pub(crate) stop: CancellationToken,
    pub(crate) counts: Arc<Counts>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) strangers: Arc<Strangers>,
    pub(crate) alarm: Arc<Alarm>,
}

impl Plane {
    /// One more connection that has shown nothing; `None`: there are enough from there.
    pub(crate) fn stranger(&self, address: IpAddr) -> Option<Stranger> {
        self.strangers.admit(address, self.config.max_strangers)
    }

    pub(crate) fn count_refused_login(&self) {
        self.counts.refused_logins.fetch_add(1, Ordering::Relaxed);
    }

    /// Room for replies until a client has taken them; `None` for few bytes.
    ///
    /// # Errors
    /// When clients together have too much that they do not take.
    pub(crate) fn hold(&self, bytes: usize) -> Result<Option<Held>, UpstreamError> {
        if bytes < SMALL {
            return Ok(None);
        }
        let bytes = bytes as u64;
        let held = Held { counts: Arc::clone(&self.counts), bytes };
        let before = self.counts.held.fetch_add(bytes, Ordering::AcqRel);
        if before.saturating_add(bytes) > self.config.max_held {
            Err(UpstreamError::TooLarge)
        } else {
            Ok(Some(held))
        }
    }
}

/// Counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    counts: Arc<Counts>,
    bytes: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.counts.held.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

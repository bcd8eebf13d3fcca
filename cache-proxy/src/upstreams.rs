//! The servers behind a proxy, as one of its threads uses them.

use std::num::NonZeroUsize;
use std::sync::Arc;

use bytes::Bytes;
use oxwhisk_cache_session::Protocol;
use oxwhisk_cache_upstream::{
    self as upstream, Dedicated, Private, Replies, Shared, UpstreamConfig, UpstreamError,
};
use oxwhisk_core::cache::CacheTier;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ProxyConfig;

/// Where each tier's server is.
#[derive(Clone, Debug)]
pub struct Servers {
    pub local: Arc<UpstreamConfig>,
    /// `None`: there is no such tier here.
    pub global: Option<Arc<UpstreamConfig>>,
}

/// A tier's server, in the version of the protocol that a client speaks: its replies go to the client as they are.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    pub(crate) shared: Shared,
    pub(crate) private: Dedicated,
}

/// One tier.
#[derive(Clone, Debug)]
pub(crate) struct Tier {
    resp2: Upstream,
    resp3: Upstream,
    /// For what the proxy does in the background, so that no client waits behind it, nor it for clients.
    background: Dedicated,
}

/// Connections for what is done in the background: word of flushes, a sweep, and what that needs beside it.
const BACKGROUND: usize = 3;

impl Tier {
    fn start(
        server: &UpstreamConfig,
        config: &ProxyConfig,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Self {
        let start = |protocol| {
            let server = Arc::new(UpstreamConfig { protocol, ..server.clone() });
            Upstream {
                shared: Shared::start(Arc::clone(&server), tasks, stop.clone()),
                private: Dedicated::new(server, config.max_private, config.max_private_idle),
            }
        };
        let background = Arc::new(UpstreamConfig { protocol: upstream::Protocol::Resp2, ..server.clone() });
        Self {
            resp2: start(upstream::Protocol::Resp2),
            resp3: start(upstream::Protocol::Resp3),
            background: Dedicated::new(background, BACKGROUND, 1),
        }
    }

    pub(crate) const fn speaking(&self, protocol: Protocol) -> &Upstream {
        match protocol {
            Protocol::Resp2 => &self.resp2,
            Protocol::Resp3 => &self.resp3,
        }
    }

    /// The connection on which the proxy listens.
    pub(crate) async fn listen(&self) -> Result<Private, UpstreamError> {
        self.background.acquire().await
    }

    /// Whether it is there, now and from now on.
    pub(crate) fn watch(&self) -> tokio::sync::watch::Receiver<bool> {
        self.resp2.shared.watch()
    }

    pub(crate) const fn background(&self) -> &Dedicated {
        &self.background
    }

    /// For what the proxy itself asks.
    pub(crate) async fn ask(&self, requests: Bytes, replies: NonZeroUsize) -> Result<Replies, UpstreamError> {
        self.resp2.shared.exchange(requests, replies).await
    }
}

/// All of them. Its connections belong to the runtime that started them.
#[derive(Clone, Debug)]
pub(crate) struct Upstreams {
    local: Tier,
    global: Option<Tier>,
}

impl Upstreams {
    pub(crate) fn start(
        servers: &Servers,
        config: &ProxyConfig,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Self {
        let start = |server: &Arc<UpstreamConfig>| Tier::start(server, config, tasks, stop);
        Self { local: start(&servers.local), global: servers.global.as_ref().map(start) }
    }

    pub(crate) const fn tier(&self, tier: CacheTier) -> Option<&Tier> {
        match tier {
            CacheTier::Local => Some(&self.local),
            CacheTier::Global => self.global.as_ref(),
        }
    }
}

//! The cache of the standalone server: a `redis-server` that only its proxy can reach, and the proxy, which actions reach.

mod child;
mod server;

pub use child::run_if_requested;

use std::sync::Arc;
use std::time::Duration;

use oxwhisk_cache_proxy::{InProcess, Proxy, ProxySource, Servers};
use oxwhisk_invoker::config::CacheAccess;
use oxwhisk_sandbox::SandboxFactory;
use oxwhisk_service::Shutdown;

use crate::config::CacheConfig;
use server::PrivateRedis;

/// A token is made within microseconds; this is for a machine that stands still.
const ISSUE_WITHIN: Duration = Duration::from_secs(1);

/// What runs of it.
#[derive(Debug)]
pub(crate) struct Cache {
    proxy: Option<Proxy>,
    source: Arc<ProxySource>,
    redis: PrivateRedis,
    url: String,
}

/// Why there is none. The server goes on without.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoCache {
    #[error("it is switched off (oxwhisk.cache.enabled)")]
    Off,
    #[error("there is no redis-server here (Debian package redis-server)")]
    NotInstalled,
    #[error("actions have no network on this machine by which they could reach it")]
    NoNetwork,
    #[error("cannot listen on port {port} for actions: {error}")]
    Port { port: u16, error: std::io::Error },
    #[error("cannot start redis-server: {0}")]
    Redis(std::io::Error),
    #[error("cannot start its proxy: {0}")]
    Proxy(std::io::Error),
}

impl Cache {
    /// Starts it for the actions of `sandbox`, which lets them reach its port.
    pub(crate) async fn start(
        config: &CacheConfig,
        sandbox: &SandboxFactory,
        tasks: &Shutdown,
    ) -> Result<Self, NoCache> {
        if !config.enabled {
            return Err(NoCache::Off);
        }
        let listener = sandbox.listener(config.port).await.ok_or(NoCache::NoNetwork)?;
        let listener = listener.map_err(|error| NoCache::Port { port: config.port, error })?;
        let address = listener.local_addr().map_err(NoCache::Proxy)?;
        let redis = PrivateRedis::start(config, tasks).await?;
        let servers = Servers { local: Arc::new(redis.upstream()), global: Some(Arc::new(redis.upstream())) };
        let proxy = Proxy::start(config.proxy, &servers, &[listener.into()], 1).map_err(NoCache::Proxy)?;
        let source = Arc::new(ProxySource::new(&proxy));
        Ok(Self { proxy: Some(proxy), source, redis, url: format!("redis://{address}") })
    }

    /// How the invoker's activations come by it.
    pub(crate) fn access(&self) -> Option<CacheAccess> {
        let tokens = Arc::new(InProcess::new(self.proxy.as_ref()?));
        Some(CacheAccess { tokens, url: self.url.clone(), timeout: ISSUE_WITHIN })
    }

    /// Where actions reach it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn metrics(&self) -> Arc<ProxySource> {
        self.source.clone()
    }

    /// Ends it: clients first.
    pub(crate) async fn stop(&mut self) {
        if let Some(proxy) = self.proxy.take()
            && tokio::task::spawn_blocking(|| proxy.stop()).await.is_err()
        {
            tracing::error!("the cache's proxy could not be stopped");
        }
        self.redis.stop().await;
    }
}

//! The cache-proxy of this node.

use std::time::Duration;

use oxwhisk_config::Settings;
use oxwhisk_grpc::Address;
use oxwhisk_grpc::settings::SecuritySettings;

use super::Containers;

const PROXY: &str = "oxwhisk.cache.proxy";
const URL: &str = "oxwhisk.cache.url";
const PORT: &str = "oxwhisk.cache.port";
const TIMEOUT: &str = "oxwhisk.cache.issue-timeout";

/// Where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheSettings {
    /// For tokens, by gRPC.
    pub proxy: Address,
    pub at: CacheAt,
    /// For one token.
    pub timeout: Duration,
}

/// Where containers reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheAt {
    /// At this port of whatever address of this machine they see.
    Gateway(u16),
    /// At a URL, `redis://host:port`.
    Url(String),
}

/// Reads it; `None`: actions have no cache here. `security` is that of the invoker's own gRPC.
pub(super) fn read(
    settings: &mut Settings,
    containers: Option<&Containers>,
    security: &SecuritySettings,
) -> Option<CacheSettings> {
    let proxy: Option<Address> = settings.optional(PROXY);
    let url: Option<String> = settings.optional(URL);
    let port = settings.value(PORT, 6380);
    let timeout = settings.value(TIMEOUT, Duration::from_millis(500));
    let proxy = proxy?;
    if let Err(fault) = security.check(&proxy) {
        settings.fault(PROXY, fault);
    }
    let at = match (url, containers) {
        (Some(url), _) if url.starts_with("redis://") || url.starts_with("rediss://") => CacheAt::Url(url),
        (Some(url), _) => {
            settings.fault(URL, format!("'{url}' is not 'redis://host:port'"));
            return None;
        }
        (None, Some(Containers::Sandbox(_)) | None) => CacheAt::Gateway(port),
        #[cfg(feature = "docker")]
        (None, Some(Containers::Docker(_))) => {
            settings.fault(URL, "is not set: where containers reach the cache-proxy, redis://host:port");
            return None;
        }
    };
    Some(CacheSettings { proxy, at, timeout })
}

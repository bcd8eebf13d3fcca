//! The cache.

use oxwhisk_cache_proxy::ProxyConfig;
use oxwhisk_config::Settings;
use oxwhisk_core::size::ByteSize;

const MEMORY: &str = "oxwhisk.cache.memory";
/// Redis takes a megabyte for itself.
const LEAST: ByteSize = ByteSize::mb(8);

#[derive(Clone, Debug)]
pub struct CacheConfig {
    /// Whether there is one, if there can be.
    pub enabled: bool,
    /// At which actions reach it.
    pub port: u16,
    /// Bytes that `redis-server` may have.
    pub memory: u64,
    pub proxy: ProxyConfig,
}

pub(super) fn read(settings: &mut Settings) -> CacheConfig {
    let memory = settings.value(MEMORY, ByteSize::mb(256));
    if memory < LEAST {
        settings.fault(MEMORY, format!("must be at least {LEAST}"));
    }
    CacheConfig {
        enabled: settings.value("oxwhisk.cache.enabled", true),
        port: settings.value("oxwhisk.cache.port", 6380),
        memory: memory.as_bytes(),
        proxy: oxwhisk_cache_proxy::settings::read(settings),
    }
}

//! How activations come by the cache: tokens from the node's proxy.

use std::sync::Arc;

use oxwhisk_cache_remote::client::RemoteTokens;
use oxwhisk_core::id::InvokerId;
use oxwhisk_grpc::{ChannelOptions, Expected, Role, TlsSource, Trust, channel};
use oxwhisk_invoker::config::CacheAccess;
use oxwhisk_service::Shutdown;
use oxwhisk_settings::{Exit, Refusal};

use crate::config::CacheSettings;

/// Whoever serves the cache-proxy's address has to be one; on a unix socket the file's owner is trusted. `url` is what actions
/// are told.
///
/// # Errors
/// When there can be no channel to it.
pub(crate) fn access(
    settings: &CacheSettings,
    invoker: InvokerId,
    tls: Option<&Arc<TlsSource>>,
    url: String,
    tasks: &Shutdown,
) -> Result<CacheAccess, Refusal> {
    let trust = match tls {
        Some(tls) => Trust::MutualTls { tls: Arc::clone(tls), expected: Expected::Role(Role::CacheProxy) },
        // Whether that was admitted was asked when the settings were read.
        None => Trust::Plaintext { insecure: true },
    };
    let channel = channel::connect(settings.proxy.clone(), trust, &ChannelOptions::default())
        .map_err(|error| Refusal::new(Exit::Config, error))?;
    let tokens = RemoteTokens::new(channel, invoker, settings.timeout);
    tasks.spawn("cache tokens", Arc::clone(&tokens).run(tasks.token()));
    Ok(CacheAccess { tokens, url, timeout: settings.timeout })
}

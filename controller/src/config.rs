//! What a controller is told at its start.

use std::sync::Arc;
use std::time::Duration;

use oxwhisk_core::limits::{SystemLimits, UserLimits};
use oxwhisk_core::manifest::Manifest;

#[derive(Clone, Debug)]
pub struct ControllerConfig {
    pub limits: SystemLimits,
    /// For namespaces that set no limits themselves.
    pub namespace_defaults: UserLimits,
    pub manifest: Arc<Manifest>,
    /// Largest request body in bytes, whatever it is for.
    pub max_request: u64,
    /// How long identities and entities are believed without looking again.
    pub cache_ttl: Duration,
    pub info: ApiInfo,
}

/// What `GET /api/v1` says about the build.
#[derive(Clone, Debug)]
pub struct ApiInfo {
    /// When it was built, RFC 3339.
    pub build: String,
    pub build_number: String,
}

impl ControllerConfig {
    /// Defaults for everything but the manifest.
    #[must_use]
    pub fn new(manifest: Arc<Manifest>, info: ApiInfo) -> Self {
        Self {
            limits: SystemLimits::default(),
            namespace_defaults: UserLimits::default(),
            manifest,
            max_request: 50 * 1024 * 1024,
            cache_ttl: Duration::from_secs(300),
            info,
        }
    }
}

//! What a controller is told at its start.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use oxwhisk_core::delivery::Delivery;
use oxwhisk_core::entity::StoreLevel;
use oxwhisk_core::limits::{SystemLimits, UserLimits};
use oxwhisk_core::manifest::Manifest;
use oxwhisk_invoker_api::StorePolicy;

use crate::entities::ParameterCiphers;
use crate::invoke::HealthyShare;
use crate::sharing::Sharing;
use crate::telemetry::Telemetry;

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
    /// How parameters of actions are encrypted in the store.
    pub parameters: ParameterCiphers,
    pub storing: Storing,
    pub features: FeatureFlags,
    /// The header of a transaction's id, in requests and answers.
    pub transaction_header: TransactionHeader,
    pub telemetry: Telemetry,
    /// What actions promise that say nothing themselves.
    pub delivery: Delivery,
    /// How many invokers have to be healthy for `GET /invokers/ready`.
    pub healthy_share: HealthyShare,
    /// Whether other controllers change the same entities.
    pub sharing: Sharing,
}

/// Which activation records are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Storing {
    /// For invocations whose client asked to wait for the result.
    pub blocking: StoreLevel,
    pub non_blocking: StoreLevel,
    /// Log a line for each record that is not kept.
    pub log_unstored: bool,
}

impl Storing {
    /// What holds for one activation. Asking for extra logging keeps the record, even in a namespace that keeps none.
    #[must_use]
    pub fn policy(&self, blocking: bool, namespace_stores: bool, extra_logging: bool) -> StorePolicy {
        let level = match (extra_logging, namespace_stores) {
            (true, _) => Some(StoreLevel::Always),
            (false, true) if blocking => Some(self.blocking),
            (false, true) => Some(self.non_blocking),
            (false, false) => None,
        };
        StorePolicy { level, log_unstored: self.log_unstored }
    }
}

/// What deployments may switch off for the sake of old clients and actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureFlags {
    /// New actions are annotated `provide-api-key: false` where their author says nothing.
    pub require_api_key_annotation: bool,
    /// `PUT` and `DELETE` answer the entity.
    pub require_response_payload: bool,
}

impl Default for FeatureFlags {
    fn default() -> Self {
        Self { require_api_key_annotation: true, require_response_payload: true }
    }
}

/// The name of the header that carries a transaction's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionHeader(HeaderName);

/// Headers with a meaning of their own, to which or from which an id would do harm.
const TAKEN_HEADERS: [&str; 9] = [
    "accept",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "date",
    "host",
    "transfer-encoding",
    "x-openwhisk-activation-id",
];

impl TransactionHeader {
    /// # Errors
    /// A text for people when this cannot be the name of that header.
    pub fn parse(text: &str) -> Result<Self, String> {
        let name: HeaderName = text.parse().map_err(|_| format!("'{text}' is not the name of a header"))?;
        if TAKEN_HEADERS.contains(&name.as_str()) {
            return Err(format!("'{text}' has another meaning"));
        }
        Ok(Self(name))
    }

    pub(crate) fn name(&self) -> &HeaderName {
        &self.0
    }
}

impl Default for TransactionHeader {
    fn default() -> Self {
        Self(HeaderName::from_static("x-request-id"))
    }
}

/// As it is on the wire, in small letters.
impl std::fmt::Display for TransactionHeader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_str())
    }
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
            parameters: ParameterCiphers::default(),
            storing: Storing::default(),
            features: FeatureFlags::default(),
            transaction_header: TransactionHeader::default(),
            telemetry: Telemetry::default(),
            delivery: Delivery::default(),
            healthy_share: HealthyShare::ALL,
            sharing: Sharing::alone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_that_of_the_way_it_was_invoked() {
        let storing = Storing {
            blocking: StoreLevel::Failures,
            non_blocking: StoreLevel::FailuresNotApplicationErrors,
            log_unstored: true,
        };
        let level = |blocking, namespace, extra| storing.policy(blocking, namespace, extra).level;
        assert_eq!(level(true, true, false), Some(StoreLevel::Failures));
        assert_eq!(level(false, true, false), Some(StoreLevel::FailuresNotApplicationErrors));
        assert_eq!(level(true, false, false), None);
        for (blocking, namespace) in [(true, true), (true, false), (false, true), (false, false)] {
            assert_eq!(level(blocking, namespace, true), Some(StoreLevel::Always));
        }
        assert!(storing.policy(true, true, false).log_unstored);
    }

    #[test]
    fn a_transaction_header_does_not_take_anothers_place() {
        assert_eq!(TransactionHeader::parse("X-My-Id").unwrap().to_string(), "x-my-id");
        assert_eq!(TransactionHeader::parse("X My").unwrap_err(), "'X My' is not the name of a header");
        assert_eq!(
            TransactionHeader::parse("Authorization").unwrap_err(),
            "'Authorization' has another meaning"
        );
        assert!(TAKEN_HEADERS.iter().all(|taken| TransactionHeader::parse(taken).is_err()));
    }
}

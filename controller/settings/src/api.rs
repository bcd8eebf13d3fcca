//! What the API does differently where a deployment asks for it.

use oxwhisk_config::{Setting, Settings, setting};
use oxwhisk_controller::{FeatureFlags, HealthyShare, TransactionHeader};
use oxwhisk_settings::FractionSetting;

struct Header(TransactionHeader);

impl Setting for Header {
    fn read(text: &str) -> Result<Self, String> {
        TransactionHeader::parse(text).map(Self)
    }

    fn literal(&self) -> String {
        setting::quoted(&self.0.to_string())
    }
}

pub(super) fn read_features(settings: &mut Settings) -> FeatureFlags {
    let default = FeatureFlags::default();
    FeatureFlags {
        require_api_key_annotation: settings
            .value("whisk.feature-flags.require-api-key-annotation", default.require_api_key_annotation),
        require_response_payload: settings
            .value("whisk.feature-flags.require-response-payload", default.require_response_payload),
    }
}

/// The header of a transaction's id.
pub(super) fn read_transaction_header(settings: &mut Settings) -> TransactionHeader {
    settings.value("whisk.transactions.header", Header(TransactionHeader::default())).0
}

/// How many invokers have to be healthy for `GET /invokers/ready` to say so.
pub(super) fn read_healthy_share(settings: &mut Settings) -> HealthyShare {
    let FractionSetting(part) = settings.value("whisk.controller.readiness-fraction", FractionSetting(1.0));
    HealthyShare::new(part).unwrap_or(HealthyShare::ALL)
}

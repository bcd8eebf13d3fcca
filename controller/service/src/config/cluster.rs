//! How work is given to invokers.

use std::time::Duration;

use oxwhisk_config::Settings;
use oxwhisk_loadbalancer::PoolFractions;
use oxwhisk_loadbalancer::fleet::FleetConfig;
use oxwhisk_settings::FractionSetting;

const ATTEMPTS: &str = "oxwhisk.dispatch.max-attempts";
const MANAGED: &str = "whisk.fraction.managed-fraction";
const BLACKBOX: &str = "whisk.fraction.blackbox-fraction";

#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// How often an activation may begin before it is a dead letter.
    pub max_attempts: u32,
    pub fleet: FleetConfig,
    /// How long cached copies are believed while nobody tells of changes.
    pub unheard_ttl: Duration,
}

pub(super) fn read(settings: &mut Settings) -> ClusterConfig {
    let max_attempts = settings.value(ATTEMPTS, 3);
    if max_attempts == 0 {
        settings.fault(ATTEMPTS, "must be at least 1");
    }
    let default = FleetConfig::default();
    let pools = PoolFractions {
        managed: settings.value(MANAGED, FractionSetting(default.pools.managed)).0,
        blackbox: settings.value(BLACKBOX, FractionSetting(default.pools.blackbox)).0,
    };
    let fleet = FleetConfig {
        pools,
        offline_after: settings.value("oxwhisk.invokers.offline-after", default.offline_after),
        test_interval: settings.value("oxwhisk.invokers.test-interval", default.test_interval),
        max_invokers: settings.value("oxwhisk.invokers.max", default.max_invokers),
    };
    ClusterConfig {
        max_attempts,
        fleet,
        unheard_ttl: settings.value("oxwhisk.entity-cache.unheard-ttl", Duration::from_secs(1)),
    }
}

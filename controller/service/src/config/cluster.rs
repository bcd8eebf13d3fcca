//! How work is given to invokers.

use std::time::Duration;

use oxwhisk_config::{Setting, Settings, setting};
use oxwhisk_loadbalancer::PoolFractions;
use oxwhisk_loadbalancer::fleet::FleetConfig;

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

/// A part of a whole: `90%` or `0.9`.
struct Fraction(f64);

impl Setting for Fraction {
    fn read(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not a part of the fleet: '90%' or '0.9'");
        let (number, whole) = match text.trim().strip_suffix('%') {
            Some(number) => (number, 100.0),
            None => (text, 1.0),
        };
        let part = number.trim().parse::<f64>().map_err(|_| wrong())? / whole;
        if (0.0..=1.0).contains(&part) { Ok(Self(part)) } else { Err(wrong()) }
    }

    fn literal(&self) -> String {
        setting::quoted(&format!("{}%", (self.0 * 10_000.0).round() / 100.0))
    }
}

pub(super) fn read(settings: &mut Settings) -> ClusterConfig {
    let max_attempts = settings.value(ATTEMPTS, 3);
    if max_attempts == 0 {
        settings.fault(ATTEMPTS, "must be at least 1");
    }
    let default = FleetConfig::default();
    let pools = PoolFractions {
        managed: settings.value(MANAGED, Fraction(default.pools.managed)).0,
        blackbox: settings.value(BLACKBOX, Fraction(default.pools.blackbox)).0,
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
        unheard_ttl: settings.value("oxwhisk.cache.unheard-ttl", Duration::from_secs(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_read_as_openwhisk_writes_them() {
        for (text, part) in [("90%", 0.9), ("0.9", 0.9), (" 10 % ", 0.1), ("0", 0.0), ("1", 1.0)] {
            assert!((Fraction::read(text).map(|read| read.0).unwrap() - part).abs() < 1e-9, "{text}");
        }
        for text in ["", "x", "101%", "-0.1", "90", "NaN"] {
            assert!(Fraction::read(text).is_err(), "{text}");
        }
        assert_eq!(Fraction(0.9).literal(), "\"90%\"");
    }
}

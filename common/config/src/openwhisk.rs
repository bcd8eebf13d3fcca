//! Names that OpenWhisk gave to settings, as data.

/// Flat environment variables from before `CONFIG_whisk_*`, and the keys they set.
pub const LEGACY_VARIABLES: &[(&str, &str)] = &[
    ("LIMITS_ACTIONS_INVOKES_PERMINUTE", "whisk.config.limits-actions-invokes-per-minute"),
    ("LIMITS_ACTIONS_INVOKES_CONCURRENT", "whisk.config.limits-actions-invokes-concurrent"),
    ("LIMITS_TRIGGERS_FIRES_PERMINUTE", "whisk.config.limits-triggers-fires-per-minute"),
    ("LIMITS_ACTIONS_SEQUENCE_MAXLENGTH", "whisk.config.limits-actions-sequence-max-length"),
    ("RUNTIMES_MANIFEST", "whisk.config.runtimes-manifest"),
    ("WHISK_API_HOST_PROTO", "whisk.config.whisk-api-host-proto"),
    ("WHISK_API_HOST_NAME", "whisk.config.whisk-api-host-name"),
    ("WHISK_API_HOST_PORT", "whisk.config.whisk-api-host-port"),
];

/// Variables that start like this are meant for OpenWhisk, so one that is not in [`LEGACY_VARIABLES`] is a typo.
pub const LEGACY_PREFIXES: &[&str] = &["LIMITS_ACTIONS_", "LIMITS_TRIGGERS_"];

/// First parts of `CONFIG_*` names by which OpenWhisk passes settings on to libraries of its own (its HTTP server,
/// metrics, log writer). They cannot mean anything here.
pub const LIBRARY_ROOTS: &[&str] = &["akka", "pekko", "kamon", "logback"];

/// Keys OpenWhisk knows. One that a service does not read is accepted with a warning, so that an existing
/// environment or file needs no editing. `.*` stands for everything below; where a service here shares a table with
/// OpenWhisk, keys are listed one by one, so that a typo in that table is still found.
pub const KNOWN_KEYS: &[&str] = &[
    "whisk.activation-store.*",
    "whisk.activation.disable-store-result",
    "whisk.activation.payload.max",
    "whisk.activation.payload.truncation",
    "whisk.activation.serdes-overhead",
    "whisk.activation.store-blocking-result-level",
    "whisk.activation.store-non-blocking-result-level",
    "whisk.activation.unstored-logs-enabled",
    "whisk.azure-blob.*",
    "whisk.blacklist.*",
    "whisk.cluster.*",
    "whisk.concurrency-limit.max",
    "whisk.concurrency-limit.min",
    "whisk.concurrency-limit.std",
    "whisk.config.controller-instances",
    "whisk.config.limits-actions-invokes-concurrent",
    "whisk.config.limits-actions-invokes-per-minute",
    "whisk.config.limits-actions-sequence-max-length",
    "whisk.config.limits-triggers-fires-per-minute",
    "whisk.config.runtimes-manifest",
    "whisk.config.whisk-api-host-name",
    "whisk.config.whisk-api-host-port",
    "whisk.config.whisk-api-host-proto",
    "whisk.container-factory.*",
    "whisk.container-pool.batch-deletion-size",
    "whisk.container-pool.concurrent-peek-factor",
    "whisk.container-pool.memory-sync-interval",
    "whisk.container-pool.pekko-client",
    "whisk.container-pool.akka-client",
    "whisk.container-pool.prewarm-expiration-check-init-delay",
    "whisk.container-pool.prewarm-expiration-check-interval",
    "whisk.container-pool.prewarm-expiration-check-interval-variance",
    "whisk.container-pool.prewarm-expiration-limit",
    "whisk.container-pool.prewarm-max-retry-limit",
    "whisk.container-pool.prewarm-promotion",
    "whisk.container-pool.user-cpus",
    "whisk.container-pool.user-memory",
    "whisk.container-proxy.action-health-check.*",
    "whisk.container-proxy.log-activation-errors.*",
    "whisk.container-proxy.timeouts.idle-container",
    "whisk.container-proxy.timeouts.keeping-duration",
    "whisk.container-proxy.timeouts.pause-grace",
    "whisk.controller.activation.max-wait-for-blocking-activation",
    "whisk.controller.activation.polling-from-db",
    "whisk.controller.interface",
    "whisk.controller.password",
    "whisk.controller.protocol",
    "whisk.controller.readiness-fraction",
    "whisk.controller.username",
    "whisk.cosmosdb.*",
    "whisk.couchdb.*",
    "whisk.db.*",
    "whisk.docker.*",
    "whisk.etcd.*",
    "whisk.exec-size-limit",
    "whisk.feature-flags.*",
    "whisk.fraction.*",
    "whisk.info.*",
    "whisk.invoker.*",
    "whisk.kafka.*",
    "whisk.kubernetes.*",
    "whisk.loadbalancer.*",
    "whisk.log-limit.max",
    "whisk.log-limit.min",
    "whisk.log-limit.std",
    "whisk.logstore.*",
    "whisk.memory.max",
    "whisk.memory.min",
    "whisk.memory.std",
    "whisk.mesos.*",
    "whisk.metrics.*",
    "whisk.namespace-default-limit.*",
    "whisk.parameter-size-limit",
    "whisk.parameter-storage.*",
    "whisk.query-limit.default-list-limit",
    "whisk.query-limit.max-list-limit",
    "whisk.runtime.delete.timeout",
    "whisk.runtimes.*",
    "whisk.s3.*",
    "whisk.scheduler.*",
    "whisk.shared-packages-execute-only",
    "whisk.spi.*",
    "whisk.standalone.*",
    "whisk.swagger-ui.*",
    "whisk.time-limit.max",
    "whisk.time-limit.min",
    "whisk.time-limit.std",
    "whisk.tracing.*",
    "whisk.transactions.*",
    "whisk.user-events.*",
    "whisk.users.*",
    "whisk.yarn.*",
];

/// Whether `key` is one of [`KNOWN_KEYS`].
#[must_use]
pub fn knows(key: &str) -> bool {
    KNOWN_KEYS.iter().any(|known| match known.strip_suffix('*') {
        Some(table) => key.len() > table.len() && key.starts_with(table),
        None => key == *known,
    })
}

/// The key a legacy variable sets.
#[must_use]
pub fn key_of_legacy(variable: &str) -> Option<&'static str> {
    LEGACY_VARIABLES.iter().find(|(name, _)| *name == variable).map(|(_, key)| *key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legacy_variables_set_keys_that_openwhisk_knows() {
        for (variable, key) in LEGACY_VARIABLES {
            assert!(knows(key), "{variable} sets {key}");
            assert_eq!(key_of_legacy(variable), Some(*key));
        }
    }

    #[test]
    fn whole_tables_are_known_by_what_is_below_them() {
        assert!(knows("whisk.kafka.producer.acks") && knows("whisk.exec-size-limit"));
        assert!(!knows("whisk.kafka") && !knows("whisk.kafka.") && !knows("whisk.time-limit.most"));
    }
}

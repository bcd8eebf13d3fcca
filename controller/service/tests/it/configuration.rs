//! What each setting does to the configuration of a controller.

use std::time::Duration;

use oxwhisk_controller_service::config::{ServiceConfig, VARIABLES};
use oxwhisk_core::delivery::Delivery;

use crate::given::Given;

#[test]
fn defaults_are_those_of_openwhisks_controllers() {
    let start = Given::new().start(&[], &[]);
    let config = &start.config;
    assert_eq!(config.name, "controller0");
    assert_eq!(config.listen.to_string(), "0.0.0.0:10001");
    assert_eq!(config.grpc.listen.to_string(), "127.0.0.1:9090");
    assert_eq!(config.ops.listen.to_string(), "127.0.0.1:8081");
    assert_eq!(config.couchdb.url(), "http://localhost:5984");
    assert_eq!((config.cluster.max_attempts, config.controller.delivery), (3, Delivery::AtLeastOnce));
    assert_eq!(config.shutdown_grace, Duration::from_secs(60));
    // Nobody is enrolled who is not configured, least of all with a published key.
    assert_eq!(config.users.iter().count(), 0);
    assert_eq!(start.warnings, Vec::<String>::new());
}

/// A variable with a value of its own, how it shows in the configuration, and what it shows.
type Row = (&'static str, &'static str, fn(&ServiceConfig) -> String, &'static str);

const ROWS: &[Row] = &[
    (
        "CONFIG_oxwhisk_tracing_endpoint",
        "http://collector:4317",
        |c| format!("{:?}", c.telemetry.collector.as_ref().map(|collector| &collector.endpoint)),
        "Some(\"http://collector:4317\")",
    ),
    ("CONFIG_whisk_userEvents_enabled", "true", |c| c.telemetry.events.published.to_string(), "true"),
    ("CONFIG_whisk_metrics_prometheusEnabled", "true", |c| c.telemetry.metrics_on_api.to_string(), "true"),
    ("CONFIG_oxwhisk_metrics_actions", "14", |c| c.telemetry.events.actions.to_string(), "14"),
    ("CONTROLLER_NAME", "left", |c| c.name.clone(), "left"),
    ("CONFIG_oxwhisk_controller_id", "7", |c| c.kafka.instance.clone(), "controller7"),
    ("PORT", "8080", |c| c.listen.port().to_string(), "8080"),
    ("CONFIG_whisk_controller_interface", "localhost", |c| c.listen.ip().to_string(), "127.0.0.1"),
    ("CONFIG_oxwhisk_grpc_listen", "127.0.0.1:7", |c| c.grpc.listen.to_string(), "127.0.0.1:7"),
    (
        "CONFIG_oxwhisk_grpc_advertise",
        "c0:7",
        |c| format!("{:?}", c.grpc.advertise.as_ref().map(ToString::to_string)),
        "Some(\"c0:7\")",
    ),
    ("CONFIG_oxwhisk_ops_listen", "127.0.0.1:9", |c| c.ops.listen.to_string(), "127.0.0.1:9"),
    ("KAFKA_HOSTS", "a:1,b:2", |c| c.kafka.hosts.clone(), "a:1,b:2"),
    ("CONFIG_whisk_kafka_topics_prefix", "p.", |c| c.kafka.prefix.clone(), "p."),
    ("CONFIG_whisk_kafka_replicationFactor", "1", |c| c.kafka.topics.replication.to_string(), "1"),
    ("DB_PROVIDER", "Cloudant", |_| "Cloudant".to_owned(), "Cloudant"),
    ("DB_PROTOCOL", "https", |c| c.couchdb.protocol.to_string(), "https"),
    ("DB_HOST", "couch", |c| c.couchdb.host.clone(), "couch"),
    ("DB_PORT", "6984", |c| c.couchdb.port.to_string(), "6984"),
    ("DB_WHISK_ACTIONS", "w", |c| c.couchdb.databases.entities.clone(), "w"),
    ("DB_WHISK_ACTIVATIONS", "a", |c| c.couchdb.databases.activations.clone(), "a"),
    ("DB_WHISK_AUTHS", "s", |c| c.couchdb.databases.subjects.clone(), "s"),
    ("CONFIG_oxwhisk_couchdb_create", "true", |c| c.couchdb.create.to_string(), "true"),
    ("CONFIG_oxwhisk_dispatch_maxAttempts", "5", |c| c.cluster.max_attempts.to_string(), "5"),
    (
        "CONFIG_oxwhisk_dispatch_delivery",
        "at-most-once",
        |c| format!("{:?}", c.controller.delivery),
        "AtMostOnce",
    ),
    (
        "CONFIG_whisk_controller_readinessFraction",
        "60%",
        |c| format!("{:?} {}", c.ready_with.map(|share| share.to_string()), c.controller.healthy_share),
        "None 60%",
    ),
    (
        "CONFIG_oxwhisk_invokers_readyFraction",
        "50%",
        |c| format!("{:?} {}", c.ready_with.map(|share| share.to_string()), c.controller.healthy_share),
        "Some(\"50%\") 100%",
    ),
    ("CONFIG_whisk_fraction_managedFraction", "80%", |c| c.cluster.fleet.pools.managed.to_string(), "0.8"),
    ("CONFIG_whisk_fraction_blackboxFraction", "0.2", |c| c.cluster.fleet.pools.blackbox.to_string(), "0.2"),
    ("CONFIG_oxwhisk_invokers_offlineAfter", "3 s", |c| format!("{:?}", c.cluster.fleet.offline_after), "3s"),
    ("CONFIG_oxwhisk_invokers_testInterval", "4 s", |c| format!("{:?}", c.cluster.fleet.test_interval), "4s"),
    ("CONFIG_oxwhisk_invokers_max", "9", |c| c.cluster.fleet.max_invokers.to_string(), "9"),
    (
        "CONFIG_oxwhisk_cache_default",
        "package",
        |c| format!("{:?}", c.controller.namespace_defaults.cache_default),
        "Some(Scope(Package))",
    ),
    ("CONFIG_oxwhisk_entityCache_unheardTtl", "2 s", |c| format!("{:?}", c.cluster.unheard_ttl), "2s"),
    ("CONFIG_oxwhisk_shutdownGrace", "3 s", |c| format!("{:?}", c.shutdown_grace), "3s"),
    ("CONFIG_whisk_memory_max", "2g", |c| c.controller.limits.memory.max.to_string(), "2 GB"),
    (
        "LIMITS_ACTIONS_INVOKES_PERMINUTE",
        "71",
        |c| c.controller.limits.invocations_per_minute.to_string(),
        "71",
    ),
    (
        "CONFIG_whisk_transactions_header",
        "X-My-Id",
        |c| c.controller.transaction_header.to_string(),
        "x-my-id",
    ),
    ("CONFIG_oxwhisk_log_level", "warn", |c| c.log.filter.clone(), "warn"),
];

#[test]
fn each_variable_reaches_its_place() {
    let given = Given::new();
    for (variable, value, show, expected) in ROWS {
        let shown = show(&given.start(&[], &[(variable, value)]).config);
        assert_eq!(shown, *expected, "{variable}={value}");
        let without = show(&given.start(&[], &[]).config);
        assert!(without != shown || *variable == "DB_PROVIDER", "{variable} has no effect");
    }
}

#[test]
fn no_flat_variable_is_forgotten() {
    let tested = |name: &str| ROWS.iter().any(|(variable, ..)| *variable == name);
    let untested: Vec<&str> = VARIABLES.iter().map(|(name, _)| *name).filter(|name| !tested(name)).collect();
    // One without the other is a fault; the dump's test has both.
    assert_eq!(untested, ["DB_USERNAME", "DB_PASSWORD"]);
}

#[test]
fn two_names_of_one_setting_must_agree() {
    let given = Given::new();
    let both = [("KAFKA_HOSTS", "a:1"), ("CONFIG_whisk_kafka_hosts", "b:1")];
    let refusal = given.refused(&[], &both).to_string();
    assert!(refusal.contains("sets the same as"), "{refusal}");
}

#[test]
fn values_nothing_could_work_with_are_refused() {
    let given = Given::new();
    for (variable, value, reason) in [
        ("CONTROLLER_NAME", "Controller_0", "is not a name"),
        ("PORT", "http", "not a whole number"),
        ("CONFIG_oxwhisk_grpc_listen", "here", "is not an address"),
        ("CONFIG_oxwhisk_dispatch_maxAttempts", "0", "must be at least 1"),
        ("CONFIG_oxwhisk_dispatch_delivery", "exactly-once", "neither 'at-least-once' nor"),
        ("CONFIG_oxwhisk_cache_default", "all", "'all' is neither 'true', 'false', 'action'"),
        ("CONFIG_whisk_controller_readinessFraction", "all", "not a part of the fleet"),
        ("CONFIG_whisk_fraction_managedFraction", "110%", "not a part of the fleet"),
        ("DB_PROTOCOL", "ftp", "neither 'http' nor 'https'"),
    ] {
        let refusal = given.refused(&[], &[(variable, value)]).to_string();
        assert!(refusal.contains(reason) && refusal.contains(variable), "{variable}: {refusal}");
    }
}

#[test]
fn users_are_enrolled_as_configured() {
    let given = Given::new();
    let key = format!("00000001-0000-0000-0000-000000000000:{}", "k".repeat(64));
    let config = given.start(&[], &[("CONFIG_whisk_users_guest", &key)]).config;
    let namespaces: Vec<String> = config.users.iter().map(|user| user.namespace.to_string()).collect();
    assert_eq!(namespaces, ["guest"]);
}

#[test]
fn what_openwhisk_knows_and_we_do_not_need_is_a_warning() {
    let warnings = Given::new().start(&[], &[("CONFIG_whisk_controller_protocol", "http")]).warnings;
    assert!(warnings.len() == 1 && warnings[0].contains("has no effect here"), "{warnings:?}");
}

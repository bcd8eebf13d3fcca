//! What each setting does to the configuration of the server.

use std::path::Path;
use std::time::Duration;

use oxwhisk_config::openwhisk::LEGACY_VARIABLES;
use oxwhisk_service::LogFormat;
use oxwhisk_standalone::config::StandaloneConfig;

use crate::{file, refused, start};

#[test]
fn defaults_are_those_of_openwhisks_standalone_server() {
    let start = start(&[], &[]);
    let config = &start.config;
    assert_eq!(config.listen.to_string(), "127.0.0.1:3233");
    assert_eq!(config.data_dir, Path::new("/home/me/.openwhisk/standalone/server-3233"));
    let limits = &config.controller.limits;
    assert_eq!(
        (limits.invocations_per_minute, limits.fires_per_minute, limits.concurrent_invocations),
        (60, 60, 30)
    );
    assert_eq!(config.invoker.user_memory, 4096);
    assert_eq!(config.shutdown_grace, Duration::from_secs(60));
    let namespaces: Vec<String> = config.users.iter().map(|user| user.namespace.to_string()).collect();
    assert_eq!(namespaces, ["guest", "whisk.system"]);
    assert_eq!(start.warnings, Vec::<String>::new());
}

/// Every variable with a value of its own, and how it shows in the configuration.
type Row = (&'static str, &'static str, fn(&StandaloneConfig) -> String);

const ROWS: &[Row] = &[
    ("CONFIG_whisk_timeLimit_min", "10 ms", |c| c.controller.limits.time.min.to_string()),
    ("CONFIG_whisk_timeLimit_std", "30s", |c| c.controller.limits.time.std.to_string()),
    ("CONFIG_whisk_timeLimit_max", "10m", |c| c.controller.limits.time.max.to_string()),
    ("CONFIG_whisk_memory_min", "64 m", |c| c.controller.limits.memory.min.to_string()),
    ("CONFIG_whisk_memory_std", "300 MB", |c| c.controller.limits.memory.std.to_string()),
    ("CONFIG_whisk_memory_max", "2048m", |c| c.controller.limits.memory.max.to_string()),
    ("CONFIG_whisk_logLimit_min", "1m", |c| c.controller.limits.logs.min.to_string()),
    ("CONFIG_whisk_logLimit_std", "9m", |c| c.controller.limits.logs.std.to_string()),
    ("CONFIG_whisk_logLimit_max", "11m", |c| c.controller.limits.logs.max.to_string()),
    ("CONFIG_whisk_concurrencyLimit_max", "500", |c| c.controller.limits.concurrency.max.to_string()),
    ("CONFIG_whisk_concurrencyLimit_max", "501", |c| c.invoker.max_concurrency.to_string()),
    ("CONFIG_whisk_activation_payload_max", "2 MB", |c| c.controller.limits.payload.to_string()),
    ("CONFIG_whisk_activation_payload_truncation", "3 KB", |c| c.controller.limits.truncation.to_string()),
    ("CONFIG_whisk_parameterSizeLimit", "4 KB", |c| c.controller.limits.parameters.to_string()),
    ("CONFIG_whisk_parameterSizeLimit", "5 KB", |c| c.controller.limits.annotations.to_string()),
    ("CONFIG_whisk_execSizeLimit", "49m", |c| c.controller.limits.exec.to_string()),
    ("CONFIG_whisk_queryLimit_maxListLimit", "201", |c| c.controller.limits.list_max.to_string()),
    ("CONFIG_whisk_queryLimit_defaultListLimit", "31", |c| c.controller.limits.list_default.to_string()),
    ("CONFIG_whisk_controller_activation_maxWaitForBlockingActivation", "7 s", |c| {
        c.controller.limits.blocking_wait.as_secs().to_string()
    }),
    ("LIMITS_ACTIONS_INVOKES_PERMINUTE", "71", |c| c.controller.limits.invocations_per_minute.to_string()),
    ("LIMITS_ACTIONS_INVOKES_CONCURRENT", "72", |c| c.controller.limits.concurrent_invocations.to_string()),
    ("LIMITS_TRIGGERS_FIRES_PERMINUTE", "73", |c| c.controller.limits.fires_per_minute.to_string()),
    ("LIMITS_ACTIONS_SEQUENCE_MAXLENGTH", "74", |c| c.controller.limits.sequence_length.to_string()),
    ("RUNTIMES_MANIFEST", r#"{"runtimes": {"go": [{"kind": "go:1", "image": {"name": "go"}}]}}"#, |c| {
        c.controller.manifest.valid_kinds()[0].to_owned()
    }),
    ("WHISK_API_HOST_NAME", "example.org", |c| c.api_host.clone().unwrap_or_default()),
    ("CONFIG_whisk_containerPool_userMemory", "600m", |c| c.invoker.user_memory.to_string()),
    ("CONFIG_whisk_containerPool_prewarmExpirationLimit", "5", |c| {
        c.invoker.prewarm.expiration_limit.to_string()
    }),
    ("CONFIG_whisk_containerPool_prewarmExpirationCheckInterval", "6 s", |c| {
        c.invoker.prewarm.check_interval.as_secs().to_string()
    }),
    ("CONFIG_whisk_containerPool_prewarmMaxRetryLimit", "8", |c| c.invoker.prewarm.max_retries.to_string()),
    ("CONFIG_whisk_containerProxy_timeouts_idleContainer", "9 s", |c| {
        c.invoker.idle_timeout.as_secs().to_string()
    }),
    ("CONFIG_whisk_containerProxy_timeouts_pauseGrace", "1 s", |c| {
        c.invoker.pause_grace.as_secs().to_string()
    }),
    ("CONFIG_whisk_controller_interface", "0.0.0.0", |c| c.listen.ip().to_string()),
    ("CONFIG_whisk_controller_readinessFraction", "60%", |c| c.controller.healthy_share.to_string()),
    ("CONFIG_whisk_namespaceDefaultLimit_memory_max", "384m", |c| {
        format!("{:?}", c.controller.namespace_defaults.max_action_memory)
    }),
    ("CONFIG_whisk_namespaceDefaultLimit_timeLimit_max", "2 s", |c| {
        format!("{:?}", c.controller.namespace_defaults.max_action_timeout)
    }),
    ("CONFIG_whisk_info_date", "2026-01-01", |c| c.controller.info.build.clone()),
    ("CONFIG_whisk_info_buildNo", "b7", |c| c.controller.info.build_number.clone()),
    ("CONFIG_oxwhisk_port", "4000", |c| c.listen.port().to_string()),
    ("CONFIG_oxwhisk_dataDir", "/x", |c| c.data_dir.display().to_string()),
    ("CONFIG_oxwhisk_shutdownGrace", "3 s", |c| c.shutdown_grace.as_secs().to_string()),
    ("CONFIG_oxwhisk_admin_listen", "127.0.0.1:7000", |c| {
        c.admin.listen.as_ref().map_or_else(String::new, ToString::to_string)
    }),
    ("CONFIG_oxwhisk_admin_insecurePlaintext", "true", |c| format!("{:?}", c.admin.security)),
    ("CONFIG_oxwhisk_log_level", "warn", |c| c.log.filter.clone()),
    ("CONFIG_oxwhisk_activationStore_retention", "1 day", |c| format!("{:?}", c.activation_retention)),
    ("CONFIG_oxwhisk_containerPool_keepAlive", "greedy-dual", |c| format!("{:?}", c.invoker.keep_alive)),
    ("CONFIG_oxwhisk_containerPool_maxQueued", "11", |c| c.invoker.queue.max.to_string()),
    ("CONFIG_oxwhisk_containerPool_maxQueuedPerNamespace", "12", |c| {
        c.invoker.queue.max_per_namespace.to_string()
    }),
    ("CONFIG_oxwhisk_containerPool_maxWait", "13 s", |c| c.invoker.queue.wait_limit.as_secs().to_string()),
    ("CONFIG_whisk_metrics_prometheusEnabled", "false", |c| c.telemetry.metrics_on_api.to_string()),
    ("CONFIG_whisk_userEvents_enabled", "true", |c| c.telemetry.events.published.to_string()),
    ("CONFIG_oxwhisk_metrics_actions", "14", |c| c.telemetry.events.actions.to_string()),
    ("CONFIG_oxwhisk_cache_default", "namespace", |c| {
        format!("{:?}", c.controller.namespace_defaults.cache_default)
    }),
    ("CONFIG_oxwhisk_cache_enabled", "false", |c| c.cache.enabled.to_string()),
    ("CONFIG_oxwhisk_cache_port", "7001", |c| c.cache.port.to_string()),
    ("CONFIG_oxwhisk_cache_memory", "1 GB", |c| c.cache.memory.to_string()),
    ("CONFIG_oxwhisk_cache_keyExpiry", "5 s", |c| c.cache.proxy.key_expiry.as_secs().to_string()),
];

const SHOWN: &[&str] = &[
    "10",
    "30000",
    "600000",
    "64 MB",
    "300 MB",
    "2048 MB",
    "1 MB",
    "9 MB",
    "11 MB",
    "500",
    "501",
    "2 MB",
    "3 KB",
    "4 KB",
    "5 KB",
    "49 MB",
    "201",
    "31",
    "7",
    "71",
    "72",
    "73",
    "74",
    "go:1",
    "http://example.org:3233",
    "600",
    "5",
    "6",
    "8",
    "9",
    "1",
    "0.0.0.0",
    "60%",
    "Some(384)",
    "Some(2000)",
    "2026-01-01",
    "b7",
    "4000",
    "/x",
    "3",
    "127.0.0.1:7000",
    "Plaintext { insecure: true }",
    "warn",
    "Some(86400s)",
    "GreedyDual",
    "11",
    "12",
    "13",
    "false",
    "true",
    "14",
    "Some(Scope(Namespace))",
    "false",
    "7001",
    "1073741824",
    "5",
];

#[test]
fn each_variable_reaches_its_place() {
    assert_eq!(ROWS.len(), SHOWN.len());
    for ((variable, value, show), expected) in ROWS.iter().zip(SHOWN) {
        let shown = show(&start(&[], &[(variable, value)]).config);
        assert_eq!(shown, *expected, "{variable}={value}");
        assert_ne!(show(&start(&[], &[]).config), shown, "{variable} has no effect");
    }
}

#[test]
fn no_legacy_variable_is_forgotten() {
    let tested = |name: &str| ROWS.iter().any(|(variable, ..)| *variable == name);
    let untested: Vec<&str> =
        LEGACY_VARIABLES.iter().map(|(name, _)| *name).filter(|name| !tested(name)).collect();
    // Without a name these two say nothing; the next test has all three.
    assert_eq!(untested, ["WHISK_API_HOST_PROTO", "WHISK_API_HOST_PORT"]);
}

#[test]
fn the_api_host_is_made_of_its_parts() {
    let variables =
        [("WHISK_API_HOST_NAME", "h"), ("WHISK_API_HOST_PROTO", "https"), ("WHISK_API_HOST_PORT", "443")];
    assert_eq!(start(&[], &variables).config.api_host.as_deref(), Some("https://h:443"));
    assert_eq!(start(&[], &variables[1..]).config.api_host, None);
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let (_dir, path) = file("a.yaml", "whisk:\n  memory:\n    max: 600m\noxwhisk:\n  port: 1\n");
    let environment = [("CONFIG_whisk_memory_max", "700m"), ("CONFIG_oxwhisk_port", "2")];
    let config = start(&["-c", &path, "--port", "3"], &environment).config;
    assert_eq!((config.controller.limits.memory.max.as_mb(), config.listen.port()), (700, 3));
}

#[test]
fn a_manifest_file_wins_over_the_text_only_from_a_higher_layer() {
    let text = |family: &str| {
        format!(r#"{{"runtimes": {{"{family}": [{{"kind": "{family}:1", "image": {{"name": "x"}}}}]}}}}"#)
    };
    let (_dir, flag_file) = file("m.json", &text("flag"));
    let (_other, config_file) = file("c.toml", &format!("oxwhisk.runtimes-manifest-file = '{flag_file}'"));
    let variable = text("variable");
    let environment = [("RUNTIMES_MANIFEST", variable.as_str())];
    let kind = |arguments: &[&str]| {
        start(arguments, &environment).config.controller.manifest.valid_kinds()[0].to_owned()
    };
    assert_eq!(kind(&["-m", &flag_file]), "flag:1");
    assert_eq!(kind(&["-c", &config_file]), "variable:1");
}

#[test]
fn bounds_out_of_order_blame_what_was_set() {
    let refusal = refused(&[], &[("CONFIG_whisk_timeLimit_max", "10 s")]).to_string();
    let line = "environment variable CONFIG_whisk_timeLimit_max: \
                10000 ms is less than whisk.time-limit.std, 60000 ms\n";
    assert_eq!(refusal, line);
    let refusal = refused(&[], &[("CONFIG_whisk_memory_min", "300m")]).to_string();
    assert!(
        refusal.contains("CONFIG_whisk_memory_min: 300 MB is more than whisk.memory.std, 256 MB"),
        "{refusal}"
    );
}

#[test]
fn values_nothing_could_work_with_are_refused() {
    for (variable, value, reason) in [
        ("CONFIG_whisk_memory_max", "1000 KB", "not a whole number of megabytes"),
        ("CONFIG_whisk_timeLimit_min", "1500 us", "not a whole number of milliseconds"),
        ("CONFIG_whisk_concurrencyLimit_min", "0", "must be at least 1"),
        ("CONFIG_whisk_queryLimit_defaultListLimit", "1000", "more than max-list-limit"),
        ("CONFIG_whisk_containerPool_userMemory", "100m", "less than the smallest action"),
        ("CONFIG_whisk_controller_interface", "example.org", "not an IP address"),
        ("CONFIG_whisk_users_guest", "guest:guest", "must be 'uuid:key'"),
        ("CONFIG_oxwhisk_log_format", "xml", "neither 'text' nor 'json'"),
        ("CONFIG_oxwhisk_log_level", "a=loud", "not a log filter"),
        ("CONFIG_oxwhisk_containerPool_keepAlive", "fifo", "neither 'lru' nor 'greedy-dual'"),
    ] {
        let refusal = refused(&[], &[(variable, value)]).to_string();
        assert!(refusal.lines().next().is_some_and(|line| line.contains(reason)), "{variable}: {refusal}");
        assert!(refusal.contains(variable), "{variable}: {refusal}");
    }
}

#[test]
fn users_come_from_table_and_file() {
    let key = "k".repeat(64);
    let uuid = |n: u32| format!("0000000{n}-0000-0000-0000-000000000000");
    let users =
        format!(r#"[{{"subject": "me", "namespace": "team", "uuid": "{}", "key": "{key}"}}]"#, uuid(1));
    let (_dir, users) = file("users.json", &users);
    let (_other, config) =
        file("c.toml", &format!("[whisk.users]\nguest = ''\nmy-team = '{}:{key}'", uuid(2)));
    let config = start(&["--users", &users, "-c", &config], &[]).config;
    let namespaces: Vec<String> = config.users.iter().map(|user| user.namespace.to_string()).collect();
    assert_eq!(namespaces, ["my.team", "whisk.system", "team"]);
    assert_eq!(config.users.subjects().len(), 3);
}

#[test]
fn published_keys_on_an_open_address_are_warned_about() {
    let warnings = start(&["--host", "0.0.0.0"], &[]).warnings;
    assert!(warnings.len() == 1 && warnings[0].contains("keys that are published"), "{warnings:?}");
}

#[test]
fn memory_too_small_for_the_largest_action_is_warned_about() {
    let warnings = start(&[], &[("CONFIG_whisk_containerPool_userMemory", "256m")]).warnings;
    assert!(warnings.len() == 1 && warnings[0].contains("actions of more than 256 MB"), "{warnings:?}");
}

#[test]
fn logging_follows_its_flags() {
    let log = |arguments: &[&str]| start(arguments, &[]).config.log;
    assert_eq!(log(&[]).filter, "info");
    assert_eq!((log(&["-v"]).filter.as_str(), log(&["-vv"]).filter.as_str()), ("debug", "trace"));
    assert_eq!(log(&["--log-format", "json"]).format, LogFormat::Json);
    let colored = start(&[], &[("CONFIG_oxwhisk_log_color", "always")]).config.log.color;
    let plain =
        start(&["--disable-color-logging"], &[("CONFIG_oxwhisk_log_color", "always")]).config.log.color;
    assert!(colored && !plain);
}

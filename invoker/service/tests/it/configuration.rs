//! What each setting does to the configuration of an invoker.

use std::path::Path;
use std::time::Duration;

use oxwhisk_invoker_service::config::{Containers, InvokerServiceConfig};
use oxwhisk_settings::Exit;

use crate::library::{NEEDED, refused, start};

#[test]
fn defaults_keep_to_this_machine() {
    let start = start(&[], &[]);
    let config = &start.config;
    assert_eq!(config.identity.id.to_string(), "invoker3");
    assert_eq!((config.pool.id, config.pool.user_memory), (config.identity.id, 4096));
    assert_eq!(config.grpc.listen.to_string(), "127.0.0.1:9096");
    assert_eq!(config.ops.listen.to_string(), "127.0.0.1:8086");
    assert_eq!(config.api_host.as_deref(), Some("https://example.org:443"));
    assert_eq!((config.kafka.instance.as_str(), config.kafka.hosts.as_str()), ("invoker3", "kafka:9092"));
    assert_eq!(config.shutdown_grace, Duration::from_secs(60));
    let Containers::Sandbox(sandbox) = &config.containers else { panic!("{:?}", config.containers) };
    assert_eq!(sandbox.data_dir, Path::new("/home/me/.openwhisk/invoker3"));
    assert!(sandbox.relay.is_none());
    assert_eq!(start.warnings, Vec::<String>::new());
}

/// Every variable with a value of its own, and how it shows in the configuration.
type Row = (&'static str, &'static str, fn(&InvokerServiceConfig) -> String, &'static str);

fn sandbox(config: &InvokerServiceConfig) -> String {
    match &config.containers {
        Containers::Sandbox(sandbox) => format!("{} {:?}", sandbox.data_dir.display(), sandbox.relay),
        other => format!("{other:?}"),
    }
}

const ROWS: &[Row] = &[
    (
        "CONFIG_oxwhisk_tracing_endpoint",
        "http://collector:4317",
        |c| format!("{:?}", c.telemetry.collector.as_ref().map(|collector| &collector.endpoint)),
        "Some(\"http://collector:4317\")",
    ),
    ("CONFIG_whisk_userEvents_enabled", "true", |c| c.telemetry.events.published.to_string(), "true"),
    ("CONFIG_oxwhisk_metrics_actions", "14", |c| c.telemetry.events.actions.to_string(), "14"),
    (
        "CONFIG_oxwhisk_cache_proxy",
        "unix:/run/cache.sock",
        |c| format!("{:?}", c.cache.as_ref().map(|cache| (cache.proxy.to_string(), &cache.at))),
        r#"Some(("unix:/run/cache.sock", Gateway(6380)))"#,
    ),
    ("INVOKER_ID", "7", |c| c.identity.id.to_string(), "invoker7"),
    ("INVOKER_ID", "8", |c| c.kafka.instance.clone(), "invoker8"),
    ("INVOKER_NAME", "node-a", |c| c.identity.name.clone(), "node-a"),
    ("KAFKA_HOSTS", "a:1,b:2", |c| c.kafka.hosts.clone(), "a:1,b:2"),
    ("CONFIG_whisk_kafka_topics_prefix", "p.", |c| c.kafka.prefix.clone(), "p."),
    ("CONFIG_oxwhisk_grpc_listen", "127.0.0.1:1", |c| c.grpc.listen.to_string(), "127.0.0.1:1"),
    (
        "CONFIG_oxwhisk_grpc_advertise",
        "node7:9",
        |c| format!("{:?}", c.grpc.advertise.as_ref().map(ToString::to_string)),
        "Some(\"node7:9\")",
    ),
    ("CONFIG_oxwhisk_grpc_insecurePlaintext", "true", |c| c.insecure().to_string(), "true"),
    ("CONFIG_oxwhisk_invoker_maxHeld", "11", |c| c.remote.max_held.to_string(), "11"),
    (
        "CONFIG_oxwhisk_invoker_sessionTimeout",
        "40 s",
        |c| c.remote.session_timeout.as_secs().to_string(),
        "40",
    ),
    (
        "CONFIG_oxwhisk_invoker_codePatience",
        "7 s",
        |c| format!("{:?}", (c.remote.code_patience, c.pool.code_timeout)),
        "(7s, 7s)",
    ),
    ("CONFIG_oxwhisk_ops_listen", "127.0.0.1:2", |c| c.ops.listen.to_string(), "127.0.0.1:2"),
    ("CONFIG_oxwhisk_shutdownGrace", "3 s", |c| c.shutdown_grace.as_secs().to_string(), "3"),
    ("CONFIG_oxwhisk_log_level", "warn", |c| c.log.filter.clone(), "warn"),
    ("CONFIG_oxwhisk_dataDir", "/x", sandbox, "/x None"),
    ("WHISK_API_HOST_NAME", "h", |c| c.api_host.clone().unwrap_or_default(), "https://h:443"),
    ("WHISK_API_HOST_PROTO", "http", |c| c.api_host.clone().unwrap_or_default(), "http://example.org:80"),
    ("WHISK_API_HOST_PORT", "5", |c| c.api_host.clone().unwrap_or_default(), "https://example.org:5"),
    ("WHISK_API_HOST_URL", "http://a/", |c| c.api_host.clone().unwrap_or_default(), "http://a/"),
    ("CONFIG_whisk_containerPool_userMemory", "600m", |c| c.pool.user_memory.to_string(), "600"),
    ("CONFIG_whisk_concurrencyLimit_max", "501", |c| c.pool.max_concurrency.to_string(), "501"),
    (
        "CONFIG_whisk_containerProxy_timeouts_idleContainer",
        "9 s",
        |c| c.pool.idle_timeout.as_secs().to_string(),
        "9",
    ),
    (
        "CONFIG_oxwhisk_containerPool_keepAlive",
        "greedy-dual",
        |c| format!("{:?}", c.pool.keep_alive),
        "GreedyDual",
    ),
    ("CONFIG_whisk_execSizeLimit", "200m", |c| (c.remote.max_code >> 20).to_string(), "400"),
    (
        "RUNTIMES_MANIFEST",
        r#"{"runtimes": {"go": [{"kind": "go:1", "image": {"name": "go"}}]}}"#,
        |c| c.manifest.valid_kinds()[0].to_owned(),
        "go:1",
    ),
];

#[test]
fn each_variable_reaches_its_place() {
    for (variable, value, show, expected) in ROWS {
        let shown = show(&start(&[], &[(variable, value)]).config);
        assert_eq!(shown, *expected, "{variable}={value}");
        assert_ne!(show(&start(&[], &[]).config), shown, "{variable} has no effect");
    }
}

#[test]
fn the_number_may_come_from_the_name_of_a_pod() {
    let mut environment = NEEDED[1..].to_vec();
    environment.push(("INVOKER_NAME", "owdev-invoker-12"));
    let start = match crate::library::invoke(&[], &environment) {
        Ok(oxwhisk_settings::Invocation::Serve(start)) => start,
        other => panic!("{other:?}"),
    };
    assert_eq!(start.config.identity.id.0, 12);
    assert_eq!(start.config.identity.name, "owdev-invoker-12");
}

#[cfg(feature = "docker")]
#[test]
fn openwhisks_class_and_our_name_choose_docker() {
    for (variable, value) in [
        ("CONFIG_oxwhisk_containerFactory", "docker"),
        (
            "CONFIG_whisk_spi_ContainerFactoryProvider",
            "org.apache.openwhisk.core.containerpool.docker.DockerContainerFactoryProvider",
        ),
    ] {
        let config = start(&[], &[(variable, value), ("CONFIG_oxwhisk_docker_host", "tcp://h:1")]).config;
        let Containers::Docker(docker) = &config.containers else { panic!("{:?}", config.containers) };
        assert_eq!((docker.address.to_string().as_str(), docker.invoker), ("tcp://h:1", config.identity.id));
        assert_eq!(docker.containers.user_memory, 4096 << 20);
    }
}

#[test]
fn a_relay_stands_for_the_api_host() {
    let environment = [NEEDED[0], NEEDED[1], ("CONFIG_oxwhisk_sandbox_apiRelay", "http://127.0.0.1:3233")];
    let start = match crate::library::invoke(&[], &environment) {
        Ok(oxwhisk_settings::Invocation::Serve(start)) => start,
        other => panic!("{other:?}"),
    };
    let Containers::Sandbox(sandbox) = &start.config.containers else { panic!() };
    assert_eq!(sandbox.relay.as_ref().unwrap().on("10.107.0.1"), "http://10.107.0.1:3233");
}

#[test]
fn values_nothing_could_work_with_are_refused() {
    for (variable, value, reason) in [
        ("CONFIG_oxwhisk_grpc_listen", "0.0.0.0:1", "plain text is refused on 0.0.0.0:1"),
        ("CONFIG_oxwhisk_grpc_listen", "here", "'here' is not an address"),
        ("CONFIG_oxwhisk_grpc_tls_key", "/k", "mutual TLS takes all three files"),
        ("CONFIG_oxwhisk_invoker_maxHeld", "0", "must be at least 1"),
        ("CONFIG_oxwhisk_invoker_sessionTimeout", "1 s", "less than 30 seconds"),
        ("CONFIG_oxwhisk_invoker_codePatience", "0 s", "must be longer than no time"),
        ("CONFIG_oxwhisk_containerFactory", "podman", "neither 'sandbox' nor 'docker'"),
        (
            "CONFIG_whisk_spi_ContainerFactoryProvider",
            "a.b.MesosFactory",
            "not among the container factories here",
        ),
        ("CONFIG_oxwhisk_sandbox_apiRelay", "127.0.0.1", "is not the API's URL"),
        ("CONFIG_whisk_containerPool_userMemory", "100m", "less than the smallest action"),
        ("CONFIG_oxwhisk_kafka_librdkafka_acks", "1", "librdkafka"),
        ("CONFIG_oxwhisk_grpc_lisen", "127.0.0.1:1", "unknown variable"),
    ] {
        let environment: Vec<(&str, &str)> = NEEDED.iter().copied().chain([(variable, value)]).collect();
        let refusal = refused(&[], &environment);
        assert_eq!(refusal.exit, Exit::Config);
        assert!(refusal.to_string().contains(reason), "{variable}={value}: {refusal}");
    }
}

#[test]
fn containers_reach_the_cache_at_the_gateway_or_at_a_url() {
    let at = |more: &[(&str, &str)]| {
        let mut variables = vec![("CONFIG_oxwhisk_cache_proxy", "unix:/run/cache.sock")];
        variables.extend(more);
        format!("{:?}", start(&[], &variables).config.cache.map(|cache| cache.at))
    };
    assert_eq!(at(&[("CONFIG_oxwhisk_cache_port", "7000")]), "Some(Gateway(7000))");
    assert_eq!(at(&[("CONFIG_oxwhisk_cache_url", "redis://h:1")]), r#"Some(Url("redis://h:1"))"#);
    let refused = refused(
        &[],
        &[("CONFIG_oxwhisk_cache_proxy", "10.0.0.1:9097"), ("CONFIG_oxwhisk_cache_url", "http://h:1")],
    )
    .to_string();
    assert!(refused.contains("CONFIG_oxwhisk_cache_proxy: plain text is refused"), "{refused}");
    assert!(refused.contains("'http://h:1' is not 'redis://host:port'"), "{refused}");
}

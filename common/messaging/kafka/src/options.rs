//! The options of librdkafka. Those that our promises rest on are set here, each with its reason, and cannot be set otherwise.

use std::path::Path;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use secrecy::ExposeSecret;

use crate::config::{KafkaConfig, Security};
use crate::error::ConfigError;

/// Options that a deployment must not set, by name or by the beginning of the name, and why.
const REFUSED: [(&str, &str); 34] = [
    ("acks", "a 202 promises that all in-sync replicas have the message"),
    ("request.required.acks", "a 202 promises that all in-sync replicas have the message"),
    ("enable.idempotence", "without it a retry can double or reorder messages"),
    ("enable.gapless.guarantee", "it makes one lost message end the producer"),
    ("transactional.id", "there are no transactions here"),
    ("max.in.flight", "it belongs to idempotence"),
    ("message.send.max.retries", "it belongs to idempotence"),
    ("retries", "it belongs to idempotence"),
    ("message.timeout.ms", "it is oxwhisk.kafka.produce-timeout"),
    ("delivery.timeout.ms", "it is oxwhisk.kafka.produce-timeout"),
    ("linger.ms", "it is oxwhisk.kafka.linger"),
    ("queue.buffering.", "the bounds of the queue are part of what the bus promises"),
    ("message.max.bytes", "messages are cut into chunks that fit"),
    ("partitioner", "messages say their partition themselves"),
    ("enable.auto.commit", "what is done is committed, not what was read"),
    ("auto.commit.", "what is done is committed, not what was read"),
    ("enable.auto.offset.store", "what is done is committed, not what was read"),
    ("offset.store.", "what is done is committed, not what was read"),
    ("auto.offset.reset", "a queue is read from its beginning"),
    ("partition.assignment.strategy", "consumers of one group must agree on it"),
    ("group.", "groups are named after their topics and their instances"),
    ("session.timeout.ms", "it is oxwhisk.kafka.session-timeout"),
    ("max.poll.interval.ms", "it belongs to the poll loop"),
    ("enable.partition.eof", "it belongs to the poll loop"),
    ("isolation.level", "there are no transactions here"),
    ("check.crcs", "damaged records must not be handed out"),
    ("allow.auto.create.topics", "topics are created with their settings"),
    ("bootstrap.servers", "it is whisk.kafka.hosts"),
    ("metadata.broker.list", "it is whisk.kafka.hosts"),
    ("client.id", "it is the name of the instance"),
    ("security.protocol", "it follows from oxwhisk.kafka.tls and oxwhisk.kafka.sasl"),
    ("sasl.", "it follows from oxwhisk.kafka.sasl"),
    ("plugin.library.paths", "it loads foreign code"),
    ("enable.ssl.certificate.verification", "certificates are always checked"),
];

/// Options of TLS that only narrow what is accepted may be set.
const PERMITTED_TLS: [&str; 4] =
    ["ssl.cipher.suites", "ssl.curves.list", "ssl.sigalgs.list", "ssl.crl.location"];

/// Why an option must not be set.
#[must_use]
pub fn refusal(name: &str) -> Option<&'static str> {
    if name.starts_with("ssl.") {
        let permitted = PERMITTED_TLS.contains(&name);
        return (!permitted).then_some("it follows from oxwhisk.kafka.tls");
    }
    let found = REFUSED.iter().find(|(refused, _)| {
        if refused.ends_with('.') || *refused == "max.in.flight" {
            name.starts_with(refused)
        } else {
            name == *refused
        }
    });
    found.map(|(_, why)| *why)
}

/// What every client has.
fn common(config: &KafkaConfig) -> Result<ClientConfig, ConfigError> {
    let mut client = ClientConfig::new();
    for (name, value) in &config.options {
        if let Some(why) = refusal(name) {
            return Err(ConfigError::Refused { option: name.clone(), why });
        }
        client.set(name, value.expose_secret());
    }
    client
        .set("bootstrap.servers", &config.hosts)
        .set("client.id", &config.instance)
        .set("socket.keepalive.enable", "true")
        .set("socket.timeout.ms", "10000")
        .set("socket.connection.setup.timeout.ms", "5000")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000")
        // A broker that was away is asked again soon; the default of five minutes is for networks without faults.
        .set("topic.metadata.refresh.interval.ms", "60000")
        .set("topic.metadata.refresh.fast.interval.ms", "100")
        .set("allow.auto.create.topics", "false")
        .set_log_level(RDKafkaLogLevel::Warning);
    secure(&mut client, &config.security)?;
    Ok(client)
}

fn secure(client: &mut ClientConfig, security: &Security) -> Result<(), ConfigError> {
    client.set("security.protocol", security.protocol());
    if let Some(tls) = &security.tls {
        client.set("enable.ssl.certificate.verification", "true");
        client.set("ssl.endpoint.identification.algorithm", "https");
        if let Some(ca) = &tls.ca {
            client.set("ssl.ca.location", readable(ca)?);
        }
        if let Some(own) = &tls.client {
            client.set("ssl.certificate.location", readable(&own.certificate)?);
            client.set("ssl.key.location", readable(&own.key)?);
            if let Some(password) = &own.key_password {
                client.set("ssl.key.password", password.expose_secret());
            }
        }
    }
    if let Some(sasl) = &security.sasl {
        client.set("sasl.mechanisms", sasl.mechanism.name());
        client.set("sasl.username", &sasl.username);
        client.set("sasl.password", sasl.password.expose_secret());
    }
    Ok(())
}

/// librdkafka says of a file that it cannot read no more than that something is wrong with TLS.
fn readable(path: &Path) -> Result<&str, ConfigError> {
    std::fs::File::open(path).map_err(|source| ConfigError::File { path: path.to_owned(), source })?;
    path.to_str().ok_or_else(|| ConfigError::FileName { path: path.to_owned() })
}

/// # Errors
/// See [`ConfigError`].
pub(crate) fn producer(config: &KafkaConfig) -> Result<ClientConfig, ConfigError> {
    let producing = &config.producing;
    let mut client = common(config)?;
    client
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("message.timeout.ms", producing.timeout.as_millis().to_string())
        .set("request.timeout.ms", producing.timeout.as_millis().to_string())
        .set("linger.ms", (producing.linger.as_secs_f64() * 1000.0).to_string())
        .set("queue.buffering.max.kbytes", producing.queue_kib.to_string())
        .set("queue.buffering.max.messages", "1000000")
        // A chunk with its headers; the topic's own limit is checked at start.
        .set("message.max.bytes", record_limit(config).to_string());
    default(&mut client, config, "compression.type", "none");
    Ok(client)
}

/// Bytes of the largest record with key and headers.
pub(crate) fn record_limit(config: &KafkaConfig) -> usize {
    // librdkafka takes no less than 1,000.
    (config.producing.chunk + (64 << 10)).max(1_000_000)
}

fn default(client: &mut ClientConfig, config: &KafkaConfig, name: &str, value: &str) {
    if !config.options.contains_key(name) {
        client.set(name, value);
    }
}

/// What a consumer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// It joins its group under the instance's name.
    Member,
    /// It reads the partitions of a queue that it is told to.
    Reader,
    /// It reads partitions from where it is told to, and wants to know if that is gone; or none at all.
    Listener,
}

/// # Errors
/// See [`ConfigError`].
pub(crate) fn consumer(config: &KafkaConfig, group: &str, used: Use) -> Result<ClientConfig, ConfigError> {
    let consuming = &config.consuming;
    let mut client = common(config)?;
    let session = consuming.session_timeout.as_millis();
    client
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "false")
        .set("check.crcs", "true")
        .set("isolation.level", "read_committed")
        .set("queued.max.messages.kbytes", consuming.fetch_kib.to_string())
        .set("fetch.message.max.bytes", record_limit(config).to_string())
        .set("fetch.error.backoff.ms", "100");
    default(&mut client, config, "fetch.wait.max.ms", "500");
    client.set("auto.offset.reset", if used == Use::Listener { "error" } else { "earliest" });
    if used == Use::Member {
        client
            .set("group.protocol", "classic")
            .set("group.instance.id", &config.instance)
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", session.to_string())
            .set("heartbeat.interval.ms", (session / 10).clamp(100, 3000).to_string())
            // The loop polls several times a second, whatever happens; if it hangs, others take over.
            .set("max.poll.interval.ms", (session * 4).max(60_000).to_string());
    }
    Ok(client)
}

/// For a queue of which nobody waits for a single message: the brokers wait until there are several, but not long.
pub(crate) fn in_batches(client: &mut ClientConfig, config: &KafkaConfig) {
    default(client, config, "fetch.wait.max.ms", "50");
    default(client, config, "fetch.min.bytes", "65536");
}

/// # Errors
/// See [`ConfigError`].
pub(crate) fn admin(config: &KafkaConfig) -> Result<ClientConfig, ConfigError> {
    common(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Role;

    #[test]
    fn options_that_break_promises_are_refused_with_the_reason() {
        for name in [
            "acks",
            "queue.buffering.max.ms",
            "group.instance.id",
            "ssl.ca.location",
            "max.in.flight.requests",
        ] {
            assert!(refusal(name).is_some(), "{name}");
        }
        for name in
            ["compression.type", "statistics.interval.ms", "fetch.min.bytes", "ssl.cipher.suites", "debug"]
        {
            assert_eq!(refusal(name), None, "{name}");
        }
        let mut config = KafkaConfig::new("h:1", "controller0", Role::Controller);
        config.options.insert("acks".to_owned(), "1".to_owned().into());
        let error = producer(&config).unwrap_err().to_string();
        assert_eq!(
            error,
            "the option 'acks' must not be set: a 202 promises that all in-sync replicas have the message"
        );
    }

    #[test]
    fn what_promises_rest_on_is_set() {
        let config = KafkaConfig::new("h:1", "controller0", Role::Controller);
        let options = producer(&config).unwrap();
        for (name, value) in [("acks", "all"), ("enable.idempotence", "true"), ("message.timeout.ms", "5000")]
        {
            assert_eq!(options.get(name), Some(value));
        }
        let options = consumer(&config, "g", Use::Member).unwrap();
        for (name, value) in [
            ("partition.assignment.strategy", "cooperative-sticky"),
            ("group.instance.id", "controller0"),
            ("enable.auto.commit", "false"),
        ] {
            assert_eq!(options.get(name), Some(value));
        }
    }

    #[test]
    fn records_travel_in_company_unless_the_deployment_says_otherwise() {
        let mut config = KafkaConfig::new("h:1", "invoker0", Role::Invoker);
        assert_eq!(producer(&config).unwrap().get("linger.ms"), Some("50"));
        config.options.insert("fetch.min.bytes".to_owned(), "1".to_owned().into());
        let mut options = consumer(&config, "g", Use::Member).unwrap();
        in_batches(&mut options, &config);
        assert_eq!(options.get("fetch.min.bytes"), Some("1"));
        assert_eq!(options.get("fetch.wait.max.ms"), Some("50"));
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let mut config = KafkaConfig::new("h:1", "controller0", Role::Controller);
        config.security.tls = Some(crate::config::Tls { ca: Some("/nowhere/ca.pem".into()), client: None });
        let error = admin(&config).unwrap_err().to_string();
        assert!(error.starts_with("/nowhere/ca.pem cannot be read: "), "{error}");
    }
}

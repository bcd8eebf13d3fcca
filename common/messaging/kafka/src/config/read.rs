//! Reading the configuration of a service.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use oxwhisk_config::Settings;
use secrecy::SecretString;

use super::{ClientCertificate, KafkaConfig, Mechanism, Role, Sasl, Security, Tls};
use crate::options;

/// Tables whose members a deployment names itself, for `oxwhisk_config::Layers::new`.
pub const OPEN_TABLES: [&str; 2] = ["oxwhisk.kafka.secret", "oxwhisk.kafka.librdkafka"];

/// Reads the keys of Kafka: OpenWhisk's where it has them, else under `oxwhisk.kafka`. `None` when no hosts are set: there is
/// no Kafka then. Faults are left in `settings`.
pub fn read(settings: &mut Settings, instance: &str, role: Role) -> Option<KafkaConfig> {
    let hosts: Option<String> = settings.optional("whisk.kafka.hosts");
    let mut config = KafkaConfig::new(hosts.clone().unwrap_or_default(), instance, role);
    config.prefix = settings.value("whisk.kafka.topics.prefix", config.prefix);
    config.events_prefix = settings.value("whisk.kafka.topics.user-event.prefix", config.events_prefix);
    for key in ["whisk.kafka.topics.prefix", "whisk.kafka.topics.user-event.prefix"] {
        let prefix = if key.contains("user-event") { &config.events_prefix } else { &config.prefix };
        if let Err(fault) = crate::names::check_prefix(prefix) {
            settings.fault(key, fault);
        }
    }
    let topics = &mut config.topics;
    topics.replication = at_least(settings, "whisk.kafka.replication-factor", topics.replication, 1);
    topics.activation_partitions =
        at_least(settings, "oxwhisk.kafka.activation-partitions", topics.activation_partitions, 1);
    topics.partitions = at_least(settings, "oxwhisk.kafka.partitions", topics.partitions, 1);
    topics.retention = settings.value("oxwhisk.kafka.retention", topics.retention);
    let producing = &mut config.producing;
    producing.timeout = settings.value("oxwhisk.kafka.produce-timeout", producing.timeout);
    producing.linger = settings.value("oxwhisk.kafka.linger", producing.linger);
    let consuming = &mut config.consuming;
    consuming.session_timeout = settings.value("oxwhisk.kafka.session-timeout", consuming.session_timeout);
    consuming.commit_interval = settings.value("oxwhisk.kafka.commit-interval", consuming.commit_interval);
    if producing.timeout < Duration::from_millis(100) {
        settings.fault("oxwhisk.kafka.produce-timeout", "is less than 100 ms");
    }
    let mut secrets = settings.secret_table("oxwhisk.kafka.secret");
    config.security = security(settings, &mut secrets);
    for name in secrets.into_keys() {
        settings.fault(&format!("oxwhisk.kafka.secret.{name}"), "is not 'password' or 'key-password'");
    }
    config.options = settings.secret_table("oxwhisk.kafka.librdkafka");
    let refused: Vec<(String, String)> = config
        .options
        .keys()
        .filter_map(|name| options::refusal(name).map(|why| (name.clone(), why.to_owned())))
        .collect();
    for (name, why) in refused {
        settings.fault(&format!("oxwhisk.kafka.librdkafka.{name}"), why);
    }
    hosts.map(|_| config)
}

fn at_least(settings: &mut Settings, key: &str, default: u32, least: u32) -> u32 {
    let value = settings.value(key, default);
    if value < least {
        settings.fault(key, format!("is less than {least}"));
    }
    value
}

fn security(settings: &mut Settings, secrets: &mut BTreeMap<String, SecretString>) -> Security {
    let ca: Option<PathBuf> = settings.optional("oxwhisk.kafka.tls.ca");
    let certificate: Option<PathBuf> = settings.optional("oxwhisk.kafka.tls.certificate");
    let key: Option<PathBuf> = settings.optional("oxwhisk.kafka.tls.key");
    let enabled = settings.value("oxwhisk.kafka.tls.enabled", ca.is_some() || certificate.is_some());
    let key_password = secrets.remove("key-password");
    let client = match (certificate, key) {
        (Some(certificate), Some(key)) => Some(ClientCertificate { certificate, key, key_password }),
        (None, None) => None,
        (Some(_), None) => {
            settings.fault("oxwhisk.kafka.tls.key", "is missing: a certificate has its key");
            None
        }
        (None, Some(_)) => {
            settings.fault("oxwhisk.kafka.tls.certificate", "is missing: a key has its certificate");
            None
        }
    };
    let sasl = sasl(settings, secrets.remove("password"));
    if !enabled && sasl.as_ref().is_some_and(|sasl| sasl.mechanism == Mechanism::Plain) {
        settings.fault("oxwhisk.kafka.sasl.mechanism", "is PLAIN, which needs TLS");
    }
    Security { tls: enabled.then_some(Tls { ca, client }), sasl }
}

fn sasl(settings: &mut Settings, password: Option<SecretString>) -> Option<Sasl> {
    let username: Option<String> = settings.optional("oxwhisk.kafka.sasl.username");
    let file: Option<PathBuf> = settings.optional("oxwhisk.kafka.sasl.password-file");
    let mechanism = settings.value("oxwhisk.kafka.sasl.mechanism", Mechanism::default().name().to_owned());
    let mechanism = Mechanism::parse(&mechanism).unwrap_or_else(|fault| {
        settings.fault("oxwhisk.kafka.sasl.mechanism", fault);
        Mechanism::default()
    });
    let password = match file {
        None => password,
        Some(path) => match std::fs::read_to_string(&path) {
            Ok(text) => Some(SecretString::from(text.trim_end_matches(['\r', '\n']).to_owned())),
            Err(error) => {
                let text = format!("'{}' cannot be read: {error}", path.display());
                settings.fault("oxwhisk.kafka.sasl.password-file", text);
                None
            }
        },
    };
    let username = username?;
    let Some(password) = password else {
        settings.fault("oxwhisk.kafka.sasl.password-file", "is missing: a user name has its password");
        return None;
    };
    Some(Sasl { mechanism, username, password })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use oxwhisk_config::Layers;
    use secrecy::ExposeSecret;

    use super::*;

    fn settings(text: &str) -> Settings {
        let mut layers = Layers::new(&OPEN_TABLES);
        layers.add_file_text(Path::new("test.toml"), text);
        layers.into_settings()
    }

    #[test]
    fn without_hosts_there_is_no_kafka() {
        let mut settings = settings("");
        assert!(read(&mut settings, "controller0", Role::Controller).is_none());
        settings.finish().unwrap();
    }

    #[test]
    fn who_we_are_is_read_and_secrets_are_not_shown() {
        let mut settings = settings(
            "[whisk.kafka]\nhosts = \"a:1,b:2\"\ntopics.prefix = \"p.\"\n[oxwhisk.kafka]\ntls.ca = \"/ca.pem\"\n\
             sasl.username = \"me\"\nsecret.password = \"hush\"\n[oxwhisk.kafka.librdkafka]\n\"fetch.min.bytes\" = 1\n",
        );
        let config = read(&mut settings, "invoker3", Role::Invoker).unwrap();
        assert_eq!((config.hosts.as_str(), config.prefix.as_str()), ("a:1,b:2", "p."));
        assert_eq!(config.security.protocol(), "SASL_SSL");
        let sasl = config.security.sasl.as_ref().unwrap();
        assert_eq!((sasl.username.as_str(), sasl.password.expose_secret()), ("me", "hush"));
        assert_eq!(config.options["fetch.min.bytes"].expose_secret(), "1");
        assert!(!format!("{config:?}").contains("hush"));
        settings.finish().unwrap();
    }

    #[test]
    fn every_fault_is_reported_with_its_key() {
        let mut settings = settings(
            "[whisk.kafka]\nhosts = \"a:1\"\ntopics.prefix = \"p/\"\n[oxwhisk.kafka]\ntls.certificate = \"/c.pem\"\n\
             sasl.username = \"me\"\nsasl.mechanism = \"MD5\"\n[oxwhisk.kafka.librdkafka]\nacks = 1\n",
        );
        read(&mut settings, "controller0", Role::Controller);
        let said = settings.finish().unwrap_err().to_string();
        for key in ["topics.prefix", "tls.key", "sasl.mechanism", "sasl.password-file", "librdkafka.acks"] {
            assert!(said.contains(key), "{key} is not in: {said}");
        }
    }
}

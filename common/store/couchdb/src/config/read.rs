//! OpenWhisk's keys, `CONFIG_whisk_couchdb_*`, and our own below `oxwhisk.couchdb`.

use oxwhisk_config::{Setting, Settings};
use oxwhisk_core::size::ByteSize;

use super::{CouchConfig, Databases, Lists, Protocol, Retries};

impl Setting for Protocol {
    fn read(text: &str) -> Result<Self, String> {
        text.parse()
    }

    fn literal(&self) -> String {
        format!("\"{self}\"")
    }
}

impl Setting for Lists {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "lagging" => Ok(Self::Lagging),
            "up-to-date" => Ok(Self::UpToDate),
            _ => Err(format!("'{text}' is neither 'lagging' nor 'up-to-date'")),
        }
    }

    fn literal(&self) -> String {
        let word = match self {
            Self::Lagging => "lagging",
            Self::UpToDate => "up-to-date",
        };
        format!("\"{word}\"")
    }
}

const HOST: &str = "whisk.couchdb.host";
const USERNAME: &str = "whisk.couchdb.username";
const PASSWORD: &str = "whisk.couchdb.password";
const PROVIDER: &str = "whisk.couchdb.provider";
const ENTITIES: &str = "whisk.couchdb.databases.WhiskEntity";
const ACTIVATIONS: &str = "whisk.couchdb.databases.WhiskActivation";
const SUBJECTS: &str = "whisk.couchdb.databases.WhiskAuth";
const AUTHORITY: &str = "oxwhisk.couchdb.certificate-authority";

/// OpenWhisk runs on Cloudant as well, which speaks the same protocol.
const PROVIDERS: [&str; 2] = ["CouchDB", "Cloudant"];

impl CouchConfig {
    /// Reads all settings of the stores; faults are reported to `settings`, as always.
    pub fn read(settings: &mut Settings) -> Self {
        let default = Self::default();
        let provider = settings.value(PROVIDER, PROVIDERS[0].to_owned());
        if !PROVIDERS.contains(&provider.as_str()) {
            settings.fault(PROVIDER, format!("'{provider}' is neither 'CouchDB' nor 'Cloudant'"));
        }
        let own = |key: &str| format!("oxwhisk.couchdb.{key}");
        let config = Self {
            protocol: settings.value("whisk.couchdb.protocol", default.protocol),
            host: settings.value(HOST, default.host),
            port: settings.value("whisk.couchdb.port", default.port),
            username: settings.optional::<String>(USERNAME).filter(|name| !name.is_empty()),
            password: settings.secret(PASSWORD),
            databases: read_databases(settings),
            certificate_authority: settings.optional(AUTHORITY),
            create: settings.value(&own("create"), default.create),
            activation_lists: settings.value(&own("activation-lists"), default.activation_lists),
            max_connections: count(settings, &own("max-connections"), default.max_connections),
            request_timeout: settings.value(&own("request-timeout"), default.request_timeout),
            slow_request_timeout: settings.value(&own("slow-request-timeout"), default.slow_request_timeout),
            connect_timeout: settings.value(&own("connect-timeout"), default.connect_timeout),
            retries: read_retries(settings, default.retries),
            max_bulk_records: count(settings, &own("max-bulk-records"), default.max_bulk_records),
            max_bulk_bytes: bytes(settings, &own("max-bulk-size"), default.max_bulk_bytes),
            max_document_bytes: bytes(settings, &own("max-document-size"), default.max_document_bytes),
            max_inline_bytes: bytes(settings, "whisk.db.max-inline-size", default.max_inline_bytes),
            max_staged_bytes: bytes(settings, &own("max-staged-size"), default.max_staged_bytes),
            max_answer_bytes: bytes(settings, &own("max-answer-size"), default.max_answer_bytes),
        };
        check(settings, &config);
        config
    }
}

fn read_databases(settings: &mut Settings) -> Databases {
    let prefix = settings.value("oxwhisk.couchdb.database-prefix", "whisk_local_".to_owned());
    let default = Databases::with_prefix(&prefix);
    Databases {
        entities: settings.value(ENTITIES, default.entities),
        activations: settings.value(ACTIVATIONS, default.activations),
        subjects: settings.value(SUBJECTS, default.subjects),
    }
}

fn read_retries(settings: &mut Settings, default: Retries) -> Retries {
    let own = |key: &str| format!("oxwhisk.couchdb.retries.{key}");
    Retries {
        attempts: settings.value(&own("attempts"), default.attempts),
        time: settings.value(&own("time"), default.time),
        first_pause: settings.value(&own("first-pause"), default.first_pause),
        longest_pause: settings.value(&own("longest-pause"), default.longest_pause),
    }
}

/// Settings that do not go together, or cannot mean anything.
fn check(settings: &mut Settings, config: &CouchConfig) {
    match (&config.username, &config.password) {
        (Some(_), None) => settings.fault(PASSWORD, "is missing, though there is a user name"),
        (None, Some(_)) => settings.fault(USERNAME, "is missing, though there is a password"),
        _ => {}
    }
    if config.host.is_empty() {
        settings.fault(HOST, "must not be empty");
    }
    if config.certificate_authority.is_some() && config.protocol == Protocol::Http {
        settings.fault(AUTHORITY, "has no use where the protocol is http");
    }
    if config.retries.attempts == 0 {
        settings.fault("oxwhisk.couchdb.retries.attempts", "must be 1 at least");
    }
    check_names(settings, &config.databases);
}

fn check_names(settings: &mut Settings, databases: &Databases) {
    let names = [
        (ENTITIES, &databases.entities),
        (ACTIVATIONS, &databases.activations),
        (SUBJECTS, &databases.subjects),
    ];
    for (at, (key, name)) in names.iter().enumerate() {
        if !is_database_name(name) {
            let rule = "a small letter, then small letters, digits and _$()+-/";
            settings.fault(key, format!("'{name}' is no name of a database: {rule}"));
        }
        // Both have a design document of the same name with other views.
        if let Some((other, _)) = names[..at].iter().find(|(_, earlier)| earlier == name) {
            settings.fault(key, format!("'{name}' is the database of {other} as well"));
        }
    }
}

/// As CouchDB has it.
fn is_database_name(name: &str) -> bool {
    let mut letters = name.bytes();
    letters.next().is_some_and(|first| first.is_ascii_lowercase())
        && letters.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_$()+-/".contains(&b))
}

fn count(settings: &mut Settings, key: &str, default: usize) -> usize {
    let value: u32 = settings.value(key, u32::try_from(default).unwrap_or(u32::MAX));
    if value == 0 {
        settings.fault(key, "must be 1 at least");
    }
    value as usize
}

fn bytes(settings: &mut Settings, key: &str, default: usize) -> usize {
    let value = settings.value(key, ByteSize::bytes(default as u64));
    usize::try_from(value.as_bytes()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use oxwhisk_config::Layers;
    use secrecy::ExposeSecret;

    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Settings {
        let mut layers = Layers::new(&[]);
        layers.add_environment(variables.iter().map(|(name, value)| (name.into(), value.into())));
        layers.into_settings()
    }

    #[test]
    fn an_environment_of_openwhisk_is_read() {
        let mut settings = settings(&[
            ("CONFIG_whisk_couchdb_protocol", "https"),
            ("CONFIG_whisk_couchdb_host", "couch.example"),
            ("CONFIG_whisk_couchdb_port", "6984"),
            ("CONFIG_whisk_couchdb_username", "whisk"),
            ("CONFIG_whisk_couchdb_password", "some_passw0rd"),
            ("CONFIG_whisk_couchdb_provider", "CouchDB"),
            ("CONFIG_whisk_couchdb_databases_WhiskAuth", "test_subjects"),
            ("CONFIG_whisk_couchdb_databases_WhiskEntity", "test_whisks"),
            ("CONFIG_whisk_couchdb_databases_WhiskActivation", "test_activations"),
            ("CONFIG_whisk_db_maxInlineSize", "8 KB"),
        ]);
        let config = CouchConfig::read(&mut settings);
        let dump = settings.finish().unwrap().dump.to_string();
        assert_eq!(config.url(), "https://couch.example:6984");
        assert_eq!(config.databases, Databases::with_prefix("test_"));
        assert_eq!(config.username.as_deref(), Some("whisk"));
        assert_eq!(config.password.as_ref().unwrap().expose_secret(), "some_passw0rd");
        assert_eq!(config.max_inline_bytes, 8192);
        assert!(!format!("{config:?}").contains("passw0rd") && !dump.contains("passw0rd"), "{dump}");
    }

    #[test]
    fn the_databases_are_openwhisks_by_default() {
        let mut none = settings(&[]);
        assert_eq!(CouchConfig::read(&mut none).databases, Databases::with_prefix("whisk_local_"));
        none.finish().unwrap();
        let mut prefixed = settings(&[("CONFIG_oxwhisk_couchdb_databasePrefix", "mine_")]);
        assert_eq!(CouchConfig::read(&mut prefixed).databases.activations, "mine_activations");
    }

    #[test]
    fn all_faults_are_named() {
        let mut settings = settings(&[
            ("CONFIG_whisk_couchdb_protocol", "ftp"),
            ("CONFIG_whisk_couchdb_username", "whisk"),
            ("CONFIG_whisk_couchdb_provider", "MongoDB"),
            ("CONFIG_whisk_couchdb_databases_WhiskAuth", "Subjects"),
            ("CONFIG_whisk_couchdb_databases_WhiskEntity", "same"),
            ("CONFIG_whisk_couchdb_databases_WhiskActivation", "same"),
            ("CONFIG_oxwhisk_couchdb_maxConnections", "0"),
        ]);
        CouchConfig::read(&mut settings);
        let faults = settings.finish().unwrap_err().to_string();
        for part in
            ["neither 'http' nor", "password", "MongoDB", "'Subjects' is no name", "as well", "1 at least"]
        {
            assert!(faults.contains(part), "{part}: {faults}");
        }
    }
}

//! Which value wins, and how keys may be written.

use std::path::Path;
use std::time::Duration;

use oxwhisk_config::openwhisk::LEGACY_VARIABLES;
use oxwhisk_config::{Layers, Origin};
use oxwhisk_core::size::ByteSize;

use crate::{environment, from_environment, from_file};

const KEY: &str = "whisk.time-limit.max";

/// All layers set [`KEY`], up to the given one.
fn layered(layers_used: usize) -> (Duration, Origin) {
    let mut layers = Layers::new(&[]);
    if layers_used > 0 {
        layers.add_file_text(Path::new("a.toml"), "[whisk.time-limit]\nmax = \"1 m\"");
    }
    if layers_used > 1 {
        layers.add_environment(environment(&[("CONFIG_whisk_timeLimit_max", "2m")]));
    }
    if layers_used > 2 {
        layers.add_flag("--max-time", KEY, "3 minutes".to_owned());
    }
    let mut settings = layers.into_settings();
    let value = settings.value(KEY, Duration::ZERO);
    let origin = settings.origin(KEY);
    settings.finish().expect("no faults");
    (value, origin)
}

#[test]
fn the_highest_layer_wins() {
    let minutes = |n: u64| Duration::from_secs(60 * n);
    assert_eq!(layered(0), (Duration::ZERO, Origin::Default));
    assert_eq!(layered(1), (minutes(1), Origin::File("a.toml".into())));
    assert_eq!(layered(2), (minutes(2), Origin::Environment("CONFIG_whisk_timeLimit_max".to_owned())));
    assert_eq!(layered(3), (minutes(3), Origin::Flag("--max-time")));
}

#[test]
fn every_format_and_spelling_gives_the_same_keys() {
    for (name, text) in [
        ("a.toml", "[whisk.memory]\nmax = '1 GB'\n[whisk.config]\nlimits-triggers-fires-perMinute = 7"),
        ("a.toml", "whisk.memory.max = '1 GB'\nwhisk.config.limitsTriggersFiresPerMinute = '7'"),
        ("a.yaml", "whisk:\n  memory:\n    max: 1 GB\n  config:\n    limits-triggers-fires-per-minute: 7"),
        ("a.yml", "whisk: {memory: {max: 1g, min: }, config: {limits-triggers-fires-perMinute: 7}}"),
        ("a.json", r#"{"whisk": {"memory.max": "1024m", "config": {"limits-triggers-fires-perMinute": 7}}}"#),
    ] {
        let mut settings = from_file(name, text);
        assert_eq!(settings.value("whisk.memory.max", ByteSize::mb(512)).as_mb(), 1024, "{text}");
        let fires: u64 = settings.value("whisk.config.limits-triggers-fires-per-minute", 60);
        assert_eq!(fires, 7, "{text}");
        settings.finish().expect("no faults");
    }
}

#[test]
fn each_legacy_variable_sets_its_key() {
    for (variable, key) in LEGACY_VARIABLES {
        let mut settings = from_environment(&[(variable, "77")]);
        assert_eq!(settings.value(key, String::new()), "77", "{variable}");
        assert_eq!(settings.origin(key), Origin::Environment((*variable).to_owned()));
        settings.finish().expect("no faults");
    }
}

#[test]
fn empty_and_foreign_variables_say_nothing() {
    let variables = [("CONFIG_whisk_timeLimit_max", ""), ("CONFIG_SHELL", "/bin/sh"), ("HOME", "/root")];
    let mut settings = from_environment(&variables);
    assert_eq!(settings.optional::<Duration>(KEY), None);
    assert_eq!(settings.finish().expect("no faults").warnings, Vec::<String>::new());
}

#[test]
fn settings_of_openwhisk_that_mean_nothing_here_are_warned_about() {
    let variables =
        [("CONFIG_pekko_http_server_idleTimeout", "1m"), ("CONFIG_whisk_kafka_replicationFactor", "3")];
    let warnings = from_environment(&variables).finish().expect("no faults").warnings;
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings.iter().any(|line| line.contains("CONFIG_pekko_http_server_idleTimeout")),
        "{warnings:?}"
    );
    assert!(
        warnings.iter().any(|line| line.contains("CONFIG_whisk_kafka_replicationFactor")),
        "{warnings:?}"
    );

    let warnings =
        from_file("a.toml", "[whisk.docker]\nuse-runc = true").finish().expect("no faults").warnings;
    assert_eq!(warnings, ["whisk.docker.use-runc of file 'a.toml' has no effect here: it is OpenWhisk's"]);
}

#[test]
fn members_of_open_tables_keep_their_names_and_stay_secret() {
    let text = "[whisk.users]\nguest = 'a'\nmyTeam = 'b'\n'me@here.org' = 'c'\nwhisk-system = 'd'";
    let mut settings = from_file("a.toml", text);
    let users = settings.secret_table("whisk.users");
    let names: Vec<&str> = users.keys().map(String::as_str).collect();
    assert_eq!(names, ["guest", "me@here.org", "myTeam", "whisk-system"]);
    let dump = settings.finish().expect("no faults").dump.to_string();
    assert!(dump.contains("whisk.users.myTeam = \"<redacted>\"  # file 'a.toml'"), "{dump}");
    assert!(!dump.contains("\"b\""), "{dump}");
}

#[test]
fn a_secret_is_read_and_never_shown() {
    let mut settings = from_file("a.toml", "[whisk.couchdb]\npassword = 'secret'");
    assert!(settings.secret("whisk.couchdb.password").is_some());
    assert!(settings.secret("whisk.couchdb.other-password").is_none());
    let dump = settings.finish().expect("no faults").dump.to_string();
    assert!(dump.contains("whisk.couchdb.password = \"<redacted>\"  # file 'a.toml'"), "{dump}");
    assert!(
        dump.contains("# whisk.couchdb.other-password is not set") && !dump.contains("'secret'"),
        "{dump}"
    );
}

#[test]
fn a_dump_given_back_as_a_file_gives_the_same_values() {
    let read = |settings: &mut oxwhisk_config::Settings| {
        (
            settings.value("whisk.memory.max", ByteSize::mb(512)),
            settings.value(KEY, Duration::from_secs(300)),
            settings.value("oxwhisk.log.level", "info,a=\"b\"".to_owned()),
            settings.optional::<u16>("oxwhisk.port"),
        )
    };
    let mut first = from_environment(&[("CONFIG_whisk_memory_max", "2048m")]);
    let values = read(&mut first);
    let dump = first.finish().expect("no faults").dump.to_string();
    let mut second = from_file("dump.toml", &dump);
    assert_eq!(read(&mut second), values, "{dump}");
    second.finish().expect("no faults");
}

#[test]
fn files_are_read_from_disk() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("oxwhisk.toml");
    std::fs::write(&path, "oxwhisk.port = 1").expect("writable");
    let mut layers = Layers::new(&[]);
    layers.add_file(&path);
    let mut settings = layers.into_settings();
    assert_eq!(settings.optional::<u16>("oxwhisk.port"), Some(1));
    settings.finish().expect("no faults");
}

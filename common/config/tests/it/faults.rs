//! Every fault at once, each with its place.

use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::time::Duration;

use oxwhisk_config::Layers;

use crate::{environment, from_environment, from_file, lines};

#[test]
fn all_faults_are_reported_at_once_with_key_and_origin() {
    let mut layers = Layers::new(&[]);
    layers.add_file_text(
        Path::new("a.toml"),
        "no_such_key = 1\n[whisk]\nparameter-size-limit = ['1m']\n[whisk.timeLimit]\nstd = 'soon'\nmaks = '1m'",
    );
    layers.add_environment(environment(&[
        ("CONFIG_whisk_timeLimit_max", "later"),
        ("CONFIG_whisk_timeLimt_min", "1 s"),
        ("LIMITS_ACTIONS_INVOKES_PERMINUTES", "7"),
    ]));
    layers.add_flag("--port", "oxwhisk.port", "http".to_owned());
    let mut settings = layers.into_settings();
    for key in ["whisk.time-limit.min", "whisk.time-limit.std", "whisk.time-limit.max"] {
        settings.value(key, Duration::from_secs(1));
    }
    settings.value("whisk.parameter-size-limit", oxwhisk_core::size::ByteSize::mb(1));
    settings.value("oxwhisk.port", 3233_u16);
    let faults = settings.finish().expect_err("there are faults");
    assert_eq!(
        lines(&faults),
        [
            "environment variable LIMITS_ACTIONS_INVOKES_PERMINUTES: unknown variable, \
             did you mean LIMITS_ACTIONS_INVOKES_PERMINUTE?",
            "file 'a.toml': whisk.timeLimit.std: 'soon' is not a duration such as '10 minutes', '60 s' or '100 ms'",
            "environment variable CONFIG_whisk_timeLimit_max: \
             'later' is not a duration such as '10 minutes', '60 s' or '100 ms'",
            "file 'a.toml': whisk.parameter-size-limit: is a list where one value is expected",
            "flag --port: 'http' is not a whole number from 0 to 65535",
            "file 'a.toml': unknown key no_such_key",
            "file 'a.toml': unknown key whisk.timeLimit.maks, did you mean whisk.time-limit.max?",
            "environment variable CONFIG_whisk_timeLimt_min: unknown variable, \
             did you mean CONFIG_whisk_timeLimit_min?",
        ]
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let fault =
        |name: &str, text: &str| lines(&from_file(name, text).finish().expect_err("a fault")).join("|");
    assert!(
        fault("a.toml", "[whisk").starts_with("file 'a.toml': cannot be read: TOML parse error at line 1")
    );
    assert!(fault("a.json", "{").starts_with("file 'a.json': cannot be read: EOF while parsing"));
    assert!(fault("a.yaml", "a: [").starts_with("file 'a.yaml': cannot be read: "));
    assert!(fault("a.json", "[1]").starts_with("file 'a.json': cannot be read: "));
    assert!(fault("standalone.conf", "").contains("has no known format"));

    let mut layers = Layers::new(&[]);
    layers.add_file(Path::new("/no/such/file.toml"));
    let faults = layers.into_settings().finish().expect_err("a fault");
    assert_eq!(
        lines(&faults),
        ["file '/no/such/file.toml': cannot be read: No such file or directory (os error 2)"]
    );
}

#[test]
fn two_values_for_one_key_in_one_layer_are_a_fault() {
    let two =
        [("LIMITS_TRIGGERS_FIRES_PERMINUTE", "1"), ("CONFIG_whisk_config_limitsTriggersFiresPerMinute", "2")];
    let faults = from_environment(&two).finish().expect_err("a fault");
    assert!(lines(&faults)[0].contains("sets the same as LIMITS_TRIGGERS_FIRES_PERMINUTE"), "{faults}");

    let text = "[whisk.config]\nlimits-a-perMinute = 1\nlimits-a-per-minute = 2";
    let faults = from_file("a.toml", text).finish().expect_err("a fault");
    assert!(faults.to_string().contains("sets the same as whisk.config.limits-a-per"), "{faults}");
}

#[test]
fn a_value_that_is_no_text_is_a_fault() {
    let value = std::ffi::OsString::from_vec(vec![0xff]);
    let mut layers = Layers::new(&[]);
    layers.add_environment([("CONFIG_whisk_memory_max".into(), value)]);
    let faults = layers.into_settings().finish().expect_err("a fault");
    assert_eq!(lines(&faults), ["environment variable CONFIG_whisk_memory_max: is not valid UTF-8"]);
}

#[test]
fn faults_found_after_reading_name_the_place_of_the_value() {
    let mut settings = from_file("a.toml", "oxwhisk.port = 80");
    let port: u16 = settings.value("oxwhisk.port", 0);
    settings.fault("oxwhisk.port", format!("{port} is not allowed"));
    settings.fault("oxwhisk.other", "is missing");
    let faults = settings.finish().expect_err("faults");
    assert_eq!(
        lines(&faults),
        ["file 'a.toml': oxwhisk.port: 80 is not allowed", "default: oxwhisk.other: is missing"]
    );
}

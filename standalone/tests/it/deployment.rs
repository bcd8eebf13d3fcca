//! Settings of OpenWhisk for parameters in the store, records, and the API.

use oxwhisk_controller::{EncryptionScheme, Storing};
use oxwhisk_core::entity::StoreLevel;

use crate::{file, printed, refused, start};

const KEY_16: &str = "AAECAwQFBgcICQoLDA0ODw==";
const KEY_32: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

#[test]
fn parameters_are_plain_unless_told_otherwise() {
    for current in ["", "off", "noop", "OFF"] {
        let config = start(&[], &[("CONFIG_whisk_parameterStorage_current", current)]).config;
        assert_eq!(config.controller.parameters.current(), None, "'{current}'");
    }
    assert_eq!(start(&[], &[]).config.controller.parameters.current(), None);
}

#[test]
fn a_scheme_is_switched_on_with_its_key() {
    let environment = [
        ("CONFIG_whisk_parameterStorage_current", "AES-256"),
        ("CONFIG_whisk_parameterStorage_aes256", KEY_32),
        ("CONFIG_whisk_parameterStorage_aes128", ""),
    ];
    let start_of_environment = start(&[], &environment);
    assert_eq!(start_of_environment.config.controller.parameters.current(), Some(EncryptionScheme::Aes256));
    assert_eq!(start_of_environment.warnings, Vec::<String>::new());

    let text = format!(
        "[whisk.parameter-storage]\ncurrent = 'aes-128'\naes-128 = '{KEY_16}'\naes-256 = '{KEY_32}'\n"
    );
    let (_dir, path) = file("c.toml", &text);
    let config = start(&["-c", &path], &[]).config;
    assert_eq!(config.controller.parameters.current(), Some(EncryptionScheme::Aes128));
    assert!(format!("{config:?}").contains("keys: [Aes128, Aes256]"), "{config:?}");
}

#[test]
fn keys_are_never_shown() {
    let environment = [
        ("CONFIG_whisk_parameterStorage_current", "aes-256"),
        ("CONFIG_whisk_parameterStorage_aes256", KEY_32),
    ];
    let dump = printed(&["--dump-config"], &environment);
    assert!(dump.contains("whisk.parameter-storage.aes256 = \"<redacted>\""), "{dump}");
    assert!(dump.contains("whisk.parameter-storage.current = \"aes-256\""), "{dump}");
    let debug = format!("{:?}", start(&[], &environment).config);
    let refusal = refused(&[], &[("CONFIG_whisk_parameterStorage_aes128", KEY_32)]).to_string();
    for text in [dump, debug, refusal] {
        assert!(!text.contains(&KEY_32[..12]), "{text}");
    }
}

#[test]
fn keys_nothing_can_work_with_are_refused() {
    for (variables, reason) in [
        (&[("current", "aes-128")][..], "'aes-128' needs a key in base64, whisk.parameter-storage.aes-128"),
        (&[("current", "rot13")][..], "'rot13' is none of 'off', 'aes-128' and 'aes-256'"),
        (&[("aes128", "?")][..], "the key is not base64"),
        (&[("current", "aes-256"), ("aes256", KEY_16)][..], "the key has 16 bytes, aes-256 takes 32"),
        (&[("aes512", KEY_32)][..], "is none of 'current', 'aes-128' and 'aes-256'"),
    ] {
        let named: Vec<(String, &str)> = variables
            .iter()
            .map(|(name, value)| (format!("CONFIG_whisk_parameterStorage_{name}"), *value))
            .collect();
        let environment: Vec<(&str, &str)> =
            named.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let refusal = refused(&[], &environment).to_string();
        assert_eq!(refusal.lines().count(), 1, "{refusal}");
        assert!(refusal.contains(reason), "{refusal}");
        assert!(refusal.contains(&format!("CONFIG_whisk_parameterStorage_{}", variables.last().unwrap().0)));
    }
}

#[test]
fn the_two_spellings_of_a_key_are_one() {
    let text = format!("[whisk.parameter-storage]\naes-128 = '{KEY_32}'\n");
    let (_dir, path) = file("c.toml", &text);
    // What is wrong in the file does not matter where a variable wins.
    let environment = [
        ("CONFIG_whisk_parameterStorage_current", "aes-128"),
        ("CONFIG_whisk_parameterStorage_aes128", KEY_16),
    ];
    let config = start(&["-c", &path], &environment).config;
    assert_eq!(config.controller.parameters.current(), Some(EncryptionScheme::Aes128));

    let text = format!("[whisk.parameter-storage]\naes-128 = '{KEY_16}'\naes128 = '{KEY_16}'\n");
    let (_dir, path) = file("c.toml", &text);
    let refusal = refused(&["-c", &path], &[]).to_string();
    assert!(refusal.contains("is the same key as whisk.parameter-storage.aes"), "{refusal}");
}

#[test]
fn records_are_kept_by_level() {
    assert_eq!(start(&[], &[]).config.controller.storing, Storing::default());
    let environment = [
        ("CONFIG_whisk_activation_storeBlockingResultLevel", "STORE_FAILURES"),
        ("CONFIG_whisk_activation_storeNonBlockingResultLevel", "store_failures_not_application_errors"),
        ("CONFIG_whisk_activation_unstoredLogsEnabled", "true"),
    ];
    let storing = start(&[], &environment).config.controller.storing;
    assert_eq!(
        storing,
        Storing {
            blocking: StoreLevel::Failures,
            non_blocking: StoreLevel::FailuresNotApplicationErrors,
            log_unstored: true
        }
    );
    let refusal = refused(&[], &[("CONFIG_whisk_activation_storeBlockingResultLevel", "NONE")]).to_string();
    assert!(refusal.contains("'NONE' is none of STORE_ALWAYS"), "{refusal}");
}

#[test]
fn disabling_results_is_a_level_of_blocking_invocations_unless_one_is_set() {
    let disabled = ("CONFIG_whisk_activation_disableStoreResult", "true");
    let storing = start(&[], &[disabled]).config.controller.storing;
    assert_eq!((storing.blocking, storing.non_blocking), (StoreLevel::Failures, StoreLevel::Always));
    let level = ("CONFIG_whisk_activation_storeBlockingResultLevel", "STORE_ALWAYS");
    assert_eq!(start(&[], &[disabled, level]).config.controller.storing.blocking, StoreLevel::Always);
}

#[test]
fn the_api_follows_its_flags() {
    let config = start(&[], &[]).config;
    assert!(
        config.controller.features.require_api_key_annotation
            && config.controller.features.require_response_payload
    );
    assert_eq!(config.controller.transaction_header.to_string(), "x-request-id");
    let environment = [
        ("CONFIG_whisk_featureFlags_requireApiKeyAnnotation", "false"),
        ("CONFIG_whisk_featureFlags_requireResponsePayload", "false"),
        ("CONFIG_whisk_transactions_header", "X-My-Id"),
    ];
    let start = start(&[], &environment);
    let config = start.config;
    assert!(
        !config.controller.features.require_api_key_annotation
            && !config.controller.features.require_response_payload
    );
    assert_eq!(config.controller.transaction_header.to_string(), "x-my-id");
    assert_eq!(start.warnings, Vec::<String>::new());
    for (header, reason) in [("a b", "not the name of a header"), ("Content-Length", "has another meaning")] {
        let refusal = refused(&[], &[("CONFIG_whisk_transactions_header", header)]).to_string();
        assert!(refusal.contains(reason), "{refusal}");
    }
}

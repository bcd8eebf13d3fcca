use super::*;
use crate::entities::EncryptionScheme;
use oxwhisk_core::entity::{ActionPut, NewActionDefaults};
use oxwhisk_core::limits::SystemLimits;
use oxwhisk_core::manifest::Manifest;
use oxwhisk_core::name::{EntityName, FullyQualifiedName};
use oxwhisk_core::parameters::Parameters;
use serde_json::{Value, json};

fn action(parameters: &Value, last: bool) -> Action {
    let manifest =
        Manifest::parse(r#"{"runtimes": {"go": [{"kind": "go:1", "image": {"name": "g"}}]}}"#).unwrap();
    let me = EntityName::new("me").unwrap();
    let body = json!({
        "exec": {"kind": "go:1", "code": "x"}, "parameters": parameters,
        "annotations": [{"key": "final", "value": last}]
    });
    let put = ActionPut::from_json(&json::raw(&body), &manifest, &me).unwrap();
    let id = FullyQualifiedName::parse("me/a", &me).unwrap();
    let limits = SystemLimits::default().default_action_limits();
    put.create(id, 0, NewActionDefaults { limits, withhold_api_key: true }, &manifest).unwrap()
}

fn merge_plain(action: &Action, payload: &[u8]) -> Result<Arguments, Fault> {
    merge(action, &read_payload(payload)?, &ParameterCiphers::default())
}

#[test]
fn the_payload_wins_over_the_defaults() {
    let action = action(&json!([{"key": "k", "value": 3}, {"key": "d", "value": [1]}]), false);
    let merged = merge_plain(&action, br#"{"k": 4.0, "x": 1}"#).unwrap().merged;
    assert_eq!(merged.get(), r#"{"d":[1],"k": 4.0, "x": 1}"#);
    assert_eq!(merge_plain(&action, b"").unwrap().merged.get(), r#"{"k":3,"d":[1]}"#);
}

#[test]
fn without_parameters_the_payload_passes_untouched() {
    let payload = "{ \"a\" : 1e400, \"b\":\"\\u00e9\" }";
    assert_eq!(merge_plain(&action(&json!([]), false), payload.as_bytes()).unwrap().merged.get(), payload);
}

fn raw_action(parameters: &str) -> Action {
    let mut action = action(&json!([]), false);
    action.parameters = Parameters::from_json(serde_json::from_str(parameters).unwrap()).unwrap();
    action
}

#[test]
fn nothing_is_lost_where_defaults_are_merged() {
    let action = raw_action(
        r#"[{"key":"d","value":123456789012345678901234567890},{"key":"e","value":1e400},{"key":"g","value":1}]"#,
    );
    let payload = r#"{ "\ud800":"\udc00", "b":-0.10, "\u0067":2, "b":1E5 }"#;
    assert_eq!(
        merge_plain(&action, payload.as_bytes()).unwrap().merged.get(),
        format!(r#"{{"d":123456789012345678901234567890,"e":1e400,{}"#, &payload[1..])
    );
}

#[test]
fn nothing_is_lost_where_arguments_are_separated() {
    let action = raw_action(
        r#"[{"key":"I","value":{"n":0.1000000000000000055511151231257827},"init":true},{"key":"e","value":1e400}]"#,
    );
    let arguments = merge_plain(&action, br#"{"\ud800":1, "b":"\udc00"}"#).unwrap();
    let opened = open(&arguments, &ParameterCiphers::default()).unwrap();
    assert_eq!(opened.run.get(), r#"{"e":1e400,"\ud800":1,"b":"\udc00"}"#);
    assert_eq!(
        opened.environment,
        [("I".to_owned(), r#"{"n":0.1000000000000000055511151231257827}"#.to_owned())]
    );
}

#[test]
fn of_equal_init_arguments_the_last_counts() {
    let action = raw_action(r#"[{"key":"I","value":0,"init":true}]"#);
    let opened =
        open(&merge_plain(&action, br#"{"I":1,"I":"\ud800"}"#).unwrap(), &ParameterCiphers::default())
            .unwrap();
    assert_eq!(opened.run.get(), "{}");
    assert!(opened.environment[0].1.starts_with('\u{fffd}'));
}

#[test]
fn only_objects_are_arguments() {
    for (payload, part) in
        [("[1]", "JSON object expected"), ("{", "Unexpected end-of-input"), ("x", "Unexpected character 'x'")]
    {
        assert!(read_payload(payload.as_bytes()).unwrap_err().message.contains(part), "{payload}");
    }
}

#[test]
fn final_parameters_may_not_be_overridden_unless_null() {
    let action = action(&json!([{"key": "k", "value": 1}, {"key": "free", "value": null}]), true);
    assert!(merge_plain(&action, br#"{"k": 1}"#).is_err());
    assert!(merge_plain(&action, br#"{"free": 1}"#).is_ok());
}

#[test]
fn init_parameters_become_environment() {
    let action =
        action(&json!([{"key": "E", "value": {"a": 1}, "init": true}, {"key": "p", "value": 1}]), false);
    let arguments = merge_plain(&action, b"{}").unwrap();
    let opened = open(&arguments, &ParameterCiphers::default()).unwrap();
    assert_eq!(opened.run.get(), r#"{"p":1}"#);
    assert_eq!(opened.environment, [("E".to_owned(), r#"{"a":1}"#.to_owned())]);
}

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// `plain`, no JSON, under the first 16 bytes of [`KEY`].
const NO_JSON: &str = "AAAADGRlZmdoaWprbG1ub2oOL8y1xDKtw1jkgz2cqtaxt8nnrw==";

fn ciphers() -> ParameterCiphers {
    let ciphers = ParameterCiphers::default().with_key(EncryptionScheme::Aes256, &KEY.into()).unwrap();
    ciphers.encrypting_with(EncryptionScheme::Aes256).unwrap()
}

fn locked_action(parameters: &Value, last: bool) -> Action {
    let mut action = action(parameters, last);
    action.parameters = ciphers().lock(&action.parameters).unwrap();
    action
}

#[test]
fn encrypted_arguments_are_opened_only_for_a_container() {
    let parameters = json!([
        {"key": "secret", "value": {"a": 1}}, {"key": "given", "value": "x"},
        {"key": "TOKEN", "value": "hidden", "init": true}
    ]);
    let action = locked_action(&parameters, false);
    let arguments = merge(&action, &read_payload(br#"{"given": "AAAA"}"#).unwrap(), &ciphers()).unwrap();
    let names: Vec<&str> = arguments.locked.keys().map(String::as_str).collect();
    assert_eq!(names, ["TOKEN", "secret"]);
    assert!(!arguments.merged.get().contains("hidden"), "{}", arguments.merged);

    let opened = open(&arguments, &ciphers()).unwrap();
    assert_eq!(opened.run.get(), r#"{"secret":{"a":1},"given":"AAAA"}"#);
    assert_eq!(opened.environment, [("TOKEN".to_owned(), "hidden".to_owned())]);
}

#[test]
fn an_argument_that_cannot_be_opened_is_named_and_not_shown() {
    let action = locked_action(&json!([{"key": "secret", "value": "hidden"}]), false);
    let arguments = merge(&action, &read_payload(b"{}").unwrap(), &ciphers()).unwrap();
    let other = ParameterCiphers::default().with_key(EncryptionScheme::Aes256, &KEY.replace('A', "B").into());
    let text = |ciphers: &ParameterCiphers| open(&arguments, ciphers).unwrap_err().to_string();
    assert_eq!(
        text(&other.unwrap()),
        "The parameter 'secret' cannot be decrypted: the key is another one, or the value was changed."
    );
    assert_eq!(
        text(&ParameterCiphers::default()),
        "The parameter 'secret' cannot be decrypted: no key of aes-256 is configured."
    );
}

#[test]
fn an_argument_that_is_no_json_when_opened_is_refused() {
    let key = "AAECAwQFBgcICQoLDA0ODw==";
    let ciphers = ParameterCiphers::default().with_key(EncryptionScheme::Aes128, &key.into()).unwrap();
    let broken = action(&json!([{"key": "k", "value": NO_JSON, "encryption": "aes-128"}]), false);
    let error =
        open(&merge(&broken, &read_payload(b"{}").unwrap(), &ciphers).unwrap(), &ciphers).unwrap_err();
    assert_eq!(error.to_string(), "The parameter 'k' cannot be decrypted: it holds no JSON value.");
}

#[test]
fn what_no_known_scheme_encrypted_passes_as_it_is() {
    let action = action(
        &json!([{"key": "a", "value": "x", "encryption": "noop"}, {"key": "b", "value": 1, "encryption": "aes-256"}]),
        false,
    );
    let arguments = merge(&action, &read_payload(b"{}").unwrap(), &ciphers()).unwrap();
    assert_eq!(open(&arguments, &ciphers()).unwrap().run.get(), r#"{"a":"x","b":1}"#);
}

#[test]
fn a_final_parameter_without_a_value_may_be_given_though_encrypted() {
    let parameters = json!([{"key": "k", "value": 1}, {"key": "free", "value": null}]);
    let action = locked_action(&parameters, true);
    assert!(merge(&action, &read_payload(br#"{"k": 2}"#).unwrap(), &ciphers()).is_err());
    let arguments = merge(&action, &read_payload(br#"{"free": 2}"#).unwrap(), &ciphers()).unwrap();
    assert_eq!(open(&arguments, &ciphers()).unwrap().run.get(), r#"{"k":1,"free":2}"#);
}

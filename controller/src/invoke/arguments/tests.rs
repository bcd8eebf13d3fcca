use super::*;
use crate::entities::EncryptionScheme;
use oxwhisk_core::entity::{ActionPut, NewActionDefaults};
use oxwhisk_core::limits::SystemLimits;
use oxwhisk_core::manifest::Manifest;
use oxwhisk_core::name::{EntityName, FullyQualifiedName};
use serde_json::json;

fn action(parameters: &Value, last: bool) -> Action {
    let manifest =
        Manifest::parse(r#"{"runtimes": {"go": [{"kind": "go:1", "image": {"name": "g"}}]}}"#).unwrap();
    let me = EntityName::new("me").unwrap();
    let body = json!({
        "exec": {"kind": "go:1", "code": "x"}, "parameters": parameters,
        "annotations": [{"key": "final", "value": last}]
    });
    let put = ActionPut::from_json(&body, &manifest, &me).unwrap();
    let id = FullyQualifiedName::parse("me/a", &me).unwrap();
    let limits = SystemLimits::default().default_action_limits();
    put.create(id, 0, NewActionDefaults { limits, withhold_api_key: true }, &manifest).unwrap()
}

fn merge_plain(action: &Action, payload: &[u8]) -> Result<Arguments, Fault> {
    merge(action, payload, &ParameterCiphers::default())
}

#[test]
fn the_payload_wins_over_the_defaults() {
    let action = action(&json!([{"key": "k", "value": 3}, {"key": "d", "value": [1]}]), false);
    let merged = merge_plain(&action, br#"{"k": 4.0, "x": 1}"#).unwrap().merged;
    assert_eq!(merged.get(), r#"{"d":[1],"k":4.0,"x":1}"#);
    assert_eq!(merge_plain(&action, b"").unwrap().merged.get(), r#"{"d":[1],"k":3}"#);
}

#[test]
fn without_parameters_the_payload_passes_untouched() {
    let payload = "{ \"a\" : 1e400, \"b\":\"\\u00e9\" }";
    assert_eq!(merge_plain(&action(&json!([]), false), payload.as_bytes()).unwrap().merged.get(), payload);
}

#[test]
fn only_objects_are_arguments() {
    let action = action(&json!([]), false);
    for (payload, part) in
        [("[1]", "JSON object expected"), ("{", "Unexpected end-of-input"), ("x", "Unexpected character 'x'")]
    {
        assert!(merge_plain(&action, payload.as_bytes()).unwrap_err().message.contains(part), "{payload}");
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
    let arguments = merge(&action, br#"{"given": "AAAA"}"#, &ciphers()).unwrap();
    let names: Vec<&str> = arguments.locked.keys().map(String::as_str).collect();
    assert_eq!(names, ["TOKEN", "secret"]);
    assert!(!arguments.merged.get().contains("hidden"), "{}", arguments.merged);

    let opened = open(&arguments, &ciphers()).unwrap();
    assert_eq!(opened.run.get(), r#"{"given":"AAAA","secret":{"a":1}}"#);
    assert_eq!(opened.environment, [("TOKEN".to_owned(), "hidden".to_owned())]);
}

#[test]
fn an_argument_that_cannot_be_opened_is_named_and_not_shown() {
    let action = locked_action(&json!([{"key": "secret", "value": "hidden"}]), false);
    let arguments = merge(&action, b"{}", &ciphers()).unwrap();
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
    let error = open(&merge(&broken, b"{}", &ciphers).unwrap(), &ciphers).unwrap_err();
    assert_eq!(error.to_string(), "The parameter 'k' cannot be decrypted: it holds no JSON value.");
}

#[test]
fn what_no_known_scheme_encrypted_passes_as_it_is() {
    let action = action(
        &json!([{"key": "a", "value": "x", "encryption": "noop"}, {"key": "b", "value": 1, "encryption": "aes-256"}]),
        false,
    );
    let arguments = merge(&action, b"{}", &ciphers()).unwrap();
    assert_eq!(open(&arguments, &ciphers()).unwrap().run.get(), r#"{"a":"x","b":1}"#);
}

#[test]
fn a_final_parameter_without_a_value_may_be_given_though_encrypted() {
    let parameters = json!([{"key": "k", "value": 1}, {"key": "free", "value": null}]);
    let action = locked_action(&parameters, true);
    assert!(merge(&action, br#"{"k": 2}"#, &ciphers()).is_err());
    let arguments = merge(&action, br#"{"free": 2}"#, &ciphers()).unwrap();
    assert_eq!(open(&arguments, &ciphers()).unwrap().run.get(), r#"{"free":2,"k":1}"#);
}

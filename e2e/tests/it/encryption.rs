//! Checklist line 164: parameters that are encrypted in the store.

use oxwhisk_e2e::tenant::activation_id;
use oxwhisk_e2e::users::Roster;
use oxwhisk_e2e::{ServerOptions, Tenant, action, shared};
use serde_json::{Value, json};

const KEY_128: &str = "AAECAwQFBgcICQoLDA0ODw==";
const KEY_256: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OTHER_KEY_256: &str = "HwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Nothing that holds an action's arguments holds these in this form: the action gives them back reversed.
const SECRET: &str = "swordfish-of-c164";
const INIT_SECRET: &str = "marlin-of-c164";
const REVERSE: &str = "
const reverse = text => [...text].reverse().join('');
function main(args) {
    return {secret: reverse(args.secret), init: reverse(process.env.INIT_SECRET), rest: args.rest}
}";

fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}

fn options(scheme: &str) -> ServerOptions {
    ServerOptions::new(Roster::generate(1))
        .env("CONFIG_whisk_parameterStorage_aes128", KEY_128)
        .env("CONFIG_whisk_parameterStorage_aes256", KEY_256)
        .env("CONFIG_whisk_parameterStorage_current", scheme)
}

fn parameters() -> Value {
    json!([
        {"key": "secret", "value": SECRET}, {"key": "rest", "value": {"a": [1, null]}},
        {"key": "INIT_SECRET", "value": INIT_SECRET, "init": true}
    ])
}

#[track_caller]
fn create(tenant: &Tenant) {
    tenant.create("a", &action::with(action::nodejs(REVERSE), "parameters", parameters()));
}

fn expected() -> Value {
    json!({"secret": reversed(SECRET), "init": reversed(INIT_SECRET), "rest": {"a": [1, null]}})
}

#[test]
fn c164_get_shows_encrypted_values_and_the_action_gets_plain_ones() {
    for scheme in ["aes-128", "aes-256"] {
        let Some(server) = shared::own_server("c164", &options(scheme)) else { return };
        let tenant = server.tenant(0);
        create(&tenant);

        let shown = tenant.get("actions/a").expect(200).json();
        let list = shown["parameters"].as_array().expect("a list");
        assert_eq!(list.len(), 3, "{shown}");
        for parameter in list {
            assert_eq!(parameter["encryption"], scheme, "{shown}");
            assert!(parameter["value"].is_string(), "{shown}");
        }
        let init: Vec<&Value> = list.iter().filter(|parameter| parameter["init"] == true).collect();
        assert!(init.len() == 1 && init[0]["key"] == "INIT_SECRET", "{shown}");

        assert_eq!(tenant.call_for_result("a", &json!({})).expect(200).json(), expected());
        let overridden = tenant.call_for_result("a", &json!({"rest": "AAAA"})).expect(200).json();
        assert_eq!(overridden["rest"], "AAAA");
        let queued = tenant.record(&tenant.fire("a", &json!({})));
        assert_eq!(queued["response"]["result"], expected());

        for secret in [SECRET, INIT_SECRET] {
            assert_eq!(server.places_of(secret), [""; 0], "{secret}");
        }
        // The search does find what is there.
        assert_ne!(server.places_of(&reversed(SECRET)), [""; 0]);
    }
}

#[test]
fn c164_what_get_shows_can_be_put_back() {
    let Some(server) = shared::own_server("c164_put_back", &options("aes-256")) else { return };
    let tenant = server.tenant(0);
    create(&tenant);
    let shown = tenant.get("actions/a").expect(200).json();
    tenant.update("a", &shown);
    let again = tenant.get("actions/a").expect(200).json();
    assert_eq!(again["parameters"], shown["parameters"]);
    // An update that says nothing of parameters keeps them as they are, too.
    tenant.update("a", &json!({"annotations": [{"key": "b", "value": 1}]}));
    assert_eq!(tenant.get("actions/a").expect(200).json()["parameters"], shown["parameters"]);
    assert_eq!(tenant.call_for_result("a", &json!({})).expect(200).json(), expected());
}

#[test]
fn c164_a_final_parameter_without_a_value_can_be_given_though_encrypted() {
    let Some(server) = shared::own_server("c164_final", &options("aes-256")) else { return };
    let tenant = server.tenant(0);
    let parameters = json!([{"key": "free", "value": null}, {"key": "set", "value": 1}]);
    let body = action::with(action::nodejs(action::ECHO), "parameters", parameters);
    tenant.create("a", &action::with(body, "annotations", json!([{"key": "final", "value": true}])));
    let result = tenant.call_for_result("a", &json!({"free": 2})).expect(200).json();
    assert_eq!(result, json!({"free": 2, "set": 1}));
    tenant.post("actions/a", &json!({"set": 2})).expect(400);
}

/// Checks that both ways of invoking end in a record of a platform error with this text.
#[track_caller]
fn expect_undecryptable(tenant: &Tenant, reason: &str) {
    let error = json!({"error": format!("The parameter 'secret' cannot be decrypted: {reason}.")});
    let blocking = tenant.call("a", &json!({})).expect(500);
    for id in [activation_id(&blocking), tenant.fire("a", &json!({}))] {
        let record = tenant.record(&id);
        assert_eq!(record["response"]["status"], "whisk internal error", "{record}");
        assert_eq!(record["response"]["result"], error, "{record}");
    }
}

#[test]
fn c164_keys_may_change_and_a_wrong_one_is_said() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let options = options("aes-128").data_dir(data.path());
    let Some(server) = shared::own_server("c164_keys", &options) else { return };
    create(&server.tenant(0));
    drop(server);

    // Another scheme for new values; the old ones have still their key.
    let options = options.env("CONFIG_whisk_parameterStorage_current", "aes-256");
    let Some(server) = shared::own_server("c164_keys", &options) else { return };
    let tenant = server.tenant(0);
    assert_eq!(tenant.call_for_result("a", &json!({})).expect(200).json(), expected());
    tenant.update("a", &json!({"parameters": parameters()}));
    drop(server);

    let wrong = options.clone().env("CONFIG_whisk_parameterStorage_aes256", OTHER_KEY_256);
    let Some(server) = shared::own_server("c164_keys", &wrong) else { return };
    expect_undecryptable(&server.tenant(0), "the key is another one, or the value was changed");
    drop(server);

    let gone = options
        .env("CONFIG_whisk_parameterStorage_aes256", "")
        .env("CONFIG_whisk_parameterStorage_current", "off");
    let Some(server) = shared::own_server("c164_keys", &gone) else { return };
    expect_undecryptable(&server.tenant(0), "no key of aes-256 is configured");
    // What the payload gives instead needs no key.
    let given = json!({"secret": SECRET, "rest": 1, "INIT_SECRET": INIT_SECRET});
    let result = server.tenant(0).call_for_result("a", &given).expect(200).json();
    assert_eq!(result["secret"], reversed(SECRET));
}

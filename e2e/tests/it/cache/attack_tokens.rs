//! Attacks with tokens of others: of earlier activations, of other containers, of other namespaces.

use oxwhisk_e2e::{Tenant, wait};
use serde_json::{Value, json};

use super::{HOLD, RAW, python, run, said, tenant, tenants};

/// A token where it is worth nothing.
#[track_caller]
fn is_worthless(tenant: &Tenant, name: &str, token: &Value) {
    let result = run(tenant, name, &json!({"token": token, "commands": [["PING"], ["GET", "k"]]}));
    assert!(result["login"].as_str().is_some_and(|text| text.starts_with("-WRONGPASS ")), "{result}");
    let refused = json!("-NOAUTH Authentication required.");
    assert_eq!(result["replies"], json!([refused, refused]));
}

/// All invokers' cache, whichever runs it.
fn shared_by_all() -> Value {
    json!({"scope": "namespace", "tier": "global"})
}

#[test]
fn a_token_is_worth_nothing_to_anybody_else() {
    let Some((owner, stranger)) = tenants("a_token_is_worth_nothing_to_anybody_else") else { return };
    for tenant in [&owner, &stranger] {
        tenant.create("a", &python(RAW, shared_by_all()));
    }
    owner.create("hold", &python(HOLD, shared_by_all()));
    let former = run(&owner, "a", &json!({"commands": [["SET", "k", "v"]]}));
    assert_eq!(former["login"], "OK");
    // The next activation of the same container, and others.
    is_worthless(&owner, "a", &former["token"]);
    is_worthless(&stranger, "a", &former["token"]);

    // One that is alive, in a container of its own.
    let id = owner.fire("hold", &json!({"tell": "t", "until": "go"}));
    let token = wait::until("the other activation's token", || {
        match said(&owner, "a", &json!([["GET", "t"]]))[0].take() {
            Value::String(token) => Ok(json!(token)),
            other => Err(other.to_string()),
        }
    });
    is_worthless(&owner, "a", &token);
    is_worthless(&stranger, "a", &token);
    assert_eq!(said(&owner, "a", &json!([["SET", "go", "1"]])), json!(["OK"]));
    let record = owner.record(&id);
    // To its own container it was worth something all the time.
    assert_eq!(record["response"]["result"], json!({"login": "OK", "again": "OK"}), "{record}");
    is_worthless(&owner, "a", &token);
    // Another container of the same owner is no better.
    owner.create("other", &python(RAW, shared_by_all()));
    is_worthless(&owner, "other", &token);
}

#[test]
fn what_looks_like_a_token_is_none() {
    let Some(tenant) = tenant("what_looks_like_a_token_is_none") else { return };
    tenant.create("a", &python(RAW, json!(true)));
    let own = run(&tenant, "a", &json!({}))["token"].as_str().expect("a token").to_owned();
    let cut = &own[..42];
    for token in
        ["", "*", "default", cut, &"A".repeat(43), &format!("{own}="), &own.to_lowercase(), &"x".repeat(900)]
    {
        let result = run(&tenant, "a", &json!({"token": token}));
        assert!(
            result["login"].as_str().is_some_and(|text| text.starts_with("-WRONGPASS ")),
            "{token}: {result}"
        );
    }
}

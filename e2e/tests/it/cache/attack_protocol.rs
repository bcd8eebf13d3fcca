//! Attacks on the proxy itself: commands, names and frames by which one might come out of one's scope.

use oxwhisk_e2e::{Tenant, action, shared, wait};
use serde_json::{Value, json};

use super::attack_secrets::Redis;
use super::{RAW, python, run, said, tenants};

const BREAK: &str = include_str!("actions/break.py");
const LISTEN: &str = include_str!("actions/listen.py");

/// In what is another's, and nowhere else.
const CANARY: &str = "canary-4711";

fn scope() -> Value {
    json!({"scope": "namespace", "tier": "global"})
}

/// Keys of all kinds, with the canary in names and values.
#[track_caller]
fn fill(tenant: &Tenant) {
    let commands = json!([
        ["SET", "secret", CANARY],
        ["SET", format!("name-{CANARY}"), "1"],
        ["HSET", "hash", "f", CANARY],
        ["RPUSH", "list", CANARY],
        ["SADD", "set", CANARY],
        ["ZADD", "sorted", "1", CANARY],
        ["XADD", "stream", "1-1", "f", CANARY]
    ]);
    assert_eq!(said(tenant, "a", &commands), json!(["OK", "OK", 1, 1, 1, 1, "1-1"]));
}

/// How the server calls the key that has the canary; a guess where it cannot be asked.
fn raw_name(redis: Option<&mut Redis>) -> String {
    let keys = redis.map(Redis::keys).unwrap_or_default();
    let named = keys.keys().find_map(|key| key.strip_suffix(format!("name-{CANARY}").as_bytes()));
    let named = named.map(String::from_utf8_lossy);
    format!("{}secret", named.as_deref().unwrap_or("1AAAAAAAAAAAAAAAAAAAAAA:"))
}

#[test]
fn nobody_comes_out_of_a_scope() {
    let Some((victim, attacker)) = tenants("nobody_comes_out_of_a_scope") else { return };
    for tenant in [&victim, &attacker] {
        tenant.create("a", &python(RAW, scope()));
        tenant.create("break", &action::with(python(BREAK, scope()), "limits", json!({"timeout": 300_000})));
    }
    fill(&victim);
    let is_root = nix::unistd::Uid::effective().is_root();
    let mut redis = shared::server().filter(|_| is_root).map(Redis::of);
    let raw = raw_name(redis.as_mut());
    assert!(redis.is_none() || !raw.starts_with("1AAAAAAA"), "the victim's keys are found: {raw}");

    let result = run(&attacker, "break", &json!({"victim": raw}));
    let told = result["told"].as_array().expect("a list");
    assert!(told.len() > 400, "{} attempts", told.len());
    for attempt in told {
        assert!(!attempt.to_string().contains(CANARY), "{attempt}");
    }
    let after = json!([
        ["GET", "secret"],
        ["TTL", "secret"],
        ["DBSIZE"],
        ["XLEN", "stream"],
        ["GET", format!("name-{CANARY}")]
    ]);
    let found = said(&victim, "a", &after);
    assert!(found[1].as_i64().is_some_and(|left| left > 60), "{found}");
    assert_eq!(
        (&found[0], &found[2], &found[3], &found[4]),
        (&json!(CANARY), &json!(7), &json!(1), &json!("1")),
        "{found}"
    );
    if let Some(redis) = &mut redis {
        wait::until("all keys to be somebody's, and to expire", || {
            let keys = redis.keys();
            let is_odd = |(key, left): &(&Vec<u8>, &i64)| {
                key.first() != Some(&b'0') && (key.get(23) != Some(&b':') || **left == -1)
            };
            match keys.iter().find(is_odd) {
                Some((key, left)) => Err(format!("{}: {left}", String::from_utf8_lossy(key))),
                None => Ok(()),
            }
        });
    }
    // Whose keys they are finds them by the same means.
    fill_again(&victim);
    let own = run(&victim, "break", &json!({"victim": raw}));
    assert!(own.to_string().contains(CANARY), "the attempts would show it");
}

/// As [`fill`], where it may be there already.
#[track_caller]
fn fill_again(tenant: &Tenant) {
    said(tenant, "a", &json!([["FLUSHDB"]]));
    fill(tenant);
}

#[test]
fn nobody_hears_what_others_publish() {
    let Some((victim, attacker)) = tenants("nobody_hears_what_others_publish") else { return };
    for tenant in [&victim, &attacker] {
        tenant.create("a", &python(RAW, scope()));
        tenant.create("listen", &python(LISTEN, scope()));
    }
    let payload = json!({"channel": "c", "raw": "1AAAAAAAAAAAAAAAAAAAAAA:c"});
    let listens = |tenant: &Tenant| {
        let id = tenant.fire("listen", &payload);
        wait::until("somebody who listens", || {
            match said(tenant, "a", &json!([["GET", "listens"]]))[0].take() {
                Value::Null => Err("not yet".to_owned()),
                _ => Ok(()),
            }
        });
        id
    };
    let (own, other) = (listens(&victim), listens(&attacker));
    let published = said(&victim, "a", &json!([["PUBLISH", "c", CANARY], ["PUBLISH", "c", "end"]]));
    assert_eq!(published, json!([3, 3]), "the victim's own are the only ones");
    said(&attacker, "a", &json!([["PUBLISH", "c", "end"]]));
    let heard = |tenant: &Tenant, id: &str| tenant.record(id)["response"]["result"]["heard"].to_string();
    assert!(heard(&victim, &own).contains(CANARY), "{}", heard(&victim, &own));
    let heard = heard(&attacker, &other);
    assert!(heard.contains("end") && !heard.contains(CANARY), "{heard}");
}

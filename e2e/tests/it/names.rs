//! Checklist lines 56 to 64, 67, 68 and 84: names, versions, overwriting.

use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use oxwhisk_e2e::http::encode;
use oxwhisk_e2e::{action, shared};
use serde_json::json;

use crate::malformed;

const ILLEGAL_NAME: &str = "The name of the entity contains illegal characters.";

#[test]
fn c056_a_name_may_have_spaces_and_some_signs() {
    let tenant = shared::tenant();
    let name = "a b.c&d@e-f";
    let stored = tenant.create(&encode(name), &action::nodejs(action::ECHO));
    assert_eq!(stored["name"], name);
    let read = tenant.get(&format!("actions/{}", encode(name))).expect(200).json();
    assert_eq!(read["name"], name);
}

#[test]
fn c057_a_name_neither_starts_nor_ends_with_a_space() {
    let tenant = shared::tenant();
    for name in [" x", "x "] {
        let response = tenant.put(&format!("actions/{}", encode(name)), &action::nodejs(action::ECHO));
        response.expect_error(400, ILLEGAL_NAME);
    }
}

#[test]
fn c058_a_name_starts_with_a_word_character() {
    let response = shared::tenant().put("actions/-x", &action::nodejs(action::ECHO));
    response.expect_error(400, ILLEGAL_NAME);
}

#[test]
fn c059_a_name_has_at_most_256_characters() {
    let tenant = shared::tenant();
    let longest = "n".repeat(256);
    assert_eq!(tenant.create(&longest, &action::nodejs(action::ECHO))["name"], longest.as_str());
    let response = tenant.put(&format!("actions/{longest}n"), &action::nodejs(action::ECHO));
    response.expect_error(400, "Name segement longer than allowed: 257 > 256.");
}

#[test]
fn c060_the_first_version_is_0_0_1_and_an_update_counts_on() {
    let tenant = shared::tenant();
    assert_eq!(tenant.create("a", &action::nodejs(action::ECHO))["version"], "0.0.1");
    assert_eq!(tenant.update("a", &action::nodejs(action::ECHO))["version"], "0.0.2");
}

#[test]
fn c061_a_given_version_is_taken_and_counted_on() {
    let tenant = shared::tenant();
    let body = action::with(action::nodejs(action::ECHO), "version", json!("2.0.0"));
    assert_eq!(tenant.create("a", &body)["version"], "2.0.0");
    assert_eq!(tenant.update("a", &action::nodejs(action::ECHO))["version"], "2.0.1");
}

#[test]
fn c062_a_version_may_be_short() {
    let tenant = shared::tenant();
    for (name, given, stored) in [("a", "1", "1.0.0"), ("b", "1.2", "1.2.0")] {
        let body = action::with(action::nodejs(action::ECHO), "version", json!(given));
        assert_eq!(tenant.create(name, &body)["version"], stored);
    }
}

#[test]
fn c063_version_zero_is_malformed() {
    let tenant = shared::tenant();
    for version in ["0.0.0", "-1.0.0", "one"] {
        let body = action::with(action::nodejs(action::ECHO), "version", json!(version));
        let response = tenant.put("actions/a", &body);
        let message = response.error_message(400);
        response.check(message.starts_with(&malformed("")), version);
    }
}

#[test]
fn c064_an_existing_action_is_not_overwritten_by_chance() {
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs(action::ECHO));
    let again = action::nodejs("function main() { return {changed: true} }");
    tenant.put("actions/a", &again).expect_error(409, "resource already exists");
    tenant.put("actions/a?overwrite=false", &again).expect_error(409, "resource already exists");
    assert_eq!(tenant.get("actions/a").expect(200).json()["exec"]["code"], action::ECHO);
}

#[test]
fn c067_updated_is_the_servers_clock() {
    let tenant = shared::tenant();
    let before = epoch_ms();
    let body = action::with(action::nodejs(action::ECHO), "updated", json!(5));
    let first = tenant.create("a", &body)["updated"].as_u64().expect("a number");
    let second = tenant.update("a", &body)["updated"].as_u64().expect("a number");
    let after = epoch_ms();
    if shared::is_remote() {
        // Another machine has another clock; only the order can be known.
        assert!(first <= second, "{first} {second}");
    } else {
        // It grows with each update, within one millisecond too.
        assert!(
            before <= first && first < second && second <= after + 1,
            "{before} {first} {second} {after}"
        );
    }
}

fn epoch_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(now.as_millis()).expect("fits")
}

#[test]
fn c068_unknown_members_are_ignored() {
    let tenant = shared::tenant();
    let body = action::with(action::nodejs(action::ECHO), "colour", json!({"is": "blue"}));
    assert!(tenant.create("a", &body).get("colour").is_none());
}

#[test]
fn c084_of_concurrent_updates_at_least_one_wins_and_no_version_is_given_twice() {
    const WRITERS: usize = 8;
    let tenant = shared::tenant();
    tenant.create("a", &action::nodejs(action::ECHO));
    let answers: Vec<_> = thread::scope(|scope| {
        let put = || tenant.put("actions/a?overwrite=true", &action::nodejs(action::ECHO));
        let writers: Vec<_> = (0..WRITERS).map(|_| scope.spawn(put)).collect();
        writers.into_iter().map(|writer| writer.join().expect("a writer")).collect()
    });
    let mut versions = Vec::new();
    for answer in answers {
        if answer.status == 200 {
            versions.push(answer.json()["version"].as_str().expect("a version").to_owned());
        } else {
            answer.expect_error(409, "Concurrent modification to resource detected.");
        }
    }
    assert!(!versions.is_empty(), "nobody won");
    let last = format!("0.0.{}", versions.len() + 1);
    versions.sort_by_key(|version| version.rsplit('.').next().and_then(|n| n.parse::<u32>().ok()));
    versions.dedup();
    assert_eq!(versions.last(), Some(&last), "{versions:?}");
    assert_eq!(tenant.get("actions/a").expect(200).json()["version"], last.as_str());
}

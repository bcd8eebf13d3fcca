//! How actions come by the cache: by the helper of their runtime, by a library of their own, in warm containers.

use std::collections::BTreeSet;
use std::thread;

use oxwhisk_e2e::{ServerOptions, action, report, shared};
use serde_json::{Value, json};

use super::{HELPER_JS, HELPER_PY, RAW, busy, helped, is_there, python, run, said, tenant, with_cache};

const LOADED_JS: &str = include_str!("actions/loaded.js");
const LOADED_PY: &str = include_str!("actions/loaded.py");
const TOGETHER: &str = include_str!("actions/together.js");

fn helpers() -> [(&'static str, Value); 2] {
    let nodejs = with_cache(action::nodejs(HELPER_JS), json!(true));
    [("nodejs", nodejs), ("python", with_cache(action::python(HELPER_PY), json!(true)))]
}

#[test]
fn the_helpers_keep_values_and_count() {
    let Some(tenant) = tenant("the_helpers_keep_values_and_count") else { return };
    for (name, body) in helpers() {
        tenant.create(name, &body);
        let first = json!([
            ["get", "k"],
            ["set", "k", "v", {"ttl": 50}],
            ["get", "k"],
            ["set", "j", {"a": [1]}],
            ["getJson", "j"],
            ["increment", "n"],
            ["increment", "n", 5],
            ["decrement", "n"],
            ["compute", "c", {"made": 1}],
            ["compute", "c", {"made": 2}],
            ["delete", "j", "none"]
        ]);
        let replies = json!([null, null, "v", null, {"a": [1]}, 1, 6, 5, {"made": 1}, {"made": 1}, 1]);
        assert_eq!(helped(&tenant, name, &first), replies, "{name}");
        // The next activation finds it.
        let second = json!([
            ["get", "k"],
            ["get", "n"],
            ["compute", "c", 3],
            ["command", "TTL", "k"],
            ["command", "TTL", "n"]
        ]);
        let found = helped(&tenant, name, &second);
        assert_eq!(
            found.as_array().expect("a list")[..3],
            [json!("v"), json!("5"), json!({"made": 1})],
            "{name}"
        );
        let [given, default] = [3, 4].map(|at| found[at].as_i64().expect("seconds"));
        assert!(given > 0 && given <= 50, "{name}: {found}");
        assert!(default > 50 && default <= 3600, "{name}: every key expires: {found}");
        let errors =
            helped(&tenant, name, &json!([["command", "LPUSH", "k", "x"], ["command", "KEYS", "*"]]));
        assert!(
            errors[0].as_str().is_some_and(|text| text.starts_with("CacheError: WRONGTYPE ")),
            "{errors}"
        );
        assert!(errors[1].as_str().is_some_and(|text| text.starts_with("CacheRefused: NOPERM ")), "{errors}");
    }
}

#[test]
fn clients_of_ones_own_log_in_with_the_token() {
    let Some(tenant) = tenant("clients_of_ones_own_log_in_with_the_token") else { return };
    tenant.create("python", &python(RAW, json!(true)));
    let commands =
        json!([["SET", "k", "v"], ["GET", "k"], ["HSET", "h", "f", "1"], ["HGETALL", "h"], ["GET", "none"]]);
    assert_eq!(said(&tenant, "python", &commands), json!(["OK", "v", 1, ["f", "1"], null]));
    // Any program; a line is a command, too.
    let script = "#!/bin/bash\nhost=${__OW_CACHE_URL#redis://}\n\
                  exec 3<>\"/dev/tcp/${host%:*}/${host#*:}\"\n\
                  printf 'AUTH %s\\r\\nINCR n\\r\\n' \"$__OW_CACHE_TOKEN\" >&3\n\
                  read -r login <&3; read -r count <&3\n\
                  echo \"{\\\"login\\\": \\\"${login%?}\\\", \\\"count\\\": \\\"${count%?}\\\"}\"\n";
    tenant.create("native", &with_cache(action::native(script), json!(true)));
    for count in [":1", ":2"] {
        assert_eq!(run(&tenant, "native", &json!({})), json!({"login": "+OK", "count": count}));
    }
}

#[test]
fn a_client_made_at_load_serves_a_hundred_activations() {
    let Some(tenant) = busy("a_client_made_at_load_serves_a_hundred_activations") else { return };
    let bodies = [
        ("nodejs", with_cache(action::nodejs(LOADED_JS), json!(true))),
        ("python", python(LOADED_PY, json!(true))),
    ];
    for (name, body) in bodies {
        let name = format!("loaded_{name}");
        tenant.update(&name, &body);
        let before = run(&tenant, &name, &json!({}));
        assert!(before["login"].as_str().is_some_and(|text| text.ends_with("OK")), "{before}");
        let number = |count: &Value| match count {
            Value::String(text) => text[1..].parse::<i64>().expect("a number"),
            other => other.as_i64().expect("a number"),
        };
        let first = number(&before["count"]);
        for call in 1..=100 {
            let result = run(&tenant, &name, &json!({}));
            assert_eq!(number(&result["count"]), first + call, "call {call} of {name}: {result}");
        }
        tenant.delete(&format!("actions/{name}")).expect(200);
    }
}

#[test]
fn between_activations_nothing_is_served() {
    let Some(tenant) = busy("between_activations_nothing_is_served") else { return };
    tenant.update("between", &with_cache(action::nodejs(LOADED_JS), json!(true)));
    run(&tenant, "between", &json!({"watch": true}));
    let mut sent = 0;
    let mut seen = false;
    for round in 0..200 {
        // Time for the process, if it is not frozen: what it does then is what is looked at.
        thread::sleep(std::time::Duration::from_millis(20));
        let result = run(&tenant, "between", &json!({"watch": true}));
        assert_eq!(result["count"], format!(":{}", round + 2), "in an activation it is served: {result}");
        let between = result["between"].as_array().expect("a list");
        sent += between.len();
        let is_refused = |reply: &Value| reply.as_str().is_some_and(|text| text.starts_with("-NOAUTH"));
        let ends = (between.iter().position(is_refused), between.iter().rposition(is_refused));
        if let (Some(first), Some(last)) = ends {
            seen = true;
            // Until its end is known an activation is served, and the next one is before it has come to its process.
            assert!(between[first..=last].iter().all(is_refused), "{result}");
        }
        if seen && round > 10 {
            break;
        }
    }
    if !seen {
        let why = format!("containers are frozen between activations ({sent} commands in 200 of them)");
        report::skipped("between_activations_nothing_is_served", &why);
    }
    tenant.delete("actions/between").expect(200);
}

#[test]
fn activations_together_in_a_container_have_tokens_of_their_own() {
    const TOGETHER_AT_ONCE: usize = 5;
    let test = "activations_together_in_a_container_have_tokens_of_their_own";
    if !is_there(test) || !shared::is_standalone(test, "a deployment of a test's own has no cache") {
        return;
    }
    let options = ServerOptions::default().env("CONFIG_whisk_concurrencyLimit_max", "10");
    let Some(server) = shared::own_server(test, &options) else { return };
    let tenant = server.tenant(0);
    let body = with_cache(action::nodejs(TOGETHER), json!(true));
    tenant.create("a", &action::with(body, "limits", json!({"concurrency": TOGETHER_AT_ONCE})));
    let alone = run(&tenant, "a", &json!({"together": 1}));
    // With the one before.
    let payload = json!({"together": TOGETHER_AT_ONCE + 1});
    let call = || run(&tenant, "a", &payload);
    let results: Vec<Value> = thread::scope(|scope| {
        let calls: Vec<_> = (0..TOGETHER_AT_ONCE).map(|_| scope.spawn(call)).collect();
        calls.into_iter().map(|call| call.join().expect("a result")).collect()
    });
    let counts: BTreeSet<i64> = results.iter().filter_map(|result| result["count"].as_i64()).collect();
    assert_eq!(counts.len(), TOGETHER_AT_ONCE, "each counts once: {results:?}");
    for result in &results {
        assert_eq!((&result["logged"], &result["said"]), (&json!("+OK"), &json!("+PONG")), "{results:?}");
        assert_eq!(result["different"], TOGETHER_AT_ONCE + 1, "{results:?}");
    }
    // What one of them has left open is worth nothing to later ones, in the same process.
    let id = alone["id"].as_str().expect("an id");
    let former = run(&tenant, "a", &json!({"former": id}));
    let text = former["former"].as_str().expect("a reply");
    assert!(text == "closed" || text.starts_with("-NOAUTH"), "{former}");
}

#[test]
fn an_action_that_asks_for_none_has_none() {
    let Some(tenant) = tenant("an_action_that_asks_for_none_has_none") else { return };
    let body = action::nodejs(action::ENVIRONMENT);
    for (name, body) in [("says-nothing", body.clone()), ("declines", with_cache(body, json!(false)))] {
        tenant.create(name, &body);
        let found = run(&tenant, name, &json!({}));
        let names: Vec<&String> = found.as_object().expect("an object").keys().collect();
        assert!(names.iter().all(|name| !name.starts_with("__OW_CACHE")), "{names:?}");
    }
    tenant.create("asks", &action::nodejs(HELPER_JS));
    let text = "CacheUnavailable: this action has no cache: give it the annotation cache=true";
    assert_eq!(helped(&tenant, "asks", &json!([["get", "k"]])), json!([text]));
}

#[test]
fn an_activation_that_nobody_waits_for_has_the_cache_too() {
    let Some(tenant) = tenant("an_activation_that_nobody_waits_for_has_the_cache_too") else { return };
    tenant.create("a", &with_cache(action::nodejs(HELPER_JS), json!(true)));
    let ids: Vec<String> =
        (0..3).map(|_| tenant.fire("a", &json!({"calls": [["increment", "n"]]}))).collect();
    let counts: BTreeSet<i64> =
        ids.iter().filter_map(|id| tenant.record(id)["response"]["result"]["replies"][0].as_i64()).collect();
    assert_eq!(counts, BTreeSet::from([1, 2, 3]));
}

#[test]
fn the_examples_of_the_readme_do_what_they_say() {
    const README: &str = include_str!("../../../../README.md");
    let Some(tenant) = tenant("the_examples_of_the_readme_do_what_they_say") else { return };
    let (_, section) = README.split_once("## A cache for actions").expect("the section");
    for (language, body) in [("js", action::nodejs as fn(&str) -> Value), ("python", action::python)] {
        let (_, code) = section.split_once(&format!("```{language}\n")).expect("an example");
        let (code, _) = code.split_once("```").expect("its end");
        tenant.create(language, &with_cache(body(code), json!(true)));
        for visits in [1, 2] {
            let result = run(&tenant, language, &json!({"page": "/a"}));
            assert_eq!(result, json!({"title": "The page /a", "visits": visits}), "{language}");
        }
    }
}

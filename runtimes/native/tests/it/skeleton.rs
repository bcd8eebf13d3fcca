//! One process for each activation: arguments in, the last line of stdout out.

use serde_json::json;

use crate::harness::{Proxy, SENTINEL, error, has, ok};

const NOT_A_RESULT: &str = "The action did not return a dictionary or array.";

#[test]
fn the_value_is_the_argument_and_the_last_line_the_result() {
    let mut proxy = Proxy::start();
    proxy.init_script("#!/bin/sh\necho hello stdout\necho hello stderr >&2\necho \"$1\"\n");
    for value in [json!({"a": 1}), json!({"snow": "☃"}), json!([1, 2]), json!({})] {
        assert_eq!(proxy.run(&value), (200, value));
    }
    assert_eq!(proxy.stdout(), format!("hello stdout\n{SENTINEL}").repeat(4));
    assert_eq!(proxy.stderr(), format!("hello stderr\n{SENTINEL}").repeat(4));
}

#[test]
fn each_run_is_a_process_of_its_own() {
    let mut proxy = Proxy::start();
    proxy.init_script("#!/bin/sh\necho \"{\\\"pid\\\":$$}\"\n");
    assert_ne!(proxy.run(&json!({})).1["pid"], proxy.run(&json!({})).1["pid"]);
}

#[test]
fn stdin_holds_the_value_and_ends() {
    for script in ["#!/bin/sh\ncat\n", "#!/bin/sh\nread -r line\nprintf '%s' \"$line\"\n"] {
        let mut proxy = Proxy::start();
        proxy.init_script(script);
        for _ in 0..2 {
            assert_eq!(proxy.run(&json!({"a": [1]})), (200, json!({"a": [1]})));
        }
    }
}

#[test]
fn a_value_too_long_for_an_argument_comes_on_stdin_alone() {
    let mut proxy = Proxy::start();
    proxy.init_script("#!/bin/sh\necho \"arguments: $#\"\ncat\n");
    let envelope = json!({ "text": "" }).to_string().len();
    for (length, arguments) in [(131_071 - envelope, 1), (131_072 - envelope, 0), (3 << 20, 0)] {
        let value = json!({ "text": "x".repeat(length) });
        assert_eq!(proxy.run(&value), (200, value));
        assert!(proxy.stdout().ends_with(&format!("arguments: {arguments}\n{SENTINEL}")), "{length}");
    }
}

#[test]
fn init_and_run_make_up_the_environment() {
    let mut proxy = Proxy::start_with(&[("__OW_API_HOST", "https://host")]);
    let script = "#!/bin/sh\nprintf '{'\nfor name in A __OW_API_HOST __OW_API_KEY __OW_NAMESPACE __OW_ACTION_NAME \
                  __OW_ACTION_VERSION __OW_ACTIVATION_ID __OW_TRANSACTION_ID __OW_DEADLINE; do\n\
                  eval \"printf '\\\"%s\\\":\\\"%s\\\",' $name \\\"\\$$name\\\"\"\ndone\necho '\"end\":0}'\n";
    let env = json!({"A": "init", "__OW_DEADLINE": "0"});
    assert_eq!(proxy.init_value(&json!({"code": script, "env": env})), ok());
    let expected = json!({
        "A": "init",
        "__OW_API_HOST": "https://host",
        "__OW_API_KEY": "uuid:key",
        "__OW_NAMESPACE": "guest",
        "__OW_ACTION_NAME": "/guest/test",
        "__OW_ACTION_VERSION": "0.0.1",
        "__OW_ACTIVATION_ID": "0123456789abcdef0123456789abcdef",
        "__OW_TRANSACTION_ID": "tid_1",
        "__OW_DEADLINE": "1690000060000",
        "end": 0,
    });
    assert_eq!(proxy.run(&json!({})), (200, expected));
}

#[test]
fn what_is_no_result_is_log() {
    let mut proxy = Proxy::start();
    proxy.init_script("#!/bin/sh\necho one\nprintf 'not a json object'\n");
    assert_eq!(proxy.run(&json!({})), error(502, NOT_A_RESULT));
    assert_eq!(proxy.stdout(), format!("one\nnot a json object\n{SENTINEL}"));
    assert!(proxy.stderr().contains("OW_ACTION_PROTOCOL=actionloop"), "{}", proxy.stderr());
}

#[test]
fn silence_and_other_json_are_no_results() {
    for script in ["#!/bin/sh\n", "#!/bin/sh\necho 12\n", "#!/bin/sh\necho '{}'\necho\n"] {
        let mut proxy = Proxy::start();
        proxy.init_script(script);
        assert_eq!(proxy.run(&json!({})), error(502, NOT_A_RESULT), "{script}");
    }
}

#[test]
fn the_last_line_counts_whatever_the_exit_status() {
    let mut proxy = Proxy::start();
    proxy.init_script("#!/bin/sh\necho '{\"error\":\"application\"}'\nexit 7\n");
    assert_eq!(proxy.run(&json!({})), (200, json!({"error": "application"})));
}

#[test]
fn an_argument_that_is_no_object_is_refused() {
    let mut proxy = Proxy::start();
    proxy.init_script("#!/bin/sh\necho \"$1\"\n");
    let refused = error(404, "The action did not receive a dictionary or array as an argument.");
    assert_eq!(proxy.run(&json!("text")), refused);
    assert_eq!(proxy.post("/run", "{}"), (200, json!({})));
}

#[test]
fn a_process_left_behind_does_not_hold_up_the_answer() {
    let mut proxy = Proxy::start();
    proxy.init_script("#!/bin/sh\nsleep 5 &\necho \"{\\\"sleeper\\\":$!}\"\n");
    let (status, answer) = proxy.run(&json!({}));
    assert_eq!(status, 200);
    let sleeper = i32::try_from(answer["sleeper"].as_i64().unwrap()).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(sleeper), nix::sys::signal::SIGKILL)
        .expect("it outlives the run");
}

#[test]
fn the_action_runs_in_its_own_folder() {
    let mut proxy = Proxy::start();
    proxy.init_script("#!/bin/sh\necho \"{\\\"variable\\\":\\\"$PWD\\\",\\\"real\\\":\\\"$(pwd -P)\\\",\\\"exec\\\":\\\"$0\\\"}\"\n");
    let (_, answer) = proxy.run(&json!({}));
    assert_eq!(answer["variable"], answer["real"]);
    assert_eq!(answer["exec"], format!("{}/exec", answer["real"].as_str().unwrap()));
}

#[test]
fn a_python_skeleton_works() {
    if !has("/usr/bin/python3") {
        return;
    }
    let mut proxy = Proxy::start();
    proxy.init_script(
        "#!/usr/bin/python3\nimport json, sys\nfrom sys import argv\nassert json.loads(sys.stdin.readline()) == json.loads(argv[1])\n\
         s = json.loads(argv[1])['delimiter']\nprint(s + ' ☃ ' + s)\nprint(json.dumps({'winter': s + ' ☃ ' + s}))\n",
    );
    assert_eq!(proxy.run(&json!({"delimiter": "❄"})), (200, json!({"winter": "❄ ☃ ❄"})));
    assert_eq!(proxy.stdout(), format!("❄ ☃ ❄\n{SENTINEL}"));
}

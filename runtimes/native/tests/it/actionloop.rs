//! Long-lived processes: lines on stdin, answers on descriptor 3.

use std::{io::BufReader, io::Write, thread};

use nix::{sys::signal::kill, unistd::Pid};
use serde_json::{Value, json};

use crate::harness::{
    Answer, Proxy, SENTINEL, activation, connect, echo_program, error, has, ok, post, shell_loop, wait_for,
};

#[test]
fn a_program_echoes_every_kind_of_value() {
    let mut proxy = Proxy::start();
    assert_eq!(proxy.init_binary(&echo_program()), ok());
    for value in
        [json!({}), json!({"a": [1, {"b": null}]}), json!({"snow": "☃ \u{1f600} \"\n"}), json!([1, "x"])]
    {
        assert_eq!(proxy.run(&value), (200, value));
    }
}

#[test]
fn a_large_value_goes_through_both_ways() {
    let mut proxy = Proxy::start();
    assert_eq!(proxy.init_binary(&echo_program()), ok());
    let value = json!({ "text": "0123456789abcdef".repeat(1 << 18) });
    for _ in 0..2 {
        assert_eq!(proxy.run(&value), (200, value.clone()));
    }
}

#[test]
fn one_process_serves_all_runs() {
    let mut proxy = Proxy::start();
    proxy.init_script(&shell_loop("n=$((n+1)); echo \"{\\\"pid\\\":$$,\\\"n\\\":$n}\" >&3"));
    let (_, first) = proxy.run(&json!({}));
    let (_, second) = proxy.run(&json!({}));
    assert_eq!(first["pid"], second["pid"]);
    assert_eq!((&first["n"], &second["n"]), (&json!(1), &json!(2)));
}

#[test]
fn the_line_is_the_whole_body_without_its_line_breaks() {
    let mut proxy = Proxy::start();
    proxy.init_script(&shell_loop("printf '%s\\n' \"$line\" >&3"));
    let body: Value = serde_json::from_str(&activation(&json!({"a": 1}))).unwrap();
    for _ in 0..2 {
        let pretty = serde_json::to_string_pretty(&body).unwrap().replace('\n', "\r\n");
        assert_eq!(proxy.post("/run", &pretty), (200, body.clone()));
    }
}

#[test]
fn the_environment_of_init_is_there_from_the_start() {
    let mut proxy = Proxy::start_with(&[("FROM_IMAGE", "image"), ("__OW_API_HOST", "host")]);
    let script = shell_loop(
        "echo \"{\\\"a\\\":\\\"$A\\\",\\\"b\\\":$B,\\\"image\\\":\\\"$FROM_IMAGE\\\",\\\"host\\\":\\\"$__OW_API_HOST\\\",\
         \\\"name\\\":\\\"$__OW_ACTION_NAME\\\",\\\"listen\\\":\\\"$OW_LISTEN\\\"}\" >&3",
    );
    let env = json!({"A": "x=y=z", "B": {"c": [1]}, "__OW_ACTION_NAME": "/guest/init"});
    assert_eq!(proxy.init_value(&json!({"code": script, "env": env})), ok());
    let expected = json!({
        "a": "x=y=z", "b": {"c": [1]}, "image": "image", "host": "host", "name": "/guest/test", "listen": "",
    });
    assert_eq!(proxy.run(&json!({})), (200, expected));
}

#[test]
fn logs_come_before_the_sentinels_of_their_own_run() {
    let mut proxy = Proxy::start();
    proxy.init_script(&shell_loop(
        "n=$((n+1)); echo out $n; echo err $n >&2; printf 'no end %s' $n; echo '{}' >&3",
    ));
    for _ in 0..2 {
        assert_eq!(proxy.run(&json!({})).0, 200);
    }
    assert_eq!(proxy.stdout(), format!("out 1\nno end 1\n{SENTINEL}out 2\nno end 2\n{SENTINEL}"));
    assert_eq!(proxy.stderr(), format!("err 1\n{SENTINEL}err 2\n{SENTINEL}"));
}

#[test]
fn more_log_than_a_pipe_holds_does_not_block() {
    let mut proxy = Proxy::start();
    let script = "#!/usr/bin/perl\n$| = 1; open(OUT, '>&=3'); select((select(OUT), $| = 1)[0]);\n\
                  while (<STDIN>) { print 'x' x 99, \"\\n\" for 1..5000; print OUT \"{}\\n\"; }\n";
    if !has("/usr/bin/perl") {
        return;
    }
    proxy.init_script(script);
    for runs in 1..=2 {
        assert_eq!(proxy.run(&json!({})).0, 200);
        assert_eq!(proxy.stdout().len(), runs * (500_000 + SENTINEL.len()));
    }
}

#[test]
fn a_loop_that_closes_descriptor_3_before_its_first_run_is_not_waited_for() {
    let mut proxy = Proxy::start_with(&[("OW_ACTION_PROTOCOL", "actionloop"), ("OW_START_GRACE_MS", "500")]);
    proxy.init_script("#!/bin/sh\nexec 3>&-\nwhile read -r line; do :; done\n");
    assert_eq!(proxy.run(&json!({})), error(400, "command exited"));
}

#[test]
fn a_python_loop_works() {
    if !has("/usr/bin/python3") {
        return;
    }
    let mut proxy = Proxy::start();
    proxy.init_script(
        "#!/usr/bin/python3\nimport json, os, sys\nout = os.fdopen(3, 'wb')\nwhile True:\n  line = sys.stdin.readline()\n  \
         if not line: break\n  value = json.loads(line)['value']\n  print('log')\n  sys.stdout.flush()\n  \
         out.write(json.dumps({'got': value}).encode() + b'\\n')\n  out.flush()\n",
    );
    for n in 0..3 {
        assert_eq!(proxy.run(&json!({"n": n})), (200, json!({"got": {"n": n}})));
    }
    assert_eq!(proxy.stdout(), format!("log\n{SENTINEL}").repeat(3));
}

#[test]
fn only_objects_and_arrays_are_results() {
    let mut proxy = Proxy::start();
    let script = shell_loop("case $line in *first*) echo '[1]';; *second*) echo 12;; *) echo '{';; esac >&3");
    proxy.init_script(&script);
    assert_eq!(proxy.run(&json!({"n": "first"})), (200, json!([1])));
    let refused = error(502, "The action did not return a dictionary or array.");
    assert_eq!(proxy.run(&json!({"n": "second"})), refused);
    assert_eq!(proxy.run(&json!({"n": "third"})), refused);
}

#[test]
fn a_process_that_dies_ends_its_run_and_the_action() {
    let mut proxy = Proxy::start();
    proxy.init_script(&shell_loop("case $line in *die*) echo dying; exit 1;; esac; echo '{}' >&3"));
    assert_eq!(proxy.run(&json!({})).0, 200);
    assert_eq!(proxy.run(&json!({"do": "die"})), error(400, "command exited"));
    assert_eq!(proxy.run(&json!({})), error(500, "no action defined yet"));
    assert_eq!(proxy.stdout(), format!("{SENTINEL}dying\n{SENTINEL}{SENTINEL}"));
}

#[test]
fn a_process_that_gives_up_descriptor_3_ends_its_run() {
    let mut proxy = Proxy::start();
    proxy.init_script(&shell_loop("case $line in *close*) exec 3>&-; read -r line;; esac; echo '{}' >&3"));
    assert_eq!(proxy.run(&json!({})).0, 200);
    assert_eq!(proxy.run(&json!({"do": "close"})), error(400, "command exited"));
}

#[test]
fn an_answer_to_nobody_is_not_taken_for_the_next() {
    let mut proxy = Proxy::start();
    proxy.init_script(&shell_loop("n=$((n+1)); printf '{\"n\":%s}\\n{\"stale\":true}\\n' $n >&3"));
    for n in 1..4 {
        assert_eq!(proxy.run(&json!({})), (200, json!({"n": n})));
    }
}

#[test]
fn run_without_an_action_and_with_bad_json() {
    let mut proxy = Proxy::start();
    assert_eq!(proxy.run(&json!({})), error(500, "no action defined yet"));
    assert_eq!(proxy.init_binary(&echo_program()), ok());
    for warm in [false, true] {
        for body in ["", "{", "[]", "\"x\"", "{} {}"] {
            let (status, answer) = proxy.post("/run", body);
            assert_eq!(status, 400, "{body} {warm}");
            assert!(
                answer["error"].as_str().unwrap().starts_with("Error unmarshaling request: "),
                "{answer}"
            );
        }
        assert_eq!(proxy.run(&json!({"still": "there"})), (200, json!({"still": "there"})));
    }
}

#[test]
fn a_run_during_a_run_is_refused() {
    let mut proxy = Proxy::start();
    proxy.init_script(&shell_loop("echo busy >&2; until [ -e go ]; do sleep 0.01; done; echo '{}' >&3"));
    let socket = proxy.socket();
    let waiting = thread::spawn(move || -> Answer {
        post(&mut BufReader::new(connect(&socket)), "/run", &activation(&json!({})))
    });
    wait_for("the first run", || proxy.stderr().contains("busy"));
    assert_eq!(proxy.run(&json!({})), error(403, "System not ready, status is running."));
    assert_eq!(proxy.stderr(), "busy\n", "a refused run does not cut the other's logs");
    let action = std::fs::read_dir(proxy.folder()).unwrap().filter_map(Result::ok).map(|entry| entry.path());
    let action = action.into_iter().find(|path| path.join("exec").exists()).unwrap();
    std::fs::write(action.join("go"), "").unwrap();
    assert_eq!(waiting.join().unwrap(), (200, json!({})));
}

#[test]
fn a_caller_that_goes_away_ends_the_process() {
    let mut proxy = Proxy::start();
    proxy.init_script(&shell_loop("echo $$ >&2; exec sleep 1000 >&3"));
    let mut caller = connect(&proxy.socket());
    let body = activation(&json!({}));
    write!(caller, "POST /run HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    wait_for("the run", || proxy.stderr().contains('\n'));
    let process = proxy.stderr().trim().parse().unwrap();
    assert_eq!(proxy.run(&json!({})), error(403, "System not ready, status is running."));
    drop(caller);
    wait_for("the end of the process", || kill(Pid::from_raw(process), None).is_err());
}

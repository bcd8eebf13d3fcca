//! Logs arrive with the record, or after it, and never with the next one.

use std::time::Duration;

use oxwhisk_container::LogDelay;
use oxwhisk_invoker::config::InvokerConfig;
use serde_json::json;

use crate::fixture::{Fixture, action, config, dispatch, eventually};

fn texts(logs: &[String]) -> Vec<&str> {
    logs.iter().map(|line| line.get(31..).unwrap_or(line)).collect()
}

#[tokio::test]
async fn logs_that_are_complete_come_with_the_answer() {
    let fixture = Fixture::new().await;
    for number in 0..3 {
        let arguments = json!({"stdout": format!("out {number}\n"), "stderr": "err\n"});
        let completion = fixture.run(dispatch(&action("hello"), &arguments)).await;
        let logs = &completion.activation.logs;
        assert_eq!(texts(logs), [format!("stdout: out {number}").as_str(), "stderr: err"]);
        assert_eq!(logs[0].find(" stdout: "), Some(30));
        assert_eq!(fixture.records.of(completion.activation.activation_id).len(), 1);
    }
    assert_eq!(fixture.invoker.metrics().late_logs, 0);
    fixture.stop().await;
}

#[tokio::test]
async fn late_logs_do_not_delay_the_answer_and_reach_the_record() {
    let fixture = Fixture::new().await;
    let hello = action("hello");
    let late = json!({"stdout": "early\n", "marks": "after"});
    let completion = fixture.run(dispatch(&hello, &late)).await;
    let id = completion.activation.activation_id;
    assert!(completion.activation.logs.is_empty());
    assert_eq!(fixture.records.of(id).len(), 1, "the answered record is kept before the answer");
    eventually("the logs arrive", || fixture.records.of(id).len() == 2).await;
    assert_eq!(texts(&fixture.records.of(id)[1].logs), ["stdout: early", "stdout: late"]);
    // The container was kept for it meanwhile, and is free again.
    let next = fixture.run(dispatch(&hello, &json!({"stdout": "next\n"}))).await;
    assert_eq!(texts(&next.activation.logs), ["stdout: next"]);
    fixture.stop().await;
}

/// Far more than anything here takes.
const PATIENT: Duration = Duration::from_secs(20);

/// An invoker among others, whose containers' logs take a while.
async fn remote(delay: LogDelay) -> Fixture {
    let fixture = Fixture::with(InvokerConfig { records_follow: true, ..config() }).await;
    fixture.factory.script.lock().unwrap().log_delay = Some(delay);
    fixture
}

#[tokio::test]
async fn where_an_answer_is_kept_elsewhere_its_record_follows_once_with_its_logs() {
    let fixture = remote(LogDelay { usual: PATIENT, longest: PATIENT }).await;
    let late = json!({"stdout": "early\n", "marks": "after"});
    for _ in 0..2 {
        let completion = fixture.run(dispatch(&action("hello"), &late)).await;
        let id = completion.activation.activation_id;
        assert!(completion.activation.logs.is_empty() && !completion.record_refused);
        eventually("the record follows", || fixture.records.of(id).len() == 1).await;
        assert_eq!(texts(&fixture.records.of(id)[0].logs), ["stdout: early", "stdout: late"]);
    }
    fixture.stop().await;
}

#[tokio::test]
async fn a_record_that_follows_is_handed_over_until_it_is_taken() {
    let fixture = remote(LogDelay { usual: PATIENT, longest: PATIENT }).await;
    fixture.records.refuse(2);
    let late = json!({"stdout": "early\n", "marks": "after"});
    let id = fixture.run(dispatch(&action("hello"), &late)).await.activation.activation_id;
    eventually("the record follows", || fixture.records.of(id).len() == 1).await;
    assert_eq!(fixture.invoker.metrics().records_not_kept, 2);
    fixture.stop().await;
}

#[tokio::test]
async fn the_last_words_of_a_container_that_is_given_up_are_waited_for() {
    let fixture = remote(LogDelay { usual: PATIENT, longest: PATIENT }).await;
    let failing = json!({"do": "body", "status": 502, "body": "{\"error\": \"e\"}", "marks": "after"});
    let completion = fixture.run(dispatch(&action("hello"), &failing)).await;
    assert_eq!(completion.activation.response.status.code(), 2);
    assert_eq!(texts(&completion.activation.logs), ["stdout: late"]);
    fixture.stop().await;
}

#[tokio::test]
async fn logs_without_marks_that_take_a_while_are_collected_until_a_silence() {
    let usual = Duration::from_millis(300);
    let fixture = remote(LogDelay { usual, longest: PATIENT }).await;
    let mut blackbox = action("blackbox");
    blackbox.sentinelled_logs = false;
    let arguments = json!({"stdout": "something\n", "marks": "never"});
    let id = fixture.run(dispatch(&blackbox, &arguments)).await.activation.activation_id;
    eventually("the record follows", || fixture.records.of(id).len() == 1).await;
    assert_eq!(texts(&fixture.records.of(id)[0].logs), ["stdout: something"]);
    fixture.stop().await;
}

#[tokio::test]
async fn marks_that_never_come_are_given_up() {
    let fixture = Fixture::new().await;
    let silent = json!({"stdout": "only\n", "marks": "never"});
    let id = fixture.run(dispatch(&action("hello"), &silent)).await.activation.activation_id;
    eventually("it gives up", || fixture.records.of(id).len() == 2).await;
    let expected =
        ["stdout: only", "stderr: There was an issue while collecting your logs. Data might be missing."];
    assert_eq!(texts(&fixture.records.of(id)[1].logs), expected);
    fixture.stop().await;
}

#[tokio::test]
async fn a_failed_action_does_not_wait_for_marks() {
    let fixture = Fixture::new().await;
    let dying = json!({"do": "die", "stdout": "last words\n", "marks": "never"});
    let completion = fixture.run(dispatch(&action("hello"), &dying)).await;
    let warning = "stderr: The action did not initialize or run as expected. Log data might be missing.";
    assert_eq!(texts(&completion.activation.logs), ["stdout: last words", warning]);
    assert_eq!(fixture.records.of(completion.activation.activation_id).len(), 1);
    fixture.stop().await;
}

#[tokio::test]
async fn images_without_marks_are_not_waited_for() {
    let fixture = Fixture::new().await;
    let mut blackbox = action("blackbox");
    blackbox.sentinelled_logs = false;
    let arguments = json!({"stdout": "something\n", "marks": "never"});
    let completion = fixture.run(dispatch(&blackbox, &arguments)).await;
    assert_eq!(texts(&completion.activation.logs), ["stdout: something"]);
    fixture.stop().await;
}

#[tokio::test]
async fn a_limit_of_zero_keeps_none_and_waits_for_none() {
    let fixture = Fixture::new().await;
    let mut quiet = action("quiet");
    quiet.limits.logs = 0;
    let completion = fixture.run(dispatch(&quiet, &json!({"lines": 5, "marks": "never"}))).await;
    assert!(completion.activation.logs.is_empty());
    assert_eq!(fixture.records.of(completion.activation.activation_id).len(), 1);
    fixture.stop().await;
}

#[tokio::test]
async fn logs_over_the_limit_end_with_a_word_about_it() {
    let fixture = Fixture::new().await;
    let mut chatty = action("chatty");
    chatty.limits.logs = 1;
    let completion = fixture.run(dispatch(&chatty, &json!({"lines": 200_000}))).await;
    let logs = texts(&completion.activation.logs);
    let warning =
        "stderr: Logs were truncated because the total bytes size exceeds the limit of 1048576 bytes.";
    assert_eq!(logs.last(), Some(&warning));
    assert!(logs.len() > 80_000 && logs.len() < 200_000, "{}", logs.len());
    fixture.stop().await;
}

#[tokio::test]
async fn activations_that_share_a_container_take_turns_at_reading() {
    let fixture = Fixture::new().await;
    let mut shared = action("shared");
    shared.limits.concurrency = 2;
    let wait = |text: &str| json!({"do": "wait", "stdout": format!("{text}\n")});
    let running =
        [fixture.spawn(dispatch(&shared, &wait("a"))), fixture.spawn(dispatch(&shared, &wait("b")))];
    let started = || fixture.factory.containers.lock().unwrap().first().map(|c| c.state.requests.clone());
    eventually("both run", || started().is_some_and(|requests| requests.lock().unwrap().len() == 3)).await;
    fixture.factory.run_gate.add_permits(2);
    let mut logs = Vec::new();
    for task in running {
        let id = task.await.unwrap().unwrap().activation.activation_id;
        logs.extend(fixture.records.of(id).last().unwrap().logs.clone());
    }
    let mut texts = texts(&logs);
    texts.sort_unstable();
    assert_eq!(texts, ["stdout: a", "stdout: b"], "no line is lost or given twice");
    fixture.stop().await;
}

use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::logs::lines::SENTINEL;

const START: &str = "2026-01-01T00:00:00.000000000Z";

fn time() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_767_225_600)
}

fn buffer(limit: u64) -> LogBuffer {
    let mut buffer = LogBuffer::default();
    buffer.set_limit(limit);
    buffer
}

fn out(buffer: &mut LogBuffer, text: &str) {
    write(buffer, LogOrigin::Stdout, text);
}

fn err(buffer: &mut LogBuffer, text: &str) {
    write(buffer, LogOrigin::Stderr, text);
}

fn write(buffer: &mut LogBuffer, origin: LogOrigin, text: &str) {
    let bytes = text.as_bytes().to_vec().into();
    buffer.push(&LogChunk { origin, time: time(), bytes });
}

fn end(buffer: &mut LogBuffer) {
    out(buffer, &format!("{SENTINEL}\n"));
    err(buffer, &format!("{SENTINEL}\n"));
}

#[test]
fn lines_in_order_without_sentinels() {
    let mut logs = buffer(1000);
    out(&mut logs, "one\ntw");
    err(&mut logs, "bad\n");
    out(&mut logs, "o\n");
    assert!(!logs.is_complete());
    end(&mut logs);
    assert!(logs.is_complete());
    let expected = ["stdout: one", "stderr: bad", "stdout: two"].map(|line| format!("{START} {line}"));
    assert_eq!(logs.take(Ending::Complete, time()), expected);
    assert!(!logs.is_complete());
    assert_eq!(logs.take(Ending::Complete, time()), [""; 0]);
}

#[test]
fn activations_take_turns_at_their_sentinels() {
    let mut logs = buffer(1000);
    out(&mut logs, &format!("a\n{SENTINEL}\nb\n{SENTINEL}\n"));
    err(&mut logs, &format!("c\n{SENTINEL}\n"));
    let text = |logs: Vec<String>| logs.iter().map(|line| line[31..].to_owned()).collect::<Vec<_>>();
    assert_eq!(text(logs.take(Ending::Complete, time())), ["stdout: a", "stdout: b", "stderr: c"]);
    assert!(!logs.is_complete());
    err(&mut logs, &format!("d\n{SENTINEL}\n"));
    assert!(logs.is_complete());
    assert_eq!(text(logs.take(Ending::Complete, time())), ["stderr: d"]);
}

#[test]
fn what_is_over_the_limit_is_cut_and_said() {
    let mut logs = buffer(10);
    out(&mut logs, "12345\nabéxyz\nmore\n");
    end(&mut logs);
    let warning = "stderr: Logs were truncated because the total bytes size exceeds the limit of 10 bytes.";
    let expected = ["stdout: 12345", "stdout: abé", warning].map(|line| format!("{START} {line}"));
    assert_eq!(logs.take(Ending::Complete, time()), expected);
    out(&mut logs, "fresh\n");
    end(&mut logs);
    assert_eq!(logs.take(Ending::Complete, time()), [format!("{START} stdout: fresh")]);
}

#[test]
fn endings_without_sentinels() {
    let bare = "There was an issue while collecting your logs. Data might be missing.";
    assert_eq!(buffer(10).take(Ending::Incomplete, time()), [bare]);
    let mut logs = buffer(100);
    out(&mut logs, "part");
    let expected =
        ["stdout: part".to_owned(), format!("stderr: {bare}")].map(|line| format!("{START} {line}"));
    assert_eq!(logs.take(Ending::Incomplete, time())[1..], expected[1..]);
    let failed = "stderr: The action did not initialize or run as expected. Log data might be missing.";
    assert_eq!(logs.take(Ending::Failed, time()), [format!("{START} {failed}")]);
    assert_eq!(logs.take(Ending::Complete, time()), [""; 0]);
}

#[test]
fn a_limit_of_zero_keeps_nothing() {
    let mut logs = buffer(0);
    out(&mut logs, "x\n");
    assert_eq!(logs.take(Ending::Incomplete, time()), [""; 0]);
    end(&mut logs);
    assert!(logs.is_complete());
}

#[test]
fn a_flood_of_sentinels_takes_no_memory() {
    let mut logs = buffer(1000);
    for _ in 0..10 {
        out(&mut logs, &format!("{SENTINEL}\n").repeat(ENDS_MAX));
    }
    assert_eq!((logs.items.len(), logs.stdout_ends), (ENDS_MAX, ENDS_MAX));
    err(&mut logs, &format!("{SENTINEL}\n"));
    assert!(logs.is_complete());
}

#[test]
fn lines_that_sentinels_of_the_actions_own_leave_behind_do_not_pile_up() {
    let mut logs = buffer(100);
    for _ in 0..50 {
        for _ in 0..2 {
            out(&mut logs, &format!("{}\n", "x".repeat(60)));
            end(&mut logs);
        }
        logs.take(Ending::Complete, time());
    }
    let left = logs.items.iter().filter(|item| matches!(item, Item::Line(line) if line.contains("xxx")));
    assert!(left.count() <= 2, "{:?}", logs.items);
}

#[test]
fn short_lines_and_escapes_do_not_make_a_huge_record() {
    for line in ["\n".to_owned(), "\u{1}".repeat(99) + "\n", "\"\\".repeat(10) + "\n"] {
        let limit = 10_000;
        let mut logs = buffer(limit);
        out(&mut logs, &line.repeat(10_000));
        end(&mut logs);
        let lines = logs.take(Ending::Complete, time());
        let recorded = serde_json::to_string(&lines).unwrap().len() as u64;
        assert!(recorded <= limit * RECORDED_PER_TEXT + 200, "{recorded} bytes of {line:?}");
        assert!(lines.len() as u64 > limit / 600, "{} lines of {line:?}", lines.len());
        assert!(lines.last().unwrap().contains("Logs were truncated"), "{line:?}");
    }
}

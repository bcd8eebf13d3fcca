//! As much of the usual test harness as `cargo test` and `cargo nextest` ask for.

use std::panic::catch_unwind;
use std::process::ExitCode;

/// A test's name and body. The body says why if the machine cannot run it.
pub(crate) type Test = (&'static str, fn() -> Outcome);

/// `Err` with a reason: the machine lacks what the test needs.
pub(crate) type Outcome = Result<(), String>;

/// Runs the tests the arguments select, one after the other: they share the machine's network and cgroups.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the test report")]
pub(crate) fn run(tests: Vec<Test>) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let flag = |name: &str| arguments.iter().any(|argument| argument == name);
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let chosen = |name: &str| {
        filters.is_empty()
            || filters
                .iter()
                .any(|filter| if flag("--exact") { name == *filter } else { name.contains(*filter) })
    };
    let selected: Vec<Test> =
        tests.into_iter().filter(|(name, _)| chosen(name) && !flag("--ignored")).collect();
    if flag("--list") {
        selected.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let mut failed = Vec::new();
    let mut skipped = 0;
    for (name, body) in &selected {
        match catch_unwind(body) {
            Ok(Ok(())) => println!("test {name} ... ok"),
            Ok(Err(reason)) => {
                skipped += 1;
                eprintln!("test {name} ... skipped: {reason}");
            }
            Err(_) => {
                println!("test {name} ... FAILED");
                failed.push(*name);
            }
        }
    }
    println!("\n{} run, {skipped} skipped, failed: {failed:?}", selected.len() - skipped);
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

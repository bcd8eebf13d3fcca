//! As much of the usual test harness as `cargo test` and `cargo nextest` ask for.

use std::panic::catch_unwind;
use std::process::ExitCode;

/// A test's name and body. The body says why if the machine cannot run it.
pub(crate) type Test = (&'static str, fn() -> Outcome);

/// `Err` with a reason: the machine lacks what the test needs.
pub(crate) type Outcome = Result<(), String>;

/// Tests that are run under one setting.
pub(crate) struct Round {
    /// Stands before the names of its tests.
    pub(crate) name: &'static str,
    pub(crate) tests: Vec<Test>,
    /// Makes the setting.
    pub(crate) begin: fn(),
}

/// Runs the tests the arguments select, one after the other: they share the machine's network and cgroups.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the test report")]
pub(crate) fn run(rounds: &[Round]) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let flag = |name: &str| arguments.iter().any(|argument| argument == name);
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let chosen = |name: &str| {
        !flag("--ignored")
            && (filters.is_empty()
                || filters
                    .iter()
                    .any(|filter| if flag("--exact") { name == *filter } else { name.contains(*filter) }))
    };
    let (mut failed, mut skipped, mut run) = (Vec::new(), 0, 0);
    for round in rounds {
        (round.begin)();
        for (name, body) in &round.tests {
            let name = format!("{}{name}", round.name);
            if !chosen(&name) {
                continue;
            }
            if flag("--list") {
                println!("{name}: test");
                continue;
            }
            run += 1;
            match catch_unwind(body) {
                Ok(Ok(())) => println!("test {name} ... ok"),
                Ok(Err(reason)) => {
                    skipped += 1;
                    eprintln!("test {name} ... skipped: {reason}");
                }
                Err(_) => {
                    println!("test {name} ... FAILED");
                    failed.push(name);
                }
            }
        }
    }
    if !flag("--list") {
        println!("\n{} run, {skipped} skipped, failed: {failed:?}", run - skipped);
    }
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

//! The standalone server's library from outside, and rules that hold for the whole workspace.

mod command_line;
mod configuration;
mod deployment;
mod workspace_rules;

use std::ffi::OsString;
use std::path::PathBuf;

use oxwhisk_invoker_settings::Machine;
use oxwhisk_settings::Refusal;
use oxwhisk_standalone::cli::{self, Invocation, Start};

/// A machine on which defaults are the same wherever the tests run.
fn machine() -> Machine {
    Machine { memory: Some(8 << 30), home: Some(PathBuf::from("/home/me")), stderr_is_terminal: false }
}

fn invoke(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Invocation, Refusal> {
    let environment: Vec<(OsString, OsString)> =
        environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
    cli::parse_on(&machine(), ["oxwhisk"].iter().chain(arguments), environment)
}

#[track_caller]
fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Start {
    match invoke(arguments, environment) {
        Ok(Invocation::Serve(start)) => *start,
        other => panic!("not a start: {other:?}"),
    }
}

#[track_caller]
fn refused(arguments: &[&str], environment: &[(&str, &str)]) -> Refusal {
    match invoke(arguments, environment) {
        Err(refusal) => refusal,
        Ok(other) => panic!("not refused: {other:?}"),
    }
}

#[track_caller]
fn printed(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    match invoke(arguments, environment) {
        Ok(Invocation::Print(text)) => text,
        other => panic!("nothing printed: {other:?}"),
    }
}

/// A directory with one file in it.
fn file(name: &str, text: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join(name);
    std::fs::write(&path, text).expect("writable");
    let path = path.display().to_string();
    (dir, path)
}

//! The library's face: what a command line comes to.

use std::ffi::OsString;
use std::path::PathBuf;

use oxwhisk_invoker_service::cli;
use oxwhisk_invoker_service::config::InvokerServiceConfig;
use oxwhisk_invoker_settings::Machine;
use oxwhisk_settings::{Invocation, Refusal, Start};

/// A machine on which defaults are the same wherever the tests run.
fn machine() -> Machine {
    Machine { memory: Some(8 << 30), home: Some(PathBuf::from("/home/me")), stderr_is_terminal: false }
}

/// What every invoker needs.
pub(crate) const NEEDED: &[(&str, &str)] =
    &[("INVOKER_ID", "3"), ("KAFKA_HOSTS", "kafka:9092"), ("WHISK_API_HOST_NAME", "example.org")];

pub(crate) fn invoke(
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Result<Invocation<InvokerServiceConfig>, Refusal> {
    let environment: Vec<(OsString, OsString)> =
        environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
    cli::parse_on(&machine(), ["invoker"].iter().chain(arguments), environment)
}

/// A start with what is needed, and `environment` in place of it or beside it.
#[track_caller]
pub(crate) fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Start<InvokerServiceConfig> {
    let unchanged = NEEDED.iter().filter(|(name, _)| environment.iter().all(|(other, _)| other != name));
    let environment: Vec<(&str, &str)> = unchanged.chain(environment).copied().collect();
    match invoke(arguments, &environment) {
        Ok(Invocation::Serve(start)) => *start,
        other => panic!("not a start: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn refused(arguments: &[&str], environment: &[(&str, &str)]) -> Refusal {
    match invoke(arguments, environment) {
        Err(refusal) => refusal,
        Ok(other) => panic!("not refused: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn printed(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    match invoke(arguments, environment) {
        Ok(Invocation::Print(text)) => text,
        other => panic!("nothing printed: {other:?}"),
    }
}

//! The sub-commands. Each asks the server and says what to print; its exit code is OpenWhisk's where OpenWhisk has the
//! command: 0, 1 when it failed, 2 when it was used wrongly.

mod database;
mod dead_letters;
mod invokers;
mod limits;
mod syslog;
mod system;
pub(crate) mod user;

use oxwhisk_grpc::Channel;
use oxwhisk_proto::admin;
use oxwhisk_proto::admin::v1::Reason;
use tonic::{Code, Status};

use crate::Environment;
use crate::arguments::Command;
use crate::output::Output;

/// Commands that need no server, or that are used wrongly: their exit code.
pub(crate) fn without_server(
    command: &Command,
    environment: Environment<'_>,
    output: &mut Output<'_>,
) -> Option<u8> {
    match command {
        Command::User(arguments) => user::without_server(arguments, output),
        Command::Db(command) => database::without_server(command, output),
        Command::Syslog(command) => Some(syslog::run(command, environment, output)),
        _ => None,
    }
}

/// Runs the command; its exit code.
pub(crate) async fn with_server(command: Command, server: &Channel, output: &mut Output<'_>) -> u8 {
    match command {
        Command::User(arguments) => user::run(arguments, server, output).await,
        Command::Limits(command) => limits::run(command, server, output).await,
        Command::Db(command) => database::run(command, server, output).await,
        Command::Invoker(command) => invokers::run(command, server, output).await,
        Command::Deadletter(command) => dead_letters::run(command, server, output).await,
        Command::Queue(_) => system::depths(server, output).await,
        Command::Cache(command) => system::invalidate(command, server, output).await,
        Command::Config(_) => system::config(server, output).await,
        // It needs none.
        Command::Syslog(_) => 0,
    }
}

/// What OpenWhisk's texts have in brackets: CouchDB's answer where something is missing, else what went wrong.
fn detail(status: &Status) -> String {
    let is_missing = matches!(admin::reason(status), Reason::SubjectMissing | Reason::LimitsMissing);
    if is_missing {
        return r#"{"error":"not_found","reason":"missing"}"#.to_owned();
    }
    if admin::reason(status) == Reason::Conflict {
        return r#"{"error":"conflict","reason":"Document update conflict."}"#.to_owned();
    }
    explained(status)
}

/// What went wrong, with what is behind it where the status itself does not say.
fn explained(status: &Status) -> String {
    if !matches!(status.code(), Code::Unknown | Code::Unavailable) {
        return status.message().to_owned();
    }
    let mut source = std::error::Error::source(status);
    let mut last = None;
    while let Some(error) = source {
        last = Some(error.to_string());
        source = error.source();
    }
    last.filter(|last| !last.is_empty()).unwrap_or_else(|| status.message().to_owned())
}

/// Reports a failed command of our own.
fn failed(output: &mut Output<'_>, what: &str, status: &Status) -> u8 {
    output.failure(&format!("Failed to {what} ({})", explained(status)));
    1
}

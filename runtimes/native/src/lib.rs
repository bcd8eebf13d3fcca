//! The action proxy for executables: it serves OpenWhisk's `/init` and `/run` and runs the user's program.
//!
//! Two kinds of program exist among `--native` and `--docker` actions, and both run unchanged:
//! - **ActionLoop**: one long-lived process that reads a line of JSON (the whole `/run` body) on stdin for each
//!   activation and answers a line of JSON on descriptor 3;
//! - **skeleton**: one process for each activation, which finds the activation's `value` in `argv[1]` and on stdin
//!   and leaves its result in the last line of its stdout.
//!
//! [`protocol`] says how the proxy finds out which one it has. Parts, from the socket inwards: `server` (listener,
//! signals, the bounded set of connection threads), `http` (requests and responses), `connection` (one keep-alive
//! connection), `action` (the life of the one action this proxy holds), `code` and `archive` (what `/init` brings),
//! `process` and `exchange` (the child and the talk with it), `reaper` (who waits for which pid).
//!
//! Invariants:
//! - the thread that reads a request also writes the child's stdin and reads its answer: no hand-off on the warm way;
//! - sentinels are written after everything the action wrote and before the HTTP response;
//! - one activation at a time; a wait for the action lasts as long as its caller stays connected.

mod action;
mod activation;
mod archive;
mod code;
mod connection;
mod environment;
mod exchange;
mod http;
mod init;
mod last_line;
mod logs;
mod process;
pub mod protocol;
mod reaper;
mod reply;
mod server;
mod settings;
mod sys;

use std::process::ExitCode;

pub use crate::{
    server::{ServeError, serve},
    settings::{Listen, Settings, SettingsError},
};

/// Serves as the environment says (see [`Settings::from_env`]) until SIGTERM or SIGINT.
///
/// Call it from `main` before any other thread exists: it blocks the signals it reads from a descriptor. Faults are
/// named in one line on stderr; the exit code is 64 for a bad setting and 1 for a server that cannot run.
pub fn main_from_env() -> ExitCode {
    let settings = match Settings::from_env() {
        Ok(settings) => settings,
        Err(error) => {
            logs::complain(&error.to_string());
            return ExitCode::from(64);
        }
    };
    match serve(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            logs::complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

//! Black-box tests of the proxy: a real process, spoken to over its socket, with real executables as actions.
#![expect(clippy::print_stdout, reason = "a test that a machine cannot run says so")]

mod actionloop;
mod archives;
mod container;
mod harness;
mod http;
mod init;
mod skeleton;
mod undecided;

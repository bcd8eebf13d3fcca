//! Prints a users file with fresh credentials, for a server that the tests do not start themselves.

use std::io::Write;
use std::process::ExitCode;

use oxwhisk_e2e::Roster;
use oxwhisk_e2e::server::PLAIN_USERS;

fn main() -> ExitCode {
    match writeln!(std::io::stdout(), "{}", Roster::generate(PLAIN_USERS).to_json()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

//! What a sandbox must withstand and what must work in it, on the machine the test runs on.
//!
//! The program has no test harness of its own, because it must be able to be the launcher: `main` hands over to
//! [`oxwhisk_sandbox::run_if_requested`] before any thread exists.

mod attacks;
mod basics;
mod harness;
mod lifecycle;
mod limits;
mod network;
mod rig;
mod zygotes;

use std::process::ExitCode;
use std::sync::atomic::Ordering;

use harness::Round;

fn main() -> ExitCode {
    if let Some(code) = oxwhisk_sandbox::run_if_requested(rig::BUILTINS) {
        return code;
    }
    if lifecycle::is_victim() {
        return lifecycle::be_victim();
    }
    let started = [basics::TESTS, attacks::TESTS, limits::TESTS, network::TESTS, lifecycle::TESTS];
    // What a sandbox withstands must not depend on how its process came to be.
    let forked = [basics::TESTS, attacks::TESTS, limits::TESTS, network::TESTS, zygotes::TESTS];
    harness::run(&[
        Round { name: "", tests: started.concat(), begin: || rig::FORKING.store(false, Ordering::Relaxed) },
        Round {
            name: "forked::",
            tests: forked.concat(),
            begin: || rig::FORKING.store(true, Ordering::Relaxed),
        },
    ])
}

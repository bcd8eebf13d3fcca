//! What a sandbox must withstand and what must work in it, on the machine the test runs on.
//!
//! The program has no test harness of its own, because it must be able to be the launcher: `main` hands over to
//! [`oxwhisk_sandbox::init`] before any thread exists.

mod attacks;
mod basics;
mod harness;
mod lifecycle;
mod limits;
mod network;
mod rig;

use std::process::ExitCode;

fn main() -> ExitCode {
    oxwhisk_sandbox::init::run_if_requested();
    if lifecycle::is_victim() {
        return lifecycle::be_victim();
    }
    let groups = [basics::TESTS, attacks::TESTS, limits::TESTS, network::TESTS, lifecycle::TESTS];
    harness::run(groups.concat())
}

//! The binary of the action proxy for executables; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    oxwhisk_runtime_native::main_from_env()
}

//! The `wskadmin` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    oxwhisk_admin::main(std::env::args_os().collect(), &|name| std::env::var_os(name))
}

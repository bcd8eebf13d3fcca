//! The library as an interpreter sees it. What it does in a zygote is tested where there are sandboxes: in
//! `oxwhisk-sandbox` and end to end.

use std::path::PathBuf;
use std::process::Command;

/// Calls the function with hooks that say when they are called.
const SCRIPT: &str = "
import ctypes, sys
serve = ctypes.PyDLL(sys.argv[1]).oxwhisk_zygote_serve
serve.restype = ctypes.c_char_p
hook = ctypes.CFUNCTYPE(None)(lambda: print('forked'))
print(serve(hook, hook, hook))
";

/// Cargo puts the library beside this test.
fn library() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(1).unwrap().join("liboxwhisk_sandbox_zygote.so")
}

#[test]
#[expect(clippy::print_stderr, reason = "whoever runs the tests is told what was not tested")]
fn without_a_server_nothing_is_forked() {
    let output = match Command::new("python3").arg("-c").arg(SCRIPT).arg(library()).output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: no python3 on PATH");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "None\n");
}

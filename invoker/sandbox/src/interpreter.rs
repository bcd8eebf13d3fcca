//! What a language's program really is: `python3` on the `PATH` may be a script of a version manager whose files lie
//! elsewhere. Asking the program itself is the only way that works for all of them.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::config::Interpreter;
use crate::error::SetupError;
use crate::rootless::find_program;

/// Prints the program, then directories its files are in, one a line. The mapped files are shared libraries that a
/// build may have found in places of its own.
const ASK_PYTHON: &str = "
import os, sys
print(os.path.realpath(sys.executable))
print(getattr(sys, 'base_prefix', sys.prefix)); print(sys.prefix); print(os.path.dirname(os.__file__))
for line in open('/proc/self/maps'):
    path = line.split(None, 5)[5:]
    if path and path[0].strip().startswith('/') and '.so' in path[0]: print(os.path.dirname(path[0].strip()))
";
const ASK_NODE: &str = "
const fs = require('fs'), path = require('path');
console.log(fs.realpathSync(process.execPath));
console.log(path.dirname(path.dirname(fs.realpathSync(process.execPath))));
for (const line of fs.readFileSync('/proc/self/maps', 'utf8').split('\\n')) {
  const file = line.split(/ +/).slice(5).join(' ');
  if (file.startsWith('/') && file.includes('.so')) console.log(path.dirname(file));
}
";

/// An interpreter as it is on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// The program itself, no link and no shim.
    pub(crate) program: PathBuf,
    /// Directories that must be visible for it to run.
    pub(crate) prefixes: Vec<PathBuf>,
}

/// Finds out, by running the program once.
pub(crate) async fn resolve(interpreter: &Interpreter, timeout: Duration) -> Result<Resolved, SetupError> {
    let (name, question) = match interpreter {
        Interpreter::Python(name) => (name, Some(["-I", "-c", ASK_PYTHON])),
        Interpreter::Node(name) => (name, Some(["--no-warnings", "-e", ASK_NODE])),
        Interpreter::Plain(name) => (name, None),
    };
    let program = find_program(name)
        .ok_or_else(|| SetupError::Missing(format!("{} is not installed", name.display())))?;
    match question {
        None => {
            let program = program.canonicalize().map_err(SetupError::path("resolve", &program))?;
            Ok(Resolved { prefixes: program.parent().map(Path::to_owned).into_iter().collect(), program })
        }
        Some(arguments) => parse(&ask(&program, arguments, timeout).await?, &program),
    }
}

async fn ask(program: &Path, arguments: [&str; 3], timeout: Duration) -> Result<String, SetupError> {
    let failed = |text: String| SetupError::Missing(format!("{} does not run: {text}", program.display()));
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(timeout, command.output())
        .await
        .map_err(|_| failed("no answer in time".into()))?
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn parse(answer: &str, asked: &Path) -> Result<Resolved, SetupError> {
    let mut lines = answer.lines().map(PathBuf::from);
    let program = lines
        .next()
        .filter(|path| path.is_absolute())
        .ok_or_else(|| SetupError::Missing(format!("{} does not say what it is", asked.display())))?;
    // A root directory as prefix would show the whole machine.
    let mut prefixes: Vec<PathBuf> = lines
        .chain(program.parent().map(Path::to_owned))
        .filter(|path| path.is_absolute() && path.components().count() > 2)
        .collect();
    prefixes.sort();
    prefixes.dedup();
    Ok(Resolved { program, prefixes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_program_and_directories_but_never_the_whole_machine() {
        let answer = "/opt/py/bin/python3.11\n/opt/py\n/\n/usr\n/opt/py\nrelative\n";
        let resolved = parse(answer, Path::new("python3")).unwrap();
        assert_eq!(resolved.program, Path::new("/opt/py/bin/python3.11"));
        assert_eq!(resolved.prefixes, [PathBuf::from("/opt/py"), PathBuf::from("/opt/py/bin")]);
        assert!(parse("", Path::new("python3")).is_err());
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let absent = Interpreter::Python("no-such-python".into());
        let error = resolve(&absent, Duration::from_secs(5)).await.unwrap_err();
        assert!(error.to_string().contains("no-such-python"), "{error}");
    }
}

//! Child processes that never outlive the test run, and what they wrote.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::report;
use crate::wait;

/// How long a process may take to end after SIGTERM before it gets SIGKILL.
const TERM_PATIENCE: Duration = Duration::from_secs(20);

/// The two output files of a process.
#[derive(Clone, Debug)]
pub struct Output {
    pub(crate) stdout: PathBuf,
    pub(crate) stderr: PathBuf,
}

impl Output {
    /// Files of the process `name` in `dir` that are created when it starts with [`Output::attach`].
    pub fn in_dir(dir: &Path, name: &str) -> Self {
        let file = |stream: &str| dir.join(format!("{name}.{stream}.log"));
        Self { stdout: file("stdout"), stderr: file("stderr") }
    }

    /// Lets `command` write to the files.
    ///
    /// # Errors
    /// When a file cannot be made.
    pub fn attach(&self, command: &mut Command) -> std::io::Result<()> {
        command.stdin(Stdio::null()).stdout(File::create(&self.stdout)?).stderr(File::create(&self.stderr)?);
        Ok(())
    }
}

/// What the processes of a server have written.
#[derive(Clone, Debug, Default)]
pub struct Logs {
    outputs: Vec<Output>,
}

impl Logs {
    /// Those of all processes.
    pub fn new(outputs: Vec<Output>) -> Self {
        Self { outputs }
    }

    /// Everything on standard output so far, process by process.
    pub fn stdout(&self) -> String {
        self.outputs.iter().map(|output| read(&output.stdout)).collect()
    }

    /// Everything on standard error so far, process by process.
    pub fn stderr(&self) -> String {
        self.outputs.iter().map(|output| read(&output.stderr)).collect()
    }

    /// The last lines of all files.
    pub fn tail(&self) -> String {
        let files = self.outputs.iter().flat_map(|output| [&output.stdout, &output.stderr]);
        let tails = files.map(|path| format!("--- last lines of {}\n{}", path.display(), tail(path)));
        tails.collect::<Vec<_>>().join("\n")
    }

    /// Prints the last lines of all files on the real stderr, for a test that failed.
    pub fn print_tail(&self) {
        report::line(&self.tail());
    }
}

/// What cannot be read yet was not written yet.
fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// The last lines of a file, or why there are none.
pub(crate) fn tail(path: &Path) -> String {
    const LINES: usize = 60;
    match fs::read(path) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(LINES)..].join("\n")
        }
        Err(error) => format!("(unreadable: {error})"),
    }
}

/// Sends a signal to a child that has not been waited for yet.
///
/// # Errors
/// When the process is gone.
pub fn signal(child: &Child, signal: Signal) -> nix::Result<()> {
    let pid = i32::try_from(child.id()).map_err(|_| nix::errno::Errno::ESRCH)?;
    kill(Pid::from_raw(pid), signal)
}

/// Waits for the end of a child; `None` when `deadline` passes first.
pub fn wait_exit(child: &mut Child, deadline: Duration) -> Option<ExitStatus> {
    let start = std::time::Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if start.elapsed() < deadline => std::thread::sleep(Duration::from_millis(10)),
            Ok(None) | Err(_) => return None,
        }
    }
}

/// Ends a child: SIGTERM, then SIGKILL when it does not listen.
pub fn stop(child: &mut Child) {
    if matches!(child.try_wait(), Ok(Some(_))) {
        return;
    }
    // Failing signals mean that it has just ended by itself, which the wait notices.
    let _ = signal(child, Signal::SIGTERM);
    await_end(child);
}

/// Waits for the end of a child that was asked to end; SIGKILL when it does not listen.
pub fn await_end(child: &mut Child) {
    if wait_exit(child, TERM_PATIENCE).is_none() {
        report::line(&format!("process {} ignored SIGTERM for {TERM_PATIENCE:?}: killing it", child.id()));
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// What a finished command left behind.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
}

/// Runs a command to its end.
///
/// # Panics
/// When it cannot be started, or has not ended after [`wait::DEADLINE`] (it is killed then).
#[track_caller]
pub fn run(mut command: Command) -> Finished {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let output = Output::in_dir(dir.path(), "command");
    output.attach(&mut command).expect("output files");
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => panic!("cannot run {command:?}: {error}"),
    };
    let Some(status) = wait_exit(&mut child, wait::DEADLINE) else {
        stop(&mut child);
        Logs::new(vec![output]).print_tail();
        panic!("{command:?} did not end within {:?}", wait::DEADLINE);
    };
    Finished { status, stdout: read(&output.stdout), stderr: read(&output.stderr) }
}

/// Ends processes when the test run ends, however that happens.
///
/// A test binary that shares one server in a static never drops it, and a killed test run drops nothing. So a
/// small shell waits on a pipe that only this process holds open: when the pipe closes without a word, the shell
/// ends the server, which may be several processes, and removes its files.
#[derive(Debug)]
pub struct Reaper {
    shell: Child,
    pipe: Option<ChildStdin>,
}

const REAP: &str = r#"
if read -r word; then exit 0; fi
dir=$1
shift
# What has ended by itself leaves nothing to be waited for.
kill -TERM "$@" 2>/dev/null
tries=0
for pid in "$@"; do
    while kill -0 "$pid" 2>/dev/null && [ "$tries" -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
    kill -KILL "$pid" 2>/dev/null
done
rm -rf -- "$dir"
"#;

impl Reaper {
    /// Guards processes whose files are in `dir`.
    ///
    /// # Errors
    /// When no shell can be started.
    pub fn guard(pids: &[u32], dir: &Path) -> std::io::Result<Self> {
        let mut shell = Command::new("/bin/sh")
            .arg("-c")
            .arg(REAP)
            .arg("reaper")
            .arg(dir)
            .args(pids.iter().map(u32::to_string))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let pipe = shell.stdin.take();
        Ok(Self { shell, pipe })
    }

    /// Tells the shell that there is nothing left to do; the process has ended and been waited for.
    pub fn dismiss(&mut self) {
        if let Some(mut pipe) = self.pipe.take() {
            let _ = pipe.write_all(b"done\n");
        }
        let _ = self.shell.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("600").spawn().expect("sleep exists")
    }

    #[test]
    fn a_closed_pipe_ends_the_processes_and_removes_their_files() {
        let mut children = [sleeper(), sleeper()];
        let dir = tempfile::tempdir().expect("temporary directory");
        let mut reaper = Reaper::guard(&[children[0].id(), children[1].id()], dir.path()).expect("a shell");
        drop(reaper.pipe.take());
        for child in &mut children {
            assert!(wait_exit(child, wait::DEADLINE).is_some(), "a process was not ended");
        }
        reaper.shell.wait().expect("the shell ends");
        assert!(!dir.path().exists());
    }

    #[test]
    fn a_dismissed_reaper_leaves_processes_alone() {
        let mut child = sleeper();
        let dir = tempfile::tempdir().expect("temporary directory");
        Reaper::guard(&[child.id()], dir.path()).expect("a shell").dismiss();
        assert!(matches!(child.try_wait(), Ok(None)));
        stop(&mut child);
        assert!(dir.path().exists());
    }
}

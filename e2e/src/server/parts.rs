//! The processes that a server is made of: one, or several that start and end together.

use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::process::{self, Logs, Output, Reaper};
use crate::wait;

const START_PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// Running processes. Dropping them ends them.
#[derive(Debug)]
pub(super) struct Parts {
    parts: Vec<Part>,
    logs: Logs,
    reaper: Reaper,
}

#[derive(Debug)]
struct Part {
    name: &'static str,
    child: Child,
}

impl Parts {
    /// Starts a process for each command, with output files in `dir`; all of them, or none.
    pub(super) fn spawn(
        commands: Vec<(&'static str, Command)>,
        dir: &Path,
        stdout_is_read: bool,
    ) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut outputs = Vec::new();
        for (name, mut command) in commands {
            let output = Output::in_dir(dir, name);
            output.attach(&mut command).map_err(|error| format!("no log files: {error}"))?;
            if !stdout_is_read {
                let (_, writer) = std::io::pipe().map_err(|error| format!("no pipe: {error}"))?;
                command.stdout(writer);
            }
            match command.spawn() {
                Ok(child) => parts.push(Part { name, child }),
                Err(error) => {
                    end(&mut parts);
                    return Err(format!("cannot start {command:?}: {error}"));
                }
            }
            outputs.push(output);
        }
        let pids = ids(&parts);
        match Reaper::guard(&pids, dir) {
            Ok(reaper) => Ok(Self { parts, logs: Logs::new(outputs), reaper }),
            Err(error) => {
                end(&mut parts);
                Err(format!("cannot start /bin/sh: {error}"))
            }
        }
    }

    /// Waits until `probe` gives something; fails when a process ends instead, with what all have said.
    pub(super) fn until<T>(
        &mut self,
        what: &str,
        mut probe: impl FnMut() -> Result<T, String>,
    ) -> Result<T, String> {
        let start = Instant::now();
        loop {
            let state = match probe() {
                Ok(found) => return Ok(found),
                Err(state) => state,
            };
            let reason = match self.ended() {
                Some(ended) => ended,
                None if start.elapsed() > START_PATIENCE => {
                    format!("{what} did not come in {START_PATIENCE:?}: {state}")
                }
                None => {
                    std::thread::sleep(POLL);
                    continue;
                }
            };
            return Err(format!("the server did not get ready: {reason}; its output:\n{}", self.logs.tail()));
        }
    }

    /// What the process `name` says in its ready file.
    pub(super) fn until_ready(&mut self, name: &str, file: &Path) -> Result<String, String> {
        let part = self.parts.iter().find(|part| part.name == name);
        let pid = part.map(|part| part.child.id()).ok_or_else(|| format!("there is no process '{name}'"))?;
        let text = self.until(&format!("the ready file of {name}"), || {
            std::fs::read_to_string(file).map_err(|error| error.to_string())
        })?;
        parse_ready(&text, pid)
    }

    fn ended(&mut self) -> Option<String> {
        self.parts.iter_mut().find_map(|part| match part.child.try_wait() {
            Ok(Some(status)) => Some(format!("{} ended with {status}", part.name)),
            _ => None,
        })
    }

    pub(super) fn ids(&self) -> Vec<u32> {
        ids(&self.parts)
    }

    pub(super) fn logs(&self) -> &Logs {
        &self.logs
    }

    /// Sends a signal to all, as the manager of a deployment that is stopped does.
    #[track_caller]
    pub(super) fn signal(&self, signal: Signal) {
        for part in &self.parts {
            process::signal(&part.child, signal).expect("the server runs");
        }
    }

    /// Ends all without any warning, as the crash of a machine does, and waits until they are gone.
    #[track_caller]
    pub(super) fn kill(&mut self) {
        for part in &mut self.parts {
            part.child.kill().expect("the server runs");
        }
        for part in &mut self.parts {
            part.child.wait().expect("the server can be waited for");
        }
    }

    /// Ends the process `name` without any warning, and waits until it is gone.
    #[track_caller]
    pub(super) fn kill_one(&mut self, name: &str) {
        let part = self.parts.iter_mut().find(|part| part.name == name).expect("the server has this process");
        part.child.kill().expect("the server runs");
        part.child.wait().expect("the server can be waited for");
    }

    /// Waits for all to end by themselves; what one of them failed with, if one did.
    #[track_caller]
    pub(super) fn wait_exit(&mut self) -> ExitStatus {
        let statuses: Vec<ExitStatus> = self
            .parts
            .iter_mut()
            .map(|part| process::wait_exit(&mut part.child, wait::DEADLINE).expect("the server ends"))
            .collect();
        let failed = statuses.iter().find(|status| !status.success());
        *failed.or_else(|| statuses.first()).expect("a server has a process")
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        end(&mut self.parts);
        self.reaper.dismiss();
        if std::thread::panicking() {
            self.logs.print_tail();
        }
    }
}

fn ids(parts: &[Part]) -> Vec<u32> {
    parts.iter().map(|part| part.child.id()).collect()
}

/// Ends all, asked at once: one that waits for another does not wait in vain.
fn end(parts: &mut [Part]) {
    for part in parts.iter_mut() {
        if matches!(part.child.try_wait(), Ok(None)) {
            // Failing signals mean that it has just ended by itself.
            let _ = process::signal(&part.child, Signal::SIGTERM);
        }
    }
    for part in parts {
        process::await_end(&mut part.child);
    }
}

fn parse_ready(text: &str, pid: u32) -> Result<String, String> {
    let ready: Value = serde_json::from_str(text).map_err(|error| format!("ready file '{text}': {error}"))?;
    if ready["pid"].as_u64() != Some(u64::from(pid)) {
        return Err(format!("ready file '{text}' names another process than {pid}"));
    }
    let api = ready["api"].as_str().ok_or_else(|| format!("ready file '{text}' has no api"))?;
    Ok(api.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ready_file_must_be_of_the_process_that_was_started() {
        let text = r#"{"api":"http://127.0.0.1:4","pid":7}"#;
        assert_eq!(parse_ready(text, 7).expect("valid"), "http://127.0.0.1:4");
        assert!(parse_ready(text, 8).is_err());
        assert!(parse_ready("{}", 7).is_err());
    }
}

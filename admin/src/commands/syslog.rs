//! `wskadmin syslog`: log files on this machine, as OpenWhisk's deployments collect them. No server is asked: services here
//! log to their standard error, and whoever runs them decides where that goes.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::Environment;
use crate::arguments::SyslogCommand;
use crate::output::Output;

const DIRECTORY: &str = "WHISK_LOGS_DIR";

pub(super) fn run(command: &SyslogCommand, environment: Environment<'_>, output: &mut Output<'_>) -> u8 {
    let SyslogCommand::Get { components, tid, grep } = command;
    let Some(directory) = environment(DIRECTORY).filter(|directory| !directory.is_empty()) else {
        output.failure(&format!(
            "{DIRECTORY} is not set: logs are read from {DIRECTORY}/COMPONENT/COMPONENT_logs.log on this machine"
        ));
        return 2;
    };
    let mut code = 0;
    let mut lines = Vec::new();
    for component in components {
        let path = Path::new(&directory).join(component).join(format!("{component}_logs.log"));
        match read(&path, tid.as_deref(), grep.as_deref()) {
            Ok(text) => lines.extend(text.lines().filter(|line| !line.is_empty()).map(str::to_owned)),
            Err(error) => {
                output.remark(&format!("{}: {error}", path.display()));
                code = 1;
            }
        }
    }
    lines.sort();
    let value = json!(lines);
    output.lines(lines, &value);
    code
}

fn read(path: &Path, tid: Option<&str>, grep: Option<&str>) -> Result<String, String> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    match (tid, grep) {
        (Some(tid), _) => {
            let mark = format!("[#tid_{tid}]");
            let all = text(std::fs::read(path).map_err(|error| error.to_string())?);
            let lines: Vec<&str> = all.lines().filter(|line| line.contains(&mark)).collect();
            Ok(lines.join("\n"))
        }
        (None, None) => std::fs::read(path).map(text).map_err(|error| error.to_string()),
        // An expression of grep's: it knows best what that is.
        (None, Some(expression)) => {
            let found = Command::new("grep").arg("-e").arg(expression).arg("--").arg(path).output();
            let found = found.map_err(|error| format!("cannot run grep: {error}"))?;
            match found.status.code() {
                Some(0 | 1) => Ok(text(found.stdout)),
                _ => Err(text(found.stderr).trim().to_owned()),
            }
        }
    }
}

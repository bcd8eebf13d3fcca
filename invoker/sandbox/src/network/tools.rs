//! The programs that configure the kernel's network, run for set-up only and never while an activation waits.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::error::SetupError;
use crate::rootless::{find_program, one_line};

/// Whose network namespace the sandboxes are linked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Where {
    /// The host's: the server is root.
    Host,
    /// That of the launcher with this process id.
    Launcher(u32),
}

/// Paths of `ip`, `nft` and `nsenter`, checked once.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    place: Where,
    ip: PathBuf,
    nft: Option<PathBuf>,
    nsenter: PathBuf,
    timeout: Duration,
}

impl Tools {
    /// Finds the programs; `rules` says whether `nft` is needed too.
    pub(crate) fn find(place: Where, rules: bool, timeout: Duration) -> Result<Self, SetupError> {
        let find = |name: &str, package: &str| {
            find_program(Path::new(name))
                .ok_or_else(|| SetupError::Missing(format!("{name} is not installed (package {package})")))
        };
        Ok(Self {
            place,
            ip: find("ip", "iproute2")?,
            nft: if rules { Some(find("nft", "nftables")?) } else { None },
            nsenter: find("nsenter", "util-linux")?,
            timeout,
        })
    }

    pub(crate) fn place(&self) -> Where {
        self.place
    }

    /// Runs `ip` with arguments and returns what it prints.
    pub(crate) async fn ip(&self, arguments: &[&str]) -> Result<String, SetupError> {
        let mut command = self.command(&self.ip, None);
        command.args(arguments);
        self.run(command, "").await
    }

    /// Runs the lines of `batch` as `ip` commands; the first that fails ends it.
    pub(crate) async fn ip_batch(&self, batch: &str) -> Result<(), SetupError> {
        let mut command = self.command(&self.ip, None);
        command.args(["-batch", "-"]);
        self.run(command, batch).await.map(drop)
    }

    /// As [`Tools::ip_batch`], but goes on after a line that fails: for removing what may be half gone.
    pub(crate) async fn ip_batch_lenient(&self, batch: &str) -> Result<(), SetupError> {
        let mut command = self.command(&self.ip, None);
        command.args(["-force", "-batch", "-"]);
        match self.run(command, batch).await {
            Err(SetupError::Missing(text)) => {
                tracing::debug!(text, "some links were gone already");
                Ok(())
            }
            other => other.map(drop),
        }
    }

    /// Runs `ip` commands in the network namespace at `path`.
    pub(crate) async fn ip_batch_inside(&self, path: &str, batch: &str) -> Result<(), SetupError> {
        let mut command = self.command(&self.ip, Some(path));
        command.args(["-batch", "-"]);
        self.run(command, batch).await.map(drop)
    }

    /// Gives `nft` a rule file.
    pub(crate) async fn nft(&self, rules: &str) -> Result<(), SetupError> {
        let nft = self.nft.as_ref().ok_or_else(|| SetupError::Missing("nft was not looked for".into()))?;
        let mut command = self.command(nft, None);
        command.args(["-f", "-"]);
        self.run(command, rules).await.map(drop)
    }

    /// Asks `nft` and returns what it prints.
    pub(crate) async fn nft_list(&self, arguments: &[&str]) -> Result<String, SetupError> {
        let nft = self.nft.as_ref().ok_or_else(|| SetupError::Missing("nft was not looked for".into()))?;
        let mut command = self.command(nft, None);
        command.args(arguments);
        self.run(command, "").await
    }

    /// Gives `nft` a rule file, without a runtime and without hearing of errors: for [`Drop`].
    pub(crate) fn nft_blocking(&self, rules: &str) {
        let Some(nft) = &self.nft else { return };
        let mut command = self.command(nft, None).into_std();
        command.args(["-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Ok(mut child) = command.spawn() {
            if let Some(mut stdin) = child.stdin.take() {
                let _ = std::io::Write::write_all(&mut stdin, rules.as_bytes());
            }
            let _ = child.wait();
        }
    }

    /// Runs `ip` without a runtime and without hearing of errors: for [`Drop`].
    pub(crate) fn ip_blocking(&self, arguments: &[&str]) {
        let mut command = self.command(&self.ip, None).into_std();
        let _ = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }

    fn command(&self, program: &Path, inside: Option<&str>) -> Command {
        let mut arguments: Vec<String> = Vec::new();
        if let Where::Launcher(pid) = self.place {
            arguments.push(format!("--user=/proc/{pid}/ns/user"));
            arguments.push("--preserve-credentials".into());
            arguments.push(format!("--net=/proc/{pid}/ns/net"));
        }
        if let Some(path) = inside {
            arguments.retain(|argument| !argument.starts_with("--net="));
            arguments.push(format!("--net={path}"));
        }
        if arguments.is_empty() {
            return Command::new(program);
        }
        let mut command = Command::new(&self.nsenter);
        command.args(arguments).arg("--").arg(program);
        command
    }

    async fn run(&self, mut command: Command, input: &str) -> Result<String, SetupError> {
        let shown = format!("{:?}", command.as_std());
        let failed = |text: &str| SetupError::Missing(format!("{shown}: {}", one_line(text)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let exchange = async {
            let mut child = command.spawn()?;
            if let Some(mut stdin) = child.stdin.take() {
                stdin.write_all(input.as_bytes()).await?;
            }
            child.wait_with_output().await
        };
        let output = tokio::time::timeout(self.timeout, exchange)
            .await
            .map_err(|_| failed("did not end in time"))?
            .map_err(|error| failed(&error.to_string()))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(failed(&String::from_utf8_lossy(&output.stderr)))
        }
    }
}

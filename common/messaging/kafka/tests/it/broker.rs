//! A Kafka of a test's own, to be killed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

pub(crate) fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../scripts/services/kafka.sh")
}

#[derive(Debug)]
pub(crate) struct Broker {
    directory: TempDir,
    variables: HashMap<String, String>,
}

impl Broker {
    pub(crate) fn start() -> Self {
        let mut broker = Self { directory: tempfile::tempdir().unwrap(), variables: HashMap::new() };
        broker.start_again();
        broker
    }

    fn run(&self, command: &str) -> String {
        let output =
            Command::new("sh").arg(script()).arg(command).arg(self.directory.path()).output().unwrap();
        assert!(output.status.success(), "kafka.sh {command}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// With the same data and at the same address.
    pub(crate) fn start_again(&mut self) {
        let variables = self.run("start");
        let variables = variables.lines().filter_map(|line| line.split_once('='));
        self.variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    }

    pub(crate) fn kill(&self) {
        self.run("kill");
    }

    pub(crate) fn hosts(&self) -> &str {
        &self.variables["OXWHISK_TEST_KAFKA"]
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.run("kill");
    }
}

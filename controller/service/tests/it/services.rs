//! The Kafka and the CouchDB that tests share, and ones of a test's own.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::free_port;

/// What the services' scripts tell, or a line that says why the test cannot run.
pub(crate) fn shared(test: &str) -> Option<(String, String)> {
    let found = |name: &str| {
        let variable = format!("OXWHISK_TEST_{name}");
        if let Ok(address) = std::env::var(variable) {
            return Some(address);
        }
        let why = std::env::var(format!("OXWHISK_NO_{name}"))
            .unwrap_or_else(|_| "run through scripts/with-services.sh kafka couchdb -- ...".to_owned());
        skip(test, &why);
        None
    };
    Some((found("KAFKA")?, found("COUCHDB")?))
}

#[expect(clippy::print_stdout, reason = "shown with the test that is skipped")]
fn skip(test: &str, why: &str) {
    println!("skipped: {test}: {why}");
}

/// A service that a test starts itself, ended with it.
pub(crate) struct Service {
    name: &'static str,
    directory: tempfile::TempDir,
    /// As its script printed it.
    pub(crate) address: String,
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../scripts/services/{name}.sh"))
}

impl Service {
    pub(crate) fn kafka() -> Self {
        Self::start("kafka", &[])
    }

    /// On a port that is known before it is there.
    pub(crate) fn couchdb(port: u16) -> Self {
        Self::start("couchdb", &[&port.to_string()])
    }

    fn start(name: &'static str, arguments: &[&str]) -> Self {
        let mut service =
            Self { name, directory: tempfile::tempdir().expect("a directory"), address: String::new() };
        let printed = service.run("start", arguments);
        let line = printed.lines().find(|line| line.starts_with("OXWHISK_TEST_"));
        let (_, address) = line.and_then(|line| line.split_once('=')).expect("an address");
        address.clone_into(&mut service.address);
        service
    }

    /// As it was before it was ended: the same data, the same address.
    pub(crate) fn start_again(&self) {
        self.run("start", &[]);
    }

    pub(crate) fn end(&self) {
        self.run("stop", &[]);
    }

    fn run(&self, verb: &str, arguments: &[&str]) -> String {
        let output = Command::new("sh")
            .arg(script(self.name))
            .arg(verb)
            .arg(self.directory.path())
            .args(arguments)
            .output()
            .expect("a shell");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}.sh {verb}: {said}", self.name);
        String::from_utf8(output.stdout).expect("text")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // A test that has failed already is not failed again by what it leaves.
        let _ = Command::new("sh").arg(script(self.name)).arg("stop").arg(self.directory.path()).output();
    }
}

pub(crate) fn unused_port() -> u16 {
    free_port()
}

/// The port in `http://127.0.0.1:5984`.
pub(crate) fn port_of(url: &str) -> &str {
    url.rsplit(':').next().unwrap_or_default().trim_end_matches('/')
}

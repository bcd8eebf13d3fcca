//! The programs that a server is made of, and what each must be told at least to start.

use std::process::Command;

use oxwhisk_e2e::{report, server, shared};

/// One of them.
pub(super) struct Program {
    pub(super) name: &'static str,
    /// Some of its flags.
    pub(super) flags: &'static [&'static str],
}

const STANDALONE: [Program; 1] = [Program {
    name: "oxwhisk",
    flags: &["--port", "--data-dir", "--manifest", "--users", "--ready-file", "--config-file"],
}];
const CLUSTER: [Program; 2] = [
    Program {
        name: "controller",
        flags: &["--port", "--grpc-listen", "--manifest", "--users", "--ready-file", "--config-file"],
    },
    Program {
        name: "invoker",
        flags: &["--grpc-listen", "--data-dir", "--manifest", "--ready-file", "--config-file"],
    },
];

/// `oxwhisk`, or the programs of the cluster that the tests run against; none, and a line that says so, where these are not
/// on this machine.
pub(super) fn of_the_server(test: &str) -> &'static [Program] {
    if !shared::is_remote() {
        return &STANDALONE;
    }
    match server::can_start() {
        Ok(()) => &CLUSTER,
        Err(why) => {
            report::skipped(test, &format!("the programs of the server are not here: {why}"));
            &[]
        }
    }
}

impl Program {
    pub(super) fn takes(&self, flag: &str) -> bool {
        self.flags.contains(&flag)
    }

    /// With these arguments and no others.
    #[track_caller]
    pub(super) fn alone(&self, args: &[&str]) -> Command {
        let mut command = Command::new(server::program(self.name).unwrap_or_else(|error| panic!("{error}")));
        command.args(args);
        command
    }

    /// With what it needs, and more; its data directory is `data` in `place`.
    #[track_caller]
    pub(super) fn command(&self, place: &Place, more: &[&str]) -> Command {
        self.with(0, &place.path("data"), place, more)
    }

    /// The same at this port.
    #[track_caller]
    pub(super) fn command_at(&self, port: u16, place: &Place, more: &[&str]) -> Command {
        self.with(port, &place.path("data"), place, more)
    }

    /// The same in this data directory.
    #[track_caller]
    pub(super) fn command_in(&self, data: &str, place: &Place) -> Command {
        self.with(0, data, place, &[])
    }

    /// Its own data directory where a server of several programs has `data`.
    pub(super) fn data_dir_in(&self, data: &str) -> Option<String> {
        match self.name {
            "oxwhisk" => Some(data.to_owned()),
            "invoker" => Some(format!("{data}/invoker")),
            _ => None,
        }
    }

    #[track_caller]
    fn with(&self, port: u16, data: &str, place: &Place, more: &[&str]) -> Command {
        let mut command = self.alone(more);
        let (port, address) = (port.to_string(), format!("127.0.0.1:{port}"));
        match self.name {
            "controller" => {
                let keys = |name: &str, letter: char| {
                    let key = letter.to_string().repeat(43);
                    place.file(name, &format!("1:{key}=\n"))
                };
                command.args(["--host", "127.0.0.1", "--port", &port, "--grpc-listen", "127.0.0.1:0"]);
                command.args(["--kafka-hosts", NOWHERE, "--couchdb-host", "127.0.0.1"]);
                command.args(["--controller-keys", &keys("controllers.keys", 'A')]);
                command.args(["--cache-proxy-keys", &keys("cache-proxies.keys", 'E')]);
                command.env("CONFIG_oxwhisk_ops_listen", "127.0.0.1:0");
            }
            "invoker" => {
                command.args(["--id", "0", "--grpc-listen", &address, "--ops-listen", "127.0.0.1:0"]);
                command.args(["--kafka-hosts", NOWHERE, "--data-dir", data]);
                command.env("WHISK_API_HOST_NAME", "example.org");
            }
            _ => {
                command.args(["--port", &port, "--data-dir", data]);
            }
        }
        command
    }
}

/// Nobody listens there.
const NOWHERE: &str = "127.0.0.1:1";

/// A folder for data and files beside it.
pub(super) struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub(super) fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary directory") }
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    pub(super) fn file(&self, name: &str, content: &str) -> String {
        std::fs::write(self.path(name), content).expect("own directory is writable");
        self.path(name)
    }
}

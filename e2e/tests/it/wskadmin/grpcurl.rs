//! `grpcurl`, the usual tool for gRPC: reflection and health serve it.

use std::path::{Path, PathBuf};
use std::process::Command;

use oxwhisk_e2e::wskadmin::{Target, Wskadmin};
use oxwhisk_e2e::{process, report};

use super::{fresh, server};

/// Names the tool.
const VARIABLE: &str = "OXWHISK_GRPCURL";
/// The peer that a remote server's admin API is: the first controller of `make cluster`.
const CONTROLLER: &str = "controller0.controller.oxwhisk.internal";

fn find() -> Result<PathBuf, String> {
    if let Some(named) = std::env::var_os(VARIABLE) {
        return Ok(named.into());
    }
    let cached = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/go/bin/grpcurl");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|dir| dir.join("grpcurl"))
        .chain([cached])
        .find(|file| file.is_file());
    found.ok_or_else(|| format!("no grpcurl on PATH or in .cache/go/bin, and {VARIABLE} is not set"))
}

#[track_caller]
fn grpcurl(tool: &Path, admin: &Wskadmin, flags: &[&str], rest: &[&str]) -> String {
    let mut command = Command::new(tool);
    match admin.target() {
        Target::DataDir(dir) => {
            let address = format!("unix:{}", dir.join("admin.sock").display());
            command.arg("-plaintext").args(flags).arg(address);
        }
        Target::Endpoint { address, tls_dir } => {
            let tls_dir = tls_dir.as_ref().expect("a cluster has certificates");
            for (flag, file) in [("-cacert", "ca.crt"), ("-cert", "tls.crt"), ("-key", "tls.key")] {
                command.arg(flag).arg(tls_dir.join(file));
            }
            // Certificates name peers, not addresses.
            command.args(["-servername", CONTROLLER]).args(flags).arg(address);
        }
    }
    command.args(rest);
    let finished = process::run(command);
    assert!(finished.status.success(), "{rest:?}: {finished:?}");
    finished.stdout
}

#[test]
fn grpcurl_lists_describes_and_calls_every_service() {
    let test = "grpcurl_lists_describes_and_calls_every_service";
    let Some((_, admin)) = server(test) else { return };
    let tool = match find() {
        Ok(tool) => tool,
        Err(why) => {
            report::skipped(test, &why);
            return;
        }
    };
    let listed = grpcurl(&tool, &admin, &[], &["list"]);
    for service in ["Subjects", "Limits", "Invokers", "DeadLetters", "Databases", "System"] {
        let name = format!("oxwhisk.admin.v1.{service}");
        assert!(listed.lines().any(|line| line == name), "{listed}");
        grpcurl(&tool, &admin, &[], &["describe", &name]);
    }
    let health = grpcurl(&tool, &admin, &[], &["grpc.health.v1.Health/Check"]);
    assert!(health.contains("SERVING") && !health.contains("NOT_SERVING"), "{health}");
    let subject = fresh("grpcurl");
    let request = format!("{{\"subject\": \"{subject}\"}}");
    let created = grpcurl(&tool, &admin, &["-d", &request], &["oxwhisk.admin.v1.Subjects/CreateKey"]);
    let line = admin.output(&["user", "get", &subject]);
    let (uuid, _) = line.split_once(':').expect("uuid:key");
    assert!(created.contains(uuid), "{created}");
}

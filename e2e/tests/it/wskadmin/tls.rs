//! The admin API over mutual TLS, with certificates as an operator makes them.

use std::fs;
use std::path::{Path, PathBuf};

use oxwhisk_e2e::process::{self, Finished};
use oxwhisk_e2e::wskadmin::Wskadmin;
use oxwhisk_e2e::{ServerOptions, ports, shared};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// An authority that writes `ca.crt`, `tls.crt` and `tls.key` into a directory for each name.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
    directory: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("signed").pem();
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self { issuer: Issuer::new(params, key), certificate, directory }
    }

    /// For a peer, in a folder `role-name`.
    fn issue(&self, role: &str, name: &str) -> PathBuf {
        let dns_name = format!("{name}.{role}.oxwhisk.internal");
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([dns_name]).expect("a name");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed").pem();
        let directory = self.directory.path().join(format!("{role}-{name}"));
        fs::create_dir_all(&directory).expect("writable");
        for (name, content) in
            [("ca.crt", &self.certificate), ("tls.crt", &certificate), ("tls.key", &key.serialize_pem())]
        {
            fs::write(directory.join(name), content).expect("writable");
        }
        directory
    }
}

fn run(admin: &Wskadmin, endpoint: &str, tls: Option<&Path>, more: &[&str]) -> Finished {
    let mut command = admin.command();
    command.args(["queue", "depth", "--endpoint", endpoint]).args(more);
    if let Some(directory) = tls {
        command.arg("--tls-dir").arg(directory);
    }
    process::run(command)
}

#[test]
fn certificates_open_the_admin_api_and_their_role_counts() {
    let name = "certificates_open_the_admin_api_and_their_role_counts";
    let authority = Authority::new();
    authority.issue("controller", "controller0");
    // Of a server that is one process nobody asks for it.
    let invoker = authority.issue("invoker", "invoker0");
    let endpoint = format!("127.0.0.1:{}", ports::free());
    let options = ServerOptions::default().admin_by_tls(&endpoint, authority.directory.path());
    let Some(server) = shared::own_server(name, &options) else { return };
    let admin = Wskadmin::of(&server);
    let anna = authority.issue("admin", "anna");
    for more in [&[][..], &["--expect", "controller/controller0"]] {
        let answered = run(&admin, &endpoint, Some(&anna), more);
        assert_eq!(answered.status.code(), Some(0), "{answered:?}");
    }
    let others = Authority::new();
    let stranger = others.issue("admin", "anna");
    for (tls, more, text) in [
        (
            Some(&anna),
            &["--expect", "controller/controller1"][..],
            "the server is controller/controller0 where controller/controller1 is expected",
        ),
        (Some(&invoker), &[], "invoker/invoker0 may not call oxwhisk.admin.v1.System"),
        (Some(&stranger), &[], "invalid peer certificate"),
        (None, &[], "Failed to get queue depths ("),
    ] {
        let refused = run(&admin, &endpoint, tls.map(PathBuf::as_path), more);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(refused.stdout.contains(text), "{text}: {refused:?}");
    }
}

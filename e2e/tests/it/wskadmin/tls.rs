//! The admin API over mutual TLS, with certificates as an operator makes them.

use std::fs;
use std::path::{Path, PathBuf};

use oxwhisk_e2e::process::{self, Finished};
use oxwhisk_e2e::wskadmin::Wskadmin;
use oxwhisk_e2e::{ServerOptions, shared};
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

    fn issue(&self, dns_name: &str) -> PathBuf {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([dns_name.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed").pem();
        let directory = self.directory.path().join(dns_name);
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
    let server = authority.issue("c0.controller.oxwhisk.internal");
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .expect("a port")
        .port();
    let endpoint = format!("127.0.0.1:{port}");
    let file = |name: &str| server.join(name).display().to_string();
    let options = ServerOptions::default()
        .env("CONFIG_oxwhisk_admin_listen", &endpoint)
        .env("CONFIG_oxwhisk_admin_tls_authority", &file("ca.crt"))
        .env("CONFIG_oxwhisk_admin_tls_certificate", &file("tls.crt"))
        .env("CONFIG_oxwhisk_admin_tls_key", &file("tls.key"));
    let Some(server) = shared::own_server(name, &options) else { return };
    let admin = Wskadmin::of(&server);
    let anna = authority.issue("anna.admin.oxwhisk.internal");
    for more in [&[][..], &["--expect", "controller/c0"]] {
        let answered = run(&admin, &endpoint, Some(&anna), more);
        assert_eq!(answered.status.code(), Some(0), "{answered:?}");
    }
    let invoker = authority.issue("i0.invoker.oxwhisk.internal");
    let others = Authority::new();
    let stranger = others.issue("anna.admin.oxwhisk.internal");
    for (tls, more, text) in [
        (
            Some(&anna),
            &["--expect", "controller/c1"][..],
            "the server is controller/c0 where controller/c1 is expected",
        ),
        (Some(&invoker), &[], "invoker/i0 may not call oxwhisk.admin.v1.System"),
        (Some(&stranger), &[], "invalid peer certificate"),
        (None, &[], "Failed to get queue depths ("),
    ] {
        let refused = run(&admin, &endpoint, tls.map(PathBuf::as_path), more);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(refused.stdout.contains(text), "{text}: {refused:?}");
    }
}

//! Starts that are refused, and starts that wait.

use std::net::TcpListener;

use crate::binary::{Binary, refused};
use crate::controller::{Certificates, variables};
use crate::conversation::NO_KAFKA;

const NEEDED: [(&str, &str); 3] = [("INVOKER_ID", "3"), NO_KAFKA, ("WHISK_API_HOST_NAME", "example.org")];

fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    NEEDED.iter().chain(more).copied().collect()
}

#[test]
fn wrong_configuration_is_said_line_by_line_and_the_code_tells() {
    let (code, said) = refused(&[], &with(&[("CONFIG_oxwhisk_grpc_listen", "0.0.0.0:1")]));
    assert_eq!(code, 78);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.starts_with("invoker: environment variable CONFIG_oxwhisk_grpc_listen: plain text is refused"),
        "{said}"
    );
    let (code, said) = refused(&["--no-such-flag"], &[]);
    assert_eq!((code, said.lines().count()), (64, 1), "{said}");
}

#[test]
fn a_taken_port_is_said() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (flag, other) in [("--grpc-listen", "--ops-listen"), ("--ops-listen", "--grpc-listen")] {
        let (code, said) = refused(&[flag, &address, other, "127.0.0.1:0"], &NEEDED);
        assert_eq!(code, 69);
        let line = format!("invoker: cannot listen on {address}: Address already in use");
        assert!(said.lines().any(|found| found.starts_with(&line)), "{said}");
    }
}

#[test]
fn a_wrong_certificate_is_said() {
    let certificates = Certificates::new();
    let start = |files: Vec<(&str, String)>| {
        let files: Vec<(&str, &str)> = files.iter().map(|(name, value)| (*name, value.as_str())).collect();
        refused(&["--grpc-listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"], &with(&files))
    };
    // Of another invoker, and of another role.
    for peer in ["invoker/invoker4", "controller/invoker3"] {
        let (code, said) = start(variables(&certificates.of(peer)));
        assert_eq!(code, 78);
        let line = format!("is the certificate of {peer}, and this is invoker/invoker3");
        assert!(said.lines().any(|found| found.starts_with("invoker: ") && found.ends_with(&line)), "{said}");
    }
    let mut files = variables(&certificates.of("invoker/invoker3"));
    let gone = files[1].1.replace("tls.crt", "gone.crt");
    files[1].1 = gone.clone();
    let (code, said) = start(files);
    assert_eq!(code, 78);
    assert!(said.lines().any(|line| line.starts_with("invoker: ") && line.contains(&gone)), "{said}");
}

#[test]
fn without_kafka_it_waits_and_says_why_it_is_not_ready() {
    let test = "without_kafka_it_waits_and_says_why_it_is_not_ready";
    let mut binary = Binary::start(&[NO_KAFKA]);
    if binary.until_unready_only_for(test, &["kafka"]).is_none() {
        return;
    }
    assert_eq!(binary.get("/live").map(|(status, _)| status), Some(200));
    let reason = binary.until(test, "the reason is told", |binary| {
        let (_, body) = binary.get("/ready")?;
        body.contains("127.0.0.1:1").then_some(body)
    });
    assert!(reason.is_some_and(|body| body.contains(r#""part":"kafka""#)));
    binary.until(test, "the log says it, too", |binary| {
        binary.log().contains("waiting for Kafka").then_some(())
    });
    assert!(binary.runs() && binary.ready_file().is_none());
    binary.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(binary.exit_code(), 0, "{}", binary.log());
}

//! The binary where nothing that it depends on is there.

use std::net::TcpListener;

use oxwhisk_grpc::channel::connect;
use oxwhisk_grpc::dev_certificates;
use oxwhisk_grpc::{Address, Channel, ChannelOptions, Expected, Identity, Role, TlsFiles, TlsSource, Trust};
use oxwhisk_proto::admin::v1::invokers_client::InvokersClient;
use oxwhisk_proto::admin::v1::system_client::SystemClient;
use oxwhisk_proto::admin::v1::{GetConfigRequest, ListInvokersRequest};
use tonic::Code;

use crate::given::Given;
use crate::http;
use crate::process::{Controller, free_port};

/// Nobody is there.
fn away() -> [(&'static str, String); 2] {
    [("KAFKA_HOSTS", format!("127.0.0.1:{}", free_port())), ("DB_PORT", free_port().to_string())]
}

fn start(given: &Given, more: &[(&str, &str)]) -> Controller {
    let away = away();
    let mut variables: Vec<(&str, &str)> = away.iter().map(|(name, value)| (*name, value.as_str())).collect();
    variables.extend(more);
    variables.push(("DB_HOST", "127.0.0.1"));
    Controller::start(given, &[], &variables)
}

#[track_caller]
fn ends_with(given: &Given, more: &[(&str, &str)], code: i32, parts: &[&str]) {
    let mut controller = start(given, more);
    let status = controller.ended();
    let said = controller.said();
    assert_eq!(status.code(), Some(code), "{said}");
    let last = said.lines().last().unwrap_or_default();
    assert!(last.starts_with("controller: "), "{said}");
    for part in parts {
        assert!(last.contains(part), "'{part}' is not in: {last}");
    }
}

#[test]
fn without_its_services_it_waits_says_why_and_stops_when_told() {
    let given = Given::new();
    let mut controller = start(&given, &[]);
    let reasons = controller.wait_for("the reasons", |controller| {
        let answer = http::get(controller.ops, "/ready")?;
        let tells = |part: &str| answer.body.contains(&format!("\"part\":\"{part}\""));
        let knows = !answer.body.contains("\"couchdb\",\"reason\":\"has not started yet\"");
        (tells("couchdb") && tells("kafka") && tells("api") && knows).then_some(answer)
    });
    assert_eq!(reasons.status, 503, "{reasons:?}");
    assert_eq!(http::get(controller.ops, "/live").map(|answer| answer.status), Some(200));
    assert!(http::get(controller.api, "/ping").is_none(), "who is not ready takes no connection");
    controller.wait_for("lines for people", |controller| {
        let said = controller.said();
        (said.contains("waiting for CouchDB") && said.contains("waiting for Kafka")).then_some(())
    });
    controller.terminate();
    assert_eq!(controller.ended().code(), Some(0), "{}", controller.said());
}

#[test]
fn a_wrong_configuration_ends_it_with_a_line_for_each_fault() {
    let given = Given::new();
    ends_with(&given, &[("CONFIG_oxwhisk_dispatch_maxAttempts", "0")], 78, &["must be at least 1"]);
    ends_with(&given, &[("KAFKA_HOSTS", "")], 78, &["whisk.kafka.hosts"]);
    let tls = "/no/such.crt";
    let files = [
        ("CONFIG_oxwhisk_grpc_tls_authority", tls),
        ("CONFIG_oxwhisk_grpc_tls_certificate", tls),
        ("CONFIG_oxwhisk_grpc_tls_key", tls),
    ];
    ends_with(&given, &files, 78, &["'/no/such.crt' cannot be read"]);
}

#[test]
fn a_taken_port_ends_it_with_a_line() {
    let given = Given::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound");
    let port = address.port().to_string();
    let text = address.to_string();
    ends_with(&given, &[("PORT", &port)], 69, &["cannot listen on", &text]);
    ends_with(&given, &[("CONFIG_oxwhisk_grpc_listen", &text)], 69, &["cannot listen on", &text]);
    ends_with(&given, &[("CONFIG_oxwhisk_ops_listen", &text)], 69, &["cannot listen on", &text]);
}

fn certificates(given: &Given, names: &[&str]) -> Vec<TlsFiles> {
    let identities: Vec<Identity> = names.iter().map(|name| name.parse().expect("an identity")).collect();
    dev_certificates::write_all(given.path(), &identities).expect("written")
}

fn variables(files: &TlsFiles) -> Vec<(String, String)> {
    let text = |path: &std::path::Path| path.display().to_string();
    vec![
        ("CONFIG_oxwhisk_grpc_tls_authority".to_owned(), text(&files.authority)),
        ("CONFIG_oxwhisk_grpc_tls_certificate".to_owned(), text(&files.certificate)),
        ("CONFIG_oxwhisk_grpc_tls_key".to_owned(), text(&files.key)),
    ]
}

fn borrowed(variables: &[(String, String)]) -> Vec<(&str, &str)> {
    variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn channel(controller: &Controller, files: &TlsFiles) -> Channel {
    let tls = std::sync::Arc::new(TlsSource::open(files.clone()).expect("usable"));
    let trust = Trust::MutualTls { tls, expected: Expected::Role(Role::Controller) };
    let address = Address::Tcp { host: "127.0.0.1".to_owned(), port: controller.grpc };
    connect(address, trust, &ChannelOptions::default()).expect("a channel")
}

#[test]
fn a_certificate_of_somebody_else_ends_it_with_a_line() {
    let given = Given::new();
    for name in ["controller/controller1", "invoker/controller0"] {
        let files = certificates(&given, &[name]);
        let variables = variables(&files[0]);
        ends_with(&given, &borrowed(&variables), 78, &[name, "and this is controller/controller0"]);
    }
}

#[tokio::test]
async fn administrators_reach_it_while_it_waits_and_others_do_not() {
    let given = Given::new();
    let files = certificates(&given, &["controller/controller0", "admin/anna", "invoker/invoker0"]);
    let mut more = variables(&files[0]);
    more.push(("DB_USERNAME".to_owned(), "whisk".to_owned()));
    more.push(("DB_PASSWORD".to_owned(), "some_passw0rd".to_owned()));
    let mut controller = start(&given, &borrowed(&more));
    controller.wait_ready(503);

    let anna = channel(&controller, &files[1]);
    let config = SystemClient::new(anna.clone()).get_config(GetConfigRequest {}).await;
    let config = config.expect("administrators may").into_inner().toml;
    assert!(config.contains("oxwhisk.controller.name = \"controller0\""), "{config}");
    assert!(!config.contains("passw0rd"), "{config}");
    let invokers = InvokersClient::new(anna).list_invokers(ListInvokersRequest {}).await;
    assert_eq!(invokers.expect("administrators may").into_inner().invokers, []);

    let invoker = channel(&controller, &files[2]);
    let refused = SystemClient::new(invoker).get_config(GetConfigRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");

    let others = Given::new();
    let stranger = certificates(&others, &["admin/anna"]);
    let stranger = channel(&controller, &stranger[0]);
    let refused = SystemClient::new(stranger).get_config(GetConfigRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
}

//! With a real Kafka: readiness, heartbeats, records, and a user that Kafka does not know.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::sys::signal::Signal;
use oxwhisk_core::entity::Activation;
use oxwhisk_core::heartbeat::{Heartbeat, InvokerHeartbeat};
use oxwhisk_core::id::ActivationId;
use oxwhisk_dispatch::{Order, RecordEnvelope, RecordState, Said};
use oxwhisk_invoker_remote::client::Heard;
use oxwhisk_kafka::config::TopicSettings;
use oxwhisk_kafka::{KafkaBus, KafkaConfig, Role};
use oxwhisk_messaging::{self as messaging, Bus as _, Channel, Event, Topic};
use oxwhisk_ticket::Ticket;
use tokio_util::sync::CancellationToken;

use crate::binary::{Binary, LIMIT, skip};
use crate::controller::{Action, issuer};
use crate::conversation::rig;

fn variable(name: &str, test: &str) -> Option<String> {
    let found = std::env::var(name).ok();
    if found.is_none() {
        let why = std::env::var("OXWHISK_NO_KAFKA")
            .unwrap_or_else(|_| "run through scripts/with-services.sh kafka -- ...".to_owned());
        skip(test, &why);
    }
    found
}

/// Before the names of topics that no other test has.
fn prefix() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("i{}-{}.", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A controller's bus, which makes the topics.
async fn bus(hosts: &str, prefix: &str) -> KafkaBus {
    let mut config = KafkaConfig::new(hosts, "controller0", Role::Controller);
    config.prefix = prefix.to_owned();
    config.events_prefix = prefix.to_owned();
    config.topics = TopicSettings { activation_partitions: 1, partitions: 1, ..TopicSettings::default() };
    let bus = KafkaBus::new(config).unwrap();
    tokio::time::timeout(LIMIT, bus.ready(CancellationToken::new())).await.expect("Kafka in time").unwrap();
    bus
}

fn environment<'a>(hosts: &'a str, prefix: &'a str) -> [(&'a str, &'a str); 3] {
    [
        ("KAFKA_HOSTS", hosts),
        ("CONFIG_whisk_kafka_topics_prefix", prefix),
        ("CONFIG_whisk_kafka_topics_userEvent_prefix", prefix),
    ]
}

/// The next heartbeat that is as wanted.
async fn heartbeat(
    listener: &mut dyn messaging::Listener,
    what: &str,
    wanted: impl Fn(&InvokerHeartbeat) -> bool,
) -> InvokerHeartbeat {
    let waiting = async {
        loop {
            let messaging::Heard::Message { key, payload } = listener.next().await.unwrap() else { continue };
            let Ok(Heartbeat::Invoker(heartbeat)) = serde_json::from_slice(&payload) else { continue };
            assert_eq!(key, "invoker3");
            if wanted(&heartbeat) {
                return heartbeat;
            }
        }
    };
    tokio::time::timeout(LIMIT, waiting).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// The record of `id`, with its ticket.
async fn record(records: &mut dyn messaging::Subscription, id: ActivationId) -> (Activation, Ticket) {
    let waiting = async {
        loop {
            let Event::Messages(messages) = records.next(16).await.unwrap() else { continue };
            for message in messages {
                let envelope = RecordEnvelope::decode(&message.payload).unwrap();
                let record = Activation::from_document(envelope.document).unwrap();
                if record.activation_id == id {
                    return (record, Ticket::from_bytes(envelope.ticket.to_vec()));
                }
            }
        }
    };
    tokio::time::timeout(LIMIT, waiting).await.expect("a record in time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_tells_that_it_is_there_and_hands_records_over_with_their_tickets() {
    let test = "it_tells_that_it_is_there_and_hands_records_over_with_their_tickets";
    let Some(hosts) = variable("OXWHISK_TEST_KAFKA", test) else { return };
    let prefix = prefix();
    let bus = bus(&hosts, &prefix).await;
    let mut health = bus.listen(Channel::Health, Duration::ZERO).await.unwrap();
    let Some((mut binary, mut controller, _certificates)) = rig(test, &environment(&hosts, &prefix)).await
    else {
        return;
    };
    let there = heartbeat(&mut *health, "it is there", |heartbeat| heartbeat.enabled).await;
    assert_eq!((there.id.0, there.address.clone()), (3, binary.grpc.to_string()));
    assert_eq!((there.memory, there.version.as_str()), (2048, env!("CARGO_PKG_VERSION")));
    let ready = binary.until(test, "the ready file", Binary::ready_file).unwrap();
    assert!(ready.contains(&there.address), "{ready}");

    controller.until("the welcome", |heard| matches!(heard, Heard::Welcome(_)).then_some(())).await;
    let mut records = bus.subscribe(Topic::Completed).await.unwrap();
    let action = Action {
        name: "native",
        kind: "blackbox",
        image: "openwhisk/dockerskeleton:nightly",
        code: STANDARD.encode("#!/bin/sh\necho said >&2\necho '{\"ok\": true}'\n"),
        binary: true,
    };
    let id = controller.dispatch(&action, "{}");
    let (ended, _) = controller.ended(id).await;
    let (record, ticket) = record(&mut *records, id).await;
    assert_eq!(issuer().verify(&ticket).unwrap().activation_id, id);
    assert_eq!(record.response.result.as_ref().map(|result| result.get()), Some(r#"{"ok": true}"#));
    if ended.record == RecordState::Pending {
        let durable = |heard| matches!(heard, Heard::Said(Said::RecordDurable(of)) if of == id).then_some(());
        controller.until("the record is durable", durable).await;
    }
    controller.order(Order::Acknowledge(id));

    binary.signal(Signal::SIGTERM);
    let leaving = heartbeat(&mut *health, "it leaves", |heartbeat| !heartbeat.enabled).await;
    assert_eq!(leaving.incarnation, there.incarnation);
    assert_eq!(binary.exit_code(), 0, "{}", binary.log());
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_that_are_not_there_yet_are_waited_for() {
    let test = "topics_that_are_not_there_yet_are_waited_for";
    let Some(hosts) = variable("OXWHISK_TEST_KAFKA", test) else { return };
    let prefix = prefix();
    let mut binary = Binary::start(&environment(&hosts, &prefix));
    let waits = binary.until(test, "it says what it waits for", |binary| {
        let (_, body) = binary.get("/ready")?;
        body.contains("controllers create it").then_some(body)
    });
    let Some(waits) = waits else { return };
    assert!(waits.contains(&prefix), "{waits}");
    let bus = bus(&hosts, &prefix).await;
    binary.until(test, "it is ready", |binary| binary.get("/ready").filter(|(status, _)| *status == 200));
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_that_kafka_does_not_know_is_refused_and_that_is_said() {
    let test = "a_user_that_kafka_does_not_know_is_refused_and_that_is_said";
    let Some(hosts) = variable("OXWHISK_TEST_KAFKA_SASL", test) else { return };
    let Some(authority) = variable("OXWHISK_TEST_KAFKA_CA", test) else { return };
    let prefix = prefix();
    let secure = [
        ("CONFIG_oxwhisk_kafka_tls_ca", authority.as_str()),
        ("CONFIG_oxwhisk_kafka_sasl_username", "stranger"),
        ("CONFIG_oxwhisk_kafka_secret_password", "guessed"),
    ];
    let environment: Vec<(&str, &str)> = environment(&hosts, &prefix).into_iter().chain(secure).collect();
    let mut binary = Binary::start(&environment);
    assert_eq!(binary.exit_code(), 78, "{}", binary.log());
    let log = binary.log();
    let line = format!("invoker: Kafka at {hosts} was reached and refused us: ");
    assert!(log.lines().any(|found| found.starts_with(&line)), "{log}");
    assert!(!log.contains("guessed"), "{log}");
}

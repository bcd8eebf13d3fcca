//! Controllers on a real Kafka and a real CouchDB.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use oxwhisk_core::id::InvokerId;
use oxwhisk_grpc::channel::connect;
use oxwhisk_grpc::{Address, Channel as GrpcChannel, ChannelOptions, Trust};
use oxwhisk_kafka::{KafkaBus, KafkaConfig, Role};
use oxwhisk_messaging::{Bus as _, Channel};
use oxwhisk_proto::admin::v1::subjects_client::SubjectsClient;
use oxwhisk_proto::admin::v1::system_client::SystemClient;
use oxwhisk_proto::admin::v1::{
    CreateKeyRequest, GetQueueDepthsRequest, InvalidateCacheRequest, SetBlockedRequest,
};

use crate::engine::invoker::{InvokerProcess, heartbeat};
use crate::given::Given;
use crate::http;
use crate::process::{self, Controller};
use crate::services::{self, Service};
use tokio_util::sync::CancellationToken;

const KEY: &str =
    "00000001-0000-4000-8000-000000000000:kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk";

/// Variables for topics and databases that no other test has.
fn apart(kafka: &str, couchdb_port: &str) -> Vec<(String, String)> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let mark = format!("c{}n{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let own = |name: &str, value: String| (name.to_owned(), value);
    let mut variables = vec![
        own("KAFKA_HOSTS", kafka.to_owned()),
        own("CONFIG_whisk_kafka_topics_prefix", format!("{mark}.")),
        own("CONFIG_whisk_kafka_topics_userEvent_prefix", format!("{mark}.")),
        own("CONFIG_oxwhisk_kafka_activationPartitions", "2".to_owned()),
        own("CONFIG_oxwhisk_kafka_partitions", "2".to_owned()),
        own("CONFIG_oxwhisk_kafka_sessionTimeout", "6 s".to_owned()),
        own("DB_HOST", "127.0.0.1".to_owned()),
        own("DB_PORT", couchdb_port.to_owned()),
        own("CONFIG_oxwhisk_couchdb_databasePrefix", format!("{mark}_")),
        own("CONFIG_oxwhisk_couchdb_create", "true".to_owned()),
        own("CONFIG_whisk_users_guest", KEY.to_owned()),
    ];
    for (name, variable) in
        [("OXWHISK_TEST_COUCHDB_USER", "DB_USERNAME"), ("OXWHISK_TEST_COUCHDB_PASSWORD", "DB_PASSWORD")]
    {
        if let Ok(value) = std::env::var(name) {
            variables.push(own(variable, value));
        }
    }
    variables
}

fn start(given: &Given, id: &str, variables: &[(String, String)]) -> Controller {
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    Controller::start(given, &["--id", id], &variables)
}

fn channel(controller: &Controller) -> GrpcChannel {
    let address = Address::Tcp { host: "127.0.0.1".to_owned(), port: controller.grpc };
    connect(address, Trust::Plaintext { insecure: false }, &ChannelOptions::default()).expect("a channel")
}

fn put(controller: &Controller, code: &str) {
    let body = format!(r#"{{"exec":{{"kind":"nodejs:20","code":"{code}"}}}}"#);
    let path = "/api/v1/namespaces/_/actions/hello?overwrite=true";
    let answer = http::call(controller.api, "PUT", path, KEY, &body).expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn code(controller: &Controller) -> String {
    let answer = http::call(controller.api, "GET", "/api/v1/namespaces/_/actions/hello", KEY, "");
    answer.map(|answer| answer.body).unwrap_or_default()
}

#[test]
fn it_starts_when_what_it_waits_for_comes_and_says_when_it_goes() {
    if services::shared("it_starts_when_what_it_waits_for_comes_and_says_when_it_goes").is_none() {
        return;
    }
    let given = Given::new();
    let kafka = Service::kafka();
    kafka.end();
    let port = services::unused_port();
    let mut controller = start(&given, "0", &apart(&kafka.address, &port.to_string()));
    let reasons = controller.wait_ready(503);
    assert!(reasons.contains("couchdb") && reasons.contains("kafka"), "{reasons}");
    let _couchdb = Service::couchdb(port);
    controller.wait_for("CouchDB", |controller| {
        let body = http::get(controller.ops, "/ready")?.body;
        (!body.contains("couchdb") && body.contains("kafka")).then_some(())
    });
    kafka.start_again();
    controller.wait_ready(200);
    assert_eq!(http::get(controller.api, "/ping").map(|answer| answer.body), Some("pong".to_owned()));
    put(&controller, "1");
    kafka.end();
    let reasons = controller.wait_ready(503);
    assert!(reasons.contains("kafka") && !reasons.contains("couchdb"), "{reasons}");
    put(&controller, "2");
    controller.terminate();
    assert_eq!(controller.ended().code(), Some(0), "{}", controller.said());
}

/// On the topics of a controller that was started with these variables.
async fn invokers_bus(kafka: &str, variables: &[(String, String)]) -> Arc<KafkaBus> {
    let of = |name: &str| variables.iter().find(|(known, _)| known == name).expect("it is set").1.clone();
    let mut config = KafkaConfig::new(kafka, "invoker0", Role::Invoker);
    config.prefix = of("CONFIG_whisk_kafka_topics_prefix");
    config.events_prefix = of("CONFIG_whisk_kafka_topics_userEvent_prefix");
    let bus = KafkaBus::new(config).expect("a configuration");
    let ready = tokio::time::timeout(process::DEADLINE, bus.ready(CancellationToken::new()));
    ready.await.expect("Kafka in time").expect("Kafka");
    Arc::new(bus)
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_ready_with_as_many_healthy_invokers_as_it_is_told_to_need() {
    let test = "it_is_ready_with_as_many_healthy_invokers_as_it_is_told_to_need";
    let Some((kafka, couchdb)) = services::shared(test) else { return };
    let given = Given::new();
    let mut variables = apart(&kafka, services::port_of(&couchdb));
    for variable in ["CONFIG_whisk_controller_readinessFraction", "CONFIG_oxwhisk_invokers_readyFraction"] {
        variables.push((variable.to_owned(), "50%".to_owned()));
    }
    let mut controller = start(&given, "0", &variables);
    let unready = |reason: &str| {
        let reasons = serde_json::json!([{"part": "invokers", "reason": reason}]);
        serde_json::json!({"ready": false, "reasons": reasons}).to_string()
    };
    let says = |controller: &mut Controller, expected: &str| {
        controller.wait_for(expected, |controller| {
            (http::get(controller.ops, "/ready")?.body == expected).then_some(())
        });
    };
    says(&mut controller, &unready("no invoker is known"));
    let share = |controller: &Controller| {
        http::get(controller.api, "/invokers/ready").map(|answer| (answer.status, answer.body))
    };
    assert_eq!(share(&controller), Some((500, r#"{"unhealthy":"0/0"}"#.to_owned())));
    let bus = invokers_bus(&kafka, &variables).await;
    let _first = InvokerProcess::start(0, Arc::clone(&bus)).await;
    controller.wait_ready(200);
    assert_eq!(share(&controller), Some((200, r#"{"healthy":"1/1"}"#.to_owned())));
    // Others tell that they are there, and cannot be reached.
    let tell = async |number: u32| {
        let address = format!("127.0.0.1:{}", services::unused_port());
        let beat = heartbeat(InvokerId(number), 1, &address);
        bus.publish(Channel::Health, &InvokerId(number).to_string(), beat.into()).await.expect("told");
    };
    tell(1).await;
    controller.wait_for("half of them", |controller| {
        (share(controller) == Some((200, r#"{"healthy":"1/2"}"#.to_owned()))).then_some(())
    });
    controller.wait_ready(200);
    tell(2).await;
    says(&mut controller, &unready("1 of 3 invokers are healthy, and 50% have to be"));
    assert_eq!(share(&controller), Some((500, r#"{"unhealthy":"1/3"}"#.to_owned())));
    let _last = InvokerProcess::start(2, Arc::clone(&bus)).await;
    controller.wait_ready(200);
    controller.terminate();
    assert_eq!(controller.ended().code(), Some(0), "{}", controller.said());
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_through_one_controller_holds_at_the_other() {
    let test = "what_is_changed_through_one_controller_holds_at_the_other";
    let Some((kafka, couchdb)) = services::shared(test) else { return };
    let given = Given::new();
    let mut variables = apart(&kafka, services::port_of(&couchdb));
    // Nobody is there, which holds nothing up.
    let collector = format!("http://127.0.0.1:{}", services::unused_port());
    variables.push(("CONFIG_oxwhisk_tracing_endpoint".to_owned(), collector));
    let (mut one, mut other) = (start(&given, "0", &variables), start(&given, "1", &variables));
    one.wait_ready(200);
    other.wait_ready(200);

    // Copies live for minutes: only being told makes the other one look again.
    for round in 0..3 {
        let text = format!("round {round}");
        put(&one, &text);
        other.wait_for("the new code", |controller| code(controller).contains(&text).then_some(()));
        assert!(code(&one).contains(&text));
    }

    let metrics = http::get(one.ops, "/metrics").expect("metrics").body;
    for line in [
        "oxwhisk_controller_requests_total{method=\"PUT\",status=\"200\"} 3",
        "oxwhisk_bus_available 1",
        "oxwhisk_spans_exported_total 0",
    ] {
        assert!(metrics.lines().any(|shown| shown == line), "{line}\n{metrics}");
    }

    let mut subjects = SubjectsClient::new(channel(&one));
    let created = subjects
        .create_key(CreateKeyRequest { subject: "somebody".to_owned(), ..CreateKeyRequest::default() })
        .await
        .expect("created");
    let key = created.into_inner().identity.and_then(|identity| identity.key).expect("a key");
    let key = format!("{}:{}", key.uuid, key.secret);
    let status = |controller: &Controller| {
        http::call(controller.api, "GET", "/api/v1/namespaces", &key, "").map(|answer| answer.status)
    };
    for controller in [&one, &other] {
        assert_eq!(status(controller), Some(200));
    }
    let block = SetBlockedRequest { subject: "somebody".to_owned(), blocked: true };
    subjects.set_blocked(block).await.expect("blocked");
    assert_eq!(status(&one), Some(401), "it holds at once where it was done");
    other.wait_for("the block", |controller| (status(controller) == Some(401)).then_some(()));

    let mut system = SystemClient::new(channel(&other));
    let depths = system.get_queue_depths(GetQueueDepthsRequest {}).await.expect("depths").into_inner();
    assert!(depths.queues.iter().any(|queue| queue.topic == "activations"), "{depths:?}");
    let scope = oxwhisk_proto::admin::v1::CacheScope::Unspecified.into();
    system.invalidate_cache(InvalidateCacheRequest { scope }).await.expect("told");

    for controller in [&mut one, &mut other] {
        controller.terminate();
        assert_eq!(controller.ended().code(), Some(0), "{}", controller.said());
    }
}

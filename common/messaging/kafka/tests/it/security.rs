//! Who may do what.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use oxwhisk_kafka::config::{ClientCertificate, Mechanism, Sasl, Security, Tls};
use oxwhisk_kafka::{KafkaBus, KafkaConfig, Names, Role, StartError, acl};
use oxwhisk_messaging::{Bus, BusError, BusStatus, Channel, Heard, LaneBus, Message, Topic, Wanted};
use tokio_util::sync::CancellationToken;

use crate::broker::script;
use crate::fixture::{self, DEADLINE, bus, take, variable};

/// A Kafka that checks who one is.
struct Secured {
    sasl: String,
    tls: String,
    ca: PathBuf,
    directory: PathBuf,
}

impl Secured {
    fn find(test: &str) -> Option<Self> {
        Some(Self {
            sasl: variable("OXWHISK_TEST_KAFKA_SASL", test)?,
            tls: variable("OXWHISK_TEST_KAFKA_TLS", test)?,
            ca: variable("OXWHISK_TEST_KAFKA_CA", test)?.into(),
            directory: variable("OXWHISK_TEST_KAFKA_DIR", test)?.into(),
        })
    }

    /// With a prefix of its own.
    fn user(&self, user: &str, role: Role) -> KafkaConfig {
        let mut config = fixture::config(&self.sasl);
        let variable = format!("OXWHISK_TEST_KAFKA_{}_PASSWORD", user.to_uppercase());
        config.role = role;
        config.instance = format!("{user}0");
        config.security = Security {
            tls: Some(Tls { ca: Some(self.ca.clone()), client: None }),
            sasl: Some(Sasl {
                mechanism: Mechanism::ScramSha512,
                username: user.to_owned(),
                password: std::env::var(variable).unwrap().into(),
            }),
        };
        config
    }

    /// As an operator would, with Kafka's own tool.
    fn grant(&self, principal: &str, role: Role, config: &KafkaConfig) {
        for acl in acl::needed(role, &Names::of(config)) {
            let mut command = Command::new("sh");
            command.arg(script()).arg("acls").arg(&self.directory).args(acl.arguments(principal));
            let output = command.output().unwrap();
            assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

#[track_caller]
fn forbidden<T: std::fmt::Debug>(outcome: Result<T, BusError>, expected: &str) {
    let Err(BusError::Forbidden(text)) = outcome else { panic!("{outcome:?}") };
    assert!(text.contains(expected), "'{text}' does not say '{expected}'");
}

#[tokio::test]
async fn an_invoker_produces_to_its_topics_and_consumes_nothing() {
    let Some(secured) = Secured::find("an_invoker_produces_to_its_topics_and_consumes_nothing") else {
        return;
    };
    let controller = secured.user("controller", Role::Controller);
    let invoker = KafkaConfig {
        // What is not permitted has no answer at all, as far as offsets of groups are concerned.
        request_timeout: Duration::from_secs(1),
        prefix: controller.prefix.clone(),
        events_prefix: controller.events_prefix.clone(),
        ..secured.user("invoker", Role::Invoker)
    };
    secured.grant("User:controller", Role::Controller, &controller);
    secured.grant("User:invoker", Role::Invoker, &controller);

    // The controller may do what controllers do.
    let controller_bus = bus(&controller).await;
    let mut heartbeats = controller_bus.listen(Channel::Health, Duration::ZERO).await.unwrap();
    let mut records = controller_bus.subscribe(Topic::Completed).await.unwrap();
    controller_bus.produce(Topic::Activations, Message::new("a", "x").with_route("guest")).await.unwrap();
    controller_bus.withdraw(Topic::InFlight, "a").await.unwrap();
    controller_bus.publish(Channel::CacheInvalidation, "a", "x".into()).await.unwrap();

    // The invoker may add records, heartbeats and events.
    let bus = bus(&invoker).await;
    bus.produce(Topic::Completed, Message::new("record", "x")).await.unwrap();
    bus.produce_now(Topic::Completed, "record", b"x".to_vec()).unwrap().wait().await.unwrap();
    bus.publish(Channel::Health, "invoker0", "x".into()).await.unwrap();
    bus.publish(Channel::Events, "event", "x".into()).await.unwrap();
    assert_eq!(take(&mut *records, 2).await[1].key, "record");
    let heard = tokio::time::timeout(DEADLINE, heartbeats.next()).await.unwrap().unwrap();
    assert_eq!(heard, Heard::Message { key: "invoker0".to_owned(), payload: "x".into() });

    // And nothing else.
    for topic in [Topic::Activations, Topic::Parked, Topic::InFlight, Topic::DeadLetters] {
        let produced = bus.produce(topic, Message::new("a", "x")).await;
        forbidden(
            produced,
            &format!("the user 'invoker' may not write to the topic '{}{}'", controller.prefix, topic.name()),
        );
    }
    forbidden(bus.publish(Channel::CacheInvalidation, "a", "x".into()).await, "may not write to the topic");
    forbidden(bus.withdraw(Topic::InFlight, "a").await, "may not write to the topic");
    for topic in [Topic::Completed, Topic::DeadLetters] {
        let mut subscription = bus.subscribe(topic).await.unwrap();
        let next = tokio::time::timeout(DEADLINE, subscription.next(1)).await.expect("an answer in time");
        forbidden(next, "the user 'invoker' may not");
    }
    let mut lanes = bus.subscribe_lanes().await.unwrap();
    let next = lanes.next(Wanted { activations: true, parked: true }, 1);
    let next = tokio::time::timeout(DEADLINE, next).await.expect("an answer in time");
    forbidden(next, "the user 'invoker' may not");
    for topic in Topic::ALL {
        forbidden(bus.depth(topic).await, "the user 'invoker' may not");
    }
    // It may see this one, since it writes to it, but a listener would have to read it.
    let mut listener = bus.listen(Channel::Health, Duration::ZERO).await.unwrap();
    bus.publish(Channel::Health, "invoker0", "y".into()).await.unwrap();
    let heard = tokio::time::timeout(DEADLINE, listener.next()).await.expect("an answer in time");
    forbidden(heard, "the user 'invoker' may not read the topic");
    forbidden(bus.listen(Channel::CacheInvalidation, Duration::ZERO).await, "may not");
}

async fn refused(config: KafkaConfig) -> String {
    let bus = KafkaBus::new(config).unwrap();
    let answer = tokio::time::timeout(DEADLINE, bus.ready(CancellationToken::new())).await;
    let error = answer.expect("an answer in time").unwrap_err();
    assert!(matches!(error, StartError::Refused { .. }), "{error:?}");
    error.to_string()
}

#[tokio::test]
async fn who_is_not_believed_is_told_so_at_start() {
    let Some(secured) = Secured::find("who_is_not_believed_is_told_so_at_start") else { return };
    let mut wrong = secured.user("controller", Role::Controller);
    wrong.security.sasl.as_mut().unwrap().password = "wrong".to_owned().into();
    let error = refused(wrong).await;
    assert!(error.contains(&secured.sasl) && error.to_lowercase().contains("authentication"), "{error}");
    assert!(!error.contains("wrong"), "{error}");

    // An authority that has nothing to do with the broker's certificate: that certificate's own key signs it.
    let mut foreign = secured.user("controller", Role::Controller);
    foreign.security.tls.as_mut().unwrap().ca = Some(secured.directory.join("tls/client.pem"));
    let error = refused(foreign).await.to_lowercase();
    assert!(error.contains("ssl") && error.contains("verif"), "{error}");
}

#[tokio::test]
async fn without_permissions_the_start_says_what_is_missing() {
    let Some(secured) = Secured::find("without_permissions_the_start_says_what_is_missing") else { return };
    let bus = KafkaBus::new(secured.user("controller", Role::Controller)).unwrap();
    let answer = tokio::time::timeout(DEADLINE, bus.ready(CancellationToken::new())).await;
    let error = answer.expect("an answer in time").unwrap_err().to_string();
    assert!(error.contains("the user 'controller' may not create the topic"), "{error}");
}

#[tokio::test]
async fn a_client_certificate_is_an_identity() {
    let Some(secured) = Secured::find("a_client_certificate_is_an_identity") else { return };
    let tls = |file: &str| secured.directory.join("tls").join(file);
    let mut config = fixture::config(&secured.tls);
    let client =
        ClientCertificate { certificate: tls("client.pem"), key: tls("client.key"), key_password: None };
    config.security =
        Security { tls: Some(Tls { ca: Some(secured.ca.clone()), client: Some(client) }), sasl: None };
    secured.grant("User:tls-client", Role::Controller, &config);
    let with = bus(&config).await;
    with.produce(Topic::Completed, Message::new("a", "x")).await.unwrap();
    let mut subscription = with.subscribe(Topic::Completed).await.unwrap();
    assert_eq!(take(&mut *subscription, 1).await[0].key, "a");
    let without = KafkaConfig {
        security: Security { tls: Some(Tls { ca: Some(secured.ca.clone()), client: None }), sasl: None },
        ..config
    };
    // That it is refused shows only as a connection that ends, so it is tried again, and the reason is told.
    let without = KafkaBus::new(without).unwrap();
    let (stop, mut status) = (CancellationToken::new(), without.status());
    let (ended, told) = tokio::join!(without.ready(stop.clone()), async {
        let is_told =
            |status: &BusStatus| matches!(status, BusStatus::Away(why) if why.to_lowercase().contains("ssl"));
        let told = tokio::time::timeout(DEADLINE, status.wait_for(is_told)).await.map(drop);
        stop.cancel();
        told
    });
    assert!(told.is_ok() && ended.is_err(), "{:?}, {ended:?}", without.status());
}

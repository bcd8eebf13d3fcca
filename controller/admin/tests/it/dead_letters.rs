//! Dead letters: listed, shown, redriven, dropped; none lost on the way.

use oxwhisk_core::id::{ActivationId, TransactionId};
use oxwhisk_core::message::ActivationMessage;
use oxwhisk_core::name::{EntityName, EntityPath, FullyQualifiedName};
use oxwhisk_messaging::{Bus, Event, Message, Topic};
use oxwhisk_proto::admin;
use oxwhisk_proto::admin::v1::dead_letters_client::DeadLettersClient;
use oxwhisk_proto::admin::v1::{self, DeadLetterSelection, Reason};
use tonic::Code;

use crate::fixture::{Fixture, start};

/// Buries an invocation in `namespace` after three attempts; its id.
async fn bury(bus: &dyn Bus, namespace: &str) -> String {
    let id = ActivationId::generate();
    let name = |text: &str| EntityName::new(text).expect("a name");
    let action = FullyQualifiedName { path: EntityPath::new(name(namespace), None), name: name("a") };
    let message = serde_json::json!({
        "transaction": TransactionId::generate(), "activationId": id, "action": action,
        "subject": "someone", "namespace": namespace, "namespaceUuid": "u", "arguments": {"x": 1}, "received": 5,
        "attempt": 3,
    });
    serde_json::from_value::<ActivationMessage>(message.clone()).expect("a message");
    let message = Message::new(id.to_string(), message.to_string().into_bytes());
    bus.produce(Topic::DeadLetters, message).await.expect("taken");
    id.to_string()
}

async fn bury_garbage(bus: &dyn Bus, key: &str) {
    bus.produce(Topic::DeadLetters, Message::new(key, "garbage")).await.expect("taken");
}

fn client(fixture: &Fixture) -> DeadLettersClient<oxwhisk_grpc::Channel> {
    DeadLettersClient::new(fixture.channel.clone())
}

async fn listed(fixture: &Fixture) -> Vec<v1::DeadLetter> {
    let request = v1::ListDeadLettersRequest::default();
    let answer = client(fixture).list_dead_letters(request).await.expect("an answer").into_inner();
    assert_eq!(answer.total, answer.letters.len() as u64);
    answer.letters
}

fn ids(ids: &[&str]) -> Option<DeadLetterSelection> {
    Some(DeadLetterSelection { activation_ids: ids.iter().map(|id| (*id).to_owned()).collect(), all: false })
}

const ALL: Option<DeadLetterSelection> = Some(DeadLetterSelection { activation_ids: Vec::new(), all: true });

#[tokio::test]
async fn letters_are_listed_as_often_as_asked_the_oldest_first() {
    let fixture = start().await;
    assert_eq!(listed(&fixture).await, []);
    let one = bury(fixture.bus.as_ref(), "anna").await;
    bury_garbage(fixture.bus.as_ref(), "broken").await;
    let other = bury(fixture.bus.as_ref(), "berta").await;
    for _ in 0..3 {
        let letters = listed(&fixture).await;
        let keys: Vec<&str> = letters.iter().map(|letter| letter.activation_id.as_str()).collect();
        assert_eq!(keys, [one.as_str(), "broken", &other]);
        assert_eq!((letters[0].action.as_str(), letters[0].received_ms), ("anna/a", 5));
        assert!(letters[0].fault.is_empty() && !letters[1].fault.is_empty());
    }
    let request = v1::ListDeadLettersRequest { limit: 1, namespace: "berta".to_owned() };
    let answer = client(&fixture).list_dead_letters(request).await.expect("an answer").into_inner();
    assert_eq!((answer.total, answer.letters[0].activation_id.as_str()), (3, other.as_str()));
    let shown = v1::GetDeadLetterRequest { activation_id: other };
    let shown = client(&fixture).get_dead_letter(shown).await.expect("an answer").into_inner();
    assert!(String::from_utf8(shown.message).expect("JSON").contains("\"x\":1"));
}

#[tokio::test]
async fn redriven_letters_are_queued_with_all_attempts_before_them() {
    let fixture = start().await;
    let (one, other) = (bury(fixture.bus.as_ref(), "anna").await, bury(fixture.bus.as_ref(), "anna").await);
    bury_garbage(fixture.bus.as_ref(), "broken").await;
    let request = v1::RedriveDeadLettersRequest { selection: ids(&[&other]) };
    let answer = client(&fixture).redrive_dead_letters(request).await.expect("an answer").into_inner();
    assert_eq!((answer.activation_ids, answer.unreadable), (vec![other.clone()], vec![]));
    let answer =
        client(&fixture).redrive_dead_letters(v1::RedriveDeadLettersRequest { selection: ALL }).await;
    let answer = answer.expect("an answer").into_inner();
    assert_eq!((answer.activation_ids, answer.unreadable), (vec![one.clone()], vec!["broken".to_owned()]));
    assert_eq!(listed(&fixture).await.len(), 1, "what cannot be read is kept");
    let mut queue = fixture.bus.subscribe(Topic::Activations).await.expect("subscribed");
    let mut queued = Vec::new();
    while queued.len() < 2 {
        if let Event::Messages(messages) = queue.next(10).await.expect("an event") {
            queued.extend(messages);
        }
    }
    let keys: Vec<&str> = queued.iter().map(|message| message.key.as_str()).collect();
    assert_eq!(keys, [other.as_str(), &one]);
    for message in &queued {
        let message: ActivationMessage = serde_json::from_slice(&message.payload).expect("a message");
        assert_eq!(message.attempt, 1);
    }
}

#[tokio::test]
async fn dropped_letters_are_gone_and_unknown_ones_stop_everything() {
    let fixture = start().await;
    let one = bury(fixture.bus.as_ref(), "anna").await;
    bury_garbage(fixture.bus.as_ref(), "broken").await;
    let unknown = v1::DropDeadLettersRequest { selection: ids(&[&one, "nobody"]) };
    let refused = client(&fixture).drop_dead_letters(unknown).await.unwrap_err();
    assert_eq!((refused.code(), admin::reason(&refused)), (Code::NotFound, Reason::DeadLetterMissing));
    assert_eq!(listed(&fixture).await.len(), 2, "none is touched");
    client(&fixture)
        .drop_dead_letters(v1::DropDeadLettersRequest { selection: ids(&["broken"]) })
        .await
        .expect("gone");
    assert_eq!(listed(&fixture).await.len(), 1);
    let answer = client(&fixture).drop_dead_letters(v1::DropDeadLettersRequest { selection: ALL }).await;
    assert_eq!(answer.expect("an answer").into_inner().activation_ids, [one]);
    assert_eq!(listed(&fixture).await, []);
}

#[tokio::test]
async fn a_selection_is_some_or_all() {
    let fixture = start().await;
    let both = DeadLetterSelection { activation_ids: vec!["x".to_owned()], all: true };
    for selection in [None, Some(DeadLetterSelection::default()), Some(both)] {
        let refused = client(&fixture).drop_dead_letters(v1::DropDeadLettersRequest { selection }).await;
        assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
    }
}

//! What comes to the bus.

use std::sync::Arc;

use oxwhisk_core::entity::Activation;
use oxwhisk_dispatch::{Guards, RecordEnvelope, RecordKind, RecordState, Said, supersedes};
use oxwhisk_invoker_api::RecordContext;
use oxwhisk_invoker_remote::client::Heard;
use oxwhisk_invoker_remote::server::InvokerServerOptions;
use oxwhisk_messaging::{Bus, Event, Topic};
use oxwhisk_ticket::Ticket;

use crate::fixture::{Rig, dispatch, issuer};

#[tokio::test]
async fn a_record_comes_with_its_ticket() {
    let rig = Rig::start(InvokerServerOptions::default()).await;
    let (controller, _) = rig.controller(1).await;
    rig.invoker.may_run.add_permits(1);
    let mut records = rig.bus.subscribe(Topic::Completed).await.unwrap();
    let (sent, ticket) = dispatch(r#"{"x":"y"}"#);
    controller.dispatch(&sent, &ticket);
    let delivery = loop {
        if let Event::Messages(mut messages) = records.next(1).await.unwrap() {
            break messages.remove(0);
        }
    };
    let envelope = RecordEnvelope::decode(&delivery.payload).unwrap();
    assert_eq!((envelope.origin.kind, envelope.origin.version), (RecordKind::Result, 1));
    assert_eq!(envelope.trace, sent.trace);
    // With its logs later, and again when everybody has been told and it is forgotten: the same run completes its record.
    let mut record = Activation::from_document(envelope.document).unwrap();
    record.logs = vec!["2026 stdout: late".to_owned()];
    rig.server
        .records()
        .accept(&Arc::new(record), RecordContext { ticket: Some(&ticket), trace: None })
        .unwrap();
    let later = loop {
        if let Event::Messages(mut messages) = records.next(1).await.unwrap() {
            break messages.remove(0);
        }
    };
    let later = RecordEnvelope::decode(&later.payload).unwrap();
    assert_eq!(later.origin.run, envelope.origin.run);
    assert!(supersedes(Guards::default(), &envelope.origin, &later.origin));
    let claims = issuer().verify(&Ticket::from_bytes(envelope.ticket.to_vec())).unwrap();
    assert_eq!(claims.activation_id, sent.activation_id);
    let record = Activation::from_document(envelope.document).unwrap();
    assert_eq!(record.response.result.unwrap().get(), r#"{"x":"y"}"#);
}

#[tokio::test]
async fn an_activation_without_a_record_says_so() {
    let rig = Rig::start(InvokerServerOptions::default()).await;
    let (mut controller, _) = rig.controller(1).await;
    rig.invoker.may_run.add_permits(1);
    let (mut sent, ticket) = dispatch("{}");
    sent.store = oxwhisk_invoker_api::StorePolicy::NEVER;
    controller.dispatch(&sent, &ticket);
    assert!(matches!(controller.next().await, Heard::Said(Said::Started(_))));
    let Heard::Ended { ended, .. } = controller.next().await else { panic!() };
    assert_eq!(ended.record, RecordState::Unwanted);
    assert_eq!(rig.bus.depth(Topic::Completed).await.unwrap(), 0);
}

#[tokio::test]
async fn a_record_that_the_bus_does_not_take_is_handed_over_again() {
    let bus = Arc::new(oxwhisk_messaging::memory::MemoryBus::default());
    let plain = oxwhisk_grpc::Security::Plaintext { insecure: false };
    let options = InvokerServerOptions {
        hand_over_pause: std::time::Duration::from_millis(5),
        ..InvokerServerOptions::default()
    };
    let rig = Rig::with(options, Arc::clone(&bus), plain, "127.0.0.1:0".parse().unwrap()).await;
    let (mut controller, _) = rig.controller(1).await;
    // Fills the bus.
    let mut filled = 0_u64;
    while bus.produce_now(Topic::Completed, "filler", vec![0; 64]).is_ok() {
        filled += 1;
    }
    rig.invoker.may_run.add_permits(1);
    let (sent, ticket) = dispatch("{}");
    controller.dispatch(&sent, &ticket);
    assert!(matches!(controller.next().await, Heard::Said(Said::Started(_))));
    let Heard::Ended { ended, .. } = controller.next().await else { panic!() };
    assert_eq!(ended.record, RecordState::Pending);
    let mut records = bus.subscribe(Topic::Completed).await.unwrap();
    let completer = records.completer();
    let mut completed = 0;
    while completed < filled {
        if let Event::Messages(messages) = records.next(1000).await.unwrap() {
            completed += messages.len() as u64;
            completer.complete(&messages.iter().map(|message| message.id).collect::<Vec<_>>()).await.unwrap();
        }
    }
    assert!(
        matches!(controller.next().await, Heard::Said(Said::RecordDurable(id)) if id == sent.activation_id)
    );
}

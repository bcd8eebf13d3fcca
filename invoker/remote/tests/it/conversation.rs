//! Dispatch, attach, replay, refusal, drain.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use oxwhisk_core::id::Revision;
use oxwhisk_dispatch::{Order, Phase, RecordState, Refusal, Round, Said};
use oxwhisk_grpc::{Expected, Role, Security};
use oxwhisk_invoker_api::ChangedAction;
use oxwhisk_invoker_remote::client::{Heard, Outgoing};
use oxwhisk_invoker_remote::server::{InvokerServer, InvokerServerOptions};
use oxwhisk_messaging::memory::MemoryBus;
use oxwhisk_proto::dispatch::v1::dispatch_client::DispatchClient;
use oxwhisk_proto::dispatch::v1::{ControllerHello, ConverseRequest, converse_request};

use crate::fixture::{
    FakeInvoker, INVOKER, LIMIT, Rig, controller, dispatch, dispatch_to, identity, plain, serve,
};

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(LIMIT, waiting).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

#[tokio::test]
async fn a_dispatch_is_run_told_and_forgotten_when_acknowledged() {
    let rig = Rig::start(InvokerServerOptions::default()).await;
    let (mut controller, welcome) = rig.controller(1).await;
    assert_eq!((welcome.resumed, welcome.held.len(), welcome.room.capacity.memory), (false, 0, 1024));
    assert_eq!(welcome.kinds, ["nodejs:20"]);
    let (sent, ticket) = dispatch(r#"{"a":1e400}"#);
    controller.dispatch(&sent, &ticket);
    let id = sent.activation_id;
    assert!(matches!(controller.next().await, Heard::Said(Said::Started(started)) if started == id));
    rig.invoker.may_run.add_permits(1);
    let Heard::Ended { id: ended_id, ended, record, .. } = controller.next().await else { panic!() };
    assert_eq!((ended_id, ended.cut_off), (id, false));
    // The arguments came as they were sent, and so did the record.
    assert_eq!(record.response.result.as_ref().unwrap().get(), r#"{"a":1e400}"#);
    assert_eq!(
        (record.cause, &*record.subject, record.version),
        (sent.cause, "someone", sent.action.version)
    );
    let trace = record.annotations.string("trace");
    assert_eq!(trace.as_deref(), sent.trace.map(|trace| trace.to_string()).as_deref());
    if ended.record == RecordState::Pending {
        assert!(matches!(controller.next().await, Heard::Said(Said::RecordDurable(done)) if done == id));
    }
    assert_eq!(rig.server.held(), 1);
    controller.send(Order::Acknowledge(id));
    until("it is forgotten", || rig.server.held() == 0).await;
    assert!(rig.server.close(LIMIT).await);
}

#[tokio::test]
async fn until_the_container_pool_is_up_nobody_converses() {
    let options = InvokerServerOptions::default();
    let server = InvokerServer::new(identity(), Arc::new(MemoryBus::default()), plain(), options);
    let (address, serving) =
        serve(&server, Security::Plaintext { insecure: false }, "127.0.0.1:0".parse().unwrap()).await;
    let dial = || plain().dial(&address.to_string(), Expected::Role(Role::Invoker)).unwrap();
    let hello =
        ControllerHello { controller: "controller0".to_owned(), incarnation: 1, ..Default::default() };
    let hello = ConverseRequest { message: Some(converse_request::Message::Hello(hello)) };
    let refused = DispatchClient::new(dial()).converse(tokio_stream::once(hello)).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (tonic::Code::Unavailable, "the container pool is not up yet")
    );
    // Whoever comes again is welcome once it is.
    let mut early = controller(dial(), 1);
    let _invoker = FakeInvoker::attached_to(&server);
    assert_eq!(early.welcome().await.room.capacity.memory, 1024);
    serving.cancel();
}

#[tokio::test]
async fn a_second_dispatch_attaches_and_does_not_run_again() {
    let rig = Rig::start(InvokerServerOptions::default()).await;
    let (mut one, _) = rig.controller(1).await;
    let (mut two, _) = rig.controller(2).await;
    let (sent, ticket) = dispatch("{}");
    one.dispatch(&sent, &ticket);
    assert!(matches!(one.next().await, Heard::Said(Said::Started(_))));
    two.dispatch(&sent, &ticket);
    assert!(matches!(two.next().await, Heard::Said(Said::Started(_))));
    rig.invoker.may_run.add_permits(9);
    assert!(matches!(one.next().await, Heard::Ended { .. }));
    assert!(matches!(two.next().await, Heard::Ended { .. }));
    assert_eq!(rig.invoker.runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_ended_while_the_stream_was_broken_is_told_when_it_is_back() {
    let rig = Rig::start(InvokerServerOptions::default()).await;
    let (mut controller, _) = rig.controller(7).await;
    let (sent, ticket) = dispatch("{}");
    controller.dispatch(&sent, &ticket);
    assert!(matches!(controller.next().await, Heard::Said(Said::Started(_))));
    drop(controller);
    rig.invoker.may_run.add_permits(1);
    let id = sent.activation_id;
    let (mut again, mut welcome) = rig.controller(7).await;
    while !matches!(welcome.held[..], [ref held] if matches!(held.phase, Phase::Ended(_))) {
        again.send(Order::Ask(Round(1)));
        let heard = again.next().await;
        if let Heard::Said(Said::Holding { held, .. }) = heard {
            welcome.held = held;
        }
    }
    assert!(welcome.resumed && welcome.held[0].yours && welcome.held[0].id == id);
    again.send(Order::Attach(id));
    loop {
        if let Heard::Ended { id: ended, .. } = again.next().await {
            assert_eq!(ended, id);
            break;
        }
    }
    // A stranger knows nothing of it but that it is held.
    let (_, welcome) = rig.controller(8).await;
    assert!(!welcome.resumed && !welcome.held[0].yours);
}

#[tokio::test]
async fn a_second_conversation_of_a_controller_ends_the_first() {
    let rig = Rig::start(InvokerServerOptions::default()).await;
    let (mut first, _) = rig.controller(7).await;
    let (mut second, welcome) = rig.controller(7).await;
    assert!(welcome.resumed);
    assert!(matches!(first.next().await, Heard::Broken));
    drop(first);
    let (sent, ticket) = dispatch("{}");
    second.dispatch(&sent, &ticket);
    loop {
        match second.next().await {
            Heard::Said(Said::Started(_)) => break,
            // The first had come back once more and ended this one, which came back in turn.
            Heard::Welcome(_) => second.dispatch(&sent, &ticket),
            Heard::Broken => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_controller_that_stays_away_is_forgotten_with_its_results() {
    let options = InvokerServerOptions {
        session_timeout: Duration::from_millis(50),
        ..InvokerServerOptions::default()
    };
    let rig = Rig::start(options).await;
    let (mut controller, _) = rig.controller(7).await;
    let (sent, ticket) = dispatch("{}");
    controller.dispatch(&sent, &ticket);
    assert!(matches!(controller.next().await, Heard::Said(Said::Started(_))));
    drop(controller);
    rig.invoker.may_run.add_permits(1);
    until("its result is forgotten", || rig.server.held() == 0).await;
    let (_, welcome) = rig.controller(7).await;
    assert!(!welcome.resumed);
}

#[tokio::test]
async fn refusals_say_why() {
    let rig = Rig::start(InvokerServerOptions { max_held: 1, ..InvokerServerOptions::default() }).await;
    let (mut controller, _) = rig.controller(1).await;
    rig.invoker.refuses.store(1, Ordering::SeqCst);
    let refusal = |heard| match heard {
        Heard::NotRun { said: Said::Refused { why, .. }, text, memory, .. } => (why, text, memory),
        other => panic!("{other:?}"),
    };
    let (sent, ticket) = dispatch("{}");
    controller.dispatch(&sent, &ticket);
    let text = "no room for a container of 256 MB: the test says so".to_owned();
    assert_eq!(refusal(controller.next().await), (Refusal::NoRoom, text, 256));
    assert_eq!(rig.server.held(), 0);
    let (elsewhere, ticket_of_another) = dispatch_to(oxwhisk_core::id::InvokerId(9), "{}");
    controller.dispatch(&elsewhere, &ticket_of_another);
    let (why, text, _) = refusal(controller.next().await);
    assert_eq!((why, &*text), (Refusal::Malformed, "malformed ticket: it is for invoker9"));
    controller.dispatch(&sent, &ticket);
    assert!(matches!(controller.next().await, Heard::Said(Said::Started(_))));
    let (more, ticket) = dispatch("{}");
    controller.dispatch(&more, &ticket);
    assert_eq!(refusal(controller.next().await).0, Refusal::Full);
    rig.server.drain();
    controller.dispatch(&more, &ticket);
    assert_eq!(refusal(controller.next().await).0, Refusal::Draining);
    assert_eq!(INVOKER.to_string(), "invoker3");
}

#[tokio::test]
async fn unknown_activations_are_said_to_be_so_and_changed_actions_reach_the_pool() {
    let rig = Rig::start(InvokerServerOptions::default()).await;
    let (mut controller, _) = rig.controller(1).await;
    let (sent, _) = dispatch("{}");
    controller.send(Order::Attach(sent.activation_id));
    assert!(matches!(controller.next().await, Heard::Said(Said::Unknown(id)) if id == sent.activation_id));
    let id = sent.action.id.clone();
    let deleted = ChangedAction { id: id.clone(), current: None };
    let updated = ChangedAction { id, current: Some(Revision("2-b".to_owned())) };
    for changed in [&updated, &deleted] {
        controller.conversation.send(Outgoing::Invalidate(changed.clone()));
    }
    until("both are heard", || {
        *rig.invoker.invalidated.lock().unwrap() == [updated.clone(), deleted.clone()]
    })
    .await;
}

#[tokio::test]
async fn an_invoker_whose_process_ended_is_told_from_one_that_is_silent() {
    let rig = Rig::start(InvokerServerOptions::default()).await;
    let (mut controller, _) = rig.controller(1).await;
    rig.stop_serving();
    assert!(matches!(controller.next().await, Heard::Broken));
    assert!(matches!(controller.next().await, Heard::Dead));
}

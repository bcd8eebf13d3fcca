//! Real actions, dispatched over mutual TLS; their code comes from the controller, against the ticket.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oxwhisk_core::entity::Status;
use oxwhisk_invoker_remote::client::Heard;

use crate::binary::{Binary, skip};
use crate::controller::{Action, Certificates, Controller, has, variables};

/// Nobody listens there, so that there is no Kafka: conversations need none.
pub(crate) const NO_KAFKA: (&str, &str) = ("KAFKA_HOSTS", "127.0.0.1:1");

fn nodejs() -> Action {
    let code = "function main(args) { console.log('hello ' + args.name);
        return { greeting: 'Hello ' + args.name, api: process.env.__OW_API_HOST }; }";
    Action {
        name: "node",
        kind: "nodejs:20",
        image: "openwhisk/action-nodejs-v20:nightly",
        code: code.to_owned(),
        binary: false,
    }
}

fn python() -> Action {
    Action {
        name: "python",
        kind: "python:3.11",
        image: "openwhisk/action-python-v3.11:nightly",
        code: "def main(args):\n    return {'greeting': 'Hello ' + args['name']}\n".to_owned(),
        binary: false,
    }
}

fn native() -> Action {
    let script = "#!/bin/sh\necho \"{\\\"greeting\\\": \\\"Hello World\\\"}\"\n";
    Action {
        name: "native",
        kind: "blackbox",
        image: "openwhisk/dockerskeleton:nightly",
        code: STANDARD.encode(script),
        binary: true,
    }
}

/// An invoker that takes work from the controller.
pub(crate) async fn rig(
    test: &str,
    environment: &[(&str, &str)],
) -> Option<(Binary, Controller, Certificates)> {
    let certificates = Certificates::new();
    let files = variables(&certificates.of("invoker/invoker3"));
    let files = files.iter().map(|(name, value)| (*name, value.as_str()));
    let environment: Vec<(&str, &str)> = environment.iter().copied().chain(files).collect();
    let mut binary = Binary::start(&environment);
    let waits_for = if environment.contains(&NO_KAFKA) { &["kafka"][..] } else { &[] };
    if waits_for.is_empty() {
        binary
            .until(test, "it is ready", |binary| binary.get("/ready").filter(|(status, _)| *status == 200))?;
    } else {
        binary.until_unready_only_for(test, waits_for)?;
    }
    let controller = Controller::connect(&certificates, binary.grpc).await;
    Some((binary, controller, certificates))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn actions_of_every_kind_run_with_the_code_that_their_ticket_gets() {
    let test = "actions_of_every_kind_run_with_the_code_that_their_ticket_gets";
    let Some((binary, mut controller, _certificates)) = rig(test, &[NO_KAFKA]).await else { return };
    let welcome = controller.until("the welcome", |heard| match heard {
        Heard::Welcome(welcome) => Some(welcome),
        _ => None,
    });
    let welcome = welcome.await;
    assert_eq!((welcome.resumed, welcome.held.len(), welcome.room.capacity.memory), (false, 0, 2048));
    assert!(welcome.kinds.iter().any(|kind| kind == "blackbox"), "{:?}", welcome.kinds);
    for (program, action) in [("node", nodejs()), ("python3", python()), ("sh", native())] {
        if !has(program) {
            skip(&format!("{test}: {}", action.kind), &format!("no '{program}' on PATH"));
            continue;
        }
        // Cold, and then warm.
        for _ in 0..2 {
            let id = controller.dispatch(&action, r#"{"name":"World"}"#);
            let (ended, record) = controller.ended(id).await;
            let result = record.response.result.as_ref().map_or("", |result| result.get());
            assert_eq!(
                record.response.status,
                Status::Success,
                "{}: {result}; {}",
                action.kind,
                binary.log()
            );
            assert!(result.contains(r#""greeting":"#) && result.contains("Hello World"), "{result}");
            assert!(!ended.cut_off);
            if action.kind == "nodejs:20" {
                assert!(result.contains(r#""api":"https://example.org:443""#), "{result}");
            }
        }
    }
    let (_, metrics) = binary.get("/metrics").expect("metrics");
    let shown = |line: &str| metrics.lines().any(|shown| shown.starts_with(line));
    for line in [
        "oxwhisk_invoker_run_seconds_count",
        "oxwhisk_bus_available 0",
        "oxwhisk_user_events_dropped_total 0",
    ] {
        assert!(shown(line), "{line}\n{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_action_whose_code_is_gone_is_recorded_as_a_failure() {
    let test = "an_action_whose_code_is_gone_is_recorded_as_a_failure";
    let Some((_binary, mut controller, _certificates)) = rig(test, &[NO_KAFKA]).await else { return };
    controller.until("the welcome", |heard| matches!(heard, Heard::Welcome(_)).then_some(())).await;
    let id = controller.dispatch_without_code(&native());
    let (_, record) = controller.ended(id).await;
    assert_eq!(record.response.status, Status::ApplicationError);
    let result = record.response.result.as_ref().map_or("", |result| result.get());
    assert!(result.contains("Action could not be found or may have been deleted."), "{result}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_action_whose_code_nobody_has_for_a_while_runs_when_it_is_there() {
    let test = "an_action_whose_code_nobody_has_for_a_while_runs_when_it_is_there";
    let Some((binary, mut controller, _certificates)) = rig(test, &[NO_KAFKA]).await else { return };
    controller.until("the welcome", |heard| matches!(heard, Heard::Welcome(_)).then_some(())).await;
    controller.store_is_away(true);
    let id = controller.dispatch(&native(), "{}");
    controller.refused_code(2).await;
    controller.store_is_away(false);
    let (ended, record) = controller.ended(id).await;
    assert_eq!((record.response.status, ended.cut_off), (Status::Success, false), "{}", binary.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_action_whose_code_nobody_has_for_long_is_recorded_as_the_platforms_failure() {
    let test = "an_action_whose_code_nobody_has_for_long_is_recorded_as_the_platforms_failure";
    let environment = [NO_KAFKA, ("CONFIG_oxwhisk_invoker_codePatience", "300 ms")];
    let Some((_binary, mut controller, _certificates)) = rig(test, &environment).await else { return };
    controller.until("the welcome", |heard| matches!(heard, Heard::Welcome(_)).then_some(())).await;
    controller.store_is_away(true);
    let id = controller.dispatch(&native(), "{}");
    let (_, record) = controller.ended(id).await;
    controller.refused_code(1).await;
    assert_eq!(record.response.status, Status::WhiskError);
    let result = record.response.result.as_ref().map_or("", |result| result.get());
    assert!(result.contains("Action could not be fetched."), "{result}");
    // What comes later is not held up by it, and runs when the store is back.
    controller.store_is_away(false);
    let id = controller.dispatch(&native(), "{}");
    assert_eq!(controller.ended(id).await.1.response.status, Status::Success);
}

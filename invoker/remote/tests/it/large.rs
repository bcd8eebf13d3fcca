//! Bodies that are too large for the conversation.

use oxwhisk_invoker_remote::client::Heard;
use oxwhisk_invoker_remote::server::InvokerServerOptions;

use crate::fixture::{Rig, dispatch};

#[tokio::test]
async fn large_arguments_and_records_go_by_calls_of_their_own() {
    let rig = Rig::start(InvokerServerOptions::default()).await;
    let (mut controller, _) = rig.controller(1).await;
    rig.invoker.may_run.add_permits(9);
    for size in [64 << 10, (64 << 10) + 1, 5 << 20] {
        let arguments = format!(r#"{{"a":"{}"}}"#, "x".repeat(size - 8));
        assert_eq!(arguments.len(), size);
        let (sent, ticket) = dispatch(&arguments);
        controller.dispatch(&sent, &ticket);
        let record = loop {
            if let Heard::Ended { record, .. } = controller.next().await {
                break record;
            }
        };
        assert_eq!(record.response.result.as_ref().unwrap().get(), arguments);
    }
}

#[tokio::test]
async fn arguments_beyond_the_bound_are_refused_and_the_rest_goes_on() {
    let options = InvokerServerOptions { max_put: 100_000, ..InvokerServerOptions::default() };
    let rig = Rig::start(options).await;
    let (mut controller, _) = rig.controller(1).await;
    rig.invoker.may_run.add_permits(9);
    let (large, ticket) = dispatch(&format!(r#"{{"a":"{}"}}"#, "x".repeat(200_000)));
    controller.dispatch(&large, &ticket);
    let Heard::NotRun { text, .. } = controller.next().await else { panic!() };
    assert!(text.contains("200008 bytes are more than this invoker takes"), "{text}");
    let (small, ticket) = dispatch("{}");
    controller.dispatch(&small, &ticket);
    assert!(matches!(controller.next().await, Heard::Said(_)));
}

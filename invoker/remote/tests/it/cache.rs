//! What an invoker hears of the cache: from the ticket, and from nothing else where something is granted.

use oxwhisk_core::cache::{CacheBudget, CacheGrant, CacheRights, CacheScope, CacheTier, CacheUse};
use oxwhisk_dispatch::{Order, Refusal, Said};
use oxwhisk_invoker_remote::client::Heard;
use oxwhisk_invoker_remote::server::InvokerServerOptions;

use crate::fixture::{Rig, dispatch_that_uses};

fn grant() -> CacheGrant {
    let budget = CacheBudget {
        bytes: Some(64 << 20),
        keys: None,
        value_bytes: Some(u64::MAX),
        operations_per_second: Some(0),
        connections: None,
        refuse_when_full: Some(true),
    };
    CacheGrant { scope: CacheScope::Package, tier: CacheTier::Global, rights: CacheRights::Read, budget }
}

#[tokio::test]
async fn what_the_controller_decided_arrives() {
    let rig = Rig::start(InvokerServerOptions::default()).await;
    let (mut controller, _) = rig.controller(1).await;
    let refused = |required| CacheUse { grant: Err("no such scope".to_owned()), required };
    let granted = |required| CacheUse { grant: Ok(grant()), required };
    for used in [None, Some(granted(false)), Some(granted(true)), Some(refused(false)), Some(refused(true))] {
        let (sent, ticket) = dispatch_that_uses(used.clone(), used.as_ref().and_then(CacheUse::granted));
        rig.invoker.may_run.add_permits(1);
        controller.dispatch(&sent, &ticket);
        while !matches!(controller.next().await, Heard::Ended { id, .. } if id == sent.activation_id) {}
        assert_eq!(rig.invoker.caches.lock().unwrap().pop().unwrap(), used);
        controller.send(Order::Acknowledge(sent.activation_id));
    }
}

#[tokio::test]
async fn what_the_ticket_does_not_grant_is_not_believed() {
    let rig = Rig::start(InvokerServerOptions::default()).await;
    let (mut controller, _) = rig.controller(1).await;
    let used = CacheUse { grant: Ok(grant()), required: false };
    let (sent, ticket) = dispatch_that_uses(Some(used), None);
    controller.dispatch(&sent, &ticket);
    let Heard::NotRun { said: Said::Refused { why, .. }, text, .. } = controller.next().await else {
        panic!("it was taken")
    };
    assert_eq!((why, &*text), (Refusal::Malformed, "malformed cache: the ticket grants nothing of it"));
}

#[tokio::test]
async fn the_ticket_says_how_much() {
    let rig = Rig::start(InvokerServerOptions::default()).await;
    let (mut controller, _) = rig.controller(1).await;
    let used = CacheUse { grant: Ok(grant()), required: false };
    let (sent, ticket) = dispatch_that_uses(Some(used), Some(CacheGrant::default()));
    rig.invoker.may_run.add_permits(1);
    controller.dispatch(&sent, &ticket);
    while !matches!(controller.next().await, Heard::Ended { .. }) {}
    let heard = rig.invoker.caches.lock().unwrap().pop().unwrap().unwrap();
    assert_eq!(heard.grant, Ok(CacheGrant::default()));
}

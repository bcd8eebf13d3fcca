//! Wants and offers.

use std::sync::atomic::Ordering;
use std::time::Duration;

use oxwhisk_core::id::InvokerId;
use oxwhisk_dispatch::{Refusal, Said};
use oxwhisk_invoker_api::offers::OfferId;
use oxwhisk_invoker_remote::client::{Heard, Outgoing, Room};
use oxwhisk_invoker_remote::server::InvokerServerOptions;

use crate::fixture::{Controller, LIMIT, MEMORY, Rig, WANT, dispatch, dispatch_to};

/// Nothing expires in a test that takes as long as a test may.
async fn rig() -> Rig {
    let offer_timeout = Duration::from_secs(3600);
    Rig::start(InvokerServerOptions { offer_timeout, ..InvokerServerOptions::default() }).await
}

/// Has a controller use all the room but `left` containers; what it runs ends one by one as the test lets it.
async fn fill(rig: &Rig, left: u64) -> Controller {
    let (mut controller, _) = rig.controller(100).await;
    for _ in left..MEMORY / 256 {
        let (sent, ticket) = dispatch("{}");
        controller.dispatch(&sent, &ticket);
        assert!(matches!(controller.next().await, Heard::Said(Said::Started(_))));
    }
    controller
}

/// Room comes free, once.
fn free_one(rig: &Rig) {
    rig.invoker.may_run.add_permits(1);
}

/// What was dispatched does not run; the megabytes that are free.
async fn is_refused(controller: &mut Controller) -> u64 {
    loop {
        match controller.next().await {
            Heard::NotRun { said: Said::Refused { why: Refusal::NoRoom, .. }, memory: 256, free, .. } => {
                return free;
            }
            Heard::Said(Said::Started(_)) | Heard::Ended { .. } => panic!("it runs"),
            _ => {}
        }
    }
}

async fn runs_by(controller: &mut Controller, offer: OfferId) {
    let (sent, ticket) = dispatch("{}");
    controller.dispatch_by(&sent, &ticket, offer);
    let heard = controller.next().await;
    assert!(matches!(heard, Heard::Said(Said::Started(id)) if id == sent.activation_id), "{heard:?}");
}

#[tokio::test]
async fn two_controllers_take_turns() {
    let rig = rig().await;
    let _others = fill(&rig, 0).await;
    let (mut a, _) = rig.controller(1).await;
    let (mut b, _) = rig.controller(2).await;
    assert!(a.want(2).await.is_empty() && b.want(2).await.is_empty(), "there is no room yet");
    let mut turns = String::new();
    for _ in 0..4 {
        free_one(&rig);
        tokio::select! {
            offer = a.offer() => {
                assert_eq!((offer.want, offer.warm, offer.memory), (WANT, false, 256));
                turns.push('a');
                runs_by(&mut a, offer.id).await;
            }
            offer = b.offer() => {
                turns.push('b');
                runs_by(&mut b, offer.id).await;
            }
        }
    }
    // The count of a want stands for work that waits; neither has said that less does.
    assert_eq!(turns, "abab");
}

#[tokio::test]
async fn room_is_offered_as_soon_as_it_is_wanted_and_to_nobody_else() {
    let rig = rig().await;
    let _others = fill(&rig, 1).await;
    let (mut a, _) = rig.controller(1).await;
    let (mut b, _) = rig.controller(2).await;
    let said = a.want(3).await;
    let [Heard::Offer(offer)] = said[..] else { panic!("{said:?}") };
    let (sent, ticket) = dispatch("{}");
    b.dispatch(&sent, &ticket);
    assert_eq!(is_refused(&mut b).await, 0);
    b.dispatch_by(&sent, &ticket, offer.id);
    assert_eq!(is_refused(&mut b).await, 0, "it is not b's");
    runs_by(&mut a, offer.id).await;
    a.dispatch_by(&sent, &ticket, offer.id);
    assert_eq!(is_refused(&mut a).await, 0, "it was used");
}

#[tokio::test]
async fn where_there_is_no_room_nothing_waits() {
    let rig = rig().await;
    let mut others = fill(&rig, 0).await;
    let runs = rig.invoker.runs.load(Ordering::SeqCst);
    let (sent, ticket) = dispatch("{}");
    others.dispatch(&sent, &ticket);
    assert_eq!(is_refused(&mut others).await, 0);
    free_one(&rig);
    while !matches!(others.next().await, Heard::Ended { .. }) {}
    others.read().await;
    assert_eq!(rig.invoker.runs.load(Ordering::SeqCst), runs);
    // What is refused does not count as held, so that it may be dispatched again.
    others.dispatch(&sent, &ticket);
    assert!(matches!(others.next().await, Heard::Said(Said::Started(_))));
}

#[tokio::test]
async fn a_refusal_says_what_others_could_get() {
    let rig = rig().await;
    let _others = fill(&rig, 2).await;
    let (mut a, _) = rig.controller(1).await;
    assert_eq!(a.want(1).await.len(), 1);
    let (mut b, welcome) = rig.controller(2).await;
    assert_eq!(welcome.room.capacity.busy, MEMORY - 256, "what is held is not free");
    rig.invoker.refuses.store(1, Ordering::SeqCst);
    let (sent, ticket) = dispatch("{}");
    b.dispatch(&sent, &ticket);
    assert_eq!(is_refused(&mut b).await, 256, "the container that it was to get is gone");
    b.dispatch(&sent, &ticket);
    assert!(matches!(b.next().await, Heard::Said(Said::Started(_))));
}

#[tokio::test]
async fn an_offer_that_nobody_answers_goes_to_the_next_and_is_void() {
    let offer_timeout = Duration::from_millis(100);
    let rig = Rig::start(InvokerServerOptions { offer_timeout, ..InvokerServerOptions::default() }).await;
    let _others = fill(&rig, 1).await;
    let (mut a, _) = rig.controller(1).await;
    let (mut b, _) = rig.controller(2).await;
    let said = a.want(1).await;
    let [Heard::Offer(offer)] = said[..] else { panic!("{said:?}") };
    let (sent, ticket) = dispatch("{}");
    let mut said = b.want(1).await;
    // On a machine that is slow enough b may be too late as well: then it says again what it wants.
    loop {
        let offered = match said.pop() {
            Some(Heard::Offer(offered)) => offered,
            Some(_) => continue,
            None => b.offer().await,
        };
        b.dispatch_by(&sent, &ticket, offered.id);
        match b.next().await {
            Heard::Said(Said::Started(_)) => break,
            Heard::NotRun { .. } => said = b.want(1).await,
            other => panic!("{other:?}"),
        }
    }
    let (late, ticket) = dispatch("{}");
    a.dispatch_by(&late, &ticket, offer.id);
    assert_eq!(is_refused(&mut a).await, 0);
}

#[tokio::test]
async fn a_void_offer_does_no_harm_where_there_is_room() {
    let rig = rig().await;
    let (mut a, _) = rig.controller(1).await;
    runs_by(&mut a, OfferId(999)).await;
}

#[tokio::test]
async fn what_is_declined_goes_to_the_next() {
    let rig = rig().await;
    let _others = fill(&rig, 1).await;
    let (mut a, _) = rig.controller(1).await;
    let (mut b, _) = rig.controller(2).await;
    let said = a.want(1).await;
    let [Heard::Offer(offer)] = said[..] else { panic!("{said:?}") };
    assert!(b.want(1).await.is_empty());
    b.conversation.send(Outgoing::Decline(offer.id));
    assert!(b.read().await.is_empty(), "it is not b's to decline");
    assert!(a.want(0).await.is_empty());
    a.conversation.send(Outgoing::Decline(offer.id));
    let offered = b.offer().await;
    runs_by(&mut b, offered.id).await;
}

#[tokio::test]
async fn a_broken_stream_frees_what_it_held() {
    let rig = rig().await;
    let _others = fill(&rig, 1).await;
    let (mut a, _) = rig.controller(1).await;
    let (mut b, _) = rig.controller(2).await;
    assert_eq!(a.want(3).await.len(), 1);
    assert!(b.want(1).await.is_empty());
    drop(a);
    let offered = b.offer().await;
    runs_by(&mut b, offered.id).await;
}

#[tokio::test]
async fn wants_and_offers_end_with_their_stream_and_are_registered_again_on_the_next() {
    let rig = rig().await;
    let _others = fill(&rig, 1).await;
    let (mut a, _) = rig.controller(1).await;
    let said = a.want(2).await;
    let [Heard::Offer(old)] = said[..] else { panic!("{said:?}") };
    // The same life of the same controller, on another stream. The first must not come back and end this one.
    drop(a);
    let (mut again, _) = rig.controller(1).await;
    assert!(again.read().await.is_empty(), "it has not said what it wants");
    let said = again.want(1).await;
    let [Heard::Offer(new)] = said[..] else { panic!("{said:?}") };
    assert_ne!(old.id, new.id);
    let (sent, ticket) = dispatch("{}");
    again.dispatch_by(&sent, &ticket, old.id);
    assert_eq!(is_refused(&mut again).await, 0, "the new offer holds the room");
    runs_by(&mut again, new.id).await;
    let (mut b, _) = rig.controller(2).await;
    assert!(b.want(1).await.is_empty());
    assert!(again.want(0).await.is_empty());
    free_one(&rig);
    b.offer().await;
}

#[tokio::test]
async fn an_offer_is_given_back_by_a_dispatch_that_does_not_need_it() {
    let rig = rig().await;
    let mut others = fill(&rig, 2).await;
    let (mut a, _) = rig.controller(1).await;
    let (mut b, _) = rig.controller(2).await;
    let (shared, ticket) = dispatch("{}");
    others.dispatch(&shared, &ticket);
    assert!(matches!(others.next().await, Heard::Said(Said::Started(_))));
    let said = a.want(1).await;
    let [Heard::Offer(offer)] = said[..] else { panic!("{said:?}") };
    assert!(b.want(2).await.is_empty());
    assert!(a.want(0).await.is_empty());
    // It runs already: a only watches.
    a.dispatch_by(&shared, &ticket, offer.id);
    assert!(matches!(a.next().await, Heard::Said(Said::Started(_))));
    let offered = b.offer().await;
    // One that cannot be understood.
    let (elsewhere, ticket) = dispatch_to(InvokerId(9), "{}");
    b.dispatch_by(&elsewhere, &ticket, offered.id);
    let heard = b.next().await;
    assert!(
        matches!(heard, Heard::NotRun { said: Said::Refused { why: Refusal::Malformed, .. }, .. }),
        "{heard:?}"
    );
    let offered = b.offer().await;
    runs_by(&mut b, offered.id).await;
}

#[tokio::test]
async fn large_arguments_come_late_and_find_their_offer() {
    let rig = rig().await;
    let _others = fill(&rig, 1).await;
    let (mut a, _) = rig.controller(1).await;
    let (mut b, _) = rig.controller(2).await;
    let said = a.want(1).await;
    let [Heard::Offer(offer)] = said[..] else { panic!("{said:?}") };
    let (large, ticket) = dispatch(&format!(r#"{{"a":"{}"}}"#, "x".repeat(5 << 20)));
    a.dispatch_by(&large, &ticket, offer.id);
    // Read before it: the want is over, what is held for it is not.
    let mut begun = !a.want(0).await.is_empty();
    let (small, ticket) = dispatch("{}");
    b.dispatch(&small, &ticket);
    is_refused(&mut b).await;
    free_one(&rig);
    let said = b.want(1).await;
    let offered = match said[..] {
        [Heard::Offer(offer)] => offer,
        _ => b.offer().await,
    };
    // Whether the large one began before the room came free or after: it is told, and b has its offer.
    while !begun {
        begun = matches!(a.next().await, Heard::Said(Said::Started(id)) if id == large.activation_id);
    }
    runs_by(&mut b, offered.id).await;
}

#[tokio::test]
async fn arguments_that_cannot_be_put_give_their_offer_back() {
    let offer_timeout = Duration::from_secs(3600);
    let options = InvokerServerOptions { offer_timeout, max_put: 100_000, ..InvokerServerOptions::default() };
    let rig = Rig::start(options).await;
    let _others = fill(&rig, 1).await;
    let (mut a, _) = rig.controller(1).await;
    let (mut b, _) = rig.controller(2).await;
    let said = a.want(1).await;
    let [Heard::Offer(offer)] = said[..] else { panic!("{said:?}") };
    assert!(b.want(1).await.is_empty() && a.want(0).await.is_empty());
    let (large, ticket) = dispatch(&format!(r#"{{"a":"{}"}}"#, "x".repeat(200_000)));
    a.dispatch_by(&large, &ticket, offer.id);
    assert!(matches!(a.next().await, Heard::NotRun { memory: 0, free: 0, .. }));
    b.offer().await;
}

#[tokio::test]
async fn a_draining_invoker_offers_nothing() {
    let rig = rig().await;
    let mut others = fill(&rig, 0).await;
    let (mut a, _) = rig.controller(1).await;
    assert!(a.want(1).await.is_empty());
    rig.server.drain();
    free_one(&rig);
    while !matches!(others.next().await, Heard::Ended { .. }) {}
    assert!(a.want(2).await.is_empty());
    rig.invoker.may_run.add_permits(9);
    rig.server.close(Duration::ZERO).await;
    assert!(matches!(a.next().await, Heard::Broken));
}

#[tokio::test]
async fn room_that_is_held_is_reported_as_busy() {
    let rig = rig().await;
    let mut others = fill(&rig, 2).await;
    let (mut a, _) = rig.controller(1).await;
    assert_eq!(a.want(1).await.len(), 1);
    free_one(&rig);
    let expected = MEMORY - 2 * 256;
    let reported = async {
        while !matches!(others.any().await, Heard::Room(Room { capacity, .. }) if capacity.busy == expected) {
        }
    };
    tokio::time::timeout(LIMIT, reported).await.expect("two of three that are free are nobody's");
}

#[tokio::test]
async fn a_want_that_cannot_be_is_passed_over_and_the_conversation_goes_on() {
    let rig = rig().await;
    let (mut a, _) = rig.controller(1).await;
    let (sent, ticket) = dispatch("{}");
    let mut key = oxwhisk_invoker_api::offers::WorkKey::of(&sent.action, &sent.caller.namespace);
    key.memory = MEMORY + 1;
    a.conversation.send(Outgoing::Want { want: WANT, key: key.into(), count: 1 });
    assert!(a.read().await.is_empty());
    a.dispatch(&sent, &ticket);
    assert!(matches!(a.next().await, Heard::Said(Said::Started(_))));
}

//! An invoker whose room is given out by somebody else.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use oxwhisk_invoker::Invoker;
use oxwhisk_invoker_api::offers::{OfferBook, OfferSettings, RoomSignal, WantId, WorkKey};
use oxwhisk_invoker_api::{ActionDescriptor, Activating, DispatchError, InvokerClient, RoomWatch};
use serde_json::{Value, json};

use crate::fixture::{Fixture, action, config, dispatch, eventually, result};

type Book = OfferBook<usize>;

fn book() -> Book {
    OfferBook::new(OfferSettings::new(1024))
}

async fn fixture() -> Fixture {
    let mut config = config();
    config.user_memory = 1024;
    Fixture::with(config).await
}

/// Takes a dispatch of `hello` in, if the book lets it.
fn admit(
    invoker: &Invoker,
    book: &mut Book,
    from: usize,
    arguments: &Value,
) -> Result<Activating, DispatchError> {
    let dispatch = dispatch(&action("hello"), arguments);
    let key = WorkKey::of(&dispatch.action, &dispatch.caller.namespace);
    invoker.dispatch_if(dispatch, &mut |room| book.claim(&from, None, &key, room))
}

/// Takes dispatches in until there is no room; what there was each time.
fn take_all(invoker: &Invoker, hello: &ActionDescriptor) -> Vec<(u64, Activating)> {
    let mut taken = Vec::new();
    loop {
        let mut seen = 0;
        let next = invoker.dispatch_if(dispatch(hello, &json!({})), &mut |room| {
            seen = room.memory();
            seen >= hello.limits.memory
        });
        match next {
            Ok(activating) => taken.push((seen, activating)),
            Err(_) => return taken,
        }
    }
}

/// As [`take_all`], in threads that have no lock in common but the pool's.
fn take_all_at_once(invoker: &Invoker, hello: &ActionDescriptor) -> Vec<(u64, Activating)> {
    const THREADS: usize = 8;
    let (start, runtime) = (Barrier::new(THREADS), tokio::runtime::Handle::current());
    let run = || {
        let _entered = runtime.enter();
        start.wait();
        take_all(invoker, hello)
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(run)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

/// Whoever looked at room that another had claimed and not taken yet would have seen the same as that one. That is seen in
/// a part of the rounds, if the pool's lock is let go in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_sees_room_that_another_has_claimed() {
    let mut hello = action("hello");
    hello.limits.memory = 8;
    for _ in 0..15 {
        let fixture = fixture().await;
        // No container is there before all have their places.
        fixture.factory.script.lock().unwrap().gated = true;
        let taken = take_all_at_once(&fixture.invoker, &hello);
        let mut seen: Vec<u64> = taken.iter().map(|(seen, _)| *seen).collect();
        seen.sort_unstable();
        assert_eq!(seen, (1..=128).map(|containers| containers * 8).collect::<Vec<_>>());
        fixture.factory.create_gate.add_permits(seen.len());
        for (_, activating) in taken {
            let ended = tokio::time::timeout(Duration::from_secs(20), activating).await.unwrap();
            assert_eq!(result(&ended.unwrap()).0, 0);
        }
        assert_eq!(fixture.factory.count("create"), seen.len(), "nobody waited for another's container");
        fixture.stop().await;
    }
}

#[tokio::test]
async fn what_is_not_let_in_does_not_wait() {
    let fixture = fixture().await;
    let running: Vec<_> = (0..4)
        .map(|_| tokio::spawn(admit(&fixture.invoker, &mut book(), 0, &json!({"do": "wait"})).unwrap()))
        .collect();
    let Err(error) = admit(&fixture.invoker, &mut book(), 0, &json!({})) else { panic!("there was room") };
    let expected = "no room for a container of 256 MB: what there is is taken or held for others";
    assert_eq!(error.to_string(), expected);
    eventually("all have containers", || fixture.invoker.waiting() == 0).await;
    fixture.factory.run_gate.add_permits(4);
    for task in running {
        assert_eq!(result(&task.await.unwrap().unwrap()).0, 0);
    }
    fixture.stop().await;
}

#[tokio::test]
async fn whoever_wants_room_is_told_when_it_comes_free() {
    let fixture = fixture().await;
    let signal = Arc::new(RoomSignal::default());
    fixture.invoker.watch(Arc::clone(&signal));
    let mut book = book();
    let running: Vec<_> = (0..4)
        .map(|_| tokio::spawn(admit(&fixture.invoker, &mut book, 0, &json!({"do": "wait"})).unwrap()))
        .collect();
    let hello = action("hello");
    let key = Arc::new(WorkKey::of(&hello, &dispatch(&hello, &json!({})).caller.namespace));
    book.want(&1, WantId(1), &key, 1).unwrap();
    signal.set_wanted(true);
    fixture.factory.run_gate.add_permits(1);
    let offer = loop {
        tokio::time::timeout(Duration::from_secs(20), signal.freed()).await.expect("it is told");
        let mut offers = Vec::new();
        fixture.invoker.look(&mut |room| offers = book.offer(room, std::time::Instant::now()));
        if let Some((_, offer)) = offers.pop() {
            break offer;
        }
    };
    assert!(offer.warm);
    let Err(_) = admit(&fixture.invoker, &mut book, 0, &json!({})) else { panic!("it is held") };
    let next = dispatch(&hello, &json!({}));
    let taken = fixture.invoker.dispatch_if(next, &mut |room| book.claim(&1, Some(offer.id), &key, room));
    assert_eq!(result(&taken.unwrap().await.unwrap()).0, 0);
    assert_eq!(fixture.factory.count("create"), 4);
    fixture.factory.run_gate.add_permits(3);
    for task in running {
        task.await.unwrap().unwrap();
    }
    fixture.stop().await;
}

#[tokio::test]
async fn what_was_let_in_goes_on_when_nobody_waits_for_it_and_a_draining_invoker_lets_nobody_in() {
    let fixture = fixture().await;
    let sent = dispatch(&action("hello"), &json!({}));
    let id = sent.activation_id;
    drop(fixture.invoker.dispatch_if(sent, &mut |_| true).unwrap());
    eventually("it has a record", || !fixture.records.of(id).is_empty()).await;
    assert!(fixture.invoker.drain(std::time::Instant::now() + Duration::from_secs(20)).await);
    let next = dispatch(&action("hello"), &json!({}));
    let refused = fixture.invoker.dispatch_if(next, &mut |_| panic!("it asks for room"));
    assert!(matches!(refused, Err(DispatchError::Draining)));
    assert_eq!(fixture.invoker.capacity().busy, 0);
    fixture.stop().await;
}

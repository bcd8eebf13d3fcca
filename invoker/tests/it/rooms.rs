//! An invoker whose room is given out by somebody else.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use oxwhisk_invoker::Invoker;
use oxwhisk_invoker_api::offers::{OfferBook, OfferSettings, RoomSignal, WantId, WorkKey};
use oxwhisk_invoker_api::{Activating, DispatchError, InvokerClient, RoomWatch};
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

fn free(invoker: &Invoker, book: &Book) -> u64 {
    let mut free = 0;
    invoker.look(&mut |room| free = book.free(room));
    free
}

/// They have no lock in common but the pool's, and none has its container before all have asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_at_once_as_many_are_let_in_as_there_is_room_for() {
    const THREADS: usize = 8;
    for round in 0..20 {
        let fixture = fixture().await;
        fixture.factory.script.lock().unwrap().gated = true;
        let (invoker, start) = (&fixture.invoker, Barrier::new(THREADS));
        let runtime = tokio::runtime::Handle::current();
        let taken: Vec<Activating> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|number| {
                    let (start, runtime) = (&start, &runtime);
                    scope.spawn(move || {
                        let _entered = runtime.enter();
                        let mut book = book();
                        start.wait();
                        let each = |_| admit(invoker, &mut book, number, &json!({})).ok();
                        (0..3).filter_map(each).collect::<Vec<_>>()
                    })
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(taken.len(), 4, "in round {round}");
        assert_eq!(free(invoker, &book()), 0);
        fixture.factory.create_gate.add_permits(4);
        for activating in taken {
            let ended = tokio::time::timeout(Duration::from_secs(20), activating).await.unwrap();
            assert_eq!(result(&ended.unwrap()).0, 0);
        }
        assert_eq!(fixture.factory.count("create"), 4, "nobody waited for another's container");
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

use oxwhisk_invoker_api::offers::{OfferBook, OfferSettings, Room, WantId, WorkKey};

use super::*;

pub(super) fn work(key: &ActionKey) -> Arc<WorkKey> {
    Arc::new(WorkKey {
        namespace: key.namespace.clone(),
        action: key.action.id.clone(),
        revision: key.action.revision.clone(),
        kind: key.action.kind.clone(),
        blackbox: key.action.user_provided_image,
        memory: key.memory(),
        slots: key.slots(),
    })
}

fn room(world: &World, key: &ActionKey) -> (u64, u32, u32) {
    let key = work(key);
    (Room::memory(&world.pool), world.pool.busy_slots(&key), world.pool.idle_containers(&key))
}

#[test]
fn room_is_what_is_free_and_what_may_be_evicted() {
    let (mut world, a, b) = (world(1024), key("one", "a:256:3"), key("two", "b:512"));
    world.warm_up(&a);
    assert_eq!(room(&world, &a), (1024, 0, 1));
    let first = world.arrive(&a);
    assert!(world.has(first));
    assert_eq!(room(&world, &a), (768, 2, 0));
    assert_eq!(room(&world, &revised(&a, "9-z")), (768, 0, 0), "another revision's code is another's");
    world.finish(first, Release::Keep);
    assert_eq!(room(&world, &a), (1024, 0, 1));
    world.warm_up(&b);
    assert_eq!(room(&world, &b), (1024, 0, 1));
}

#[test]
fn what_waits_in_the_pool_comes_first() {
    let (mut world, a, b) = (world(1024), key("one", "a:512"), key("two", "b:768"));
    world.warm_up(&a);
    world.arrive(&b);
    // The idle one is being removed for it; of the rest it needs all but 256.
    assert_eq!(room(&world, &b).0, 256);
    let effects = world.pool.close(world.now);
    world.apply(effects);
    assert_eq!(room(&world, &a), (0, 0, 0));
}

#[test]
fn an_offer_that_is_taken_finds_its_room() {
    let (mut world, a, b) = (world(512), key("one", "a"), key("two", "b"));
    world.warm_up(&a);
    let mut book: OfferBook<u8> = OfferBook::new(OfferSettings::new(512));
    book.want(&1, WantId(1), &work(&a), 1).unwrap();
    book.want(&2, WantId(1), &work(&b), 5).unwrap();
    let offers = book.offer(&world.pool, world.now);
    assert_eq!(
        offers.iter().map(|(to, offer)| (*to, offer.warm)).collect::<Vec<_>>(),
        [(1, true), (2, false)]
    );
    assert!(!book.admits(&work(&b), &world.pool));
    book.accept(&2, offers[1].1.id, &work(&b));
    world.arrive(&b);
    world.create();
    book.accept(&1, offers[0].1.id, &work(&a));
    let warm = world.arrive(&a);
    assert!(world.has(warm), "its container was not evicted for the other");
    assert!(book.offer(&world.pool, world.now).is_empty());
}

#[test]
fn a_busy_container_is_filled_before_an_idle_one_is_used() {
    let (mut world, shared) = (world(512), key("one", "a:256:2"));
    let mut fill_one = || {
        let pair = [world.arrive(&shared), world.arrive(&shared)];
        world.create();
        world.initialise(pair[0]);
        pair
    };
    let (first, second) = (fill_one(), fill_one());
    let busy = world.leases[&first[0]].container;
    for number in [first[1], second[1], second[0]] {
        world.finish(number, Release::Keep);
    }
    assert_eq!(room(&world, &shared), (256, 1, 1), "the idle one was used last");
    let next = world.arrive(&shared);
    assert_eq!(world.leases[&next].container, busy);
    assert_eq!(room(&world, &shared), (256, 0, 1));
    world.check();
}

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

#[derive(Debug, Default)]
struct Rooms {
    memory: u64,
    coming: u64,
    busy_slots: HashMap<WorkKey, u32>,
    idle: HashMap<WorkKey, u32>,
}

impl Room for Rooms {
    fn memory(&self) -> u64 {
        self.memory
    }

    fn coming(&self) -> u64 {
        self.coming
    }

    fn busy_slots(&self, key: &WorkKey) -> u32 {
        self.busy_slots.get(key).copied().unwrap_or(0)
    }

    fn idle_containers(&self, key: &WorkKey) -> u32 {
        self.idle.get(key).copied().unwrap_or(0)
    }
}

fn key(action: &str, memory: u64, slots: u32) -> Arc<WorkKey> {
    let namespace = EntityName::new("guest").unwrap();
    let action = FullyQualifiedName::parse(&format!("guest/{action}"), &namespace).unwrap();
    let (revision, kind) = (Revision("1-a".to_owned()), "nodejs:20".to_owned());
    Arc::new(WorkKey { namespace, action, revision, kind, blackbox: false, memory, slots })
}

fn memory(memory: u64) -> Rooms {
    Rooms { memory, ..Rooms::default() }
}

fn book() -> OfferBook<char> {
    OfferBook::new(OfferSettings::new(2048))
}

fn controllers(offers: &[(char, Offer)]) -> String {
    offers.iter().map(|(controller, _)| *controller).collect()
}

#[test]
fn waiting_controllers_are_served_in_turn() {
    let (mut book, now, key) = (book(), Instant::now(), key("a", 256, 1));
    for (controller, count) in [('a', 5), ('b', 1), ('c', 3)] {
        book.want(&controller, WantId(1), &key, count).unwrap();
    }
    assert_eq!(controllers(&book.offer(&memory(4 * 256), now)), "abca");
    assert!(book.offer(&memory(4 * 256), now).is_empty(), "all of it is held");
    assert_eq!(controllers(&book.offer(&memory(6 * 256 + 255), now)), "ca");
}

#[test]
fn a_want_gets_no_more_offers_than_its_count() {
    let (mut book, now, key) = (book(), Instant::now(), key("a", 256, 1));
    book.want(&'a', WantId(1), &key, 2).unwrap();
    assert_eq!(book.offer(&memory(2048), now).len(), 2);
    book.want(&'a', WantId(1), &key, 3).unwrap();
    assert_eq!(book.offer(&memory(2048), now).len(), 1);
    book.want(&'a', WantId(1), &key, 0).unwrap();
    assert_eq!((book.wanted(), book.held()), (0, 3), "what is held waits for its answer");
}

#[test]
fn what_is_held_is_nobody_elses() {
    let (mut book, now, key) = (book(), Instant::now(), key("a", 256, 1));
    book.want(&'a', WantId(1), &key, 1).unwrap();
    let room = memory(300);
    let offer = book.offer(&room, now)[0].1;
    assert!(!book.admits(&key, &room));
    assert_eq!(book.accept(&'b', offer.id, &key), Acceptance::Void, "it is another's");
    assert_eq!(book.accept(&'a', offer.id, &key), Acceptance::Held);
    assert_eq!(book.accept(&'a', offer.id, &key), Acceptance::Void, "once");
    assert!(book.admits(&key, &room));
}

#[test]
fn memory_may_be_used_for_something_else_that_fits() {
    let (mut book, now) = (book(), Instant::now());
    let (wanted, smaller, larger) = (key("a", 256, 1), key("b", 128, 1), key("c", 512, 1));
    book.want(&'a', WantId(1), &wanted, 2).unwrap();
    let offers = book.offer(&memory(512), now);
    assert_eq!(book.accept(&'a', offers[0].1.id, &smaller), Acceptance::Held);
    assert_eq!(book.accept(&'a', offers[1].1.id, &larger), Acceptance::Void);
    assert_eq!(book.held(), 0);
}

#[test]
fn warm_containers_find_their_action_first() {
    let (mut book, now) = (book(), Instant::now());
    let (cold, warm) = (key("a", 256, 1), key("b", 256, 1));
    book.want(&'a', WantId(1), &cold, 1).unwrap();
    book.want(&'b', WantId(9), &warm, 2).unwrap();
    let room = Rooms { memory: 256, idle: [((*warm).clone(), 1)].into(), ..Rooms::default() };
    let offers = book.offer(&room, now);
    assert_eq!((controllers(&offers), offers[0].1.warm), ("b".to_owned(), true));
    assert_eq!(book.accept(&'b', offers[0].1.id, &cold), Acceptance::Void, "only for what is warm");
}

#[test]
fn a_slot_in_a_busy_container_costs_no_memory() {
    let (mut book, now) = (book(), Instant::now());
    let (shared, other) = (key("a", 256, 3), key("b", 256, 1));
    book.want(&'a', WantId(1), &shared, 9).unwrap();
    let room = Rooms {
        memory: 512,
        busy_slots: [((*shared).clone(), 2)].into(),
        idle: [((*shared).clone(), 1)].into(),
        ..Rooms::default()
    };
    let offers = book.offer(&room, now);
    // Two slots of the busy container, three of the idle one, and the memory that is left.
    assert_eq!(
        offers.iter().map(|(_, offer)| offer.warm).collect::<Vec<_>>(),
        [true, true, true, true, true, false]
    );
    assert!(!book.admits(&other, &room));
}

#[test]
fn who_was_passed_over_too_often_gets_the_next_memory() {
    let (mut book, now) = (book(), Instant::now());
    let (large, small) = (key("large", 1024, 1), key("small", 128, 1));
    book.want(&'a', WantId(1), &large, 1).unwrap();
    book.want(&'b', WantId(1), &small, 100).unwrap();
    for _ in 0..OfferSettings::new(0).patience {
        let offers = book.offer(&memory(128), now);
        assert_eq!(controllers(&offers), "b");
        assert_eq!(book.accept(&'b', offers[0].1.id, &small), Acceptance::Held);
    }
    assert!(book.offer(&memory(1023), now).is_empty(), "it is kept for the large one");
    assert!(!book.admits(&small, &memory(1023)));
    assert_eq!(controllers(&book.offer(&memory(1024), now)), "a");
    assert_eq!(controllers(&book.offer(&memory(1024 + 128), now)), "b");
}

#[test]
fn an_offer_expires_and_its_controller_is_left_alone_until_it_speaks() {
    let (mut book, now, key) = (book(), Instant::now(), key("a", 256, 1));
    book.want(&'a', WantId(1), &key, 1).unwrap();
    book.want(&'b', WantId(1), &key, 1).unwrap();
    let offer = book.offer(&memory(256), now)[0].1;
    let deadline = book.next_deadline().unwrap();
    assert!(book.expire(deadline - Duration::from_nanos(1)).is_empty());
    assert_eq!(book.expire(deadline), [offer.id]);
    assert_eq!(controllers(&book.offer(&memory(1024), deadline)), "b");
    assert_eq!(book.accept(&'a', offer.id, &key), Acceptance::Void);
    book.want(&'a', WantId(1), &key, 1).unwrap();
    assert_eq!(controllers(&book.offer(&memory(1024), deadline)), "a");
}

#[test]
fn a_late_answer_shows_that_its_controller_is_there() {
    for accept in [true, false] {
        let (mut book, now, key) = (book(), Instant::now(), key("a", 256, 1));
        book.want(&'a', WantId(1), &key, 2).unwrap();
        let offer = book.offer(&memory(256), now)[0].1;
        let deadline = book.next_deadline().unwrap();
        book.expire(deadline);
        assert!(book.offer(&memory(256), deadline).is_empty());
        if accept {
            assert_eq!(book.accept(&'a', offer.id, &key), Acceptance::Void);
        } else {
            assert!(!book.decline(&'a', offer.id), "it holds nothing any more");
        }
        assert_eq!(controllers(&book.offer(&memory(256), deadline)), "a");
    }
}

#[test]
fn a_claim_takes_what_was_held_for_it_or_what_is_held_for_nobody() {
    let (mut book, now, key) = (book(), Instant::now(), key("a", 256, 1));
    book.want(&'a', WantId(1), &key, 1).unwrap();
    let room = memory(512);
    let offer = book.offer(&room, now)[0].1;
    assert_eq!(book.free(&room), 256);
    assert!(book.claim(&'b', None, &key, &room), "the other half is held for nobody");
    let room = memory(256);
    assert!(!book.claim(&'b', None, &key, &room));
    assert!(!book.claim(&'b', Some(offer.id), &key, &room), "it is another's");
    assert_eq!((book.held(), book.free(&room)), (1, 0));
    assert!(book.claim(&'a', Some(offer.id), &key, &room));
    assert!(!book.claim(&'a', Some(offer.id), &key, &memory(0)), "once");
}

#[test]
fn an_offer_does_not_stand_in_for_room_that_is_gone() {
    let (mut book, now) = (book(), Instant::now());
    let (cold, warm) = (key("a", 256, 1), key("b", 256, 1));
    book.want(&'a', WantId(1), &cold, 1).unwrap();
    book.want(&'b', WantId(1), &warm, 2).unwrap();
    let room = Rooms { memory: 768, idle: [((*warm).clone(), 1)].into(), ..Rooms::default() };
    let offers: HashMap<(char, bool), OfferId> =
        book.offer(&room, now).iter().map(|(to, offer)| ((*to, offer.warm), offer.id)).collect();
    assert_eq!(offers.len(), 3);
    assert!(book.claim(&'b', Some(offers[&('b', true)]), &warm, &memory(768)), "its memory is as good");
    assert!(!book.claim(&'a', Some(offers[&('a', false)]), &cold, &memory(256)), "what is left is b's");
    assert!(book.claim(&'b', Some(offers[&('b', false)]), &warm, &memory(256)));
    assert_eq!(book.held(), 0);
}

#[test]
fn memory_that_is_coming_is_only_for_those_it_was_held_for() {
    let (mut book, now, key) = (book(), Instant::now(), key("a", 256, 1));
    book.want(&'a', WantId(1), &key, 2).unwrap();
    let offers = book.offer(&memory(256), now);
    // The container whose memory was offered is being removed for another reason.
    let room = Rooms { coming: 256, ..Rooms::default() };
    assert!(book.offer(&room, now).is_empty() && !book.claim(&'b', None, &key, &room));
    assert!(book.claim(&'a', Some(offers[0].1.id), &key, &room));
    assert!(book.offer(&room, now).is_empty());
}

#[test]
fn room_that_is_kept_for_an_overdue_want_is_not_free() {
    let (mut book, now) = (book(), Instant::now());
    let (large, small) = (key("large", 1024, 1), key("small", 128, 1));
    book.want(&'a', WantId(1), &large, 1).unwrap();
    book.want(&'b', WantId(1), &small, 100).unwrap();
    assert_eq!(book.free(&memory(1000)), 1000);
    for _ in 0..OfferSettings::new(0).patience {
        let offers = book.offer(&memory(128), now);
        book.accept(&'b', offers[0].1.id, &small);
    }
    assert_eq!(book.free(&memory(1000)), 0);
}

#[test]
fn both_sides_make_the_same_key_of_an_action() {
    use oxwhisk_core::limits::ActionLimits;
    use oxwhisk_core::version::Version;

    let expected = key("a", 512, 1);
    let action = crate::ActionDescriptor {
        id: expected.action.clone(),
        version: Version::FIRST,
        revision: expected.revision.clone(),
        kind: expected.kind.clone(),
        image: "openwhisk/action-nodejs-v20:nightly".parse().unwrap(),
        user_provided_image: false,
        sentinelled_logs: true,
        main: None,
        binary: false,
        has_code: true,
        // Without a limit of its own an action has one activation at a time.
        limits: ActionLimits { timeout: 1, memory: 512, logs: 1, concurrency: 0, instances: None },
    };
    assert_eq!(WorkKey::of(&action, &expected.namespace), *expected);
}

#[test]
fn declined_room_goes_to_the_next() {
    let (mut book, now, key) = (book(), Instant::now(), key("a", 256, 1));
    book.want(&'a', WantId(1), &key, 1).unwrap();
    book.want(&'b', WantId(1), &key, 1).unwrap();
    let offer = book.offer(&memory(256), now)[0].1;
    book.decline(&'b', offer.id);
    assert_eq!(book.held(), 1, "it is not b's to decline");
    book.want(&'a', WantId(1), &key, 0).unwrap();
    book.decline(&'a', offer.id);
    assert_eq!(controllers(&book.offer(&memory(256), now)), "b");
}

#[test]
fn a_controller_that_goes_leaves_nothing() {
    let (mut book, now, key) = (book(), Instant::now(), key("a", 256, 1));
    book.want(&'a', WantId(1), &key, 7).unwrap();
    book.want(&'b', WantId(1), &key, 1).unwrap();
    assert_eq!(controllers(&book.offer(&memory(256), now)), "a");
    book.controller_gone(&'a');
    assert_eq!((book.wanted(), book.held(), book.next_deadline()), (1, 0, None));
    assert_eq!(controllers(&book.offer(&memory(256), now)), "b");
}

#[test]
fn wants_that_cannot_be_are_refused() {
    let mut book: OfferBook<char> = OfferBook::new(OfferSettings { max_wants: 1, ..OfferSettings::new(512) });
    let error = book.want(&'a', WantId(1), &key("a", 513, 1), 1).unwrap_err();
    assert_eq!(error.to_string(), "a container of 513 MB is wanted of an invoker that has 512 MB in all");
    book.want(&'a', WantId(1), &key("a", 512, 1), 1).unwrap();
    let error = book.want(&'a', WantId(2), &key("b", 512, 1), 1).unwrap_err();
    assert_eq!(error.to_string(), "a controller may have 1 wants at once");
    book.want(&'a', WantId(1), &key("a", 512, 1), 0).unwrap();
    book.want(&'a', WantId(2), &key("b", 512, 1), 1).unwrap();
}

#[derive(Clone, Debug)]
enum Event {
    Want { controller: char, key: usize, count: u32 },
    Answer { offer: usize, accept: bool },
    Gone(char),
    Room { memory: u64, busy: u32, idle: u32 },
    Pass(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let controller = prop::sample::select(vec!['a', 'b', 'c']);
    prop_oneof![
        4 => (controller.clone(), 0_usize..4, 0_u32..5)
            .prop_map(|(controller, key, count)| Event::Want { controller, key, count }),
        4 => (0_usize..20, any::<bool>()).prop_map(|(offer, accept)| Event::Answer { offer, accept }),
        1 => controller.prop_map(Event::Gone),
        3 => (0_u64..4, 0_u32..3, 0_u32..3).prop_map(|(memory, busy, idle)| Event::Room {
            memory: memory * 256 + u64::from(idle) * 512,
            busy,
            idle,
        }),
        1 => (0_u64..700).prop_map(Event::Pass),
    ]
}

proptest! {
    /// Room only grows here between offers: what an invoker gives away otherwise it asks `admits` for.
    #[test]
    fn never_more_is_held_than_there_is_nor_than_is_wanted(events in prop::collection::vec(event(), 1..80)) {
        let keys = [key("a", 256, 1), key("b", 512, 3), key("c", 1024, 1), key("d", 128, 2)];
        let (mut book, mut now, mut open) = (book(), Instant::now(), Vec::new());
        let mut wants: HashMap<(char, u64), u32> = HashMap::new();
        let mut room = memory(1024);
        for event in events {
            match event {
                Event::Want { controller, key, count } => {
                    book.want(&controller, WantId(key as u64), &keys[key], count).unwrap();
                    wants.insert((controller, key as u64), count);
                }
                Event::Answer { offer, accept } if !open.is_empty() => {
                    let (controller, offer): (char, Offer) = open.remove(offer % open.len());
                    let key = &keys[offer.want.0 as usize];
                    if accept {
                        prop_assert_eq!(book.accept(&controller, offer.id, key), Acceptance::Held);
                    } else {
                        book.decline(&controller, offer.id);
                    }
                }
                Event::Answer { .. } => {}
                Event::Gone(gone) => {
                    book.controller_gone(&gone);
                    open.retain(|(controller, _)| *controller != gone);
                    wants.retain(|(controller, _), _| *controller != gone);
                }
                Event::Room { memory, busy, idle } if open.is_empty() => {
                    let shared = (*keys[1]).clone();
                    let (busy_slots, idle) = ([(shared.clone(), busy)].into(), [(shared, idle)].into());
                    room = Rooms { memory, busy_slots, idle, ..Rooms::default() };
                }
                Event::Room { .. } => {}
                Event::Pass(milliseconds) => {
                    now += Duration::from_millis(milliseconds);
                    let over = book.expire(now);
                    open.retain(|(_, offer)| !over.contains(&offer.id));
                }
            }
            let made = book.offer(&room, now);
            for (controller, offer) in &made {
                let of_want = |(other, open): &&(char, Offer)| other == controller && open.want == offer.want;
                let held = open.iter().chain(&made).filter(of_want).count();
                let count = wants.get(&(*controller, offer.want.0)).copied().unwrap_or(0);
                prop_assert!(held <= count as usize, "{} offers for a want of {}", held, count);
            }
            open.extend(made);
            prop_assert_eq!(book.held(), open.len());
            let cold: u64 = open.iter().filter(|(_, offer)| !offer.warm).map(|(_, offer)| offer.memory).sum();
            let warm = u32::try_from(open.iter().filter(|(_, offer)| offer.warm).count()).unwrap();
            let idle = warm.saturating_sub(room.busy_slots(&keys[1])).div_ceil(3);
            prop_assert!(idle <= room.idle_containers(&keys[1]));
            prop_assert!(cold + u64::from(idle) * 512 <= room.memory, "{:?} of {:?}", open, room);
        }
        ['a', 'b', 'c'].iter().for_each(|controller| book.controller_gone(controller));
        prop_assert_eq!(book.free(&room), room.memory, "nothing is held any more");
    }
}

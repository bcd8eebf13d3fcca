//! The pool and the book of offers together: room that is claimed is there.

use oxwhisk_invoker_api::offers::{OfferBook, OfferId, OfferSettings, WantId, WorkKey};
use proptest::prelude::*;

use super::room::work;
use super::*;

const TOTAL: u64 = 1024;

#[derive(Clone, Debug)]
enum Event {
    Want {
        controller: u8,
        key: usize,
        count: u32,
    },
    /// A dispatch of a controller, by one of its offers if it has any and wants to.
    Dispatch {
        controller: u8,
        key: usize,
        by_offer: bool,
    },
    Decline(usize),
    Gone(u8),
    Create,
    Initialise(usize),
    Finish(usize),
    Removed,
    Pass(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let (controller, key, number) = (0_u8..3, 0_usize..5, 0_usize..100);
    prop_oneof![
        4 => (controller.clone(), key.clone(), 0_u32..4)
            .prop_map(|(controller, key, count)| Event::Want { controller, key, count }),
        6 => (controller.clone(), key, any::<bool>())
            .prop_map(|(controller, key, by_offer)| Event::Dispatch { controller, key, by_offer }),
        1 => number.clone().prop_map(Event::Decline),
        1 => controller.prop_map(Event::Gone),
        4 => Just(Event::Create),
        4 => number.clone().prop_map(Event::Initialise),
        4 => number.prop_map(Event::Finish),
        3 => Just(Event::Removed),
        2 => (0_u64..1_000).prop_map(Event::Pass),
    ]
}

fn keys() -> Vec<ActionKey> {
    [("one", "a"), ("one", "b:512"), ("two", "c:128"), ("two", "d:256:3"), ("three", "e:1024")]
        .into_iter()
        .map(|(namespace, text)| key(namespace, text))
        .collect()
}

struct Claims {
    world: World,
    book: OfferBook<u8>,
    keys: Vec<(ActionKey, Arc<WorkKey>)>,
    /// Offers that were not answered, with what they are for.
    open: Vec<(u8, OfferId, usize)>,
    claimed: usize,
    void: usize,
}

impl Claims {
    fn new() -> Self {
        let keys = keys().into_iter().map(|key| (key.clone(), work(&key))).collect();
        let book = OfferBook::new(OfferSettings::new(TOTAL));
        let mut config = config(TOTAL);
        // Containers start when the test pleases.
        config.queue.wait_limit = Duration::from_secs(3600);
        Self { world: World::new(&config), book, keys, open: Vec::new(), claimed: 0, void: 0 }
    }

    fn step(&mut self, event: &Event) {
        match *event {
            Event::Want { controller, key, count } => {
                self.book.want(&controller, WantId(key as u64), &self.keys[key].1, count).unwrap();
            }
            Event::Dispatch { controller, key, by_offer } => self.dispatch(controller, key, by_offer),
            Event::Decline(number) if !self.open.is_empty() => {
                let (controller, offer, _) = self.open.remove(number % self.open.len());
                assert!(self.book.decline(&controller, offer));
            }
            Event::Gone(gone) => {
                self.book.controller_gone(&gone);
                self.open.retain(|(controller, ..)| *controller != gone);
            }
            Event::Create if !self.world.creating.is_empty() => self.world.create(),
            Event::Removed if !self.world.removing.is_empty() => self.world.removed(0),
            Event::Initialise(number) | Event::Finish(number) if !self.world.leases.is_empty() => {
                let place = number % self.world.leases.len();
                let lease = *self.world.leases.keys().nth(place).unwrap();
                match event {
                    Event::Initialise(_) => self.world.initialise(lease),
                    _ => self.world.run(lease),
                }
            }
            Event::Pass(milliseconds) => {
                self.world.pass(Duration::from_millis(milliseconds));
                let over = self.book.expire(self.world.now);
                self.open.retain(|(_, offer, _)| !over.contains(offer));
            }
            _ => {}
        }
        for (controller, offer) in self.book.offer(&self.world.pool, self.world.now) {
            self.open.push((controller, offer.id, usize::try_from(offer.want.0).unwrap()));
        }
    }

    fn dispatch(&mut self, controller: u8, mut key: usize, by_offer: bool) {
        let place = self.open.iter().position(|(to, ..)| by_offer && *to == controller);
        let offer = place.map(|place| self.open.remove(place));
        if let Some((_, _, wanted)) = offer {
            key = wanted;
        }
        let offer = offer.map(|(_, offer, _)| offer);
        let (action, work) = &self.keys[key];
        let claimed = self.book.claim(&controller, offer, work, &self.world.pool);
        // No container fails here and no action changes, so what was held is there. Only that of several slots in one idle
        // container no more than one is left when that is evicted and not another.
        assert!(claimed || offer.is_none() || action.slots() > 1, "an offer that was held finds no room");
        if claimed {
            let action = action.clone();
            self.world.arrive(&action);
            self.claimed += 1;
        } else {
            self.void += 1;
        }
    }

    /// Whoever was let in has a container, waits for one that is being started, or for memory that is being given up for
    /// it: nobody waits for somebody else's activation to end.
    fn nobody_waits_for_memory(&self) {
        let pool = &self.world.pool;
        let uncovered = pool.groups.iter().map(|(_, group)| group.uncovered() as u64 * group.key.memory());
        let (uncovered, memory) = (uncovered.sum::<u64>(), pool.memory());
        let coming = memory.total - memory.used + memory.removing;
        assert!(uncovered <= coming, "{uncovered} MB are waited for, {coming} MB are coming: {memory:?}");
        assert!(self.world.refused.is_empty(), "{:?}", self.world.refused);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn room_that_is_claimed_is_there(events in prop::collection::vec(event(), 1..150)) {
        let mut claims = Claims::new();
        for event in &events {
            claims.step(event);
            claims.world.check();
            claims.nobody_waits_for_memory();
        }
    }
}

#[test]
fn claims_and_refusals_both_come_about() {
    let mut claims = Claims::new();
    for _ in 0..2 {
        claims.step(&Event::Dispatch { controller: 0, key: 1, by_offer: false });
    }
    claims.step(&Event::Dispatch { controller: 1, key: 0, by_offer: false });
    claims.step(&Event::Want { controller: 2, key: 0, count: 1 });
    assert_eq!((claims.claimed, claims.void, claims.open.len()), (2, 1, 0));
    claims.step(&Event::Create);
    claims.step(&Event::Create);
    claims.step(&Event::Finish(0));
    assert_eq!(claims.open.len(), 1, "an idle container may be evicted for it");
    claims.step(&Event::Dispatch { controller: 2, key: 0, by_offer: true });
    assert_eq!((claims.claimed, claims.open.len()), (3, 0));
}

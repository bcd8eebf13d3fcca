use std::sync::Arc;
use std::time::Duration;

use oxwhisk_core::id::Revision;
use oxwhisk_core::name::{EntityName, FullyQualifiedName};
use oxwhisk_invoker_api::offers::WantId;

use super::*;
use crate::fleet::{Kinds, Report, Service};
use crate::{HashPlacement, PoolFractions};

pub(crate) fn key(namespace: &str, action: &str, memory: u64, slots: u32) -> Arc<WorkKey> {
    let namespace = EntityName::new(namespace).unwrap();
    let action = FullyQualifiedName::parse(&format!("{namespace}/{action}"), &namespace).unwrap();
    let (revision, kind) = (Revision("1-a".to_owned()), "nodejs:20".to_owned());
    Arc::new(WorkKey { namespace, action, revision, kind, blackbox: false, memory, slots })
}

struct World {
    balancer: Balancer<u32>,
    now: Instant,
}

fn report(free: u64) -> Report {
    Report { enabled: true, kinds: Kinds::All, memory: 1024, free }
}

fn world(invokers: u32, line: LineConfig) -> World {
    let pools = PoolFractions { managed: 1.0, blackbox: 0.1 };
    let fleet = FleetConfig { pools, ..FleetConfig::default() };
    let mut world =
        World { balancer: Balancer::new(fleet, line, Box::new(HashPlacement)), now: Instant::now() };
    (0..invokers).for_each(|id| drop(world.join(id, 0)));
    world
}

impl World {
    fn join(&mut self, id: u32, free: u64) -> Vec<Effect<u32>> {
        let id = InvokerId(id);
        let mut effects = self.balancer.stream_opened(id, 1, report(free), self.now).unwrap();
        effects.extend(self.balancer.tested(id, Outcome::Success, self.now));
        effects
    }

    fn work(&self, key: &Arc<WorkKey>, payload: u32) -> Work<u32> {
        Work { key: Arc::clone(key), deadline: self.now + Duration::from_secs(60), payload }
    }

    fn wait(&mut self, key: &Arc<WorkKey>, payload: u32) -> Vec<Effect<u32>> {
        let work = self.work(key, payload);
        self.balancer.wait(work, self.now).unwrap()
    }

    fn offer(&mut self, invoker: u32, want: u64, warm: bool, memory: u64) -> Vec<Effect<u32>> {
        let offer = Offer { id: OfferId(77), want: WantId(want), warm, memory };
        self.balancer.offered(InvokerId(invoker), offer)
    }
}

/// Invokers and counts of the wants among the effects.
fn wants(effects: &[Effect<u32>]) -> Vec<(u32, u32)> {
    let want = |effect: &Effect<u32>| match effect {
        Effect::Want { invoker, count, .. } => Some((invoker.0, *count)),
        _ => None,
    };
    effects.iter().filter_map(want).collect()
}

fn served(effects: &[Effect<u32>]) -> Vec<(u32, u32)> {
    let serve = |effect: &Effect<u32>| match effect {
        Effect::Serve { work, invoker, .. } => Some((work.payload, invoker.0)),
        _ => None,
    };
    effects.iter().filter_map(serve).collect()
}

fn refused(effects: &[Effect<u32>]) -> Vec<(u32, Refusal)> {
    let refuse = |effect: &Effect<u32>| match effect {
        Effect::Refuse { work, refusal } => Some((work.payload, *refusal)),
        _ => None,
    };
    effects.iter().filter_map(refuse).collect()
}

#[test]
fn room_is_probed_and_believed_to_be_taken() {
    let mut world = world(1, LineConfig::default());
    let a = key("guest", "a", 512, 1);
    assert!(world.balancer.probe(&a, 0).as_slice().is_empty());
    world.balancer.report(InvokerId(0), report(1024), world.now);
    for _ in 0..2 {
        assert_eq!(world.balancer.probe(&a, 0).as_slice(), [InvokerId(0)]);
        world.balancer.begin(InvokerId(0), &a);
    }
    assert!(world.balancer.probe(&a, 0).as_slice().is_empty());
    world.balancer.ended(InvokerId(0), &a, Some(Outcome::Success), world.now);
    assert_eq!(world.balancer.probe(&a, 0).as_slice().len(), 1);
    world.balancer.refused(InvokerId(0), &a, 1024);
    assert!(world.balancer.probe(&a, 0).as_slice().is_empty(), "it was wrong about this work");
}

#[test]
fn work_that_waits_is_wanted_of_three_and_leaves_them_when_served() {
    let mut world = world(5, LineConfig::default());
    let a = key("guest", "a", 256, 1);
    let first = wants(&world.wait(&a, 1));
    assert_eq!(first.len(), PROBES);
    assert_eq!(wants(&world.wait(&a, 2)), first.iter().map(|(id, _)| (*id, 2)).collect::<Vec<_>>());
    let home = first[0].0;
    let effects = world.offer(home, 0, true, 256);
    assert_eq!((wants(&effects).len(), served(&effects)), (PROBES, vec![(1, home)]));
    assert!(matches!(effects.last(), Some(Effect::Serve { offer: Some(_), .. })), "wants are sent first");
    world.offer(home, 0, true, 256);
    assert_eq!(world.balancer.waiting(), 0);
    let effects = world.offer(home, 0, true, 256);
    assert!(matches!(effects[..], [Effect::Decline { .. }]));
}

#[test]
fn a_warm_offer_serves_its_action_and_memory_whoevers_turn_it_is() {
    let mut world = world(1, LineConfig::default());
    let (a, b, large) = (key("one", "a", 256, 1), key("two", "b", 256, 1), key("two", "large", 512, 1));
    for (payload, key) in [(1, &a), (2, &a), (3, &large), (4, &b)] {
        world.wait(key, payload);
    }
    // Wants are numbered as they come: 0 is a's, 1 is large's, 2 is b's.
    assert_eq!(served(&world.offer(0, 2, true, 256)), [(4, 0)]);
    assert_eq!(served(&world.offer(0, 0, false, 256)), [(1, 0)]);
    assert_eq!(served(&world.offer(0, 0, false, 512)), [(3, 0)], "the turn is the other namespace's");
    assert_eq!(served(&world.offer(0, 0, false, 512)), [(2, 0)]);
}

#[test]
fn new_work_does_not_overtake_work_of_the_same_action() {
    let mut world = world(1, LineConfig::default());
    let (a, b) = (key("guest", "a", 256, 1), key("guest", "b", 256, 1));
    world.wait(&a, 1);
    world.balancer.report(InvokerId(0), report(1024), world.now);
    assert!(world.balancer.probe(&a, 0).as_slice().is_empty());
    assert_eq!(world.balancer.probe(&b, 0).as_slice().len(), 1);
}

#[test]
fn reported_room_that_nobody_asked_is_used() {
    let mut world = world(4, LineConfig::default());
    let a = key("guest", "a", 512, 1);
    let asked: Vec<u32> = wants(&world.wait(&a, 1)).iter().map(|(id, _)| *id).collect();
    world.wait(&a, 2);
    world.wait(&a, 3);
    let other = (0..4).find(|id| !asked.contains(id)).unwrap();
    assert!(world.balancer.report(InvokerId(asked[0]), report(1024), world.now).is_empty(), "it will offer");
    let effects = world.balancer.report(InvokerId(other), report(1024), world.now);
    assert_eq!(served(&effects), [(1, other), (2, other)]);
    let Some(Effect::Serve { work, .. }) =
        effects.into_iter().find(|effect| matches!(effect, Effect::Serve { .. }))
    else {
        panic!("one was served")
    };
    let effects = world.balancer.returned(InvokerId(other), work, 100, world.now);
    assert_eq!(wants(&effects).len(), PROBES);
    assert_eq!(served(&world.offer(asked[0], 0, false, 512)), [(1, asked[0])], "it is first again");
}

#[test]
fn those_who_asked_an_invoker_that_goes_ask_others() {
    let mut world = world(4, LineConfig::default());
    let a = key("guest", "a", 256, 1);
    let asked: Vec<u32> = wants(&world.wait(&a, 1)).iter().map(|(id, _)| *id).collect();
    let other = (0..4).find(|id| !asked.contains(id)).unwrap();
    let effects = world.balancer.stream_closed(InvokerId(asked[1]), true, world.now);
    assert_eq!(wants(&effects), [(asked[1], 0), (other, 1)]);
    let effects = world.balancer.set_service(InvokerId(asked[0]), Service::Draining, world.now).unwrap();
    assert_eq!(wants(&effects), [(asked[0], 0)]);
    assert!(matches!(world.offer(asked[0], 0, false, 256)[..], [Effect::Decline { .. }]));
    let effects = world.join(9, 0);
    assert_eq!(wants(&effects), [(9, 1)], "a new one is asked too");
}

#[test]
fn the_line_is_bounded_and_says_why() {
    let line = LineConfig { max: 3, max_per_namespace: 2, wait_limit: Duration::from_secs(10) };
    let mut world = world(1, line);
    let (a, b) = (key("one", "a", 256, 1), key("two", "b", 256, 1));
    world.wait(&a, 1);
    world.wait(&a, 2);
    let (_, refusal) = world.balancer.wait(world.work(&a, 3), world.now).unwrap_err();
    assert_eq!(refusal.to_string(), "Too many concurrent requests in flight (count: 2, allowed: 2).");
    assert_eq!(refusal.status(), 429);
    world.wait(&b, 4);
    let (_, refusal) = world.balancer.wait(world.work(&b, 5), world.now).unwrap_err();
    assert_eq!(
        (refusal.to_string().as_str(), refusal.status()),
        ("System is overloaded, try again later.", 503)
    );
    assert_eq!(world.balancer.next_deadline(), Some(world.now + line.wait_limit));
    world.now += line.wait_limit;
    let effects = world.balancer.tick(world.now);
    let over = Refusal::WaitOver { limit: line.wait_limit };
    let mut left = refused(&effects);
    left.sort_by_key(|(payload, _)| *payload);
    assert_eq!(left, [(1, over), (2, over), (4, over)]);
    assert_eq!(world.balancer.waiting(), 0);
}

#[test]
fn without_an_invoker_in_service_nothing_waits() {
    let mut world = world(0, LineConfig::default());
    let a = key("guest", "a", 256, 1);
    let (_, refusal) = world.balancer.wait(world.work(&a, 1), world.now).unwrap_err();
    assert_eq!((refusal.to_string().as_str(), refusal.status()), ("No invokers available", 503));
    world.join(0, 0);
    world.wait(&a, 1);
    assert_eq!(refused(&world.balancer.close()), [(1, Refusal::Closed)]);
    assert!(world.balancer.wait(world.work(&a, 1), world.now).is_err());
}

#[test]
fn images_of_users_go_to_their_own_pool() {
    let mut world = world(5, LineConfig::default());
    let mut blackbox = (*key("guest", "a", 256, 1)).clone();
    blackbox.blackbox = true;
    let blackbox = Arc::new(blackbox);
    assert_eq!(wants(&world.wait(&blackbox, 1)), [(4, 1)]);
    let effects = world.balancer.report(InvokerId(0), report(1024), world.now);
    assert!(served(&effects).is_empty(), "not among the last tenth");
}

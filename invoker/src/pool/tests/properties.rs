use proptest::prelude::*;

use super::*;

/// What can happen outside the pool. The numbers choose among what there is.
#[derive(Clone, Debug)]
enum Event {
    Arrive(usize),
    Create(usize),
    FailCreation(usize),
    Initialise(usize),
    Finish(usize),
    Fail(usize),
    Abandon(usize),
    Removed(usize),
    Pass(u64),
    Invalidate(usize),
}

fn event() -> impl Strategy<Value = Event> {
    let any = 0_usize..1000;
    prop_oneof![
        6 => any.clone().prop_map(Event::Arrive),
        5 => any.clone().prop_map(Event::Create),
        1 => any.clone().prop_map(Event::FailCreation),
        4 => any.clone().prop_map(Event::Initialise),
        5 => any.clone().prop_map(Event::Finish),
        1 => any.clone().prop_map(Event::Fail),
        1 => any.clone().prop_map(Event::Abandon),
        4 => any.clone().prop_map(Event::Removed),
        2 => (0_u64..15_000).prop_map(Event::Pass),
        1 => any.prop_map(Event::Invalidate),
    ]
}

fn keys() -> Vec<ActionKey> {
    [("one", "a"), ("one", "b:512"), ("two", "a"), ("two", "c:128"), ("two", "d:256:3"), ("three", "e:1024")]
        .into_iter()
        .map(|(namespace, text)| key(namespace, text))
        .collect()
}

/// A lease, if there is one.
fn chosen(world: &World, number: usize) -> Option<Number> {
    let count = world.leases.len();
    (count > 0).then(|| *world.leases.keys().nth(number % count).unwrap())
}

fn step(world: &mut World, event: &Event) {
    match *event {
        Event::Arrive(number) => {
            let keys = keys();
            world.arrive(&keys[number % keys.len()]);
        }
        Event::Create(number) if !world.creating.is_empty() => {
            let place = number % world.creating.len();
            world.creating.swap(0, place);
            world.create();
        }
        Event::FailCreation(number) if !world.creating.is_empty() => {
            world.fail_creation(number % world.creating.len());
        }
        Event::Removed(number) if !world.removing.is_empty() => world.removed(number % world.removing.len()),
        Event::Pass(milliseconds) => world.pass(Duration::from_millis(milliseconds)),
        Event::Invalidate(number) => {
            let keys = keys();
            let id = keys[number % keys.len()].action.id.clone();
            let effects = world.pool.invalidate(&ChangedAction { id, current: None }, world.now);
            world.apply(effects);
        }
        Event::Initialise(number) | Event::Finish(number) | Event::Fail(number) | Event::Abandon(number) => {
            if let Some(lease) = chosen(world, number) {
                end_lease(world, event, lease);
            }
        }
        Event::Create(_) | Event::FailCreation(_) | Event::Removed(_) => {}
    }
}

fn end_lease(world: &mut World, event: &Event, lease: Number) {
    let uninitialised = world.leases[&lease].uninitialised;
    match event {
        Event::Initialise(_) => world.initialise(lease),
        Event::Finish(_) => world.run(lease),
        Event::Abandon(_) if uninitialised => world.finish(lease, Release::Unused),
        _ => world.finish(lease, Release::Destroy),
    }
}

/// Lets everything that is going on end well.
fn settle(world: &mut World) {
    for _ in 0..100_000 {
        if !world.removing.is_empty() {
            world.removed(0);
        } else if !world.creating.is_empty() {
            world.create();
        } else if let Some(lease) = chosen(world, 0) {
            world.run(lease);
        } else {
            return;
        }
        world.check();
    }
    panic!("it never comes to rest");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever happens in whatever order: the sums are right, nothing is over-committed, nobody waits in vain, and
    /// when everything has ended everybody was served, refused or failed exactly once.
    #[test]
    fn invariants_hold(events in prop::collection::vec(event(), 1..150), greedy in any::<bool>()) {
        let mut world = if greedy { greedy_dual(1024) } else { world(1024) };
        for event in &events {
            step(&mut world, event);
            world.check();
        }
        settle(&mut world);
        prop_assert_eq!(world.pool.waiting(), 0, "everybody was woken");
        prop_assert_eq!(world.pool.memory().used, world.pool.memory().idle);
        // What idles goes in time, unless the policy keeps it.
        let effects = world.pool.close(world.now);
        world.apply(effects);
        settle(&mut world);
        prop_assert_eq!(world.pool.memory().used, 0);
        prop_assert!(world.pool.groups.iter().next().is_none());
    }

    /// A large request among a stream of small ones is served before its wait is over.
    #[test]
    fn nothing_large_starves(memory in 1_u64..=4, runtimes in prop::collection::vec(1_u64..400, 40)) {
        let mut world = world(1024);
        let small = key("small", "s");
        let mut running: Vec<(u64, Number)> = Vec::new();
        let mut clock = 0;
        let mut large = None;
        for turn in 0..4000_usize {
            if turn == 20 {
                large = Some(world.arrive(&key("large", &format!("l:{}", memory * 256))));
            }
            while world.pool.waiting() < 10 {
                world.arrive(&small);
            }
            while !world.removing.is_empty() {
                world.removed(0);
            }
            while !world.creating.is_empty() {
                world.create();
            }
            let known: Vec<_> = running.iter().map(|(_, number)| *number).collect();
            for number in world.leases.keys().filter(|number| !known.contains(number)) {
                running.push((clock + runtimes[turn % runtimes.len()], *number));
            }
            if large.is_some_and(|large| world.has(large)) {
                return Ok(());
            }
            running.sort_unstable();
            let Some((end, number)) = running.first().copied() else { continue };
            running.remove(0);
            world.pass(Duration::from_millis(end.saturating_sub(clock)));
            clock = clock.max(end);
            world.run(number);
        }
        prop_assert!(false, "it starved: {:?}", world.refused);
    }
}

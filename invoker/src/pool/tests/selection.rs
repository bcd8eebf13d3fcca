use super::*;

#[test]
fn warm_comes_before_cold_and_the_most_recent_first() {
    let mut world = world(1024);
    let hello = key("guest", "hello");
    let first = world.arrive(&hello);
    let second = world.arrive(&hello);
    world.create();
    world.create();
    let last = world.leases[&second].container;
    world.run(first);
    world.run(second);
    let third = world.arrive(&hello);
    assert_eq!(world.leases[&third].container, last);
    assert_eq!(world.leases[&third].start, Start::Warmed);
    assert!(world.creating.is_empty());
    world.check();
}

#[test]
fn containers_are_of_one_namespace_and_revision() {
    let mut world = world(1024);
    let hello = key("guest", "hello");
    world.warm_up(&hello);
    for other in [key("other", "hello"), revised(&hello, "2-b"), key("guest", "hallo")] {
        let number = world.arrive(&other);
        assert!(!world.has(number), "{other:?}");
        world.create();
        assert_eq!(world.leases[&number].start, Start::Cold);
    }
    world.check();
}

#[test]
fn whichever_comes_first_serves() {
    let mut world = world(1024);
    let hello = key("guest", "hello");
    let first = world.arrive(&hello);
    world.create();
    let second = world.arrive(&hello);
    assert_eq!(world.creating.len(), 1);
    world.run(first);
    assert!(world.has(second), "the warm container was free before the new one was there");
    world.create();
    let third = world.arrive(&hello);
    assert_eq!(world.leases[&third].start, Start::Prewarmed, "the new one is left for the next");
    world.check();
}

#[test]
fn a_left_over_container_serves_another_action_of_its_shape() {
    let mut world = world(1024);
    let first = world.arrive(&key("guest", "a"));
    world.create();
    world.arrive(&key("guest", "a"));
    world.run(first);
    world.create();
    let other = world.arrive(&key("other", "b"));
    assert_eq!(world.leases[&other].start, Start::Prewarmed);
    let larger = world.arrive(&key("other", "c:512"));
    assert!(!world.has(larger));
    world.check();
}

#[test]
fn room_is_made_by_evicting_the_least_recently_used() {
    let mut world = world(512);
    let old = world.warm_up(&key("guest", "old"));
    world.warm_up(&key("guest", "young"));
    let number = world.arrive(&key("guest", "new"));
    assert_eq!(world.removing, [old]);
    assert!(world.creating.is_empty(), "its memory is not free yet");
    world.removed(0);
    world.create();
    assert_eq!(world.leases[&number].start, Start::Recreated);
    world.check();
}

#[test]
fn greedy_dual_evicts_what_is_worth_least() {
    let mut world = greedy_dual(512);
    let popular = key("guest", "popular");
    world.warm_up(&popular);
    for _ in 0..5 {
        world.warm_up(&popular);
    }
    let rare = world.warm_up(&key("guest", "rare"));
    world.arrive(&key("guest", "new"));
    assert_eq!(world.removing, [rare], "though it was used last");
    world.check();
}

#[test]
fn concurrent_activations_share_a_container() {
    let mut world = world(256);
    let shared = key("guest", "shared:256:3");
    let numbers: Vec<_> = (0..4).map(|_| world.arrive(&shared)).collect();
    assert_eq!(
        world.creating.len(),
        1,
        "one container is on its way for three of them, and a second does not fit"
    );
    world.create();
    assert!(world.has(numbers[0]) && !world.has(numbers[1]), "the first initialises it");
    world.initialise(numbers[0]);
    assert!(world.has(numbers[1]) && world.has(numbers[2]) && !world.has(numbers[3]));
    world.check();
    world.finish(numbers[1], Release::Keep);
    assert!(world.has(numbers[3]));
    world.check();
}

#[test]
fn a_failed_activation_closes_its_container_for_others() {
    let mut world = world(512);
    let shared = key("guest", "shared:256:2");
    let first = world.arrive(&shared);
    world.create();
    world.initialise(first);
    let second = world.arrive(&shared);
    world.finish(first, Release::Destroy);
    assert!(world.removing.is_empty(), "the other one still runs");
    let third = world.arrive(&shared);
    assert!(!world.has(third));
    world.finish(second, Release::Keep);
    assert_eq!(world.removing.len(), 1);
    world.check();
}

#[test]
fn a_failed_creation_fails_one_who_waits() {
    let mut world = world(1024);
    let hello = key("guest", "hello");
    let (first, second) = (world.arrive(&hello), world.arrive(&hello));
    world.fail_creation(1);
    assert_eq!(world.failed, [first]);
    world.create();
    assert!(world.has(second));
    world.check();
}

#[test]
fn what_can_never_fit_is_refused() {
    let mut world = world(256);
    let number = world.arrive(&key("guest", "big:512"));
    assert_eq!(world.refused, [(number, Refusal::TooLarge { total: 256 })]);
    world.check();
}

#[test]
fn the_queue_is_bounded_in_all_and_for_each_namespace() {
    let mut config = config(256);
    config.queue.max = 3;
    config.queue.max_per_namespace = 2;
    let mut world = World::new(&config);
    for namespace in ["one", "one", "one", "two", "two"] {
        world.arrive(&key(namespace, "a"));
    }
    let refusals: Vec<_> = world.refused.iter().map(|(_, refusal)| *refusal).collect();
    assert_eq!(refusals, [Refusal::NamespaceQueueFull { max: 2 }, Refusal::QueueFull { max: 3 }]);
    world.check();
}

#[test]
fn a_flood_shares_with_a_newcomer() {
    let mut world = world(1024);
    let flood = key("flood", "a");
    let numbers: Vec<_> = (0..40).map(|_| world.arrive(&flood)).collect();
    while !world.creating.is_empty() {
        world.create();
    }
    let mine: Vec<_> = (0..4).map(|_| world.arrive(&key("mine", "b"))).collect();
    // Three of the flood's containers end a run; two of them are taken for the newcomer.
    for number in &numbers[..3] {
        world.run(*number);
        world.check();
    }
    while !world.removing.is_empty() {
        world.removed(0);
    }
    while !world.creating.is_empty() {
        world.create();
    }
    let served = mine.iter().filter(|number| world.has(**number)).count();
    assert_eq!(served, 2, "half of the four containers");
    let flooding = numbers.iter().filter(|number| world.has(**number)).count();
    assert_eq!(flooding, 2, "and the other half stays");
}

#[test]
fn a_large_request_blocks_nobody_and_gets_its_turn() {
    let mut world = world(512);
    let small: Vec<_> = (0..2).map(|_| world.arrive(&key("small", "s"))).collect();
    world.create();
    world.create();
    let large = world.arrive(&key("large", "l:512"));
    let third = world.arrive(&key("small", "s"));
    world.run(small[0]);
    assert!(world.has(third) && !world.has(large), "the small one is not held up");
    world.check();
    // When it was overtaken and its patience is over, nobody else is served.
    world.pass(Duration::from_secs(6));
    let fourth = world.arrive(&key("small", "s"));
    world.run(small[1]);
    world.run(third);
    assert!(!world.has(fourth));
    while !world.removing.is_empty() {
        world.removed(0);
    }
    world.create();
    assert!(world.has(large));
    world.check();
    world.run(large);
    world.removed(0);
    world.create();
    assert!(world.has(fourth));
    world.check();
}

#[test]
fn an_update_removes_what_is_idle_at_once_and_the_rest_later() {
    let mut world = world(1024);
    let hello = key("guest", "hello");
    let idle = world.warm_up(&hello);
    let busy = world.arrive(&hello);
    let other = world.warm_up(&key("other", "hello"));
    let changed = ChangedAction { id: hello.action.id.clone(), current: None };
    let effects = world.pool.invalidate(&changed, world.now);
    world.apply(effects);
    assert_eq!(world.removing, [other]);
    world.finish(busy, Release::Keep);
    assert_eq!(world.removing, [other, idle]);
    world.check();
}

#[test]
fn late_word_of_an_update_spares_the_containers_of_what_it_is_now() {
    let mut world = world(1024);
    let hello = key("guest", "hello");
    let current = Some(hello.action.revision.clone());
    let idle = world.warm_up(&hello);
    let busy = world.arrive(&hello);
    let changed = ChangedAction { id: hello.action.id.clone(), current };
    let effects = world.pool.invalidate(&changed, world.now);
    world.apply(effects);
    world.finish(busy, Release::Keep);
    assert!(world.removing.is_empty());
    let newer = ChangedAction { current: Some(Revision("newer".to_owned())), ..changed };
    let effects = world.pool.invalidate(&newer, world.now);
    world.apply(effects);
    assert_eq!(world.removing, [idle]);
    world.check();
}

#[test]
fn a_closed_pool_gives_everything_up() {
    let mut world = world(512);
    let hello = key("guest", "hello");
    world.warm_up(&key("guest", "idle"));
    let busy = world.arrive(&hello);
    world.create();
    world.initialise(busy);
    let waiting = world.arrive(&key("guest", "big:512"));
    let effects = world.pool.close(world.now);
    world.apply(effects);
    assert_eq!(world.refused, [(waiting, Refusal::Closed)]);
    assert_eq!(world.removing.len(), 1);
    world.finish(busy, Release::Keep);
    assert_eq!(world.removing.len(), 2);
    world.removed(0);
    world.removed(0);
    assert_eq!(world.pool.memory().used, 0);
    let late = world.arrive(&hello);
    assert_eq!(world.refused.last(), Some(&(late, Refusal::Closed)));
}

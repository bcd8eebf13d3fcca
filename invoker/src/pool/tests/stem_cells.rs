use super::*;
use crate::config::{PrewarmConfig, ReactiveConfig, StemCellConfig};

fn with_stem_cells(memory: u64, reactive: Option<ReactiveConfig>) -> World {
    let template = key("guest", "a");
    let cell = StemCellConfig {
        kind: template.action.kind.clone(),
        image: template.action.image.clone(),
        memory: 256,
        initial_count: 2,
        reactive,
    };
    let prewarm = PrewarmConfig { stem_cells: vec![cell], ..PrewarmConfig::default() };
    World::new(&InvokerConfig { prewarm, ..config(memory) })
}

fn reactive() -> ReactiveConfig {
    let ttl = Duration::from_secs(120);
    ReactiveConfig { min_count: 1, max_count: 3, ttl, threshold: 2, increment: 1 }
}

#[test]
fn one_that_is_used_is_replaced() {
    let mut world = with_stem_cells(1024, None);
    assert_eq!(world.creating.len(), 2);
    world.create();
    world.create();
    let number = world.arrive(&key("guest", "a"));
    assert_eq!(world.leases[&number].start, Start::Prewarmed);
    assert_eq!(world.creating.len(), 1);
    world.check();
}

#[test]
fn another_size_or_a_shared_action_does_not_get_one() {
    let mut world = with_stem_cells(2048, None);
    world.create();
    world.create();
    for other in [key("guest", "a:128"), key("guest", "a:256:2")] {
        let number = world.arrive(&other);
        assert!(!world.has(number), "{other:?}");
    }
    world.check();
}

#[test]
fn they_give_way_to_whoever_waits_and_come_back() {
    let mut world = with_stem_cells(512, None);
    world.create();
    world.create();
    let large = world.arrive(&key("guest", "large:512"));
    assert_eq!(world.removing.len(), 2);
    world.removed(0);
    world.removed(0);
    assert_eq!(world.creating.len(), 1, "no stem cell before the one who waits");
    world.create();
    world.initialise(large);
    world.finish(large, Release::Destroy);
    world.removed(0);
    assert_eq!(world.creating.len(), 2);
    world.check();
}

#[test]
fn failures_stop_them_until_the_next_check() {
    let mut world = with_stem_cells(512, None);
    let mut attempts = 0;
    while !world.creating.is_empty() {
        world.fail_creation(0);
        attempts += 1;
        assert!(attempts < 50, "it never gives up");
    }
    assert!(attempts > 5);
    world.check();
    world.pass(Duration::from_secs(600));
    assert_eq!(world.creating.len(), 2);
}

#[test]
fn reactive_ones_follow_the_cold_starts() {
    let mut world = with_stem_cells(2048, Some(reactive()));
    world.create();
    world.create();
    // Six at once: two find stem cells (of which one is replaced), four start cold.
    let numbers: Vec<_> = (0..6).map(|_| world.arrive(&key("guest", "a"))).collect();
    while !world.creating.is_empty() {
        world.create();
    }
    for number in numbers {
        world.initialise(number);
        world.finish(number, Release::Destroy);
    }
    while !world.removing.is_empty() {
        world.removed(0);
    }
    world.pass(Duration::from_secs(600));
    while !world.creating.is_empty() {
        world.create();
    }
    assert_eq!(world.pool.memory().idle, 2 * 256, "four cold starts want two");
    world.check();
    // Without cold starts only the least is wanted; what is above goes when it is old.
    world.pass(Duration::from_secs(600));
    assert_eq!(world.removing.len(), 1);
    world.check();
}

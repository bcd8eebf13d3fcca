//! What a fleet admits does not depend on how many controllers there are.

use std::time::Duration;

use oxwhisk_loadbalancer::balancer::LineConfig;
use oxwhisk_loadbalancer::{PROBES, PolicyName};
use oxwhisk_simulator::{Job, Settings, Summary, World, load};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const CONTROLLERS: [usize; 3] = [1, 2, 4];

fn settings(controllers: usize, invokers: usize, seed: u64) -> Settings {
    let line = LineConfig { max: 10_000, max_per_namespace: 10_000, wait_limit: Duration::from_secs(3600) };
    Settings { line, seed, ..Settings::new(controllers, invokers, 1024) }
}

/// As many jobs of one size as come within a second, for random controllers.
fn burst(jobs: usize, controllers: usize, actions: usize, slots: u32, seed: u64) -> Vec<Job> {
    let mut rng = StdRng::seed_from_u64(seed);
    let job = |_| {
        let action = rng.random_range(0..actions);
        Job {
            key: load::key(&format!("ns{}", action % 3), &format!("a{action}"), 256, slots).unwrap(),
            arrives: rng.random_range(0..1_000_000),
            runs: rng.random_range(1_000..3_000_000),
            controller: rng.random_range(0..controllers),
        }
    };
    (0..jobs).map(job).collect()
}

fn run(settings: Settings, jobs: Vec<Job>) -> Summary {
    let count = jobs.len();
    let (summary, ended) = World::new(settings, jobs).run();
    assert_eq!((summary.done, summary.refused, summary.lost, ended.len()), (count, 0, 0, count));
    summary
}

#[test]
fn one_two_and_four_controllers_fill_the_whole_fleet() {
    for policy in PolicyName::ALL {
        let summaries = CONTROLLERS.map(|controllers| {
            let settings = Settings { policy, ..settings(controllers, 10, 7) };
            run(settings, burst(400, controllers, 12, 1, 3))
        });
        for summary in &summaries {
            assert_eq!(summary.peak_busy, 10 * 1024, "{policy:?}: every megabyte was at work");
        }
        let ends = summaries.map(|summary| summary.ended_at);
        let (first, last) = (ends.iter().min().unwrap(), ends.iter().max().unwrap());
        assert!(last - first < first / 5, "{policy:?}: in about the same time: {ends:?}");
    }
}

#[test]
fn one_controller_alone_may_use_the_whole_fleet() {
    let mut jobs = burst(200, 4, 12, 1, 5);
    jobs.iter_mut().for_each(|job| job.controller = 2);
    assert_eq!(run(settings(4, 8, 1), jobs).peak_busy, 8 * 1024);
}

#[test]
fn containers_that_take_several_at_once_are_filled() {
    let summary = run(settings(2, 1, 1), burst(100, 2, 1, 10, 5));
    // 4 containers of 10 slots: 100 jobs need at least two and a half rounds, 400 one by one.
    assert!(summary.ended_at < 20_000_000, "{}", summary.ended_at);
}

/// While nothing is on its way, nobody waits for room that an asked invoker has, and no invoker knows of a want that is not
/// there any more.
fn check_quiet(world: &World, memory: u64) -> Result<(), TestCaseError> {
    if world.in_flight() == 0 && world.waiting() == 0 {
        prop_assert_eq!(world.wanted(), 0);
    }
    if world.in_flight() == 0 && world.held() == 0 && world.waiting() > 0 {
        prop_assert!(
            world.largest_room() < memory,
            "{} MB free, {} wait",
            world.largest_room(),
            world.waiting()
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn nobody_waits_for_room_that_is_there(
        seed in any::<u64>(),
        controllers in 1_usize..5,
        invokers in 1_usize..=PROBES,
        actions in 1_usize..8,
        slots in 1_u32..4,
    ) {
        let jobs = burst(80, controllers, actions, slots, seed);
        let mut world = World::new(settings(controllers, invokers, seed), jobs);
        while world.step() {
            check_quiet(&world, 256)?;
        }
        prop_assert_eq!((world.summary().done, world.waiting(), world.held()), (80, 0, 0));
    }

    #[test]
    fn a_dead_controller_leaves_neither_wants_nor_offers(
        seed in any::<u64>(),
        at in 0_u64..2_000_000,
    ) {
        let jobs = burst(120, 3, 5, 1, seed);
        let mut world = World::new(settings(3, 2, seed), jobs);
        world.kill_at(at, 1);
        while world.step() {
            check_quiet(&world, 256)?;
        }
        while world.in_flight() > 0 && world.step() {}
        let summary = world.summary();
        prop_assert_eq!(summary.done + summary.lost, 120);
        prop_assert_eq!((summary.refused, world.waiting()), (0, 0));
    }

    #[test]
    fn a_short_line_refuses_and_forgets_nothing(seed in any::<u64>(), max in 1_usize..20) {
        let line = LineConfig { max, max_per_namespace: max, wait_limit: Duration::from_millis(300) };
        let settings = Settings { line, ..settings(2, 2, seed) };
        let (summary, _) = World::new(settings, burst(200, 2, 5, 1, seed)).run();
        prop_assert_eq!(summary.done + summary.refused, 200);
        prop_assert!(summary.refused > 0);
    }
}

//! Limits hold for the whole cluster.

use oxwhisk_throttle::Limits;
use proptest::prelude::*;

use crate::cluster::Cluster;

const MINUTE: u64 = 60_000;

fn limits(per_minute: u64, concurrent: u64) -> Limits {
    Limits { per_minute, concurrent: Some(concurrent) }
}

/// Requests at random nodes and times until `end`, for every account.
fn flood(cluster: &mut Cluster, nodes: usize, accounts: usize, requests: u64, end: u64, holds: u64) {
    for account in 0..accounts {
        for _ in 0..requests {
            let (time, node) = (1_000 + cluster.random(end - 1_000), cluster.random(nodes as u64));
            let holds = 1 + cluster.random(holds);
            cluster.request_at(time, usize::try_from(node).unwrap(), account, holds);
        }
    }
}

/// What was admitted in the minutes that were flooded from their begin to their end.
fn full_minutes(cluster: &Cluster, account: usize) -> Vec<u64> {
    let mut minutes: Vec<u64> = cluster
        .admitted
        .iter()
        .filter(|((of, _), _)| *of == account)
        .map(|(_, admitted)| *admitted)
        .collect();
    // The tests begin shortly before a minute ends.
    minutes.remove(0);
    minutes
}

#[test]
fn small_rates_are_exact() {
    for nodes in [1, 2, 4] {
        let mut cluster = Cluster::new(nodes, &[limits(60, 1000), limits(7, 1000), limits(63, 1000)], 40, 3);
        flood(&mut cluster, nodes, 3, 900, 2 * MINUTE, 200);
        cluster.run_until(2 * MINUTE + 2_000);
        cluster.check_minutes();
        for (account, limit) in [(0, 60), (1, 7), (2, 63)] {
            assert_eq!(full_minutes(&cluster, account), [limit, limit], "{nodes} nodes");
        }
        assert_eq!(cluster.unavailable, 0);
    }
}

#[test]
fn larger_rates_are_within_five_percent() {
    for nodes in [1, 2, 4] {
        let of = [limits(64, 10_000), limits(600, 10_000), limits(5_000, 10_000)];
        let mut cluster = Cluster::new(nodes, &of, 20, 5);
        flood(&mut cluster, nodes, 3, 15_000, 2 * MINUTE, 200);
        cluster.run_until(2 * MINUTE + 2_000);
        cluster.check_minutes();
        for (account, limits) in of.iter().enumerate() {
            for admitted in full_minutes(&cluster, account) {
                assert!(
                    admitted * 100 >= limits.per_minute * 95,
                    "{nodes}: {admitted} of {}",
                    limits.per_minute
                );
            }
        }
    }
}

#[test]
fn concurrency_is_filled_and_never_passed() {
    for nodes in [1, 2, 4] {
        let of = [limits(100_000, 1), limits(100_000, 30), limits(100_000, 64), limits(100_000, 1000)];
        let mut cluster = Cluster::new(nodes, &of, 20, 7);
        // Nothing ends before the limit is reached.
        for account in 0..of.len() {
            for number in 0..1500 {
                let node = usize::try_from(cluster.random(nodes as u64)).unwrap();
                cluster.request_at(2_500 + number, node, account, 60_000);
            }
        }
        cluster.run_until(10_000);
        for (account, limits) in of.iter().enumerate() {
            let (held, limit) = (cluster.held(account), limits.concurrent.unwrap());
            assert!(held <= limit && held * 100 >= limit * 95, "{nodes} nodes: {held} of {limit}");
            assert!(limit >= 64 || held == limit, "{nodes} nodes: {held} of {limit}");
        }
        // All ends, and all of it can be had again, by one node alone.
        cluster.run_until(70_000);
        for account in 0..of.len() {
            (0..1500).for_each(|_| cluster.request_at(80_000, 0, account, 1_000));
        }
        cluster.run_until(80_900);
        for (account, limits) in of.iter().enumerate() {
            assert_eq!(cluster.held(account), limits.concurrent.unwrap(), "{nodes} nodes");
        }
    }
}

#[test]
fn larger_limits_take_fewer_messages() {
    let mut cluster = Cluster::new(4, &[limits(100_000, 10_000)], 1, 9);
    flood(&mut cluster, 4, 1, 50_000, 55_000, 200);
    cluster.run_until(58_000);
    let admitted: u64 = cluster.admitted.values().sum();
    assert_eq!(admitted, 50_000);
    assert!(cluster.messages < admitted / 5, "{} messages for {admitted}", cluster.messages);
}

#[test]
fn fires_have_no_slots() {
    let mut cluster = Cluster::new(2, &[Limits { per_minute: 10, concurrent: None }], 5, 1);
    for number in 0..30 {
        cluster.request_at(5_000 + number, usize::try_from(number % 2).unwrap(), 0, 0);
    }
    cluster.run_until(10_000);
    assert_eq!((cluster.admitted.values().sum::<u64>(), cluster.refused_rate[&0]), (10, 20));
}

#[test]
fn a_dead_owner_delays_its_accounts_and_no_limit_is_passed() {
    let of: Vec<Limits> = (0..12).map(|_| limits(100_000, 20)).collect();
    let mut cluster = Cluster::new(3, &of, 20, 11);
    flood(&mut cluster, 2, 12, 3_000, 30_000, 500);
    cluster.kill_at(10_000, 2);
    for node in 0..2 {
        cluster.members_at(12_000 + node as u64 * 150, node, &[0, 1]);
    }
    cluster.run_until(14_000);
    let unavailable = cluster.unavailable;
    cluster.run_until(35_000);
    assert_eq!(cluster.unavailable, unavailable, "from then on there is an owner for all");
    assert!(cluster.peak.values().all(|peak| *peak == 20), "{:?}", cluster.peak);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_limit_is_passed_while_members_come_and_go(
        seed in any::<u64>(),
        delay in 0_u64..120,
        per_minute in prop::sample::select(vec![1_u64, 20, 63, 64, 200, 1000]),
        concurrent in prop::sample::select(vec![1_u64, 5, 30, 63, 64, 300]),
        changes in prop::collection::vec((0_u64..4_000, 1_usize..=4), 0..6),
        cuts in prop::collection::vec((0_u64..60_000, 0_usize..4, 0_usize..4), 0..6),
    ) {
        let of = [limits(per_minute, concurrent), limits(per_minute, 100_000), limits(100_000, concurrent)];
        let mut cluster = Cluster::new(4, &of, delay, seed);
        flood(&mut cluster, 4, 3, 1_500, 70_000, 2_000);
        // Nobody dies: members of every view hear of it within 300 ms; those left out go on asking under the old one, for
        // less than a lease: one change is over and heard of before the next.
        let mut time = 0;
        for (pause, count) in changes {
            time += 6_000 + pause;
            let members: Vec<usize> = (0..count).collect();
            for node in 0..count {
                let late = cluster.random(300);
                cluster.members_at(time + late, node, &members);
            }
            for node in 0..4 {
                let late = cluster.random(300);
                cluster.members_at(time + 2_000 + late, node, &[0, 1, 2, 3]);
            }
        }
        for (time, a, b) in cuts {
            if a != b {
                cluster.cut_at(time, a, b);
            }
        }
        cluster.run_until(75_000);
        cluster.check_minutes();
    }
}

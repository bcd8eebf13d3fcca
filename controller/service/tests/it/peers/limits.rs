//! Limits hold for all controllers together.

use std::time::Duration;

use futures_util::future::join_all;
use oxwhisk_controller::{InFlight, NotAdmitted};
use oxwhisk_controller_service::peers::PeerOptions;
use oxwhisk_throttle::{Account, Config, Kind, Limits, Violation};

use super::cluster::{Cluster, Node, Told, account, now, together, until};

/// A limit that nobody reaches here.
const MANY: u64 = 1_000_000;

fn at_once(concurrent: u64) -> Limits {
    Limits { per_minute: MANY, concurrent: Some(concurrent) }
}

/// So many requests at the same time, in turn at these controllers. Answers what was admitted, and how many broke which
/// limit.
async fn ask(
    nodes: &[Node],
    account: &Account,
    limits: Limits,
    count: usize,
) -> (Vec<InFlight>, usize, usize) {
    let asked = (0..count).map(|number| nodes[number % nodes.len()].admit(account, limits));
    let (mut admitted, mut rate, mut concurrency) = (Vec::new(), 0, 0);
    for answer in join_all(asked).await {
        match answer {
            Ok(in_flight) => admitted.push(in_flight),
            Err(NotAdmitted::Limit(Violation::Rate { .. })) => rate += 1,
            Err(NotAdmitted::Limit(Violation::Concurrency { .. })) => concurrency += 1,
            Err(NotAdmitted::Undecided) => panic!("nobody could decide"),
        }
    }
    assert_eq!(admitted.len() + rate + concurrency, count);
    (admitted, rate, concurrency)
}

/// How many of these requests a limit of a minute admits, in a minute that did not end meanwhile.
async fn in_one_minute(nodes: &[Node], kind: Kind, per_minute: u64, requests: usize) -> usize {
    let concurrent = (kind == Kind::Invocation).then_some(MANY);
    for attempt in 0..5 {
        let account = account(&format!("{kind:?}-{per_minute}-{attempt}"), kind);
        let minute = now() / 60_000;
        let (admitted, rate, concurrency) =
            ask(nodes, &account, Limits { per_minute, concurrent }, requests).await;
        assert_eq!((admitted.len() + rate, concurrency), (requests, 0));
        if now() / 60_000 == minute {
            return admitted.len();
        }
    }
    panic!("each of the attempts took more than a minute")
}

#[tokio::test]
async fn rates_below_64_are_exact_and_larger_ones_within_five_percent() {
    for count in [1, 2, 4] {
        let nodes = Cluster::new().of(count).await;
        for limit in [1_usize, 7, 63] {
            for kind in [Kind::Invocation, Kind::Fire] {
                let admitted = in_one_minute(&nodes, kind, limit as u64, limit * 2 + 8).await;
                assert_eq!(admitted, limit, "{count} controllers, {kind:?}");
            }
        }
        for limit in [64_usize, 600] {
            let admitted = in_one_minute(&nodes, Kind::Invocation, limit as u64, limit * 2).await;
            assert!(admitted <= limit && admitted * 100 >= limit * 95, "{count}: {admitted} of {limit}");
        }
    }
}

#[tokio::test]
async fn what_may_run_at_once_is_shared_and_comes_back() {
    for count in [1, 2, 4] {
        let nodes = Cluster::new().of(count).await;
        for limit in [1_usize, 20, 63, 64, 400] {
            let (account, limits) = (account(&format!("n{limit}"), Kind::Invocation), at_once(limit as u64));
            let (admitted, rate, refused) = ask(&nodes, &account, limits, limit * 2).await;
            let held = admitted.len();
            assert!(held <= limit && held * 100 >= limit * 95, "{count} controllers: {held} of {limit}");
            assert!(limit >= 64 || held == limit, "{count} controllers: {held} of {limit}");
            assert_eq!((held + refused, rate), (limit * 2, 0), "{count} controllers, limit {limit}");
            // All of it ends, and all of it can be had again, by one controller alone.
            drop(admitted);
            let last = nodes.last().unwrap();
            let mut again = Vec::new();
            until("all can be had again", async || {
                again.extend(last.admit(&account, limits).await.ok());
                (again.len() == limit).then_some(())
            })
            .await;
            assert!(last.admit(&account, limits).await.is_err(), "{count} controllers: more than {limit}");
        }
    }
}

#[tokio::test]
async fn who_gives_up_waiting_holds_nothing() {
    let nodes = Cluster::new().of(2).await;
    let limits = at_once(1);
    // One of these is decided by the other controller.
    for number in 0..8 {
        let account = account(&format!("n{number}"), Kind::Invocation);
        let asked = nodes[0].admit(&account, limits);
        // Asked, and dropped before there can be an answer.
        assert!(futures_util::FutureExt::now_or_never(asked).is_none_or(|decided| decided.is_ok()));
        until("the slot is free", async || nodes[1].admit(&account, limits).await.ok()).await;
    }
}

#[tokio::test]
async fn what_was_admitted_before_counts_beyond_the_limit_too() {
    let nodes = Cluster::new().of(2).await;
    let (account, limits) = (account("n", Kind::Invocation), at_once(3));
    let again: Vec<InFlight> = (0..4)
        .map(|number| std::sync::Arc::clone(&nodes[number % 2].throttles).readmit(account.clone(), limits))
        .collect();
    until("others know", async || nodes[0].admit(&account, limits).await.err()).await;
    until("others know", async || nodes[1].admit(&account, limits).await.err()).await;
    drop(again);
    until("it has ended", async || nodes[0].admit(&account, limits).await.ok()).await;
}

#[tokio::test]
async fn one_that_joins_gets_what_is_left() {
    let cluster = Cluster::new();
    let mut nodes = cluster.of(2).await;
    let accounts: Vec<Account> = (0..6).map(|n| account(&format!("n{n}"), Kind::Invocation)).collect();
    let mut held = Vec::new();
    for account in &accounts {
        held.push(ask(&nodes, account, at_once(20), 12).await.0);
    }
    nodes.push(cluster.start("controller2", 102).await);
    together(&nodes).await;
    for (account, held) in accounts.iter().zip(&held) {
        assert_eq!(held.len(), 12);
        let (more, _, refused) = ask(&nodes[2..], account, at_once(20), 12).await;
        assert_eq!((more.len(), refused), (8, 4));
    }
}

#[tokio::test]
async fn a_dead_controller_frees_what_it_held_and_its_namespaces_find_another_owner() {
    let cluster = Cluster::new();
    let mut nodes = cluster.of(3).await;
    let accounts: Vec<Account> = (0..6).map(|n| account(&format!("n{n}"), Kind::Invocation)).collect();
    // Four each.
    let mut held = Vec::new();
    for account in &accounts {
        held.push(ask(&nodes, account, at_once(20), 12).await.0);
    }
    let dead = nodes.pop().unwrap();
    let gone = Told::Gone(dead.identity.incarnation);
    // They are in order of the requests: every third one is the dead one's, and dies with it.
    for held in &mut held {
        let mut number = 0;
        for in_flight in held.extract_if(.., |_| {
            number += 1;
            number % 3 == 0
        }) {
            let _ = in_flight.into_slot();
        }
    }
    dead.kill().await;
    together(&nodes).await;
    for (account, held) in accounts.iter().zip(&held) {
        assert_eq!(held.len(), 8);
        let (more, _, refused) = ask(&nodes, account, at_once(20), 20).await;
        assert_eq!((more.len(), refused), (12, 8));
    }
    for node in &nodes {
        assert!(node.diary.has(&gone), "{:?}", node.diary.all());
    }
}

#[tokio::test]
async fn a_cut_connection_loses_no_count_and_no_controller() {
    let nodes = Cluster::new().of(2).await;
    let accounts: Vec<Account> = (0..6).map(|n| account(&format!("n{n}"), Kind::Invocation)).collect();
    let mut held: Vec<Vec<InFlight>> = accounts.iter().map(|_| Vec::new()).collect();
    for _ in 0..3 {
        for (account, held) in accounts.iter().zip(&mut held) {
            // In the middle of asking, and of giving back.
            let (asked, ()) = tokio::join!(ask(&nodes, account, at_once(20), 6), cut(&nodes));
            let mut more = asked.0;
            more.truncate(4);
            held.extend(more);
        }
    }
    for (account, held) in accounts.iter().zip(&mut held) {
        assert_eq!(held.len(), 12);
        // What was given back may not be known yet, but what is held is.
        until("all is taken", async || {
            let (more, _, _) = ask(&nodes, account, at_once(20), 2).await;
            held.extend(more);
            assert!(held.len() <= 20, "{}", held.len());
            (held.len() == 20).then_some(())
        })
        .await;
        let (more, _, refused) = ask(&nodes, account, at_once(20), 4).await;
        assert_eq!((more.len(), refused), (0, 4));
    }
    for node in &nodes {
        assert!(!node.diary.all().iter().any(|told| matches!(told, Told::Gone(_))), "{:?}", node.diary.all());
    }
}

#[tokio::test]
async fn parts_that_do_not_hear_each_other_decide_by_themselves_until_they_meet_again() {
    let mut cluster = Cluster::new();
    let throttles = Config { lease: Duration::from_millis(200), ..cluster.options.throttles };
    cluster.options = PeerOptions { silence: Duration::from_secs(1), throttles, ..cluster.options };
    let nodes = cluster.of(2).await;
    nodes.iter().for_each(|node| node.proxy.hold(true));
    for node in &nodes {
        until("it is alone", async || (node.diary.members() == 1).then_some(())).await;
    }
    let (account, limits) = (account("n", Kind::Invocation), at_once(1));
    let mut held = Vec::new();
    for node in &nodes {
        held.push(node.admit(&account, limits).await.expect("one for each part"));
        assert!(node.admit(&account, limits).await.is_err());
    }
    nodes.iter().for_each(|node| node.proxy.hold(false));
    together(&nodes).await;
    held.pop();
    for node in &nodes {
        assert!(node.admit(&account, limits).await.is_err(), "the other one is counted");
        assert!(!node.diary.all().iter().any(|told| matches!(told, Told::Gone(_))), "its heartbeats came");
    }
    held.pop();
    until("all have ended", async || nodes[0].admit(&account, limits).await.ok()).await;
}

async fn cut(nodes: &[Node]) {
    for node in nodes {
        node.proxy.cut();
        tokio::task::yield_now().await;
    }
}

use std::sync::Arc;

use super::steps::{JavaHash, generation_hash};
use super::*;

fn name(text: &str) -> EntityName {
    EntityName::new(text).unwrap()
}

fn action(text: &str) -> FullyQualifiedName {
    FullyQualifiedName::parse(text, &name("guest")).unwrap()
}

fn fleet(free: &[Option<u64>]) -> Vec<InvokerView> {
    let view = |(id, free): (u32, &Option<u64>)| InvokerView {
        id: InvokerId(id),
        usable: free.is_some(),
        free_memory: free.unwrap_or(0),
        kinds: Kinds::All,
    };
    (0..).zip(free).map(view).collect()
}

fn place(policy: &dyn Placement, free: &[Option<u64>], salt: u64) -> Candidates {
    let (invokers, steps) = (fleet(free), StepSizes::new(free.len()));
    let (namespace, action) = (name("guest"), action("guest/hello"));
    let request = PlacementRequest { salt, ..PlacementRequest::new(&namespace, &action, 256) };
    policy.place(PoolView { invokers: &invokers, steps: &steps }, &request)
}

/// Computed by a Python script from the formula of the sharding balancer: hash of the namespace, of the action, of both;
/// then for a pool of some size the step and the first places of the walk.
type Vector = (&'static str, &'static str, [i64; 3], &'static [(usize, usize, &'static [usize])]);

const VECTORS: &[Vector] = &[
    (
        "guest",
        "guest/hello",
        [98_708_952, 86_723_035, 13_198_339],
        &[
            (1, 1, &[0]),
            (2, 1, &[1, 0]),
            (3, 2, &[1, 0, 2]),
            (5, 2, &[4, 1, 3, 0]),
            (10, 3, &[9, 2, 5, 8]),
            (16, 3, &[3, 6, 9, 12]),
            (100, 73, &[39, 12, 85, 58]),
            (1000, 971, &[339, 310, 281, 252]),
        ],
    ),
    (
        "guest",
        "guest/utils/sort",
        [98_708_952, 1_860_765_907, 1_795_892_491],
        &[
            (3, 2, &[1, 0, 2]),
            (5, 2, &[1, 3, 0, 2]),
            (10, 3, &[1, 4, 7, 0]),
            (16, 3, &[11, 14, 1, 4]),
            (100, 73, &[91, 64, 37, 10]),
            (1000, 193, &[491, 684, 877, 70]),
        ],
    ),
    (
        "whisk.system",
        "whisk.system/utils/echo",
        [-1_796_040_243, 1_928_623_685, 435_753_080],
        &[
            (2, 1, &[0, 1]),
            (5, 3, &[0, 3, 1, 4]),
            (10, 7, &[0, 7, 4, 1]),
            (16, 5, &[8, 13, 2, 7]),
            (100, 29, &[80, 9, 38, 67]),
            (1000, 859, &[80, 939, 798, 657]),
        ],
    ),
    (
        "alice@example.com",
        "bob/pkg/act",
        [2_145_772_861, -1_593_772_171, 555_412_920],
        &[
            (5, 1, &[0, 1, 2, 3]),
            (10, 1, &[0, 1, 2, 3]),
            (16, 1, &[8, 9, 10, 11]),
            (100, 1, &[20, 21, 22, 23]),
            (1000, 853, &[920, 773, 626, 479]),
        ],
    ),
];

#[test]
fn homes_and_steps_are_those_of_the_formula() {
    for (namespace, full_name, [of_namespace, of_action, of_both], walks) in VECTORS {
        let (namespace, action) = (name(namespace), action(full_name));
        let request = PlacementRequest::new(&namespace, &action, 256);
        assert_eq!(i64::from(JavaHash::of(namespace.as_str()).0), *of_namespace);
        assert_eq!(i64::from(JavaHash::of(&action.to_string()).0), *of_action);
        let hash = generation_hash(&request);
        assert_eq!(i64::from(hash), *of_both);
        for (count, step, start) in *walks {
            let steps = StepSizes::new(*count);
            assert_eq!(steps.as_slice()[hash as usize % steps.as_slice().len()], *step);
            let walk: Vec<usize> = steps.walk(hash).take(4).collect();
            assert_eq!(walk, *start, "{namespace} {action} {count}");
        }
    }
}

#[test]
fn texts_hash_as_in_java() {
    assert_eq!(JavaHash::of("").0, 0);
    assert_eq!(JavaHash::of("a b/über").0, -1_554_075_585);
    // Outside the basic plane a character is two units.
    assert_eq!(JavaHash::of("u\u{1F600}").0, 1_885_336);
}

#[test]
fn steps_are_pairwise_coprime() {
    let steps = |count| StepSizes::new(count).as_slice().to_vec();
    assert_eq!(steps(0), [0_usize; 0]);
    assert_eq!(steps(1), [1]);
    assert_eq!(steps(2), [1]);
    assert_eq!(steps(3), [1, 2]);
    assert_eq!(steps(4), [1, 3]);
    assert_eq!(steps(5), [1, 2, 3]);
    assert_eq!(steps(9), [1, 2, 5, 7]);
    assert_eq!(steps(10), [1, 3, 7]);
    assert_eq!(steps(16), [1, 3, 5, 7, 11, 13]);
    assert_eq!((steps(1000).len(), steps(1000).last().copied()), (167, Some(997)));
}

#[test]
fn every_invoker_is_visited_once() {
    for count in 0..60 {
        let steps = StepSizes::new(count);
        for hash in [0, 1, 12345, 1 << 31, u32::MAX] {
            let mut seen: Vec<usize> = steps.walk(hash).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..count).collect::<Vec<_>>());
        }
    }
}

#[test]
fn pools_have_the_sizes_of_the_formula() {
    let sizes = |count| {
        let part = |blackbox| PoolFractions::default().part(count, blackbox);
        (part(false), part(true))
    };
    assert_eq!(sizes(0), (0..0, 0..0));
    assert_eq!(sizes(1), (0..1, 0..1));
    assert_eq!(sizes(2), (0..2, 1..2));
    assert_eq!(sizes(10), (0..9, 9..10));
    assert_eq!(sizes(11), (0..10, 10..11));
    assert_eq!(sizes(19), (0..18, 18..19));
    assert_eq!(sizes(20), (0..18, 18..20));
    assert_eq!(sizes(1000), (0..900, 900..1000));
    let both = PoolFractions { managed: 1.0, blackbox: 7.0 };
    assert_eq!((both.part(4, false), both.part(4, true)), (0..4, 0..4));
    let none = PoolFractions { managed: -1.0, blackbox: 0.0 };
    assert_eq!((none.part(4, false), none.part(4, true)), (0..1, 0..4));
}

#[test]
fn room_comes_first_and_unusable_invokers_never() {
    for policy in PolicyName::ALL.map(PolicyName::policy) {
        let all = place(&*policy, &[Some(512); 5], 7);
        assert_eq!((all.with_room().len(), all.all().len()), (PROBES, PROBES));
        let home = all.all()[0];
        let mut full_home = [Some(512); 5];
        full_home[home] = Some(0);
        assert!(!place(&*policy, &full_home, 7).all().contains(&home), "{policy:?}");
        let mut one_left = [Some(0); 5];
        one_left[home] = Some(256);
        let chosen = place(&*policy, &one_left, 7);
        assert_eq!((chosen.with_room(), chosen.all().len()), (&[home][..], PROBES), "{policy:?}");
        assert!(place(&*policy, &[None; 5], 7).all().is_empty());
        assert_eq!(place(&*policy, &[Some(0)], 7).all(), [0]);
        assert!(place(&*policy, &[], 7).all().is_empty());
    }
}

#[test]
fn the_home_invoker_comes_first() {
    assert_eq!(place(&HashPlacement, &[Some(512); 10], 0).all(), [9, 2, 5]);
    let mut some = [Some(512); 10];
    (some[9], some[5]) = (Some(0), None);
    assert_eq!(place(&HashPlacement, &some, 0).all(), [2, 8, 1]);
}

#[test]
fn the_least_loaded_are_taken_in_order() {
    let free = [Some(256), Some(1024), None, Some(512), Some(2048), Some(100)];
    assert_eq!(place(&LeastLoaded, &free, 0).all(), [4, 1, 3]);
}

#[test]
fn of_two_choices_the_freer_one_comes_first() {
    let free: Vec<Option<u64>> = (0..50).map(|n| Some(256 + n)).collect();
    let mut first = std::collections::BTreeSet::new();
    for salt in 0..200 {
        let chosen = place(&TwoChoices, &free, salt);
        let [a, b, _] = *chosen.all() else { panic!("three are chosen") };
        assert!(free[a] >= free[b]);
        first.insert(a);
    }
    assert!(first.len() > 25, "chance reaches most of them: {first:?}");
}

#[test]
fn a_free_slot_needs_no_memory_and_a_wrong_kind_is_never_asked() {
    let mut invokers = fleet(&[Some(0), Some(512), Some(512)]);
    invokers[1].kinds = Kinds::Only(Arc::new(["python:3".to_owned()].into()));
    let (namespace, action, steps) = (name("guest"), action("guest/hello"), StepSizes::new(3));
    let request = PlacementRequest {
        kind: Some("nodejs:20"),
        open: &[InvokerId(0)],
        ..PlacementRequest::new(&namespace, &action, 256)
    };
    let chosen = HashPlacement.place(PoolView { invokers: &invokers, steps: &steps }, &request);
    assert_eq!(chosen.with_room(), [0, 2]);
    assert_eq!(chosen.all(), [0, 2]);
}

#[test]
fn policies_have_names() {
    for name in PolicyName::ALL {
        assert_eq!(name.as_str().parse(), Ok(name));
    }
    let error = "random".parse::<PolicyName>().unwrap_err().to_string();
    assert_eq!(error, "'random' is not a placement policy; there are hash, least-loaded and two-choices");
}

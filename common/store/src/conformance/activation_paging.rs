//! Lists and counts of records.

use oxwhisk_core::name::EntityName;

use super::activation::{query, record};
use super::fresh_namespace;
use crate::{ActivationQuery, ActivationStore};

async fn store_starts(store: &dyn ActivationStore, namespace: &EntityName, starts: &[i64]) {
    let records: Vec<_> = starts.iter().map(|start| record(namespace, "a", *start)).collect();
    store.store(&records).await.unwrap();
}

/// Starts in the order of the list; both forms of the list must agree.
async fn starts(store: &dyn ActivationStore, query: &ActivationQuery) -> Vec<i64> {
    let start = |text: &String| {
        let entry: serde_json::Value = serde_json::from_str(text).expect("a JSON document");
        entry["start"].as_i64().expect("a start")
    };
    let summaries: Vec<i64> = store.summaries(query).await.unwrap().iter().map(start).collect();
    let documents: Vec<i64> = store.documents(query).await.unwrap().iter().map(start).collect();
    assert_eq!(summaries, documents);
    summaries
}

pub(super) async fn records_are_listed_last_started_first(store: &dyn ActivationStore) {
    let namespace = fresh_namespace();
    store_starts(store, &namespace, &[20, 40, 10, 30]).await;
    let all = query(&namespace, None);
    assert_eq!(starts(store, &all).await, [40, 30, 20, 10]);
    assert_eq!(starts(store, &ActivationQuery { skip: 1, limit: Some(2), ..all.clone() }).await, [30, 20]);
    assert_eq!(starts(store, &ActivationQuery { skip: 4, limit: Some(2), ..all.clone() }).await, [0; 0]);
    assert_eq!(store.count(&ActivationQuery { skip: 1, limit: Some(1), ..all }).await.unwrap(), 4);
    assert_eq!(starts(store, &query(&fresh_namespace(), None)).await, [0; 0]);
}

pub(super) async fn a_name_selects_with_its_package(store: &dyn ActivationStore) {
    let namespace = fresh_namespace();
    let records = [record(&namespace, "a", 1), record(&namespace, "p/a", 2), record(&namespace, "a", 3)];
    store.store(&records).await.unwrap();
    for (name, expected) in [("a", vec![3, 1]), ("p/a", vec![2]), ("b", vec![])] {
        let query = query(&namespace, Some(name));
        assert_eq!(store.count(&query).await.unwrap(), expected.len() as u64, "{name}");
        assert_eq!(starts(store, &query).await, expected, "{name}");
    }
}

pub(super) async fn both_ends_of_a_time_range_are_included(store: &dyn ActivationStore) {
    let namespace = fresh_namespace();
    store_starts(store, &namespace, &[10, 20, 30]).await;
    for (since, upto, expected) in [
        (Some(20), None, vec![30, 20]),
        (None, Some(20), vec![20, 10]),
        (Some(20), Some(20), vec![20]),
        (Some(11), Some(19), vec![]),
        (Some(30), Some(10), vec![]),
        (Some(i64::MIN), Some(i64::MAX), vec![30, 20, 10]),
    ] {
        let query = ActivationQuery { since, upto, ..query(&namespace, Some("a")) };
        assert_eq!(store.count(&query).await.unwrap(), expected.len() as u64, "{since:?}..{upto:?}");
        assert_eq!(starts(store, &query).await, expected, "{since:?}..{upto:?}");
    }
}

/// Spread over months and crowded within a second, so that every shortcut an implementation takes is taken.
pub(super) async fn every_page_of_every_range_is_right(store: &dyn ActivationStore) {
    const NOW: i64 = 1_760_000_000_000;
    let namespace = fresh_namespace();
    let crowded = (0..1500).map(|n| NOW + n % 7);
    let spread = (0..1500).map(|n| NOW - n * n * 4_000);
    let mut expected: Vec<i64> = crowded.chain(spread).collect();
    for batch in expected.chunks(500) {
        store_starts(store, &namespace, batch).await;
    }
    expected.sort_unstable_by(|a, b| b.cmp(a));
    let bounds = [None, Some(NOW - 3_000_000_000), Some(NOW - 70_000), Some(NOW), Some(NOW + 3)];
    for (since, upto) in bounds.iter().flat_map(|since| bounds.iter().map(move |upto| (*since, *upto))) {
        let within = |start: &&i64| {
            since.is_none_or(|since| **start >= since) && upto.is_none_or(|upto| **start <= upto)
        };
        let matching: Vec<i64> = expected.iter().filter(within).copied().collect();
        let query = ActivationQuery { since, upto, limit: Some(3), ..query(&namespace, None) };
        assert_eq!(store.count(&query).await.unwrap(), matching.len() as u64, "{since:?}..{upto:?}");
        for skip in [0, 999, 1001, 1234, 1499, 1500, 2100, 2998, 3000, u64::MAX] {
            let page: Vec<i64> =
                matching.iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)).take(3).copied().collect();
            let query = ActivationQuery { skip, ..query.clone() };
            assert_eq!(starts(store, &query).await, page, "{since:?}..{upto:?} from {skip}");
        }
    }
}

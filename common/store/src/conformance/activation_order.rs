//! Several records of one activation.

use oxwhisk_core::entity::Activation;
use oxwhisk_core::name::EntityName;
use oxwhisk_core::record::{RecordKind, RecordOrigin};

use super::activation::{WRITTEN, activation, query};
use super::fresh_namespace;
use crate::{ActivationQuery, ActivationStore, RecordDocument};

const fn result(run: u64, version: u32) -> RecordOrigin {
    RecordOrigin { kind: RecordKind::Result, run, version }
}

const LOST: RecordOrigin = RecordOrigin { kind: RecordKind::Lost, run: 9, version: 1 };

/// One activation, and records of it that can be told apart.
struct Several(Activation);

impl Several {
    fn new(namespace: &EntityName) -> Self {
        Self(activation(namespace, "a", 5))
    }

    /// Different for every origin.
    fn record(&self, origin: RecordOrigin) -> RecordDocument {
        let logs = vec![origin.to_string()];
        let record = Activation { logs, ..self.0.clone() };
        RecordDocument::from_activation(&record, WRITTEN).with_origin(origin)
    }

    /// As OpenWhisk, and earlier versions of ours, wrote them.
    fn of_unknown_origin(&self) -> RecordDocument {
        RecordDocument::from_activation(&Activation { logs: Vec::new(), ..self.0.clone() }, WRITTEN)
    }

    async fn stored(&self, store: &dyn ActivationStore) -> Option<String> {
        store.get(&self.0.namespace, self.0.activation_id).await.unwrap()
    }
}

pub(super) async fn a_record_written_twice_is_there_once(store: &dyn ActivationStore) {
    let namespace = fresh_namespace();
    let several = Several::new(&namespace);
    let (first, last) = (several.record(result(1, 1)), several.record(result(1, 2)));
    store.store(&[first.clone(), first.clone()]).await.unwrap();
    store.store(std::slice::from_ref(&first)).await.unwrap();
    assert_eq!(several.stored(store).await.as_deref(), Some(&*first.document));
    store.store(std::slice::from_ref(&last)).await.unwrap();
    for query in [query(&namespace, None), query(&namespace, Some("a"))] {
        assert_eq!(store.count(&query).await.unwrap(), 1);
        let from = ActivationQuery { since: Some(5), upto: Some(5), ..query.clone() };
        assert_eq!(store.count(&from).await.unwrap(), 1);
        assert_eq!(store.documents(&query).await.unwrap(), [&*last.document]);
    }
    assert_eq!(several.stored(store).await.as_deref(), Some(&*last.document));
}

pub(super) async fn the_first_record_stays(store: &dyn ActivationStore) {
    let namespace = fresh_namespace();
    let firsts = [Some(result(1, 1)), Some(LOST), None];
    for first in firsts {
        for later in [Some(result(2, 2)), Some(LOST), None, first] {
            for together in [false, true] {
                let several = Several::new(&namespace);
                let of = |origin: Option<RecordOrigin>| {
                    origin.map_or_else(|| several.of_unknown_origin(), |origin| several.record(origin))
                };
                let records = [of(first), of(later)];
                for batch in records.chunks(if together { 2 } else { 1 }) {
                    store.store(batch).await.unwrap();
                }
                let stored = several.stored(store).await;
                assert_eq!(stored.as_deref(), Some(&*records[0].document), "{first:?} {later:?} {together}");
            }
        }
    }
}

/// Later, however late, whatever came in between, and once.
pub(super) async fn its_own_run_completes_a_record(store: &dyn ActivationStore) {
    let several = Several::new(&fresh_namespace());
    for (origin, stays) in [
        (result(u64::MAX, 1), result(u64::MAX, 1)),
        (LOST, result(u64::MAX, 1)),
        (result(1, 7), result(u64::MAX, 1)),
        (result(u64::MAX, 3), result(u64::MAX, 3)),
        (result(u64::MAX, 2), result(u64::MAX, 3)),
        (result(u64::MAX, 3), result(u64::MAX, 3)),
        (result(u64::MAX, u32::MAX), result(u64::MAX, u32::MAX)),
        (result(1, u32::MAX), result(u64::MAX, u32::MAX)),
    ] {
        store.store(&[several.record(origin)]).await.unwrap();
        let stored = several.stored(store).await;
        assert_eq!(stored.as_deref(), Some(&*several.record(stays).document), "{origin}");
    }
}

pub(super) async fn a_batch_is_as_its_records_one_after_the_other(store: &dyn ActivationStore) {
    let (namespace, a, b) = (fresh_namespace(), |version| result(1, version), |version| result(2, version));
    let rows: &[(Option<RecordOrigin>, &[RecordOrigin], RecordOrigin)] = &[
        (None, &[a(1), a(2)], a(2)),
        (None, &[a(2), a(1)], a(2)),
        (None, &[a(1), b(1), a(2), b(2)], a(2)),
        (None, &[LOST, a(1), a(2)], LOST),
        (None, &[a(1), LOST, a(2)], a(2)),
        (Some(a(1)), &[b(1), a(2)], a(2)),
        (Some(a(1)), &[b(1), a(3), b(2), a(2), LOST], a(3)),
        (Some(a(2)), &[b(1), a(1)], a(2)),
        (Some(LOST), &[a(1), a(2)], LOST),
    ];
    for (before, batch, stays) in rows {
        let several = Several::new(&namespace);
        let before: Vec<_> = before.iter().map(|origin| several.record(*origin)).collect();
        store.store(&before).await.unwrap();
        let batch: Vec<_> = batch.iter().map(|origin| several.record(*origin)).collect();
        store.store(&batch).await.unwrap();
        let stored = several.stored(store).await;
        assert_eq!(stored.as_deref(), Some(&*several.record(*stays).document), "{before:?} {batch:?}");
    }
    assert_eq!(store.count(&query(&namespace, None)).await.unwrap(), rows.len() as u64);
}

pub(super) async fn a_completed_record_moves_in_its_lists(store: &dyn ActivationStore) {
    let namespace = fresh_namespace();
    let before = activation(&namespace, "a", 5);
    let elsewhere = activation(&namespace, "p/a", 5_000_000);
    let after = Activation { activation_id: before.activation_id, ..elsewhere };
    for (record, origin) in [(&before, result(1, 1)), (&after, result(1, 2)), (&before, result(1, 1))] {
        let record = RecordDocument::from_activation(record, WRITTEN).with_origin(origin);
        store.store(&[record]).await.unwrap();
    }
    let count =
        async |name, upto| store.count(&ActivationQuery { upto, ..query(&namespace, name) }).await.unwrap();
    assert_eq!((count(Some("a"), None).await, count(Some("p/a"), None).await), (0, 1));
    assert_eq!((count(None, Some(6)).await, count(None, None).await), (0, 1));
}

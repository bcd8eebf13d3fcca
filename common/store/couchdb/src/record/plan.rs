//! Which records are written, in which requests, and which of several records of the same activation stays.

use std::collections::HashMap;
use std::ops::Range;

use oxwhisk_core::record::{RecordKind, RecordOrigin};
use oxwhisk_store::RecordDocument;

use super::id_of;

/// What one batch has of one activation: a record of each run that may matter, the most complete one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Versions<'a> {
    /// Of the document.
    pub(super) id: String,
    /// The record that is written if there is none: that of the run whose record came first.
    pub(super) first: &'a RecordDocument,
    /// Records of other runs, for the case that one of them completes the record that is there.
    others: Vec<&'a RecordDocument>,
}

impl<'a> Versions<'a> {
    fn add(&mut self, record: &'a RecordDocument) {
        let Some(origin) = record.origin.filter(|origin| origin.kind == RecordKind::Result) else { return };
        let same_run = |known: &RecordDocument| {
            known.origin.is_some_and(|known| known.kind == RecordKind::Result && known.run == origin.run)
        };
        let mut all = std::iter::once(&mut self.first).chain(&mut self.others);
        match all.find(|known| same_run(known)) {
            Some(known) if record.completes(known.origin.as_ref()) => *known = record,
            Some(_) => {}
            None => self.others.push(record),
        }
    }

    /// The record that takes the place of the one that is there.
    pub(super) fn completing(&self, stored: Option<&RecordOrigin>) -> Option<&'a RecordDocument> {
        let mut all = std::iter::once(&self.first).chain(&self.others);
        all.find(|record| record.completes(stored)).copied()
    }
}

/// What a batch has of each activation, in the order in which the activations first came.
pub(super) fn by_activation(records: &[RecordDocument]) -> Vec<Versions<'_>> {
    let mut places: HashMap<String, usize> = HashMap::with_capacity(records.len());
    let mut activations: Vec<Versions<'_>> = Vec::with_capacity(records.len());
    for record in records {
        let id = id_of(&record.namespace, record.activation_id);
        match places.get(&id) {
            Some(place) => activations[*place].add(record),
            None => {
                places.insert(id.clone(), activations.len());
                activations.push(Versions { id, first: record, others: Vec::new() });
            }
        }
    }
    activations
}

/// Cuts a list into requests of at most `most` entries and `bytes` bytes; an entry that is larger goes alone.
pub(super) fn requests(sizes: &[usize], most: usize, bytes: usize) -> Vec<Range<usize>> {
    let mut requests = Vec::new();
    let (mut from, mut held) = (0, 0_usize);
    for (at, size) in sizes.iter().enumerate() {
        let is_full = at - from == most || held.saturating_add(*size) > bytes;
        if is_full && at > from {
            requests.push(from..at);
            (from, held) = (at, 0);
        }
        held = held.saturating_add(*size);
    }
    if from < sizes.len() {
        requests.push(from..sizes.len());
    }
    requests
}

#[cfg(test)]
mod tests {
    use oxwhisk_core::name::EntityName;
    use proptest::prelude::*;

    use super::*;

    fn record(id: u8, origin: Option<&str>) -> RecordDocument {
        RecordDocument {
            namespace: EntityName::new("ns").unwrap(),
            activation_id: format!("{id:032x}").parse().unwrap(),
            start: 0,
            filter_name: "a".to_owned(),
            summary: "{}".into(),
            document: "{}".into(),
            origin: origin.map(|origin| origin.parse().unwrap()),
        }
    }

    #[test]
    fn of_each_run_the_most_complete_record_counts() {
        let records = [
            record(1, Some("result:a:1")),
            record(2, None),
            record(1, Some("result:b:1")),
            record(1, Some("result:a:2")),
            record(1, Some("result:a:1")),
            record(2, Some("result:b:1")),
            record(1, Some("lost:c:1")),
            record(2, None),
            record(1, Some("result:b:2")),
        ];
        let versions = |id: usize, first: usize, other: usize| Versions {
            id: format!("ns/{id:032x}"),
            first: &records[first],
            others: vec![&records[other]],
        };
        let found = by_activation(&records);
        assert_eq!(found, [versions(1, 3, 8), versions(2, 1, 5)]);

        let completing =
            |stored: Option<&str>| found[0].completing(stored.map(|stored| stored.parse().unwrap()).as_ref());
        assert_eq!(completing(Some("result:a:1")), Some(&records[3]));
        assert_eq!(completing(Some("result:b:1")), Some(&records[8]));
        for stays in ["result:a:2", "result:b:2", "result:c:1", "lost:a:1"] {
            assert_eq!(completing(Some(stays)), None, "{stays}");
        }
        assert_eq!(completing(None), None);
    }

    #[test]
    fn requests_end_where_they_are_full() {
        assert_eq!(requests(&[1, 1, 1], 2, 100), [0..2, 2..3]);
        assert_eq!(requests(&[6, 5, 5, 20, 1], 9, 10), [0..1, 1..3, 3..4, 4..5]);
        assert_eq!(requests(&[], 2, 10), []);
    }

    proptest! {
        #[test]
        fn every_entry_is_in_one_request(
            sizes in prop::collection::vec(0_usize..30, 0..40), most in 1_usize..6, bytes in 1_usize..40,
        ) {
            let requests = requests(&sizes, most, bytes);
            let entries: Vec<usize> = requests.iter().cloned().flatten().collect();
            prop_assert_eq!(entries, (0..sizes.len()).collect::<Vec<_>>());
            for request in requests {
                let total: usize = sizes[request.clone()].iter().sum();
                prop_assert!(!request.is_empty() && request.len() <= most);
                prop_assert!(total <= bytes || request.len() == 1);
            }
        }
    }
}

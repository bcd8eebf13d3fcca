//! Which records are written, in which requests, and which of two records of the same activation stays.

use std::collections::HashMap;
use std::ops::Range;

use oxwhisk_core::json::Members;
use oxwhisk_store::RecordDocument;
use serde_json::value::RawValue;

use super::id_of;

/// One record for each activation, in the order in which the activations first came.
pub(super) fn latest(records: &[RecordDocument]) -> Vec<(String, &RecordDocument)> {
    let mut places: HashMap<String, usize> = HashMap::with_capacity(records.len());
    let mut latest: Vec<(String, &RecordDocument)> = Vec::with_capacity(records.len());
    for record in records {
        let id = id_of(&record.namespace, record.activation_id);
        match places.get(&id) {
            None => {
                places.insert(id.clone(), latest.len());
                latest.push((id, record));
            }
            Some(place) if supersedes(&record.document, &latest[*place].1.document) => {
                latest[*place].1 = record
            }
            Some(_) => {}
        }
    }
    latest
}

/// Whether a record takes the place of another of the same activation: unless that was written later, or has logs where
/// this one has none. A record with its logs often follows one without; one without that follows one with them is a
/// substitute, made by somebody who did not know.
pub(super) fn supersedes(ours: &str, theirs: &str) -> bool {
    let (ours, theirs) = (Facts::of(ours), Facts::of(theirs));
    let is_later = match (ours.updated, theirs.updated) {
        (Some(ours), Some(theirs)) => ours >= theirs,
        _ => true,
    };
    is_later && (ours.has_logs || !theirs.has_logs)
}

struct Facts {
    /// Milliseconds since the epoch.
    updated: Option<i64>,
    has_logs: bool,
}

impl Facts {
    fn of(document: &str) -> Self {
        let members: Option<&RawValue> = serde_json::from_str(document).ok();
        let members = members.and_then(|text| Members::read(text).ok()).unwrap_or_default();
        let logs = members.get("logs").map(RawValue::get).unwrap_or_default();
        let has_logs = logs.starts_with('[') && logs.trim_start_matches(['[', ' ', '\n', '\r', '\t']) != "]";
        Self { updated: members.number("updated"), has_logs }
    }
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

    fn record(id: u8, document: &str) -> RecordDocument {
        RecordDocument {
            namespace: EntityName::new("ns").unwrap(),
            activation_id: format!("{id:032x}").parse().unwrap(),
            start: 0,
            filter_name: "a".to_owned(),
            summary: "{}".into(),
            document: document.into(),
        }
    }

    #[test]
    fn the_later_record_stays() {
        for (ours, theirs, wins) in [
            (r#"{"updated":2,"logs":["x"]}"#, r#"{"updated":1,"logs":[]}"#, true),
            (r#"{"updated":2,"logs":["x"]}"#, r#"{"updated":2,"logs":["x"]}"#, true),
            (r#"{"updated":1,"logs":["x"]}"#, r#"{"updated":2,"logs":[]}"#, false),
            (r#"{"updated":2,"logs":[]}"#, r#"{"updated":1,"logs":["x"]}"#, false),
            (r#"{"updated":2,"logs":[ ]}"#, r#"{"updated":1,"logs":[]}"#, true),
            (r#"{"logs":[]}"#, r#"{"updated":1}"#, true),
            ("{}", "no JSON", true),
        ] {
            assert_eq!(supersedes(ours, theirs), wins, "{ours} {theirs}");
        }
    }

    #[test]
    fn of_each_activation_one_record_is_written() {
        let records = [
            record(1, r#"{"updated":1,"logs":[]}"#),
            record(2, r#"{"updated":5,"logs":[]}"#),
            record(1, r#"{"updated":2,"logs":["x"]}"#),
            record(2, r#"{"updated":4,"logs":[]}"#),
        ];
        let latest: Vec<&RecordDocument> = latest(&records).into_iter().map(|(_, record)| record).collect();
        assert_eq!(latest, [&records[2], &records[1]]);
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

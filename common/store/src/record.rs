//! An activation record on its way into a store.

use std::sync::Arc;

use oxwhisk_core::entity::{Activation, Response};
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::json::Members;
use oxwhisk_core::name::EntityName;
use serde_json::value::RawValue;

use crate::StoreError;

/// A record on its way into a store: what the indexes and lists need, and the document as it will be kept. Nothing that
/// only passes it on has to parse the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordDocument {
    /// The invoking namespace.
    pub namespace: EntityName,
    pub activation_id: ActivationId,
    /// Milliseconds since the epoch; lists are ordered by it, newest first.
    pub start: i64,
    /// What `?name=` compares with: `name`, `package/name` or `binding/name`.
    pub filter_name: String,
    /// The list entry ([`Activation::summary`]) as JSON.
    pub summary: Arc<str>,
    /// The stored form ([`Activation::to_document`]).
    pub document: Arc<str>,
}

/// How the text begins that stands where something was left out.
const LEFT_OUT: &str = "Left out";

/// First byte of an encoded record.
const FORMAT: u8 = 1;

/// Format, four lengths, start, id.
const HEADER: usize = 1 + 4 * 4 + 8 + 32;

/// Bytes that most records encode to, so that their buffer does not grow step by step.
const USUAL_SIZE: usize = 1536;

impl RecordDocument {
    /// `updated` is the time of writing in milliseconds since the epoch.
    #[must_use]
    pub fn from_activation(activation: &Activation, updated: i64) -> Self {
        Self {
            namespace: activation.namespace.clone(),
            activation_id: activation.activation_id,
            start: activation.start,
            filter_name: activation.filter_name(),
            summary: activation.summary().into(),
            document: activation.to_document(updated).into(),
        }
    }

    /// What [`RecordDocument::from_activation`] encodes to, without the copies that making one takes.
    #[must_use]
    pub fn encode_activation(activation: &Activation, updated: i64) -> Vec<u8> {
        let (namespace, filter_name) = (activation.namespace.as_str(), activation.filter_name());
        let mut bytes = Vec::with_capacity(HEADER + USUAL_SIZE);
        bytes.resize(HEADER, 0);
        bytes.extend_from_slice(namespace.as_bytes());
        bytes.extend_from_slice(filter_name.as_bytes());
        let texts = bytes.len();
        let summary = activation.write_summary_and_document(updated, &mut bytes);
        let document = bytes.len() - texts - summary;
        let lengths = [namespace.len(), filter_name.len(), summary, document];
        bytes[..HEADER].copy_from_slice(&header(lengths, activation.start, activation.activation_id));
        bytes
    }

    /// A shorter record in place of one that a store refuses: without its logs, then without its result, each time with
    /// a line that says so. `None` when there is nothing left to leave out.
    #[must_use]
    pub fn shortened(&self, reason: &str) -> Option<Self> {
        let mut activation = Activation::from_document(&self.document).ok()?;
        let left_out = |what: &str| format!("{LEFT_OUT}: {what} cannot be stored: {reason}");
        let shorter = if activation.logs.iter().any(|line| !line.starts_with(LEFT_OUT)) {
            activation.logs = vec![left_out("the logs")];
            activation
        } else {
            let result = activation.response.result.as_ref()?;
            if result.get().contains(LEFT_OUT) {
                return None;
            }
            let status = activation.response.status;
            Activation { response: Response::error(status, &left_out("the result")), ..activation }
        };
        let document: &RawValue = serde_json::from_str(&self.document).ok()?;
        let updated = Members::read(document).ok()?.number("updated").unwrap_or(0);
        Some(Self::from_activation(&shorter, updated))
    }

    /// One byte string, for the bus.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let parts = [self.namespace.as_str(), &self.filter_name, &self.summary, &self.document];
        encode(parts, self.start, self.activation_id)
    }

    /// Reads what [`RecordDocument::encode`] wrote.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let mut cursor = Cursor(bytes);
        if cursor.take(1)? != [FORMAT] {
            return Err(corrupt("it has an unknown format"));
        }
        let mut lengths = [0_usize; 4];
        for length in &mut lengths {
            *length = u32::from_le_bytes(cursor.array()?) as usize;
        }
        let start = i64::from_le_bytes(cursor.array()?);
        let activation_id = cursor.text(32)?.parse().map_err(|_| corrupt("it has no activation id"))?;
        let [namespace, filter_name, summary, document] = lengths;
        let namespace =
            EntityName::new(cursor.text(namespace)?).map_err(|_| corrupt("it has no namespace"))?;
        let filter_name = cursor.text(filter_name)?.to_owned();
        let (summary, document) = (cursor.text(summary)?.into(), cursor.text(document)?.into());
        match cursor.0 {
            [] => Ok(Self { namespace, activation_id, start, filter_name, summary, document }),
            _ => Err(corrupt("it is longer than it says")),
        }
    }
}

fn encode(parts: [&str; 4], start: i64, id: ActivationId) -> Vec<u8> {
    let lengths = parts.map(str::len);
    let mut bytes = Vec::with_capacity(HEADER + lengths.iter().sum::<usize>());
    bytes.extend_from_slice(&header(lengths, start, id));
    for part in parts {
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

fn header(lengths: [usize; 4], start: i64, id: ActivationId) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[0] = FORMAT;
    for (place, length) in header[1..].chunks_exact_mut(4).zip(lengths) {
        place.copy_from_slice(&(length as u32).to_le_bytes());
    }
    header[1 + 4 * 4..][..8].copy_from_slice(&start.to_le_bytes());
    header[1 + 4 * 4 + 8..].copy_from_slice(id.to_string().as_bytes());
    header
}

fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt(format!("an encoded activation record: {what}"))
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], StoreError> {
        let (head, rest) = self.0.split_at_checked(length).ok_or_else(|| corrupt("it ends too early"))?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        self.take(N)?.try_into().map_err(|_| corrupt("it ends too early"))
    }

    fn text(&mut self, length: usize) -> Result<&'a str, StoreError> {
        std::str::from_utf8(self.take(length)?).map_err(|_| corrupt("it is not text"))
    }
}

#[cfg(test)]
mod tests {
    use oxwhisk_core::entity::Status;
    use oxwhisk_core::parameters::Parameters;
    use oxwhisk_core::version::Version;

    use super::*;

    fn record() -> RecordDocument {
        RecordDocument {
            namespace: EntityName::new("me").unwrap(),
            activation_id: ActivationId::generate(),
            start: -5,
            filter_name: "pkg/a".to_owned(),
            summary: r#"{"name":"a"}"#.into(),
            document: r#"{"name":"a","logs":["é"]}"#.into(),
        }
    }

    #[test]
    fn a_record_decodes_as_it_was_encoded() {
        let record = record();
        assert_eq!(RecordDocument::decode(&record.encode()).unwrap(), record);
    }

    fn activation() -> Activation {
        let mut annotations = Parameters::new();
        annotations.set("path", "me/pkg/a");
        Activation {
            namespace: EntityName::new("me").unwrap(),
            name: EntityName::new("a").unwrap(),
            version: Version::FIRST,
            subject: "me".into(),
            activation_id: ActivationId::generate(),
            start: 5,
            end: 8,
            duration: Some(3),
            cause: None,
            response: Response::error(Status::ApplicationError, "no"),
            logs: vec!["2026 stdout: é".to_owned()],
            annotations,
            publish: false,
        }
    }

    #[test]
    fn a_refused_record_loses_its_logs_and_then_its_result() {
        let record = RecordDocument::from_activation(&activation(), 9);
        let without_logs = record.shortened("too large").unwrap();
        let read = |record: &RecordDocument| Activation::from_document(&record.document).unwrap();
        assert_eq!(read(&without_logs).logs, ["Left out: the logs cannot be stored: too large"]);
        assert_eq!(read(&without_logs).response.result.unwrap().get(), r#"{"error":"no"}"#);
        assert!(without_logs.document.contains(r#""updated":9"#));
        let without_result = without_logs.shortened("too large").unwrap();
        assert_eq!(read(&without_result).response.status, Status::ApplicationError);
        assert!(without_result.document.contains("Left out: the result cannot be stored"));
        assert_eq!(without_result.activation_id, record.activation_id);
        assert_eq!(without_result.shortened("too large"), None);
    }

    #[test]
    fn an_activation_is_encoded_as_the_document_made_of_it() {
        let activation = activation();
        let encoded = RecordDocument::encode_activation(&activation, 9);
        assert_eq!(encoded, RecordDocument::from_activation(&activation, 9).encode());
    }

    #[test]
    fn anything_shorter_or_longer_is_corrupt() {
        let bytes = record().encode();
        for length in 0..bytes.len() {
            assert!(
                matches!(RecordDocument::decode(&bytes[..length]), Err(StoreError::Corrupt(_))),
                "{length}"
            );
        }
        let longer = [bytes.as_slice(), b"x"].concat();
        assert!(matches!(RecordDocument::decode(&longer), Err(StoreError::Corrupt(_))));
    }
}

//! An activation record on its way into a store.

use std::sync::Arc;

use oxwhisk_core::entity::{Activation, Response};
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::json::Members;
use oxwhisk_core::name::EntityName;
use oxwhisk_core::record::{RecordKind, RecordOrigin};
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
    /// Where it comes from. `None` where that is not known: then it takes the place of no other record.
    pub origin: Option<RecordOrigin>,
}

/// How the text begins that stands where something was left out.
const LEFT_OUT: &str = "Left out";

/// First byte of an encoded record.
const FORMAT: u8 = 2;

/// First byte of one whose origin is not known, as earlier versions wrote them all: a spool may still hold some.
const FORMAT_WITHOUT_ORIGIN: u8 = 1;

/// Format, four lengths, start, id.
const HEADER: usize = 1 + 4 * 4 + 8 + 32;

/// Kind, run, version; behind the header.
const ORIGIN: usize = 1 + 8 + 4;

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
            origin: None,
        }
    }

    #[must_use]
    pub fn with_origin(self, origin: RecordOrigin) -> Self {
        Self { origin: Some(origin), ..self }
    }

    /// Whether it takes the place of the record that is stored, of that origin ([`RecordOrigin::completes`]).
    #[must_use]
    pub fn completes(&self, stored: Option<&RecordOrigin>) -> bool {
        self.origin.zip(stored).is_some_and(|(origin, stored)| origin.completes(stored))
    }

    /// What [`RecordDocument::from_activation`] with an origin encodes to, without the copies that making one takes.
    #[must_use]
    pub fn encode_activation(activation: &Activation, updated: i64, origin: RecordOrigin) -> Vec<u8> {
        let (namespace, filter_name) = (activation.namespace.as_str(), activation.filter_name());
        let mut bytes = Vec::with_capacity(HEADER + ORIGIN + USUAL_SIZE);
        bytes.resize(HEADER, 0);
        bytes.extend_from_slice(&origin_bytes(&origin));
        bytes.extend_from_slice(namespace.as_bytes());
        bytes.extend_from_slice(filter_name.as_bytes());
        let texts = bytes.len();
        let summary = activation.write_summary_and_document(updated, &mut bytes);
        let document = bytes.len() - texts - summary;
        let lengths = [namespace.len(), filter_name.len(), summary, document];
        bytes[..HEADER].copy_from_slice(&header(FORMAT, lengths, activation.start, activation.activation_id));
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
        Some(Self { origin: self.origin, ..Self::from_activation(&shorter, updated) })
    }

    /// One byte string, for the bus.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let parts = [self.namespace.as_str(), &self.filter_name, &self.summary, &self.document];
        let lengths = parts.map(str::len);
        let mut bytes = Vec::with_capacity(HEADER + ORIGIN + lengths.iter().sum::<usize>());
        let format = if self.origin.is_some() { FORMAT } else { FORMAT_WITHOUT_ORIGIN };
        bytes.extend_from_slice(&header(format, lengths, self.start, self.activation_id));
        bytes.extend(self.origin.iter().flat_map(origin_bytes));
        for part in parts {
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }

    /// Reads what [`RecordDocument::encode`] wrote.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let mut cursor = Cursor(bytes);
        let [format] = cursor.array()?;
        if ![FORMAT, FORMAT_WITHOUT_ORIGIN].contains(&format) {
            return Err(corrupt("it has an unknown format"));
        }
        let mut lengths = [0_usize; 4];
        for length in &mut lengths {
            *length = u32::from_le_bytes(cursor.array()?) as usize;
        }
        let start = i64::from_le_bytes(cursor.array()?);
        let activation_id = cursor.text(32)?.parse().map_err(|_| corrupt("it has no activation id"))?;
        let origin = if format == FORMAT { Some(cursor.origin()?) } else { None };
        let [namespace, filter_name, summary, document] = lengths;
        let namespace =
            EntityName::new(cursor.text(namespace)?).map_err(|_| corrupt("it has no namespace"))?;
        let filter_name = cursor.text(filter_name)?.to_owned();
        let (summary, document) = (cursor.text(summary)?.into(), cursor.text(document)?.into());
        match cursor.0 {
            [] => Ok(Self { namespace, activation_id, start, filter_name, summary, document, origin }),
            _ => Err(corrupt("it is longer than it says")),
        }
    }
}

fn header(format: u8, lengths: [usize; 4], start: i64, id: ActivationId) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[0] = format;
    for (place, length) in header[1..].chunks_exact_mut(4).zip(lengths) {
        place.copy_from_slice(&(length as u32).to_le_bytes());
    }
    header[1 + 4 * 4..][..8].copy_from_slice(&start.to_le_bytes());
    header[1 + 4 * 4 + 8..].copy_from_slice(id.to_string().as_bytes());
    header
}

fn origin_bytes(origin: &RecordOrigin) -> [u8; ORIGIN] {
    let mut bytes = [0; ORIGIN];
    bytes[0] = origin.kind.code();
    bytes[1..9].copy_from_slice(&origin.run.to_le_bytes());
    bytes[9..].copy_from_slice(&origin.version.to_le_bytes());
    bytes
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

    fn origin(&mut self) -> Result<RecordOrigin, StoreError> {
        let [kind] = self.array()?;
        let kind = RecordKind::from_code(kind).ok_or_else(|| corrupt("it comes from nowhere known"))?;
        let (run, version) = (u64::from_le_bytes(self.array()?), u32::from_le_bytes(self.array()?));
        Ok(RecordOrigin { kind, run, version })
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
            origin: Some(RecordOrigin { kind: RecordKind::Lost, run: u64::MAX, version: 7 }),
        }
    }

    #[test]
    fn a_record_decodes_as_it_was_encoded() {
        let record = record();
        assert_eq!(RecordDocument::decode(&record.encode()).unwrap(), record);
        let unknown = RecordDocument { origin: None, ..record };
        assert_eq!(RecordDocument::decode(&unknown.encode()).unwrap(), unknown);
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
        let origin = RecordOrigin { kind: RecordKind::Result, run: 1, version: 2 };
        let record = RecordDocument::from_activation(&activation(), 9).with_origin(origin);
        let without_logs = record.shortened("too large").unwrap();
        let read = |record: &RecordDocument| Activation::from_document(&record.document).unwrap();
        assert_eq!(read(&without_logs).logs, ["Left out: the logs cannot be stored: too large"]);
        assert_eq!(read(&without_logs).response.result.unwrap().get(), r#"{"error":"no"}"#);
        assert!(without_logs.document.contains(r#""updated":9"#));
        let without_result = without_logs.shortened("too large").unwrap();
        assert_eq!(read(&without_result).response.status, Status::ApplicationError);
        assert!(without_result.document.contains("Left out: the result cannot be stored"));
        assert_eq!(
            (without_result.activation_id, without_result.origin),
            (record.activation_id, Some(origin))
        );
        assert_eq!(without_result.shortened("too large"), None);
    }

    #[test]
    fn an_activation_is_encoded_as_the_document_made_of_it() {
        let activation = activation();
        let origin = RecordOrigin::of(RecordKind::Result, 5, &activation);
        let encoded = RecordDocument::encode_activation(&activation, 9, origin);
        assert_eq!(encoded, RecordDocument::from_activation(&activation, 9).with_origin(origin).encode());
    }

    #[test]
    fn anything_shorter_or_longer_is_corrupt() {
        for record in [record(), RecordDocument { origin: None, ..record() }] {
            let bytes = record.encode();
            for length in 0..bytes.len() {
                let read = RecordDocument::decode(&bytes[..length]);
                assert!(matches!(read, Err(StoreError::Corrupt(_))), "{length}");
            }
            let longer = [bytes.as_slice(), b"x"].concat();
            assert!(matches!(RecordDocument::decode(&longer), Err(StoreError::Corrupt(_))));
        }
    }
}

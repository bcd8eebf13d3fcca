//! An activation record on its way into a store.

use std::sync::Arc;

use oxwhisk_core::entity::Activation;
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::EntityName;

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

/// First byte of an encoded record.
const FORMAT: u8 = 1;

/// Format, four lengths, start, id.
const HEADER: usize = 1 + 4 * 4 + 8 + 32;

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
        encode(
            [
                activation.namespace.as_str(),
                &activation.filter_name(),
                &activation.summary(),
                &activation.to_document(updated),
            ],
            activation.start,
            activation.activation_id,
        )
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
    let mut bytes = Vec::with_capacity(HEADER + parts.iter().map(|part| part.len()).sum::<usize>());
    bytes.push(FORMAT);
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u32).to_le_bytes());
    }
    bytes.extend_from_slice(&start.to_le_bytes());
    bytes.extend_from_slice(id.to_string().as_bytes());
    for part in parts {
        bytes.extend_from_slice(part.as_bytes());
    }
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

    fn text(&mut self, length: usize) -> Result<&'a str, StoreError> {
        std::str::from_utf8(self.take(length)?).map_err(|_| corrupt("it is not text"))
    }
}

#[cfg(test)]
mod tests {
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

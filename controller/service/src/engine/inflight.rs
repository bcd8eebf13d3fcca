//! What this cluster's controllers write on `inflight`: notes and marks.

use std::borrow::Cow;

use oxwhisk_core::message::ActivationMessage;
use oxwhisk_dispatch::Incarnation;
use serde::{Deserialize, Serialize};

/// One entry; its key is the activation's id.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Entry<'a> {
    /// The incarnation that wrote it.
    pub(super) by: u64,
    /// A note has the message of a blocking invocation that outlived its wait. Without one it is a mark: an at-most-once
    /// activation is about to be dispatched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<Cow<'a, ActivationMessage>>,
}

impl<'a> Entry<'a> {
    pub(super) fn note(by: Incarnation, message: &'a ActivationMessage) -> Self {
        Self { by: by.0, note: Some(Cow::Borrowed(message)) }
    }

    pub(super) const fn mark(by: Incarnation) -> Self {
        Self { by: by.0, note: None }
    }

    pub(super) fn encode(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }

    pub(super) fn decode(payload: &[u8]) -> serde_json::Result<Entry<'static>> {
        serde_json::from_slice(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::super::read::tests::message;
    use super::*;

    #[test]
    fn marks_and_notes_are_told_apart_and_name_their_writer() {
        let mark = Entry::decode(&Entry::mark(Incarnation(u64::MAX)).encode().unwrap()).unwrap();
        assert!(mark.by == u64::MAX && mark.note.is_none());
        let message = message("guest");
        let note = Entry::decode(&Entry::note(Incarnation(7), &message).encode().unwrap()).unwrap();
        let read = note.note.unwrap();
        assert_eq!((note.by, read.activation_id), (7, message.activation_id));
        assert_eq!(read.arguments.get(), message.arguments.get());
        assert!(Entry::decode(b"{}").is_err());
    }
}

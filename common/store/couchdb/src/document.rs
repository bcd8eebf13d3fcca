//! Documents: what CouchDB adds to a body and what is taken off again, and what older versions of OpenWhisk wrote
//! otherwise.

mod older;

use std::borrow::Cow;
use std::collections::HashSet;

use oxwhisk_core::id::Revision;
use oxwhisk_core::json::{Object, raw, string, with_members};
use oxwhisk_core::record::RecordOrigin;
use oxwhisk_store::StoreError;
use serde_json::value::RawValue;

use crate::json::{portable, same_value};

pub(crate) use older::{activation, entity};

const ID: &str = "_id";
const REVISION: &str = "_rev";
const ATTACHMENTS: &str = "_attachments";
const DELETED: &str = "_deleted";

/// The text of a body that CouchDB would not give back as the same value. Whoever rewrites the document without
/// knowing it leaves it out, and then the document counts; if it stays behind, it no longer fits and does not count.
const EXACT: &str = "oxwhiskText";

/// Where an activation record comes from; others pass it over.
const ORIGIN: &str = "oxwhiskOrigin";

/// A document as it came out of the database.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) id: String,
    pub(crate) revision: Revision,
    /// Without CouchDB's own members.
    pub(crate) body: Box<RawValue>,
    /// By name, what CouchDB says of them.
    pub(crate) attachments: Option<Box<RawValue>>,
    /// Of a record that was written here.
    pub(crate) origin: Option<RecordOrigin>,
}

impl Document {
    /// `None` for one that is deleted.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it is no document.
    pub(crate) fn read(text: &RawValue) -> Result<Option<Self>, StoreError> {
        let no_document = |what: &str| StoreError::Corrupt(format!("a document of CouchDB {what}"));
        let mut object = Object::read(text).map_err(|_| no_document("is no object"))?;
        let names = HashSet::from([ID, REVISION, ATTACHMENTS, DELETED, EXACT, ORIGIN]);
        let mut own = object.take(&names);
        let text_of = |value: &RawValue| string(value).map(Cow::into_owned);
        let id = own.get(ID).and_then(|id| text_of(id)).ok_or_else(|| no_document("has no id"))?;
        let revision = own.get(REVISION).and_then(|revision| text_of(revision));
        let revision = revision.ok_or_else(|| no_document(&format!("has no revision: '{id}'")))?;
        if own.get(DELETED).is_some_and(|deleted| deleted.get() == "true") {
            return Ok(None);
        }
        let body = object.to_raw().map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let exact = own.get(EXACT).and_then(|exact| text_of(exact)).filter(|exact| fits(exact, &body));
        let body = exact.and_then(|exact| RawValue::from_string(exact).ok()).unwrap_or(body);
        let origin = own.get(ORIGIN).and_then(|origin| text_of(origin)?.parse().ok());
        let attachments = own.remove(ATTACHMENTS).map(Cow::into_owned);
        Ok(Some(Self { id, revision: Revision(revision), body, attachments, origin }))
    }
}

/// Whether the body beside which this text was found is still the one it was written with.
fn fits(exact: &str, body: &RawValue) -> bool {
    // Only an object can be a body; and the text must be JSON before it is taken apart.
    serde_json::from_str::<&RawValue>(exact).is_ok() && same_value(&portable(exact).text, body.get())
}

/// What is written besides the body.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Own<'a> {
    pub(crate) id: &'a str,
    pub(crate) revision: Option<&'a Revision>,
    pub(crate) attachments: Option<&'a RawValue>,
    pub(crate) origin: Option<&'a RecordOrigin>,
}

/// A document on its way into the database.
///
/// # Errors
/// [`StoreError::Corrupt`] when the body is no JSON object.
pub(crate) fn write(own: Own<'_>, body: &str) -> Result<Box<RawValue>, StoreError> {
    let no_object =
        |error| StoreError::Corrupt(format!("the document '{}' is no JSON object: {error}", own.id));
    let portable = portable(body);
    let text: &RawValue = serde_json::from_str(&portable.text).map_err(no_object)?;
    let exact = portable.is_lossy.then(|| raw(body));
    let (id, revision) = (raw(own.id), own.revision.map(raw));
    let origin = own.origin.map(|origin| raw(&origin.to_string()));
    let members = [
        (ID, Some(&*id)),
        (REVISION, revision.as_deref()),
        (ATTACHMENTS, own.attachments),
        (EXACT, exact.as_deref()),
        (ORIGIN, origin.as_deref()),
    ];
    let members = members.into_iter().filter_map(|(name, value)| Some((name, value?)));
    with_members(text, members).map_err(no_object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Document {
        Document::read(&RawValue::from_string(text.to_owned()).unwrap()).unwrap().expect("it is not deleted")
    }

    fn written(body: &str) -> String {
        let revision = Revision("1-a".to_owned());
        write(Own { id: "ns/a", revision: Some(&revision), ..Own::default() }, body).unwrap().get().to_owned()
    }

    #[test]
    fn what_couchdb_adds_is_taken_off_again() {
        let document =
            read(r#"{"_id":"ns/a","_rev":"1-a","z":1.50,"_attachments":{"x":{"stub":true}},"a":"\u001b"}"#);
        assert_eq!((document.id.as_str(), document.revision.0.as_str()), ("ns/a", "1-a"));
        assert_eq!(document.body.get(), r#"{"z":1.50,"a":"\u001b"}"#);
        assert_eq!(document.attachments.unwrap().get(), r#"{"x":{"stub":true}}"#);
        assert!(
            Document::read(&raw(&json!({"_id": "a", "_rev": "2-b", "_deleted": true}))).unwrap().is_none()
        );
        for bad in [json!([]), json!({"_id": "a"}), json!({"_rev": "1-a"})] {
            assert!(matches!(Document::read(&raw(&bad)), Err(StoreError::Corrupt(_))), "{bad}");
        }
    }

    #[test]
    fn a_body_that_couchdb_keeps_is_written_as_it_is() {
        assert_eq!(written(r#"{"a":[1,"é"]}"#), r#"{"_id":"ns/a","_rev":"1-a","a":[1,"é"]}"#);
        assert!(matches!(write(Own::default(), "[1]"), Err(StoreError::Corrupt(_))));
        assert!(matches!(write(Own::default(), "{"), Err(StoreError::Corrupt(_))));
    }

    #[test]
    fn a_body_that_couchdb_does_not_keep_comes_back_as_it_was() {
        let body = r#"{"a":1e400,"b":"\ud800"}"#;
        let document = written(body);
        assert!(document.contains(r#""a":null,"b":"\ufffd""#), "{document}");
        assert_eq!(read(&document).body.get(), body);
    }

    #[test]
    fn a_records_origin_stands_beside_its_body() {
        let origin: RecordOrigin = "result:00000000000000ff:2".parse().unwrap();
        let own = Own { id: "ns/a", origin: Some(&origin), ..Own::default() };
        let document = write(own, r#"{"a":1}"#).unwrap().get().to_owned();
        assert_eq!(document, r#"{"_id":"ns/a","oxwhiskOrigin":"result:00000000000000ff:2","a":1}"#);
        let found = read(&document.replace("oxwhiskOrigin", r#"_rev":"1-a","oxwhiskOrigin"#));
        assert_eq!((found.body.get(), found.origin), (r#"{"a":1}"#, Some(origin)));
        for none in ["1", r#""here""#] {
            let found = read(&format!(r#"{{"_id":"a","_rev":"1-a","oxwhiskOrigin":{none},"a":1}}"#));
            assert_eq!((found.body.get(), found.origin), (r#"{"a":1}"#, None), "{none}");
        }
    }

    #[test]
    fn a_text_that_no_longer_fits_does_not_count() {
        let document = written(r#"{"a":1e400,"b":1}"#).replace(r#""b":1}"#, r#""b":2}"#);
        assert_eq!(read(&document).body.get(), r#"{"a":null,"b":2}"#);
        let broken = r#"{"_id":"a","_rev":"1-a","oxwhiskText":"{","a":1}"#;
        assert_eq!(read(broken).body.get(), r#"{"a":1}"#);
    }
}

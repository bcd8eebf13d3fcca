//! One request, as often as it is sent.

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::value::RawValue;

/// What RFC 3986 calls unreserved stays; everything else of a name is encoded, slashes too.
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(crate) const JSON: &str = "application/json";

#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: Method,
    database: String,
    /// Path and query.
    target: String,
    body: Option<(&'static str, Bytes)>,
    is_slow: bool,
    is_write: bool,
    asks_whether_database_is_there: bool,
}

impl Call {
    pub(crate) fn new(method: Method, database: &str) -> Self {
        let is_write = method == Method::PUT || method == Method::DELETE;
        let target = format!("/{}", utf8_percent_encode(database, NAME));
        let database = database.to_owned();
        let (is_slow, asks_whether_database_is_there) = (false, false);
        Self { method, database, target, body: None, is_slow, is_write, asks_whether_database_is_there }
    }

    /// A part of the path that is a name, whatever is in it.
    pub(crate) fn name(mut self, name: &str) -> Self {
        self.target.push('/');
        self.target.extend(utf8_percent_encode(name, NAME));
        self
    }

    /// Parts of the path that are CouchDB's own words: `_design`, `_view`.
    pub(crate) fn path(mut self, words: &str) -> Self {
        self.target.push('/');
        self.target.push_str(words);
        self
    }

    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        self.target.push(if self.target.contains('?') { '&' } else { '?' });
        self.target.push_str(name);
        self.target.push('=');
        self.target.extend(utf8_percent_encode(value, NAME));
        self
    }

    fn json(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Some((JSON, body.into()));
        self
    }

    pub(crate) fn json_value(self, body: Box<RawValue>) -> Self {
        // Nothing is copied: bodies may have tens of megabytes.
        self.json(String::from(Box::<str>::from(body)))
    }

    /// It may take the server long, or is large.
    pub(crate) const fn slow(mut self) -> Self {
        self.is_slow = true;
        self
    }

    /// That there is no such database is an answer, and no fault.
    pub(crate) const fn whether_database_is_there(mut self) -> Self {
        self.asks_whether_database_is_there = true;
        self
    }

    /// A `POST` that changes something.
    pub(crate) const fn write(mut self) -> Self {
        self.is_write = true;
        self
    }

    pub(crate) const fn method(&self) -> &Method {
        &self.method
    }

    pub(crate) fn database(&self) -> &str {
        &self.database
    }

    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    pub(crate) const fn body(&self) -> Option<&(&'static str, Bytes)> {
        self.body.as_ref()
    }

    pub(crate) const fn is_slow(&self) -> bool {
        self.is_slow
    }

    pub(crate) const fn is_write(&self) -> bool {
        self.is_write
    }

    pub(crate) const fn asks_whether_database_is_there(&self) -> bool {
        self.asks_whether_database_is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_and_words_are_not() {
        let call =
            Call::new(Method::GET, "a/b").name("ns/a b&c@d.e").query("rev", "1-x").query("key", "[\"é\"]");
        assert_eq!(call.target(), "/a%2Fb/ns%2Fa%20b%26c%40d.e?rev=1-x&key=%5B%22%C3%A9%22%5D");
        let view =
            Call::new(Method::GET, "db").path("_design").name("whisks.v2.1.0").path("_view").name("actions");
        assert_eq!(view.target(), "/db/_design/whisks.v2.1.0/_view/actions");
    }
}

//! Questions to views.

use std::fmt;

use oxwhisk_core::json::raw;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::client::Call;
use crate::config::Lists;

/// A view of a design document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View {
    /// Without `_design/`.
    pub(crate) design: &'static str,
    pub(crate) name: &'static str,
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "_design/{}/_view/{}", self.design, self.name)
    }
}

/// Whether an answer may lag behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Freshness {
    #[default]
    UpToDate,
    /// The index is brought up to date after the answer. `stale` is the word for it from CouchDB 1 to 3; `update=lazy`,
    /// which only CouchDB 2 and 3 know, must not stand beside it.
    UpdateAfter,
}

impl From<Lists> for Freshness {
    fn from(lists: Lists) -> Self {
        match lists {
            Lists::Lagging => Self::UpdateAfter,
            Lists::UpToDate => Self::UpToDate,
        }
    }
}

/// Which rows. Keys are JSON texts.
#[derive(Clone, Debug, Default)]
pub(crate) struct ViewQuery {
    pub(crate) key: Option<Box<RawValue>>,
    pub(crate) start: Option<Box<RawValue>>,
    pub(crate) start_id: Option<String>,
    pub(crate) end: Option<Box<RawValue>>,
    pub(crate) descending: bool,
    pub(crate) skip: u64,
    pub(crate) limit: Option<u64>,
    pub(crate) documents: bool,
    pub(crate) freshness: Freshness,
}

/// The largest number that JavaScript counts to, and far more than there are rows.
const MOST: u64 = (1 << 53) - 1;

/// Sorts behind all texts that occur, and texts sort behind all numbers.
const LAST: &str = "\u{fff0}";

impl ViewQuery {
    /// Rows with this key.
    pub(crate) fn of_key(key: &impl Serialize) -> Self {
        Self { key: Some(raw(key)), ..Self::default() }
    }

    /// Rows with keys `[path, time]`, latest first; times are milliseconds since the epoch and included. Without `since`
    /// rows come as well that have no time at all, as very old documents have.
    pub(crate) fn latest_first(path: &str, since: Option<i64>, upto: Option<i64>) -> Self {
        let start = match upto {
            Some(upto) => json!([path, upto, LAST]),
            None => json!([path, LAST, LAST]),
        };
        let end = match since {
            Some(since) => json!([path, since]),
            None => json!([path]),
        };
        Self { start: Some(raw(&start)), end: Some(raw(&end)), descending: true, ..Self::default() }
    }

    /// The request for these rows.
    pub(crate) fn rows(&self, call: Call) -> Call {
        self.window(call.query("reduce", "false"))
    }

    /// The same without saying anything of a reduction, which the primary index does not have.
    pub(crate) fn window(&self, call: Call) -> Call {
        let mut call = self.range(call);
        if self.skip > 0 {
            call = call.query("skip", &self.skip.min(MOST).to_string());
        }
        if let Some(limit) = self.limit {
            call = call.query("limit", &limit.min(MOST).to_string());
        }
        if self.documents {
            call = call.query("include_docs", "true");
        }
        call
    }

    /// The request for their number.
    pub(crate) fn count(&self, call: Call) -> Call {
        self.range(call.query("reduce", "true"))
    }

    fn range(&self, mut call: Call) -> Call {
        for (name, value) in [("key", &self.key), ("startkey", &self.start), ("endkey", &self.end)] {
            if let Some(value) = value {
                call = call.query(name, value.get());
            }
        }
        if let Some(id) = &self.start_id {
            call = call.query("startkey_docid", id);
        }
        if self.descending {
            call = call.query("descending", "true");
        }
        match self.freshness {
            Freshness::UpToDate => call,
            Freshness::UpdateAfter => call.query("stale", "update_after"),
        }
    }
}

#[cfg(test)]
mod tests {
    use reqwest::Method;

    use super::*;

    fn decoded(call: &Call) -> String {
        percent_encoding::percent_decode_str(call.target()).decode_utf8().unwrap().into_owned()
    }

    #[test]
    fn ranges_are_openwhisks() {
        let call = || Call::new(Method::GET, "db");
        let all = ViewQuery::latest_first("ns/p", None, None);
        assert_eq!(
            decoded(&all.rows(call())),
            "/db?reduce=false&startkey=[\"ns/p\",\"\u{fff0}\",\"\u{fff0}\"]&endkey=[\"ns/p\"]&descending=true"
        );
        let some = ViewQuery {
            skip: 5,
            limit: Some(0),
            documents: true,
            freshness: Freshness::UpdateAfter,
            ..ViewQuery::latest_first("ns", Some(1), Some(2))
        };
        let range = "startkey=[\"ns\",2,\"\u{fff0}\"]&endkey=[\"ns\",1]&descending=true&stale=update_after";
        assert_eq!(
            decoded(&some.rows(call())),
            format!("/db?reduce=false&{range}&skip=5&limit=0&include_docs=true")
        );
        assert_eq!(decoded(&some.count(call())), format!("/db?reduce=true&{range}"));
        let key = ViewQuery::of_key(&["uuid", "key"]);
        assert_eq!(decoded(&key.rows(call())), "/db?reduce=false&key=[\"uuid\",\"key\"]");
    }
}

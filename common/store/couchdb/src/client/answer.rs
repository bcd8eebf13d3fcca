//! What the server said.

use std::time::Duration;

use bytes::Bytes;
use oxwhisk_store::StoreError;
use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
    /// How long the server wants to be left alone.
    pub(crate) wait: Duration,
    /// An earlier attempt of the same request may have been carried out.
    pub(crate) again: bool,
}

/// Why an answer is of no use.
#[derive(Debug)]
pub(crate) enum Rejection {
    /// Another attempt may get a better one.
    Again(String),
    /// It is none to this request, and another attempt would get the same.
    Unexpected(String),
    Final(StoreError),
}

/// CouchDB's errors: a word, and a sentence.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Fault {
    pub(crate) error: String,
    pub(crate) reason: String,
}

impl Answer {
    /// # Errors
    /// When the body is no such JSON: something else has answered, or only half.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Rejection> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Rejection::Again(format!("it answered {} with no such JSON: {error}", self.status))
        })
    }

    /// What went wrong, as far as the body says.
    pub(crate) fn fault(&self) -> Fault {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn unexpected(&self) -> Rejection {
        Rejection::Unexpected(format!("it answered unexpectedly: {}", self.shown()))
    }

    fn shown(&self) -> String {
        let Fault { error, reason } = self.fault();
        match (error.as_str(), reason.as_str()) {
            ("", "") => self.status.to_string(),
            ("", text) | (text, "") => format!("{}: {text}", self.status),
            (error, reason) => format!("{}: {error}: {reason}", self.status),
        }
    }

    /// Whether the database itself is missing. CouchDB 3 says the sentence, CouchDB 1 and PouchDB Server the word.
    pub(crate) fn is_database_missing(&self) -> bool {
        let reason = self.fault().reason;
        self.status == StatusCode::NOT_FOUND
            && matches!(reason.as_str(), "Database does not exist." | "no_db_file")
    }

    /// Faults that mean the same whatever was asked.
    pub(super) fn common_fault(&self, url: &str, database: &str, user: Option<&str>) -> Option<Rejection> {
        let unavailable = |text| Some(Rejection::Final(StoreError::Unavailable(text)));
        match self.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let who = user.map_or_else(
                    || "requests without a user name".to_owned(),
                    |name| format!("the user '{name}'"),
                );
                unavailable(format!(
                    "CouchDB at {url} refuses {who} the database '{database}': {}",
                    self.shown()
                ))
            }
            StatusCode::NOT_FOUND if self.is_database_missing() => {
                unavailable(format!("CouchDB at {url} has no database '{database}'"))
            }
            // Something before CouchDB has answered: that is no word on what is there.
            StatusCode::NOT_FOUND if self.fault().error != "not_found" => {
                Some(Rejection::Again(format!("it answered {}, and not as CouchDB does", self.shown())))
            }
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                Some(Rejection::Again(format!("it answered {}", self.shown())))
            }
            status if status.is_server_error() => {
                Some(Rejection::Again(format!("it answered {}", self.shown())))
            }
            status if status.is_redirection() || status.is_informational() => Some(self.unexpected()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &'static str) -> Answer {
        let status = StatusCode::from_u16(status).unwrap();
        Answer { status, body: Bytes::from_static(body.as_bytes()), wait: Duration::ZERO, again: false }
    }

    fn common(status: u16, body: &'static str) -> Option<Rejection> {
        answer(status, body).common_fault("http://h:1", "db", Some("me"))
    }

    #[test]
    fn lasting_faults_name_the_server_and_the_database() {
        for (status, body, part) in [
            (401, r#"{"error":"unauthorized","reason":"Name or password is incorrect."}"#, "the user 'me'"),
            (403, r#"{"error":"forbidden","reason":"no"}"#, "forbidden: no"),
            (404, r#"{"error":"not_found","reason":"Database does not exist."}"#, "has no database 'db'"),
            (404, r#"{"error":"not_found","reason":"no_db_file"}"#, "has no database 'db'"),
        ] {
            let Some(Rejection::Final(StoreError::Unavailable(text))) = common(status, body) else {
                panic!("{status} {body}")
            };
            assert!(text.contains(part) && text.contains("http://h:1") && text.contains("'db'"), "{text}");
        }
    }

    #[test]
    fn faults_that_may_pass_are_told_from_answers() {
        for status in [404, 408, 429, 500, 502, 503, 504] {
            assert!(matches!(common(status, "<html>"), Some(Rejection::Again(_))), "{status}");
        }
        for (status, body) in
            [(200, "{}"), (404, r#"{"error":"not_found","reason":"missing"}"#), (409, ""), (413, "")]
        {
            assert!(common(status, body).is_none(), "{status}");
        }
        assert!(matches!(common(302, ""), Some(Rejection::Unexpected(_))));
    }
}

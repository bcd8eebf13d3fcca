//! Why an attempt came to nothing.

use std::error::Error as _;
use std::fmt::Write as _;
use std::time::Duration;

use super::answer::Answer;

#[derive(Debug)]
pub(super) struct Failure {
    /// For people, without credentials.
    pub(super) reason: String,
    /// The same request may succeed a little later.
    pub(super) may_pass: bool,
    /// The server may have done what it was asked to.
    pub(super) maybe_done: bool,
    /// How long the server wants to be left alone.
    pub(super) wait: Duration,
}

impl Failure {
    fn new(reason: String, maybe_done: bool) -> Self {
        Self { reason, may_pass: true, maybe_done, wait: Duration::ZERO }
    }

    pub(super) fn of_answer(answer: &Answer, reason: String) -> Self {
        Self { wait: answer.wait, ..Self::new(reason, true) }
    }

    pub(super) fn of_transport(error: reqwest::Error, is_write: bool) -> Self {
        let maybe_done = is_write && !error.is_connect() && !error.is_builder();
        let may_pass = !error.is_builder();
        let error = error.without_url();
        let mut reason = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            // Writing to a string does not fail.
            let _ = write!(reason, ": {error}");
            source = error.source();
        }
        Self { may_pass, ..Self::new(reason, maybe_done) }
    }

    pub(super) fn timed_out(limit: Duration) -> Self {
        Self::new(format!("no answer within {limit:?}"), true)
    }

    pub(super) fn no_place() -> Self {
        Self { may_pass: false, ..Self::new("too many requests are waiting for it".to_owned(), false) }
    }

    pub(super) fn too_long(limit: usize) -> Self {
        let reason = format!("the answer is longer than {limit} bytes");
        Self { may_pass: false, ..Self::new(reason, true) }
    }
}

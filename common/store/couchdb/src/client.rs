//! HTTP to one CouchDB: every request has a time-out, retries with growing pauses and a limit in time, and a place among
//! a bounded number of others.

mod answer;
mod backoff;
mod call;
mod failure;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use oxwhisk_store::StoreError;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

pub(crate) use answer::{Answer, Rejection};
pub(crate) use backoff::Backoff;
pub(crate) use call::Call;
pub(crate) use tls::ClientError;

use crate::config::{CouchConfig, Retries};
use failure::Failure;

/// Sent along with writes for servers before CouchDB 3, which may otherwise answer before the disk has them.
const FULL_COMMIT: &str = "X-Couch-Full-Commit";

#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    /// Without credentials.
    url: String,
    credentials: Option<(String, SecretString)>,
    /// One for each request under way.
    places: Semaphore,
    request_timeout: Duration,
    slow_request_timeout: Duration,
    retries: Retries,
    max_answer_bytes: usize,
}

impl Client {
    pub(crate) fn new(config: &CouchConfig) -> Result<Arc<Self>, ClientError> {
        Ok(Arc::new(Self {
            http: tls::http_client(config)?,
            url: config.url(),
            credentials: config.username.clone().zip(config.password.clone()),
            places: Semaphore::new(config.max_connections),
            request_timeout: config.request_timeout,
            slow_request_timeout: config.slow_request_timeout,
            retries: config.retries,
            max_answer_bytes: config.max_answer_bytes,
        }))
    }

    /// What `read` makes of the answer to `call`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when there is no answer that `read` can use, and what `read` gives as an error.
    pub(crate) async fn call<T>(
        &self,
        call: &Call,
        read: impl Fn(&Answer) -> Result<T, Rejection>,
    ) -> Result<T, StoreError> {
        let deadline = Instant::now() + self.time_for(call).max(self.retries.time);
        let mut backoff = Backoff::new(self.retries);
        let mut maybe_done = false;
        loop {
            let failure = match self.attempt(call, maybe_done, deadline).await {
                Ok(answer) => match self.judge(&answer, call, &read) {
                    Ok(value) => return Ok(value),
                    Err(Rejection::Final(error)) => return Err(error),
                    Err(Rejection::Unexpected(reason)) => return Err(self.unavailable(call, &reason)),
                    Err(Rejection::Again(reason)) => Failure::of_answer(&answer, reason),
                },
                Err(failure) => failure,
            };
            maybe_done |= failure.maybe_done;
            let pause = backoff.next(rand::random()).map(|pause| pause.max(failure.wait));
            let goes_on = pause.filter(|pause| Instant::now() + *pause < deadline && failure.may_pass);
            let Some(pause) = goes_on else { return Err(self.give_up(call, &failure, backoff.attempts())) };
            tracing::debug!(
                database = call.database(),
                reason = failure.reason,
                ?pause,
                "asking CouchDB again"
            );
            tokio::time::sleep(pause).await;
        }
    }

    /// What is the same for all requests first, then what `read` says.
    fn judge<T>(
        &self,
        answer: &Answer,
        call: &Call,
        read: impl Fn(&Answer) -> Result<T, Rejection>,
    ) -> Result<T, Rejection> {
        if call.asks_whether_database_is_there() && answer.is_database_missing() {
            return read(answer);
        }
        let user = self.credentials.as_ref().map(|(name, _)| name.as_str());
        match answer.common_fault(&self.url, call.database(), user) {
            Some(fault) => Err(fault),
            None => read(answer),
        }
    }

    fn give_up(&self, call: &Call, failure: &Failure, attempts: u32) -> StoreError {
        let times = if attempts == 1 { String::new() } else { format!(" (asked {attempts} times)") };
        self.unavailable(call, &format!("{}{times}", failure.reason))
    }

    fn unavailable(&self, call: &Call, reason: &str) -> StoreError {
        let (url, database) = (&self.url, call.database());
        StoreError::Unavailable(format!("CouchDB at {url}, database '{database}': {reason}"))
    }

    fn time_for(&self, call: &Call) -> Duration {
        if call.is_slow() { self.slow_request_timeout } else { self.request_timeout }
    }

    async fn attempt(&self, call: &Call, again: bool, deadline: Instant) -> Result<Answer, Failure> {
        let place = timeout_at(deadline, self.places.acquire()).await;
        // The semaphore is never closed.
        let Ok(Ok(_place)) = place else { return Err(Failure::no_place()) };
        let until = deadline.min(Instant::now() + self.time_for(call));
        match timeout_at(until, self.exchange(call, again)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::timed_out(self.time_for(call))),
        }
    }

    async fn exchange(&self, call: &Call, again: bool) -> Result<Answer, Failure> {
        let mut request = self.http.request(call.method().clone(), format!("{}{}", self.url, call.target()));
        if let Some((name, password)) = &self.credentials {
            request = request.basic_auth(name, Some(password.expose_secret()));
        }
        if let Some((content_type, body)) = call.body() {
            request = request.header("Content-Type", *content_type).body(body.clone());
            request = request.header(FULL_COMMIT, "true");
        }
        let mut response =
            request.send().await.map_err(|error| Failure::of_transport(error, call.is_write()))?;
        let (status, wait) = (response.status(), retry_after(response.headers()));
        let mut body = BytesMut::new();
        loop {
            let chunk =
                response.chunk().await.map_err(|error| Failure::of_transport(error, call.is_write()))?;
            let Some(chunk) = chunk else { break };
            if body.len() + chunk.len() > self.max_answer_bytes {
                return Err(Failure::too_long(self.max_answer_bytes));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, body: Bytes::from(body), wait, again })
    }
}

/// In its form of seconds; servers that say when by the clock are asked again by our own.
fn retry_after(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    seconds.map_or(Duration::ZERO, Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_says_how_long_it_wants_to_be_left_alone() {
        let wait =
            |value: &'static str| retry_after(&HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]));
        assert_eq!(wait("7"), Duration::from_secs(7));
        for other in ["Wed, 21 Oct 2026 07:28:00 GMT", "", "-1"] {
            assert_eq!(wait(other), Duration::ZERO, "{other}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), Duration::ZERO);
    }
}

//! The body of a request on its way: how long it may take, and what is left of it when its request is answered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::EXPECT;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use tokio::time::{Instant, timeout, timeout_at};

use crate::http::body::announced_length;

/// What is left of a body no longer than this is read, so that its connection can be used again.
const SHORT: u64 = 64 * 1024;
/// How long the rest of a short body is waited for.
const REST: Duration = Duration::from_secs(1);
/// Bytes a second. Slower bodies use up the time of their request.
const SLOWEST: u64 = 32 * 1024;

/// The body of a request, for whoever reads it.
#[derive(Debug)]
pub(crate) struct RequestBody {
    incoming: Option<Incoming>,
    /// None when there is nothing to come, as for most requests.
    upload: Option<Arc<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    received: AtomicU64,
    left: Mutex<Option<Incoming>>,
}

impl RequestBody {
    pub(crate) fn new(incoming: Incoming, headers: &HeaderMap) -> (Self, Upload) {
        let shared = (!incoming.is_end_stream()).then(Arc::<Shared>::default);
        let upload = Upload {
            shared: shared.clone(),
            length: announced_length(headers),
            waits: headers.contains_key(EXPECT),
        };
        (Self { incoming: Some(incoming), upload: shared }, upload)
    }

    /// The next part; none at the end.
    pub(crate) async fn frame(&mut self) -> Option<Result<Frame<Bytes>, hyper::Error>> {
        let frame = self.incoming.as_mut()?.frame().await;
        match &frame {
            None => self.incoming = None,
            Some(Ok(frame)) => {
                if let (Some(data), Some(upload)) = (frame.data_ref(), &self.upload) {
                    upload.received.fetch_add(data.len() as u64, Ordering::Relaxed);
                }
            }
            Some(Err(_)) => {}
        }
        frame
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let (Some(incoming), Some(upload)) = (self.incoming.take(), &self.upload) {
            *upload.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(incoming);
        }
    }
}

/// The body of a request, for whoever waits for the answer.
#[derive(Debug)]
pub(crate) struct Upload {
    shared: Option<Arc<Shared>>,
    length: Option<u64>,
    /// Whether the client waits to be told that it may send.
    waits: bool,
}

impl Upload {
    /// Waits for the answer for `limit`, and for as long as a body takes that is not too slow. None when that is over.
    pub(crate) async fn bound<T>(&self, limit: Duration, answer: impl Future<Output = T>) -> Option<T> {
        let began = Instant::now();
        let mut end = began + limit;
        tokio::pin!(answer);
        loop {
            if let Ok(answer) = timeout_at(end, answer.as_mut()).await {
                return Some(answer);
            }
            end = began + limit + Duration::from_secs(self.received() / SLOWEST);
            if end <= Instant::now() {
                return None;
            }
        }
    }

    fn received(&self) -> u64 {
        self.shared.as_ref().map_or(0, |shared| shared.received.load(Ordering::Relaxed))
    }

    /// Whether the client may still be sending although the request was answered. The rest of a short body is read
    /// first.
    pub(crate) async fn still_comes(self) -> bool {
        let left = |shared: Arc<Shared>| shared.left.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut body) = self.shared.and_then(left) else { return false };
        if body.is_end_stream() {
            return false;
        }
        if self.waits || self.length.is_none_or(|length| length > SHORT) {
            return true;
        }
        let whole = async { while body.frame().await.is_some_and(|frame| frame.is_ok()) {} };
        timeout(REST, whole).await.is_err() || !body.is_end_stream()
    }
}

/// Marks an answer whose client may still be sending the body of the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLeft;

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    fn upload() -> (Upload, Arc<Shared>) {
        let shared = Arc::<Shared>::default();
        (Upload { shared: Some(Arc::clone(&shared)), length: None, waits: false }, shared)
    }

    /// How long an answer that never comes is waited for while `per_second` bytes come.
    async fn waited(per_second: u64) -> Duration {
        let (upload, shared) = upload();
        let began = Instant::now();
        let never = async {
            for _ in 0..1_000 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                shared.received.fetch_add(per_second, Ordering::Relaxed);
            }
        };
        assert_eq!(upload.bound(LIMIT, never).await.is_some(), began.elapsed().as_secs() >= 1_000);
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_comes_fast_enough_takes_no_time_of_its_request() {
        assert_eq!(waited(SLOWEST).await.as_secs(), 1_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_does() {
        assert_eq!(waited(0).await.as_secs(), LIMIT.as_secs());
        assert_eq!(waited(10).await.as_secs(), LIMIT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_body_has_an_end() {
        assert_eq!(waited(SLOWEST / 2).await.as_secs(), 2 * LIMIT.as_secs() - 1);
    }
}

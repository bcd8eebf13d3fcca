//! Reading request bodies, bounded.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use tokio::sync::oneshot;

use crate::http::fault::Fault;

/// What is left of a body no longer than this is read, so that its connection can be used again.
const SHORT: u64 = 64 * 1024;
/// How long the rest of a short body is waited for.
const REST: Duration = Duration::from_secs(1);

/// The body of a request; what nobody read of it goes to its [`Rest`].
#[derive(Debug)]
pub(crate) struct RequestBody {
    incoming: Option<Incoming>,
    rest: Option<oneshot::Sender<Incoming>>,
}

impl RequestBody {
    pub(crate) fn new(incoming: Incoming) -> (Self, Rest) {
        // Most requests have none: there is nothing to keep for them.
        let (rest, left) =
            if incoming.is_end_stream() { (None, None) } else { Some(oneshot::channel()).unzip() };
        (Self { incoming: Some(incoming), rest }, Rest(left))
    }

    async fn frame(&mut self) -> Option<Result<Frame<Bytes>, hyper::Error>> {
        let frame = self.incoming.as_mut()?.frame().await;
        if frame.is_none() {
            self.incoming = None;
        }
        frame
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let (Some(incoming), Some(rest)) = (self.incoming.take(), self.rest.take()) {
            // Nobody takes it when the client has gone.
            let _ = rest.send(incoming);
        }
    }
}

/// What was not read of a body when its request was answered.
#[derive(Debug)]
pub(crate) struct Rest(Option<oneshot::Receiver<Incoming>>);

impl Rest {
    /// Whether the connection cannot be used again, since its client may still be sending. The rest of a short body is
    /// read first, unless the client waits to be told that it may send it.
    pub(crate) async fn still_comes(self, announced: Announced) -> bool {
        let Some(mut body) = self.0.and_then(|mut left| left.try_recv().ok()) else { return false };
        if body.is_end_stream() {
            return false;
        }
        if announced.waits || announced.length.is_none_or(|length| length > SHORT) {
            return true;
        }
        let whole = async { while body.frame().await.is_some_and(|frame| frame.is_ok()) {} };
        tokio::time::timeout(REST, whole).await.is_err() || !body.is_end_stream()
    }
}

/// Marks an answer whose client may still be sending the body of the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLeft;

/// What the head of a request says of its body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Announced {
    length: Option<u64>,
    waits: bool,
}

impl Announced {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        Self { length: announced_length(headers), waits: headers.contains_key(EXPECT) }
    }
}

/// Length that the client announced, in bytes.
pub(crate) fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads the whole body.
///
/// # Errors
/// When it is longer than `limit` bytes, or the client breaks off.
pub(crate) async fn read(mut body: RequestBody, headers: &HeaderMap, limit: u64) -> Result<Bytes, Fault> {
    let too_large = || {
        let text = format!(
            "The request content is larger than the server is willing or able to process (limit {limit} bytes)."
        );
        Fault::reject(StatusCode::PAYLOAD_TOO_LARGE, text)
    };
    if announced_length(headers).is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut first: Option<Bytes> = None;
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let broken = |error| {
            Fault::reject(StatusCode::BAD_REQUEST, format!("The request content was malformed:\n{error}"))
        };
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        let so_far = first.as_ref().map_or(whole.len(), Bytes::len) as u64;
        if so_far + data.len() as u64 > limit {
            return Err(too_large());
        }
        // Most bodies are one frame: passed on as they came, without a copy.
        match first.take() {
            None if whole.is_empty() => first = Some(data),
            None => whole.extend_from_slice(&data),
            Some(earlier) => {
                whole.extend_from_slice(&earlier);
                whole.extend_from_slice(&data);
            }
        }
    }
    Ok(first.unwrap_or_else(|| whole.freeze()))
}

/// # Errors
/// 415 unless the content is declared as JSON. An empty body needs no declaration.
pub(crate) fn require_json(headers: &HeaderMap, body: &Bytes) -> Result<(), Fault> {
    if body.is_empty() {
        return Ok(());
    }
    let Some(declared) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return Err(Fault::unsupported_media_type("application/octet-stream"));
    };
    let media_type = declared.split(';').next().unwrap_or("").trim();
    if media_type.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    // Text types without a charset are shown with the default one.
    let shown = if media_type.starts_with("text/") && !declared.contains("charset") {
        format!("{media_type}; charset=UTF-8")
    } else {
        declared.to_owned()
    };
    Err(Fault::unsupported_media_type(&shown))
}

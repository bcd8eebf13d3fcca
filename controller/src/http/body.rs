//! Reading request bodies, bounded.

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};

use crate::http::fault::Fault;
use crate::http::upload::RequestBody;

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

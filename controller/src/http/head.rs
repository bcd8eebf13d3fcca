//! What must hold for the head of any request, before anything looks at what it asks for.

use http::header::{CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderName, StatusCode, Version};

use crate::http::fault::Fault;

/// Characters of a request target.
const MAX_TARGET: usize = 8 * 1024;

/// # Errors
/// 400 or 414 for a request whose target is too long or whose framing could be read in two ways.
pub(crate) fn check(head: &Parts) -> Result<(), Fault> {
    let bad = |text: String| Err(Fault::reject(StatusCode::BAD_REQUEST, text));
    if target_length(head) > MAX_TARGET {
        let text = format!("URI length exceeds the configured limit of {MAX_TARGET} characters");
        return Err(Fault::reject(StatusCode::URI_TOO_LONG, text));
    }
    for name in [HOST, CONTENT_TYPE] {
        if count(&head.headers, &name) > 1 {
            return bad(format!("the request has more than one '{name}' header"));
        }
    }
    if head.version == Version::HTTP_11 && !head.headers.contains_key(HOST) {
        return bad("the request has no 'host' header".to_owned());
    }
    // The last coding decides where the body ends, and other readers may understand fewer codings than `hyper` lets pass.
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next()
        && (codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
    {
        return bad("the only transfer encoding taken is 'chunked'".to_owned());
    }
    Ok(())
}

/// Whether the connection must not be used again after this request. `hyper` drops a `Content-Length` beside a
/// `Transfer-Encoding`, so it cannot be refused here; what another reader would take for the next request is not read.
pub(crate) fn ends_connection(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING)
}

fn target_length(head: &Parts) -> usize {
    head.uri.path_and_query().map_or(0, |target| target.as_str().len())
}

fn count(headers: &HeaderMap, name: &HeaderName) -> usize {
    headers.get_all(name).iter().count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn status(version: Version, target: &str, headers: &[(&str, &str)]) -> u16 {
        let mut request = Request::builder().version(version).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        check(&head).map_or_else(|fault| fault.status.as_u16(), |()| 200)
    }

    #[test]
    fn a_target_may_have_8_kib() {
        let with = |length: usize| {
            status(Version::HTTP_11, &format!("/{}", "x".repeat(length - 1)), &[("host", "h")])
        };
        assert_eq!((with(8192), with(8193)), (200, 414));
    }

    #[test]
    fn one_host_is_needed_unless_the_client_is_old() {
        assert_eq!(status(Version::HTTP_11, "/", &[]), 400);
        assert_eq!(status(Version::HTTP_10, "/", &[]), 200);
        assert_eq!(status(Version::HTTP_11, "/", &[("host", "a"), ("host", "b")]), 400);
    }

    #[test]
    fn framing_and_type_of_a_body_are_unambiguous() {
        let with = |headers: &[(&str, &str)]| {
            let all: Vec<_> = [("host", "h")].into_iter().chain(headers.iter().copied()).collect();
            status(Version::HTTP_11, "/", &all)
        };
        assert_eq!(with(&[("transfer-encoding", "Chunked")]), 200);
        assert_eq!(with(&[("transfer-encoding", "chunked, chunked")]), 400);
        assert_eq!(with(&[("transfer-encoding", "gzip"), ("transfer-encoding", "chunked")]), 400);
        assert_eq!(with(&[("content-type", "text/plain"), ("content-type", "application/json")]), 400);
    }
}

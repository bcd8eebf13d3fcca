//! What is answered. No I/O.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use oxwhisk_metrics::Metrics;
use oxwhisk_service::Readiness;
use oxwhisk_service::readiness::State;
use oxwhisk_service::telemetry::FilterHandle;
use serde_json::{Value, json};

/// What is asked about.
#[derive(Clone, Debug)]
pub struct Operated {
    pub readiness: Readiness,
    pub metrics: Metrics,
    pub log: FilterHandle,
    /// Who may read and set the log filter, beside loopback.
    pub log_admins: Vec<IpAddr>,
}

pub(crate) type Answer = Response<Full<Bytes>>;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const METRICS: HeaderValue = HeaderValue::from_static(oxwhisk_metrics::CONTENT_TYPE);

/// Where the log filter is.
pub(crate) const LOG_LEVEL: &str = "/loglevel";

impl Operated {
    /// Answers a request that has no body, or whose body does not matter.
    pub(crate) fn get(&self, method: &Method, path: &str, peer: IpAddr) -> Answer {
        if !matches!(path, "/live" | "/ping" | "/ready" | "/metrics" | LOG_LEVEL) {
            return text(StatusCode::NOT_FOUND, "there is no such page");
        }
        if method != Method::GET && method != Method::HEAD {
            return not_allowed(path);
        }
        match path {
            "/live" => text(StatusCode::OK, "live"),
            "/ping" => text(StatusCode::OK, "pong"),
            "/ready" => ready(&self.readiness.state()),
            "/metrics" => answer(StatusCode::OK, METRICS, self.metrics.text()),
            _ => self.log_filter(peer),
        }
    }

    fn log_filter(&self, peer: IpAddr) -> Answer {
        if !self.may_log(peer) {
            return forbidden();
        }
        match self.log.get() {
            Some(filter) => text(StatusCode::OK, filter),
            None => text(StatusCode::SERVICE_UNAVAILABLE, "the log has ended"),
        }
    }

    /// Sets the log filter to the text of a request's body.
    pub(crate) fn set_log_filter(&self, body: &[u8], peer: IpAddr) -> Answer {
        if !self.may_log(peer) {
            return forbidden();
        }
        let Ok(filter) = std::str::from_utf8(body).map(str::trim) else {
            return text(StatusCode::BAD_REQUEST, "the body is not UTF-8");
        };
        if filter.is_empty() {
            return text(StatusCode::BAD_REQUEST, "the body is empty and not a log filter such as 'info'");
        }
        match self.log.set(filter) {
            Ok(()) => {
                tracing::warn!(filter, %peer, "the log filter was changed");
                self.log_filter(peer)
            }
            Err(error) => text(StatusCode::BAD_REQUEST, error.to_string()),
        }
    }

    /// Whether a peer may see and change what is logged.
    pub(crate) fn may_log(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        peer.is_loopback() || self.log_admins.iter().any(|admin| admin.to_canonical() == peer)
    }
}

fn ready(state: &State) -> Answer {
    let unready = |reasons: Value| {
        let body = json!({"ready": false, "reasons": reasons});
        answer(StatusCode::SERVICE_UNAVAILABLE, JSON, body.to_string())
    };
    match state {
        State::Ready => answer(StatusCode::OK, JSON, json!({"ready": true}).to_string()),
        State::Draining => unready(json!([{"part": "service", "reason": "is draining"}])),
        State::Unready(reasons) => {
            let reason =
                |of: &oxwhisk_service::readiness::Reason| json!({"part": of.part, "reason": of.reason});
            unready(reasons.iter().map(reason).collect())
        }
    }
}

fn not_allowed(path: &str) -> Answer {
    let allowed = if path == LOG_LEVEL { "GET, HEAD, PUT" } else { "GET, HEAD" };
    let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, format!("allowed are {allowed}"));
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}

fn forbidden() -> Answer {
    text(StatusCode::FORBIDDEN, "the log filter is for loopback and the configured addresses")
}

pub(crate) fn text(status: StatusCode, text: impl Into<String>) -> Answer {
    answer(status, TEXT, text.into() + "\n")
}

fn answer(status: StatusCode, content_type: HeaderValue, body: String) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

#[cfg(test)]
mod tests {
    use oxwhisk_service::{LogConfig, Telemetry};

    use super::*;

    #[test]
    fn only_loopback_and_named_addresses_see_the_log_filter() {
        let telemetry = Telemetry::start(&LogConfig::default()).expect("nobody else logs");
        let admin = IpAddr::from([10, 0, 0, 7]);
        let operated = Operated {
            readiness: Readiness::new(),
            metrics: Metrics::new(),
            log: telemetry.filter(),
            log_admins: vec![admin],
        };
        let status =
            |peer: &str| operated.get(&Method::GET, LOG_LEVEL, peer.parse().unwrap()).status().as_u16();
        for (peer, expected) in [
            ("127.0.0.1", 200),
            ("::1", 200),
            ("::ffff:127.0.0.1", 200),
            ("10.0.0.7", 200),
            ("::ffff:10.0.0.7", 200),
            ("10.0.0.8", 403),
            ("fe80::1", 403),
        ] {
            assert_eq!(status(peer), expected, "{peer}");
        }
        let stranger = IpAddr::from([10, 0, 0, 8]);
        assert_eq!(operated.set_log_filter(b"off", stranger).status(), StatusCode::FORBIDDEN);
        assert!(operated.log.get().is_some_and(|filter| filter != "off"));
        assert_eq!(operated.set_log_filter(b"warn", admin).status(), StatusCode::OK);
        assert_eq!(operated.set_log_filter(b"\xff", admin).status(), StatusCode::BAD_REQUEST);
    }
}

//! Answers.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE,
    LOCATION, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use hyper::ext::ReasonPhrase;
use oxwhisk_core::id::{ActivationId, TransactionId};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::config::TransactionHeader;
use crate::http::fault::{Fault, Origin};

const ACTIVATION_ID: HeaderName = HeaderName::from_static("x-openwhisk-activation-id");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=UTF-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=UTF-8");
const METRICS: HeaderValue = HeaderValue::from_static(oxwhisk_metrics::CONTENT_TYPE);
const REALM: HeaderValue = HeaderValue::from_static("Basic realm=\"OpenWhisk secure realm\"");
const ANY_ORIGIN: HeaderValue = HeaderValue::from_static("*");
const ALLOWED_HEADERS: HeaderValue =
    HeaderValue::from_static("Authorization, Origin, X-Requested-With, Content-Type, Accept, User-Agent");

/// Which methods the CORS headers of an answer name; they differ inside and outside the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cors {
    None,
    Api,
    Server,
}

/// An answer before the headers that every answer has.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    content_type: Option<HeaderValue>,
    body: Bytes,
    pub(crate) cors: Cors,
    extra: Option<(HeaderName, HeaderValue)>,
}

impl Reply {
    pub(crate) fn json_text(status: StatusCode, text: impl Into<Bytes>) -> Self {
        Self { status, content_type: Some(JSON), body: text.into(), cors: Cors::Api, extra: None }
    }

    pub(crate) fn json(status: StatusCode, value: &Value) -> Self {
        Self::json_text(status, value.to_string())
    }

    pub(crate) fn raw(status: StatusCode, value: Box<RawValue>) -> Self {
        Self::json_text(status, String::from(Box::<str>::from(value)))
    }

    pub(crate) fn text(text: &'static str) -> Self {
        let body = Bytes::from_static(text.as_bytes());
        Self { status: StatusCode::OK, content_type: Some(TEXT), body, cors: Cors::Api, extra: None }
    }

    /// Metrics in the text format.
    pub(crate) fn metrics(text: String) -> Self {
        Self { content_type: Some(METRICS), body: text.into(), ..Self::text("") }
    }

    /// Done, and there is nothing to say.
    pub(crate) fn no_content() -> Self {
        let status = StatusCode::NO_CONTENT;
        Self { status, content_type: None, body: Bytes::new(), cors: Cors::Api, extra: None }
    }

    pub(crate) fn html(text: &'static str) -> Self {
        Self { content_type: Some(HTML), ..Self::text(text) }
    }

    pub(crate) fn redirect(location: &'static str) -> Self {
        let mut reply = Self::text("The request, and all future requests should be repeated using this URI.");
        reply.status = StatusCode::PERMANENT_REDIRECT;
        reply.extra = Some((LOCATION, HeaderValue::from_static(location)));
        reply
    }

    pub(crate) fn with_cors(self, cors: Cors) -> Self {
        Self { cors, ..self }
    }

    pub(crate) fn with_activation(self, id: ActivationId) -> Self {
        let value = HeaderValue::from_str(&id.to_string()).ok();
        Self { extra: value.map(|value| (ACTIVATION_ID, value)), ..self }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.content_type == Some(JSON)
    }

    /// An error body: both members are there, since clients need both.
    pub(crate) fn fault(fault: &Fault, transaction: &TransactionId) -> Self {
        let body = json!({"error": fault.message, "code": transaction.as_str()});
        let mut reply = Self::json(fault.status, &body);
        if fault.origin == Origin::Rejected {
            reply.cors = Cors::None;
            if fault.status == StatusCode::UNAUTHORIZED {
                reply.extra = Some((WWW_AUTHENTICATE, REALM));
            }
        }
        reply
    }

    /// The answer of a request that panicked or failed in a way nobody foresaw.
    pub(crate) fn internal_error() -> Self {
        let mut reply = Self::text("There was an internal server error.");
        reply.status = StatusCode::INTERNAL_SERVER_ERROR;
        reply.with_cors(Cors::None)
    }

    /// The answer of a request that took too long. Text, as every answer that does not come from a route.
    pub(crate) fn timed_out() -> Self {
        let mut reply = Self::text(
            "The server was not able to produce a timely response to your request.\r\nPlease try again in a short while!",
        );
        reply.status = StatusCode::SERVICE_UNAVAILABLE;
        reply.with_cors(Cors::None)
    }

    /// `header` is the one that carries the id of the transaction.
    pub(crate) fn into_response(
        self,
        transaction: &TransactionId,
        header: &TransactionHeader,
    ) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        if self.status == StatusCode::PAYLOAD_TOO_LARGE {
            // As the current HTTP specification calls it, and OpenWhisk.
            response.extensions_mut().insert(ReasonPhrase::from_static(b"Content Too Large"));
        }
        let headers = response.headers_mut();
        headers.reserve(6);
        if let Some(content_type) = self.content_type {
            headers.insert(CONTENT_TYPE, content_type);
        }
        if let Ok(id) = HeaderValue::from_str(transaction.as_str()) {
            headers.insert(header.name(), id);
        }
        add_cors(headers, self.cors);
        if let Some((name, value)) = self.extra {
            headers.insert(name, value);
        }
        response
    }
}

fn add_cors(headers: &mut HeaderMap, cors: Cors) {
    let methods = match cors {
        Cors::None => return,
        Cors::Api => HeaderValue::from_static("GET, DELETE, POST, PUT, HEAD"),
        Cors::Server => HeaderValue::from_static("OPTIONS, GET, POST"),
    };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY_ORIGIN);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
}

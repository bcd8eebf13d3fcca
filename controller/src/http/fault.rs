//! Failures that a client sees.

use http::StatusCode;
use oxwhisk_core::event::Metric;
use oxwhisk_throttle::Violation;

/// Who produced a failure, which decides its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The application: the answer carries CORS headers.
    Terminated,
    /// Routing or reading the request: it does not.
    Rejected,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    pub(crate) origin: Origin,
    /// The limit of the namespace that it reports.
    pub(crate) limit: Option<Metric>,
}

impl Fault {
    pub(crate) fn terminate(status: StatusCode, message: impl Into<String>) -> Self {
        let message = message.into();
        let trimmed = message.trim();
        let message =
            if trimmed.is_empty() { default_message(status).to_owned() } else { trimmed.to_owned() };
        Self { status, message, origin: Origin::Terminated, limit: None }
    }

    /// Terminates with the status's own text.
    pub(crate) fn status(status: StatusCode) -> Self {
        Self::terminate(status, "")
    }

    pub(crate) fn reject(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), origin: Origin::Rejected, limit: None }
    }

    /// The namespace has done, or runs, as much as it may.
    pub(crate) fn throttled(violation: &Violation) -> Self {
        let limit = match violation {
            Violation::Rate { .. } => Metric::TimedRateLimit,
            Violation::Concurrency { .. } => Metric::ConcurrentRateLimit,
        };
        Self { limit: Some(limit), ..Self::terminate(StatusCode::TOO_MANY_REQUESTS, violation.to_string()) }
    }

    /// A name, namespace or id that breaks its grammar.
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::reject(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn malformed_content(detail: impl std::fmt::Display) -> Self {
        Self::reject(StatusCode::BAD_REQUEST, format!("The request content was malformed:\n{detail}"))
    }

    pub(crate) fn malformed_query(name: &str, detail: impl std::fmt::Display) -> Self {
        let text = format!("The query parameter '{name}' was malformed:\n{detail}");
        Self::reject(StatusCode::BAD_REQUEST, text)
    }

    pub(crate) fn credentials_missing() -> Self {
        Self::reject(
            StatusCode::UNAUTHORIZED,
            "The resource requires authentication, which was not supplied with the request",
        )
    }

    pub(crate) fn credentials_wrong() -> Self {
        Self::reject(StatusCode::UNAUTHORIZED, "The supplied authentication is invalid")
    }

    /// No route takes this request.
    pub(crate) fn no_route() -> Self {
        Self::reject(StatusCode::NOT_FOUND, "The requested resource could not be found.")
    }

    pub(crate) fn not_found() -> Self {
        Self::status(StatusCode::NOT_FOUND)
    }

    pub(crate) fn not_acceptable() -> Self {
        Self::reject(
            StatusCode::NOT_ACCEPTABLE,
            "Resource representation is only available with these types:\napplication/json",
        )
    }

    pub(crate) fn unsupported_media_type(content_type: &str) -> Self {
        Self::reject(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!(
                "The request's Content-Type [{content_type}] is not supported. Expected:\napplication/json"
            ),
        )
    }

    /// `resources` are those the caller may not touch.
    pub(crate) fn forbidden(mut resources: Vec<String>) -> Self {
        resources.sort();
        Self::terminate(
            StatusCode::FORBIDDEN,
            format!("The supplied authentication is not authorized to access '{}'.", resources.join(", ")),
        )
    }

    pub(crate) fn too_large(what: &str, size: u64, limit: u64) -> Self {
        Self::terminate(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("{what} larger than allowed: {size} > {limit} bytes."),
        )
    }

    pub(crate) fn not_in_collection() -> Self {
        Self::terminate(StatusCode::CONFLICT, "Resource by this name exists but is not in this collection.")
    }

    pub(crate) fn corrupted() -> Self {
        Self::terminate(StatusCode::INTERNAL_SERVER_ERROR, "Resource is corrupted and cannot be read.")
    }
}

/// The text of a status that has none of its own.
fn default_message(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "Authentication is possible but has failed or not yet been provided.",
        403 => "The supplied authentication is not authorized to access this resource.",
        404 => "The requested resource does not exist.",
        409 => {
            "The request could not be processed because of conflict in the request, such as an edit conflict."
        }
        413 => "The request content is larger than the server is willing or able to process.",
        422 => "The request was well-formed but was unable to be followed due to semantic errors.",
        429 => "The user has sent too many requests in a given amount of time.",
        502 => {
            "The server was acting as a gateway or proxy and received an invalid response from the upstream server."
        }
        503 => "The server is currently unavailable (because it is overloaded or down for maintenance).",
        _ => "There was an internal server error.",
    }
}

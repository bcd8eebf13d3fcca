//! The daemon: every call with its time limit, and again when the daemon does not answer.

use std::time::Duration;

use bollard::errors::Error;
use bollard::{BollardRequest, Docker};

use crate::address::EngineAddress;
use crate::config::{DockerConfig, Retry, Timeouts};

/// Why a call did not give what it should.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum EngineError {
    /// There is no such container or image.
    #[error("{0}")]
    NotFound(String),
    /// The name is taken, or the container is in a state that does not allow it.
    #[error("{0}")]
    Conflict(String),
    /// The daemon will not do it.
    #[error("the Docker daemon refused to {what} ({status}): {message}")]
    Refused { what: &'static str, status: u16, message: String },
    /// Nobody answers, or the connection broke.
    #[error("cannot {what}: the Docker daemon at {address} does not answer: {error}")]
    Unreachable { what: &'static str, address: EngineAddress, error: String },
    #[error("cannot {what}: the Docker daemon at {address} took longer than {} ms", limit.as_millis())]
    TimedOut { what: &'static str, address: EngineAddress, limit: Duration },
}

/// A connection to one daemon. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    pub(crate) docker: Docker,
    address: EngineAddress,
    pub(crate) timeouts: Timeouts,
    pub(crate) retry: Retry,
}

/// The library's own limit, in seconds, so high that ours come first.
const LIBRARY_TIMEOUT: u64 = 3600;

impl Engine {
    /// Connects and agrees on a version of the API, once: the daemon may be older than the library.
    pub(crate) async fn connect(config: &DockerConfig) -> Result<Self, EngineError> {
        const WHAT: &str = "connect";
        let (timeouts, retry) = (config.timeouts.clone(), config.retry.clone());
        let version = bollard::API_DEFAULT_VERSION;
        let docker = match &config.address {
            EngineAddress::Unix(path) => {
                Docker::connect_with_unix(&path.to_string_lossy(), LIBRARY_TIMEOUT, version)
            }
            EngineAddress::Tcp(host) => {
                Docker::connect_with_http(&format!("tcp://{host}"), LIBRARY_TIMEOUT, version)
            }
        };
        let docker = docker.map_err(|error| classify(WHAT, &config.address, error))?;
        let docker = docker.with_request_modifier(with_url_safe_credentials);
        let engine = Self { docker, address: config.address.clone(), timeouts, retry };
        let limit = engine.timeouts.version;
        let docker = engine.once(WHAT, limit, engine.docker.clone().negotiate_version()).await?;
        Ok(Self { docker, ..engine })
    }

    pub(crate) async fn ping(&self) -> Result<(), EngineError> {
        self.once("ask for its health", self.timeouts.version, self.docker.ping()).await.map(|_| ())
    }

    /// One call.
    pub(crate) async fn once<T>(
        &self,
        what: &'static str,
        limit: Duration,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, EngineError> {
        match tokio::time::timeout(limit, call).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(classify(what, &self.address, error)),
            Err(_) => Err(EngineError::TimedOut { what, address: self.address.clone(), limit }),
        }
    }

    /// A call that may be repeated: again, after growing pauses, while nobody answers.
    pub(crate) async fn patiently<T, F: Future<Output = Result<T, Error>>>(
        &self,
        what: &'static str,
        limit: Duration,
        call: impl Fn() -> F,
    ) -> Result<T, EngineError> {
        let mut pauses = Pauses::new(&self.retry);
        loop {
            match self.once(what, limit, call()).await {
                Err(error @ EngineError::Unreachable { .. }) => match pauses.next() {
                    Some(pause) => {
                        tracing::debug!(%error, "asking the Docker daemon again");
                        tokio::time::sleep(pause).await;
                    }
                    None => return Err(error),
                },
                outcome => return outcome,
            }
        }
    }
}

const CREDENTIALS: &str = "x-registry-auth";

/// The daemon decodes credentials as URL-safe base64 (RFC 4648, section 5), the library writes the other alphabet. They
/// differ in two characters, and padding is the same.
fn with_url_safe_credentials(mut request: BollardRequest) -> BollardRequest {
    if let Some(header) = request.headers_mut().get_mut(CREDENTIALS) {
        let text = header.to_str().map(|text| text.replace('+', "-").replace('/', "_"));
        if let Some(Ok(mut replaced)) = text.ok().map(|text| text.parse::<http::HeaderValue>()) {
            replaced.set_sensitive(true);
            *header = replaced;
        }
    }
    request
}

/// The pauses between attempts.
#[derive(Debug)]
pub(crate) struct Pauses {
    left: u32,
    pause: Duration,
    max: Duration,
}

impl Pauses {
    pub(crate) fn new(retry: &Retry) -> Self {
        Self { left: retry.attempts.saturating_sub(1), pause: retry.first_pause, max: retry.max_pause }
    }

    /// As [`Pauses::new`], without end.
    pub(crate) fn endless(retry: &Retry) -> Self {
        Self { left: u32::MAX, ..Self::new(retry) }
    }
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        if self.left == 0 {
            return None;
        }
        if self.left != u32::MAX {
            self.left -= 1;
        }
        let pause = self.pause.min(self.max);
        self.pause = pause * 2;
        Some(pause)
    }
}

fn classify(what: &'static str, address: &EngineAddress, error: Error) -> EngineError {
    match error {
        Error::DockerResponseServerError { status_code: 404, message } => EngineError::NotFound(message),
        Error::DockerResponseServerError { status_code: 409, message } => EngineError::Conflict(message),
        // What a daemon says that is on its way out or not yet up.
        Error::DockerResponseServerError { status_code: 503, message } => {
            EngineError::Unreachable { what, address: address.clone(), error: message }
        }
        Error::DockerResponseServerError { status_code, message } => {
            EngineError::Refused { what, status: status_code, message }
        }
        Error::DockerStreamError { error } => EngineError::Refused { what, status: 200, message: error },
        error => EngineError::Unreachable { what, address: address.clone(), error: chain(&error) },
    }
}

/// With its causes: the library's own text is often "client error (Connect)".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_end() {
        let retry = Retry {
            attempts: 5,
            first_pause: Duration::from_millis(100),
            max_pause: Duration::from_millis(300),
            ..Retry::default()
        };
        let pauses: Vec<_> = Pauses::new(&retry).map(|pause| pause.as_millis()).collect();
        assert_eq!(pauses, [100, 200, 300, 300]);
        assert_eq!(Pauses::endless(&retry).take(1000).count(), 1000);
    }

    #[test]
    fn answers_are_told_from_silence() {
        let address = EngineAddress::default();
        let response = |status_code, message: &str| {
            let message = message.to_owned();
            classify("start it", &address, Error::DockerResponseServerError { status_code, message })
        };
        assert!(matches!(response(404, "No such container: x"), EngineError::NotFound(_)));
        assert!(matches!(response(409, "in use"), EngineError::Conflict(_)));
        assert_eq!(
            response(500, "no room").to_string(),
            "the Docker daemon refused to start it (500): no room"
        );
        let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let broken = classify("start it", &address, Error::IOError { err: broken });
        assert_eq!(
            broken.to_string(),
            "cannot start it: the Docker daemon at unix:///var/run/docker.sock does not answer: connection reset"
        );
    }
}

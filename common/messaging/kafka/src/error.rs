//! What can go wrong, and what Kafka's own errors mean here.

use std::path::PathBuf;

use oxwhisk_messaging::BusError;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// What is wrong with a configuration, before anybody is asked.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the option '{option}' must not be set: {why}")]
    Refused { option: String, why: &'static str },
    #[error("the Kafka client does not accept its configuration: {0}")]
    Option(KafkaError),
    #[error("{} cannot be read: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("cannot start a thread: {source}")]
    Thread { source: std::io::Error },
    #[error("{} is no file name that the Kafka client can take", path.display())]
    FileName { path: PathBuf },
}

/// Why a bus cannot be begun with. That Kafka is away is none of these: it is waited for.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Kafka does not believe who we are, or we do not believe it.
    #[error("Kafka at {hosts} was reached and refused us: {reason}")]
    Refused { hosts: String, reason: String },
    #[error("not permitted by Kafka: {0}")]
    Forbidden(String),
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Topics(Vec<crate::topics::Fault>),
    #[error("stopped before Kafka could be reached")]
    Stopped,
}

/// What a failed request means for what comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Try again later.
    Away(String),
    Refused(String),
    Forbidden(String),
}

/// The code of an error, if it has one.
pub(crate) fn code(error: &KafkaError) -> Option<RDKafkaErrorCode> {
    match error {
        KafkaError::AdminOp(code) => Some(*code),
        error => error.rdkafka_error_code(),
    }
}

pub(crate) fn meaning(error: &KafkaError) -> Meaning {
    let text = text(error);
    match code(error) {
        Some(
            RDKafkaErrorCode::Authentication
            | RDKafkaErrorCode::SaslAuthenticationFailed
            | RDKafkaErrorCode::UnsupportedSASLMechanism
            | RDKafkaErrorCode::SSL,
        ) => Meaning::Refused(text),
        Some(
            RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed,
        ) => Meaning::Forbidden(text),
        _ => Meaning::Away(text),
    }
}

/// Kafka's own words, without the client's wrapping.
pub(crate) fn text(error: &KafkaError) -> String {
    code(error).map_or_else(|| error.to_string(), |code| code.to_string())
}

/// Who asked, for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// The user's name, or how it shows who it is.
    pub(crate) principal: &'a str,
    /// For people: `write to the topic`.
    pub(crate) action: &'a str,
    pub(crate) name: &'a str,
}

pub(crate) fn forbidden(asked: Asked<'_>, error: &KafkaError) -> String {
    let Asked { principal, action, name } = asked;
    format!("{principal} may not {action} '{name}' ({})", text(error))
}

/// The error of a request about `asked`.
pub(crate) fn of_request(asked: Asked<'_>, error: &KafkaError) -> BusError {
    match meaning(error) {
        Meaning::Forbidden(_) => BusError::Forbidden(forbidden(asked, error)),
        Meaning::Away(reason) | Meaning::Refused(reason) => {
            BusError::Unavailable(format!("cannot {} '{}': {reason}", asked.action, asked.name))
        }
    }
}

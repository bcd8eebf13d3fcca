//! Errors in Redis's manner: the first word is the kind.

use std::fmt;

use crate::Reason;

/// Why a request does not go to Redis. Its text is what the client gets, without the `-` and the end of the line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// As Redis says it.
    #[error("ERR unknown command '{}'", Shown(.0))]
    Unknown(Vec<u8>),
    /// As Redis says it.
    #[error("ERR unknown subcommand '{}'. Try {container} HELP.", Shown(.name))]
    UnknownSub { container: &'static str, name: Vec<u8> },
    /// As Redis says it.
    #[error("ERR wrong number of arguments for '{0}' command")]
    Arity(String),
    /// As Redis says it.
    #[error("ERR syntax error")]
    Syntax,
    /// As Redis says it.
    #[error("ERR value is not an integer or out of range")]
    Integer,
    /// As Redis says it.
    #[error("ERR numkeys should be greater than 0")]
    NumKeys,
    /// As Redis says it.
    #[error("ERR Unbalanced '{0}' list of streams: for each stream key an ID or '$' must be specified.")]
    Unbalanced(String),
    #[error("NOPERM {command} is not available in a cache: {}", why(*.reason))]
    Refused { command: String, reason: Reason },
}

const fn why(reason: Reason) -> &'static str {
    match reason {
        Reason::WholeKeyspace => "it looks at keys of everybody. Use SCAN",
        Reason::Scripts => "scripts and functions may name keys of others",
        Reason::Administration => "the server is shared",
        Reason::OtherDatabases => "a scope is in one database",
        Reason::ConnectionState => "connections to the server are shared",
    }
}

/// Something that a client sent, cut short and without what would end the line.
struct Shown<'a>(&'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().take(64);
        shown
            .map(|byte| if (b' '..=b'~').contains(byte) { char::from(*byte) } else { '?' })
            .try_for_each(|character| write!(f, "{character}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_sent_cannot_end_the_line() {
        let text = Refusal::Unknown(b"a\r\n+OK\r\n'".to_vec()).to_string();
        assert_eq!(text, "ERR unknown command 'a??+OK??''");
        let long = Refusal::Unknown(vec![b'x'; 1000]).to_string();
        assert!(long.len() < 100);
    }
}

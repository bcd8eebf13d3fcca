//! What a connection is told.

use std::time::Duration;

use secrecy::SecretString;

use crate::Address;

/// Which version of Redis's protocol is spoken; clients get replies as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Resp2,
    Resp3,
}

/// As whom a connection is made.
#[derive(Clone, Debug, Default)]
pub struct Login {
    /// Of Redis's access lists; without one it is the default user.
    pub user: Option<String>,
    pub password: Option<SecretString>,
}

#[derive(Clone, Debug)]
pub struct UpstreamConfig {
    pub address: Address,
    pub login: Login,
    pub protocol: Protocol,
    /// Batches that wait to be written; who has one more waits.
    pub queue: usize,
    /// For address, connection and login together.
    pub connect_timeout: Duration,
    /// From handing a batch over to its last reply.
    pub reply_timeout: Duration,
    /// Pause before another attempt to connect, doubled up to the longest.
    pub retry_first: Duration,
    pub retry_longest: Duration,
    /// Bytes of the replies to one batch; beyond that nobody gets them.
    pub max_replies: usize,
}

impl UpstreamConfig {
    #[must_use]
    pub const fn new(address: Address, login: Login, protocol: Protocol) -> Self {
        Self {
            address,
            login,
            protocol,
            queue: 1024,
            connect_timeout: Duration::from_secs(2),
            reply_timeout: Duration::from_secs(5),
            retry_first: Duration::from_millis(20),
            retry_longest: Duration::from_secs(1),
            max_replies: 32 << 20,
        }
    }
}

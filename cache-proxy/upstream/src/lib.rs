//! Connections to the Redis behind a cache.
//!
//! A [`Shared`] connection carries the requests of many: each hands over a batch of whole requests and gets as many replies as
//! ithas asked for, in order. Nothing that changes the state of a connection may go over it; for that there are
//! [`Dedicated`] ones. It comes back by itself when
//! it breaks; what was on it then fails, since whether it was done is not known.
//!
//! The secret is written to the server and nowhere else: no error, log or `Debug` has it, and it is zeroed when it is
//! dropped.

mod address;
mod config;
mod dedicated;
mod login;
mod shared;
mod stream;

pub use address::{Address, NoAddress};
pub use config::{Login, Protocol, UpstreamConfig};
pub use dedicated::{Dedicated, Private};
pub use shared::{Replies, Shared, UpstreamError};

use login::{ConnectError, log_in};
use stream::Stream;

/// A connection, logged in, within the time that the configuration gives it.
async fn connected(config: &UpstreamConfig) -> Result<Box<dyn Stream>, ConnectError> {
    let connecting = async {
        let mut stream = stream::connect(&config.address).await?;
        log_in(&mut *stream, &config.login, config.protocol).await?;
        Ok(stream)
    };
    tokio::time::timeout(config.connect_timeout, connecting).await.unwrap_or(Err(ConnectError::TimedOut))
}

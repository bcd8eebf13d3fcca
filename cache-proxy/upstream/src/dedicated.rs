//! Connections of one user's own, for what leaves something behind on a connection: transactions, commands that wait,
//! subscriptions. There are so many at most.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use oxwhisk_cache_commands::reply::{MalformedReply, Scanner};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::login::ConnectError;
use crate::stream::Stream;
use crate::{UpstreamConfig, UpstreamError, connected};

/// Room for replies that is asked for at once.
const ROOM: usize = 4 << 10;

/// Connections that users may have for themselves.
#[derive(Clone)]
pub struct Dedicated(Arc<Pool>);

struct Pool {
    config: Arc<UpstreamConfig>,
    free: Arc<Semaphore>,
    most: usize,
    most_idle: usize,
    /// Nothing is left behind on them.
    idle: Mutex<Vec<Box<dyn Stream>>>,
}

impl Pool {
    fn idle(&self) -> MutexGuard<'_, Vec<Box<dyn Stream>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Dedicated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dedicated").field("most", &self.0.most).field("free", &self.free()).finish()
    }
}

impl Dedicated {
    /// At most `most` at once, of which `most_idle` are kept when nobody has them.
    #[must_use]
    pub fn new(config: Arc<UpstreamConfig>, most: usize, most_idle: usize) -> Self {
        let free = Arc::new(Semaphore::new(most));
        Self(Arc::new(Pool { config, free, most, most_idle, idle: Mutex::default() }))
    }

    /// How many more there may be.
    #[must_use]
    pub fn free(&self) -> usize {
        self.0.free.available_permits()
    }

    /// # Errors
    /// [`UpstreamError::Busy`] at once when all are taken, [`UpstreamError::Away`] when there is no server in time.
    pub async fn acquire(&self) -> Result<Private, UpstreamError> {
        let permit = Arc::clone(&self.0.free).try_acquire_owned().map_err(|_| UpstreamError::Busy)?;
        let stream = match self.idle().await {
            Some(stream) => stream,
            None => connected(&self.0.config).await.map_err(|error: ConnectError| {
                tracing::warn!(address = %self.0.config.address, %error, "cannot connect to the cache's server");
                UpstreamError::Away
            })?,
        };
        let max_reply = self.0.config.max_replies;
        Ok(Private {
            stream,
            buffer: BytesMut::new(),
            scanner: Scanner::default(),
            outstanding: 0,
            is_broken: false,
            is_passing: false,
            max_reply,
            pool: Arc::clone(&self.0),
            _permit: permit,
        })
    }

    /// One that the server has not closed meanwhile.
    async fn idle(&self) -> Option<Box<dyn Stream>> {
        loop {
            let mut stream = self.0.idle().pop()?;
            let mut nothing = [0; 1];
            // Whatever comes now, an end or a reply, is a reason to leave it.
            if tokio::time::timeout(Duration::ZERO, stream.read(&mut nothing)).await.is_err() {
                return Some(stream);
            }
        }
    }
}

/// A connection of one user's own, closed when it is dropped.
pub struct Private {
    stream: Box<dyn Stream>,
    buffer: BytesMut,
    scanner: Scanner,
    /// Replies that have not come.
    outstanding: usize,
    is_broken: bool,
    /// The next reply is too large: it is passed over.
    is_passing: bool,
    max_reply: usize,
    pool: Arc<Pool>,
    _permit: OwnedSemaphorePermit,
}

impl fmt::Debug for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Private")
            .field("outstanding", &self.outstanding)
            .field("is_broken", &self.is_broken)
            .finish_non_exhaustive()
    }
}

impl Private {
    /// Writes whole requests, to which so many replies will come. Given up before its end, the connection is broken.
    ///
    /// # Errors
    /// When it breaks.
    pub async fn send(&mut self, requests: &[u8], replies: usize) -> Result<(), UpstreamError> {
        self.check()?;
        self.is_broken = true;
        let written = async {
            self.stream.write_all(requests).await?;
            self.stream.flush().await
        };
        written.await.map_err(|_: io::Error| UpstreamError::Broken)?;
        self.is_broken = false;
        self.outstanding += replies;
        Ok(())
    }

    /// Waits for the next reply, or for what a subscription brings, however long it takes. Given up, it is there for the next one
    /// who waits.
    ///
    /// # Errors
    /// When it breaks. [`UpstreamError::TooLarge`] stands for one reply: the next one is behind it.
    pub async fn receive(&mut self) -> Result<Bytes, UpstreamError> {
        self.check()?;
        loop {
            match self.next() {
                Ok(Some(reply)) => {
                    self.outstanding = self.outstanding.saturating_sub(1);
                    return reply;
                }
                Ok(None) => {}
                Err(MalformedReply) => return self.broken(),
            }
            self.buffer.reserve(ROOM);
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return self.broken(),
                Ok(_) => {}
            }
        }
    }

    /// What is there as a whole.
    fn next(&mut self) -> Result<Option<Result<Bytes, UpstreamError>>, MalformedReply> {
        if !self.is_passing {
            if let Some(end) = self.scanner.end(&self.buffer)? {
                return Ok(Some(Ok(self.buffer.split_to(end).freeze())));
            }
            self.is_passing = self.buffer.len() > self.max_reply;
        }
        if !self.is_passing {
            return Ok(None);
        }
        let passed = self.scanner.pass(&self.buffer)?;
        self.buffer.advance(passed.bytes);
        if !passed.is_whole {
            // What was kept so far is not kept for the rest.
            if self.buffer.capacity() > self.max_reply {
                self.buffer = BytesMut::from(&self.buffer[..]);
            }
            return Ok(None);
        }
        self.is_passing = false;
        Ok(Some(Err(UpstreamError::TooLarge)))
    }

    /// For the next user: only what has no transaction, no watched keys and no subscriptions on it. With replies outstanding it is
    /// closed.
    pub fn hand_back(self) {
        let Self { stream, buffer, outstanding, is_broken, pool, .. } = self;
        let mut idle = pool.idle();
        if !is_broken && outstanding == 0 && buffer.is_empty() && idle.len() < pool.most_idle {
            idle.push(stream);
        }
    }

    fn check(&self) -> Result<(), UpstreamError> {
        if self.is_broken { Err(UpstreamError::Broken) } else { Ok(()) }
    }

    fn broken<T>(&mut self) -> Result<T, UpstreamError> {
        self.is_broken = true;
        Err(UpstreamError::Broken)
    }
}

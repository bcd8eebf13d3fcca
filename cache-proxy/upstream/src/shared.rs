//! One connection for many.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use oxwhisk_cache_commands::reply::{MalformedReply, Scanner};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::stream::Stream;
use crate::{UpstreamConfig, connected};

/// Batches that are written at once.
const AT_ONCE: usize = 256;
/// Room for replies that is asked for at once.
const ROOM: usize = 16 << 10;

/// Why there are no replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// It was not sent.
    #[error("the cache's server is away")]
    Away,
    /// All connections that users may have for themselves are taken.
    #[error("too many connections of their own")]
    Busy,
    /// It may have been done.
    #[error("the connection to the cache's server broke")]
    Broken,
    /// It may be done yet.
    #[error("the cache's server did not answer in time")]
    TimedOut,
    /// It was done; nobody may have what it replies.
    #[error("the replies are too large")]
    TooLarge,
    #[error("the cache ends")]
    Closed,
}

/// Replies to one batch, one behind the other as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replies {
    pub bytes: Bytes,
    /// Where each ends.
    pub ends: Vec<usize>,
}

#[derive(Debug)]
struct Batch {
    requests: Bytes,
    replies: usize,
    answer: oneshot::Sender<Result<Replies, UpstreamError>>,
}

/// What is awaited of a batch that was written.
#[derive(Debug)]
struct Awaited {
    replies: usize,
    ends: Vec<usize>,
    answer: oneshot::Sender<Result<Replies, UpstreamError>>,
}

/// A connection that many share.
#[derive(Clone, Debug)]
pub struct Shared {
    batches: mpsc::Sender<Batch>,
    reply_timeout: Duration,
    is_there: watch::Receiver<bool>,
}

impl Shared {
    /// Begins to connect; ends with `stop`, when what is on it fails.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn start(config: Arc<UpstreamConfig>, tasks: &TaskTracker, stop: CancellationToken) -> Self {
        let (batches, queue) = mpsc::channel(config.queue);
        let (there, is_there) = watch::channel(false);
        let reply_timeout = config.reply_timeout;
        tasks.spawn(async move {
            stop.run_until_cancelled(keep(&config, queue, &there)).await;
        });
        Self { batches, reply_timeout, is_there }
    }

    /// Sends whole requests and waits for as many replies, at most as long as the configuration says.
    ///
    /// # Errors
    /// When not all of them came.
    pub async fn exchange(&self, requests: Bytes, replies: NonZeroUsize) -> Result<Replies, UpstreamError> {
        let exchange = async {
            let (answer, answered) = oneshot::channel();
            let batch = Batch { requests, replies: replies.get(), answer };
            self.batches.send(batch).await.map_err(|_| UpstreamError::Closed)?;
            // Dropped with the connection it was on.
            answered.await.unwrap_or(Err(UpstreamError::Broken))
        };
        tokio::time::timeout(self.reply_timeout, exchange).await.unwrap_or(Err(UpstreamError::TimedOut))
    }

    /// Whether there is a connection, now and from now on.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.is_there.clone()
    }
}

/// Connects again and again.
async fn keep(config: &UpstreamConfig, mut queue: mpsc::Receiver<Batch>, there: &watch::Sender<bool>) {
    let mut pause = config.retry_first;
    loop {
        // Whoever asks meanwhile waits for the outcome: at a start, or after a short break, that is better than an error.
        match connected(config).await {
            Ok(stream) => {
                pause = config.retry_first;
                there.send_replace(true);
                tracing::debug!(address = %config.address, "connected to the cache's server");
                let why = serve(stream, &mut queue, config.max_replies).await;
                there.send_replace(false);
                match why {
                    None => return,
                    Some(error) => {
                        tracing::warn!(address = %config.address, %error, "the connection to the cache's server broke");
                    }
                }
            }
            Err(error) => {
                tracing::warn!(address = %config.address, %error, "cannot connect to the cache's server");
                if !refuse_for(pause, &mut queue).await {
                    return;
                }
                pause = (pause * 2).min(config.retry_longest);
            }
        }
    }
}

/// Lets nobody wait for a server that is away. Says whether anybody may still ask.
async fn refuse_for(pause: Duration, queue: &mut mpsc::Receiver<Batch>) -> bool {
    let refusing = async {
        while let Some(batch) = queue.recv().await {
            let _ = batch.answer.send(Err(UpstreamError::Away));
        }
    };
    // In time it ends only if all senders are gone.
    tokio::time::timeout(pause, refusing).await.is_err()
}

#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Malformed(#[from] MalformedReply),
}

/// Until it breaks; `None` when nobody is left to ask.
async fn serve(
    stream: Box<dyn Stream>,
    queue: &mut mpsc::Receiver<Batch>,
    max_replies: usize,
) -> Option<Broken> {
    let (reader, writer) = tokio::io::split(stream);
    // As many as there may be of those that wait: the writer waits before it writes more than that ahead of the reader.
    let (written, awaited) = mpsc::channel(AT_ONCE * 4);
    tokio::select! {
        broken = read(reader, awaited, max_replies) => Some(broken),
        ended = write(writer, queue, written) => ended.err().map(Broken::Io),
    }
}

async fn write(
    mut writer: WriteHalf<Box<dyn Stream>>,
    queue: &mut mpsc::Receiver<Batch>,
    written: mpsc::Sender<Awaited>,
) -> io::Result<()> {
    let mut batches = Vec::with_capacity(AT_ONCE);
    let mut joined = BytesMut::new();
    loop {
        if queue.recv_many(&mut batches, AT_ONCE).await == 0 {
            return Ok(());
        }
        let alone = batches.len() == 1;
        let mut only = Bytes::new();
        for Batch { requests, replies, answer } in batches.drain(..) {
            if alone {
                only = requests;
            } else {
                joined.extend_from_slice(&requests);
            }
            let awaited = Awaited { replies, ends: Vec::with_capacity(replies), answer };
            // The reader ends with the connection, and this with it.
            if written.send(awaited).await.is_err() {
                return Ok(());
            }
        }
        writer.write_all(if alone { &only } else { &joined }).await?;
        writer.flush().await?;
        joined.clear();
    }
}

/// Hands replies to whom they are for. Those who still wait when it breaks learn of it by being dropped.
async fn read(
    mut reader: ReadHalf<Box<dyn Stream>>,
    mut awaited: mpsc::Receiver<Awaited>,
    max_replies: usize,
) -> Broken {
    match receive(&mut reader, &mut awaited, max_replies).await {
        Ok(never) => match never {},
        Err(broken) => broken,
    }
}

/// It ends by breaking alone.
enum Never {}

async fn receive(
    reader: &mut ReadHalf<Box<dyn Stream>>,
    awaited: &mut mpsc::Receiver<Awaited>,
    max_replies: usize,
) -> Result<Never, Broken> {
    let mut incoming = Incoming { max_replies, ..Incoming::default() };
    loop {
        incoming.buffer.reserve(ROOM);
        if reader.read_buf(&mut incoming.buffer).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        loop {
            incoming.take_in(awaited)?;
            if incoming.buffer.len() <= max_replies {
                break;
            }
            incoming.give_up(awaited)?;
        }
    }
}

/// What has come and was not handed on.
#[derive(Default)]
struct Incoming {
    buffer: BytesMut,
    scanner: Scanner,
    /// One at a time, so that what was written and is not replied to is no more than the channel holds.
    oldest: Option<Awaited>,
    /// Of the buffer, what belongs to replies that are whole.
    whole: usize,
    /// Replies that are passed over: nobody gets them.
    passing: usize,
    /// Bytes of the replies to one batch.
    max_replies: usize,
}

impl Incoming {
    /// Hands on what is all there.
    fn take_in(&mut self, awaited: &mut mpsc::Receiver<Awaited>) -> Result<(), MalformedReply> {
        loop {
            if self.passing > 0 {
                let passed = self.scanner.pass(&self.buffer)?;
                self.buffer.advance(passed.bytes);
                if !passed.is_whole {
                    return Ok(());
                }
                self.passing -= 1;
                continue;
            }
            let rest = self.buffer.get(self.whole..).unwrap_or_default();
            let Some(length) = self.scanner.end(rest)? else { return Ok(()) };
            self.whole += length;
            let mut first = self.first(awaited)?;
            first.ends.push(self.whole);
            if first.ends.len() < first.replies {
                self.oldest = Some(first);
                continue;
            }
            let bytes = self.buffer.split_to(std::mem::take(&mut self.whole)).freeze();
            // All of it may come at once.
            let is_too_large = bytes.len() > self.max_replies;
            let replies = Replies { bytes, ends: first.ends };
            // Whoever has given up waiting needs none.
            let _ = first.answer.send(if is_too_large { Err(UpstreamError::TooLarge) } else { Ok(replies) });
        }
    }

    /// What is there is too much for whoever is to get it: all that comes for that batch is passed over.
    fn give_up(&mut self, awaited: &mut mpsc::Receiver<Awaited>) -> Result<(), MalformedReply> {
        let first = self.first(awaited)?;
        self.passing = first.replies - first.ends.len();
        // Of the one that is not whole the scanner knows what it has looked at.
        self.buffer.advance(std::mem::take(&mut self.whole));
        let passed = self.scanner.pass(&self.buffer)?;
        // The rest is little; what was kept so far is not kept for it.
        self.buffer = BytesMut::from(self.buffer.get(passed.bytes..).unwrap_or_default());
        self.passing -= usize::from(passed.is_whole);
        let _ = first.answer.send(Err(UpstreamError::TooLarge));
        Ok(())
    }

    /// Who has waited longest. Without one it is something that nobody has asked for.
    fn first(&mut self, awaited: &mut mpsc::Receiver<Awaited>) -> Result<Awaited, MalformedReply> {
        self.oldest.take().or_else(|| awaited.try_recv().ok()).ok_or(MalformedReply)
    }
}

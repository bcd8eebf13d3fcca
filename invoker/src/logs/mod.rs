//! The logs of one container: read for as long as it lives, cut by sentinels, handed to the activations that end.
//!
//! No task and no channel: the task that waits for the action's answer also reads the logs meanwhile, since an action
//! that fills its pipe would else wait for ever. The runtimes of this project print both sentinels before they answer,
//! so normally everything is there when the answer is.
//!
//! With several activations in one container, one of their tasks reads for all. When that one is done the next takes
//! over: they wait in line for the lock of the stream.

mod buffer;
mod lines;
mod timestamp;

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use oxwhisk_container::LogStream;
use tokio::sync::Notify;
use tokio::task::coop::unconstrained;

pub(crate) use buffer::Ending;
use buffer::LogBuffer;
pub use buffer::RECORDED_PER_TEXT;

/// The logs of a run are not looked at before: most runs are over by then, and what they wrote is read once, at their
/// end, instead of being asked for in vain at their beginning.
const QUIET: Duration = Duration::from_millis(1);
/// Turns the driver gets to notice what was written before the answer.
const DRIVER_TURNS: u32 = 8;
/// Chunks that are read at once when an activation ends, in case the container goes on writing.
const READY_CHUNKS_MAX: usize = 256;

/// Collects what one container writes.
pub(crate) struct ContainerLogs {
    /// Held by whoever reads; `None` when it has ended.
    stream: tokio::sync::Mutex<Option<LogStream>>,
    buffer: Mutex<LogBuffer>,
    /// Something was read.
    arrived: Notify,
}

impl std::fmt::Debug for ContainerLogs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ContainerLogs").finish_non_exhaustive()
    }
}

impl ContainerLogs {
    pub(crate) fn new(stream: Option<LogStream>) -> Self {
        Self {
            stream: tokio::sync::Mutex::new(stream),
            buffer: Mutex::new(LogBuffer::default()),
            arrived: Notify::new(),
        }
    }

    /// What an activation of the container's action may have, in bytes; 0 keeps nothing, but reads all the same.
    pub(crate) fn set_limit(&self, limit: u64) {
        self.buffer().set_limit(limit);
    }

    /// Awaits `work` and reads the logs meanwhile.
    pub(crate) async fn drained_during<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        if let Ok(output) = tokio::time::timeout(QUIET, work.as_mut()).await {
            return output;
        }
        tokio::select! {
            biased;
            output = work => output,
            () = self.read_for_ever() => unreachable!("it reads for ever"),
        }
    }

    /// Reads what the container wrote before it answered. Answers whether an activation's logs are complete.
    ///
    /// What is in the pipes is read without waiting. But tokio knows of it only when its driver has looked, which may
    /// have seen the answer first; so the driver gets a few turns. None is needed as a rule, and the time that all of
    /// them take is a few microseconds.
    pub(crate) async fn drain(&self) -> bool {
        for _ in 0..DRIVER_TURNS {
            if self.drain_ready() {
                return true;
            }
            tokio::task::yield_now().await;
        }
        self.drain_ready()
    }

    fn drain_ready(&self) -> bool {
        if self.buffer().is_complete() {
            return true;
        }
        // If somebody else reads, that one will get it.
        if let Ok(mut stream) = self.stream.try_lock() {
            let read = poll_fn(|context| {
                let mut left = READY_CHUNKS_MAX;
                while left > 0
                    && !self.buffer().is_complete()
                    && self.poll_chunk(&mut stream, context) == Poll::Ready(true)
                {
                    left -= 1;
                }
                Poll::Ready(())
            });
            // Else the runtime may answer that there is nothing, to let other tasks run.
            let mut read = pin!(unconstrained(read));
            let _ready = read.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
        self.buffer().is_complete()
    }

    /// Reads until an activation's logs are complete; gives up after a silence of `idle`, at the end of the streams, or
    /// when `overall` is over. Answers whether they are complete.
    pub(crate) async fn complete_within(&self, idle: Duration, overall: Duration) -> bool {
        let wait = async {
            while !self.buffer().is_complete() {
                match tokio::time::timeout(idle, self.read_some()).await {
                    Ok(true) => {}
                    Ok(false) | Err(_) => return,
                }
            }
        };
        // Too late is told by what is there.
        let _ = tokio::time::timeout(overall, wait).await;
        self.buffer().is_complete()
    }

    /// The lines of an activation that has ended.
    pub(crate) fn take(&self, ending: Ending) -> Vec<String> {
        self.buffer().take(ending, SystemTime::now())
    }

    fn buffer(&self) -> MutexGuard<'_, LogBuffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read_for_ever(&self) {
        let mut stream = self.stream.lock().await;
        while poll_fn(|context| self.poll_chunk(&mut stream, context)).await {
            // A container that writes without pause must not keep its own answer from being read.
            tokio::task::consume_budget().await;
        }
        drop(stream);
        pending().await
    }

    /// Waits until something more was read, by this or another task; `false` at the end of the streams.
    async fn read_some(&self) -> bool {
        let mut arrived = pin!(self.arrived.notified());
        arrived.as_mut().enable();
        if self.buffer().is_complete() {
            return true;
        }
        tokio::select! {
            () = arrived => true,
            more = async {
                let mut stream = self.stream.lock().await;
                poll_fn(|context| self.poll_chunk(&mut stream, context)).await
            } => more,
        }
    }

    /// Reads one chunk; `false` at the end of the streams.
    fn poll_chunk(&self, stream: &mut Option<LogStream>, context: &mut Context<'_>) -> Poll<bool> {
        let Some(open) = stream else { return Poll::Ready(false) };
        match open.as_mut().poll_next(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(chunk)) => {
                self.buffer().push(&chunk);
                self.arrived.notify_waiters();
                Poll::Ready(true)
            }
            Poll::Ready(None) => {
                *stream = None;
                Poll::Ready(false)
            }
        }
    }
}

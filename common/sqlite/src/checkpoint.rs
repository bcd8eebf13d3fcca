//! Carrying the write-ahead log over to the file, off the writer's way as far as SQLite lets it.
//!
//! A checkpoint by another connection runs beside the writer, but the log is only begun anew when *all* of it has been
//! carried over, which beside a busy writer never happens. So a thread does the bulk, and when the log has
//! nevertheless grown past a limit the writer itself does what little is left.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use rusqlite::Connection;

use crate::open;

/// The log may grow to this many times the size at which the thread begins, before the writer lends a hand.
const WRITER_HELPS_AT: u32 = 4;

/// And to this many times that size, before the writer waits for the thread.
const WRITER_WAITS_AT: u32 = 8;

/// The thread wakes the writer when it is done; looking once in a while as well costs nothing.
const PARK: Duration = Duration::from_millis(100);

const STACK_BYTES: usize = 256 * 1024;

#[derive(Debug)]
pub(crate) struct Checkpointer {
    path: PathBuf,
    threshold: u32,
    pages: Arc<AtomicU32>,
    running: Arc<AtomicBool>,
    /// Started when there is something to do for the first time: most files never need it.
    thread: Option<(SyncSender<()>, JoinHandle<()>)>,
}

impl Checkpointer {
    /// Takes over the decision when `connection`'s log is carried over.
    pub(crate) fn attach(
        connection: &mut Connection,
        path: PathBuf,
        threshold: u32,
    ) -> rusqlite::Result<Self> {
        let pages = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&pages);
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, count: i32| {
            seen.store(u32::try_from(count).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(Self { path, threshold, pages, running: Arc::new(AtomicBool::new(false)), thread: None })
    }

    /// To be called by the writer after a commit.
    pub(crate) fn after_commit(&mut self, writer: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < self.threshold {
            return;
        }
        if self.running.load(Ordering::Acquire) {
            if pages < self.threshold.saturating_mul(WRITER_WAITS_AT) {
                return;
            }
            self.wait();
        }
        if pages >= self.threshold.saturating_mul(WRITER_HELPS_AT) {
            run(writer, &self.path);
        } else {
            self.wake();
        }
    }

    /// Waits for the checkpoint under way, which ends: it carries over what was in the log when it began.
    fn wait(&self) {
        while self.running.load(Ordering::Acquire) {
            std::thread::park_timeout(PARK);
        }
    }

    fn wake(&mut self) {
        if self.thread.is_none() {
            match self.start() {
                Ok(thread) => self.thread = Some(thread),
                // The writer still does it all when the log has grown.
                Err(error) => tracing::warn!(%error, "the checkpoint thread cannot be started"),
            }
        }
        if let Some((sender, _)) = &self.thread {
            self.running.store(true, Ordering::Release);
            if sender.try_send(()).is_err() {
                self.running.store(false, Ordering::Release);
            }
        }
    }

    fn start(&self) -> std::io::Result<(SyncSender<()>, JoinHandle<()>)> {
        let (sender, receiver) = sync_channel(1);
        let (path, running) = (self.path.clone(), Running(Arc::clone(&self.running), std::thread::current()));
        let thread = std::thread::Builder::new()
            .name("sqlite-checkpoint".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || work(&receiver, &path, &running))?;
        Ok((sender, thread))
    }

    /// Stops the thread; waits for a checkpoint under way.
    pub(crate) fn stop(self) {
        if let Some((sender, thread)) = self.thread {
            drop(sender);
            if thread.join().is_err() {
                tracing::error!(file = %self.path.display(), "the checkpoint thread panicked");
            }
        }
    }
}

/// The flag of a checkpoint under way, and the writer that may wait for its end.
struct Running(Arc<AtomicBool>, Thread);

impl Running {
    fn end(&self) {
        self.0.store(false, Ordering::Release);
        self.1.unpark();
    }
}

/// However the thread ends, the writer must not wait for it.
impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

fn work(wakes: &Receiver<()>, path: &Path, running: &Running) {
    let connection = match open::checkpointer(path) {
        Ok(connection) => connection,
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "the checkpoint connection cannot be opened");
            return;
        }
    };
    while wakes.recv().is_ok() {
        run(&connection, path);
        running.end();
    }
}

/// A failed checkpoint loses nothing: the log keeps what it has, and the next attempt carries it over.
fn run(connection: &Connection, path: &Path) {
    let done = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    if let Err(error) = done {
        tracing::warn!(file = %path.display(), %error, "the write-ahead log could not be carried over");
    }
}

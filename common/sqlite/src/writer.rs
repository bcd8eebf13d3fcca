//! The one thread that writes a file, in groups.

use std::fmt;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::checkpoint::Checkpointer;
use crate::open::Settings;
use crate::{DatabaseError, Failed, OpenError};

/// Requests in one transaction at most.
const GROUP: usize = 512;

/// Writes that nobody waits for, in the queue at the same time; every caller has only one.
const BEHIND: usize = 64;

const STACK_BYTES: usize = 512 * 1024;

pub(crate) struct Writer {
    file: Arc<str>,
    /// As long as all `places` and [`BEHIND`] together: sending never blocks.
    jobs: Option<SyncSender<Job>>,
    places: Arc<Semaphore>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("file", &self.file).finish_non_exhaustive()
    }
}

struct Job {
    request: Box<dyn Request>,
    /// `None` for a write that nobody waits for.
    place: Option<OwnedSemaphorePermit>,
}

trait Request: Send {
    /// Whether what it did shall stay.
    fn execute(&mut self, connection: &Connection) -> bool;
    /// Hands out the outcome, which is `failure` if there is one.
    fn finish(self: Box<Self>, failure: Option<&DatabaseError>);
}

struct Call<T, E, F, A> {
    file: Arc<str>,
    work: Option<F>,
    outcome: Option<Result<T, E>>,
    answer: A,
}

impl<T, E, F, A> Request for Call<T, E, F, A>
where
    T: Send,
    E: From<DatabaseError> + Send,
    F: FnOnce(&Connection) -> Result<T, Failed<E>> + Send,
    A: FnOnce(Result<T, E>) + Send,
{
    fn execute(&mut self, connection: &Connection) -> bool {
        let Some(work) = self.work.take() else { return false };
        let outcome = work(connection).map_err(|failed| match failed {
            Failed::Refused(error) => error,
            Failed::Sqlite(error) => DatabaseError::sqlite(&self.file, &error).into(),
        });
        self.outcome.insert(outcome).is_ok()
    }

    fn finish(self: Box<Self>, failure: Option<&DatabaseError>) {
        // A request that was refused keeps its own reason, whatever became of the others.
        let outcome = match (self.outcome, failure) {
            (Some(Err(error)), _) => Err(error),
            (_, Some(failure)) => Err(failure.clone().into()),
            (Some(outcome), None) => outcome,
            (None, None) => Err(DatabaseError::Closed { file: self.file }.into()),
        };
        (self.answer)(outcome);
    }
}

impl Writer {
    pub(crate) fn start(
        mut connection: Connection,
        path: &Path,
        file: Arc<str>,
        settings: &Settings,
    ) -> Result<Self, OpenError> {
        let checkpointer = Checkpointer::attach(&mut connection, path.to_owned(), settings.checkpoint_pages)
            .map_err(|error| OpenError::sqlite(path, &error))?;
        let (jobs, receiver) = sync_channel(settings.queue + BEHIND);
        let turn = Turn {
            connection,
            jobs: receiver,
            checkpointer,
            file: Arc::clone(&file),
            linger: settings.linger,
        };
        let thread = std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || turn.run())
            .map_err(|error| OpenError::Unavailable { path: path.to_owned(), detail: error.to_string() })?;
        let places = Arc::new(Semaphore::new(settings.queue));
        Ok(Self { file, jobs: Some(jobs), places, thread: Mutex::new(Some(thread)) })
    }

    pub(crate) async fn write<T, E, F, A>(&self, work: F, then: A) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failed<E>> + Send + 'static,
        A: FnOnce(&mut Result<T, E>) + Send + 'static,
    {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| self.closed())?;
        let (sender, receiver) = oneshot::channel();
        let answer = move |mut outcome: Result<T, E>| {
            then(&mut outcome);
            // The caller may have gone; the write stands.
            drop(sender.send(outcome));
        };
        self.submit(work, answer, Some(place))?;
        receiver.await.map_err(|_| self.closed())?
    }

    pub(crate) fn write_behind<T, E, F, A>(&self, work: F, then: A) -> Result<(), DatabaseError>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failed<E>> + Send + 'static,
        A: FnOnce(Result<T, E>) + Send + 'static,
    {
        self.submit(work, then, None)
    }

    fn submit<T, E, F, A>(
        &self,
        work: F,
        answer: A,
        place: Option<OwnedSemaphorePermit>,
    ) -> Result<(), DatabaseError>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failed<E>> + Send + 'static,
        A: FnOnce(Result<T, E>) + Send + 'static,
    {
        let file = Arc::clone(&self.file);
        let request = Box::new(Call { file, work: Some(work), outcome: None, answer });
        let jobs = self.jobs.as_ref().ok_or_else(|| self.closed())?;
        jobs.try_send(Job { request, place }).map_err(|error| match error {
            TrySendError::Full(_) => self.crowded(),
            TrySendError::Disconnected(_) => self.closed(),
        })
    }

    fn crowded(&self) -> DatabaseError {
        let detail = format!("more than {BEHIND} writes that nobody waits for are waiting");
        DatabaseError::Unavailable { file: Arc::clone(&self.file), detail }
    }

    fn closed(&self) -> DatabaseError {
        DatabaseError::Closed { file: Arc::clone(&self.file) }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(file = %self.file, "the writer thread panicked");
        }
    }
}

/// What the thread owns.
struct Turn {
    connection: Connection,
    jobs: Receiver<Job>,
    checkpointer: Checkpointer,
    file: Arc<str>,
    linger: Duration,
}

impl Turn {
    fn run(mut self) {
        while let Some(group) = self.next_group() {
            self.carry_out(group);
            self.checkpointer.after_commit(&self.connection);
        }
        self.checkpointer.stop();
    }

    /// Everything that waits, up to [`GROUP`]; `None` when the database is dropped and nothing is left.
    fn next_group(&self) -> Option<Vec<Job>> {
        let mut group = vec![self.jobs.recv().ok()?];
        let deadline = Instant::now() + self.linger;
        while group.iter().all(|job| job.place.is_none()) && group.len() < GROUP {
            match self.jobs.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(job) => group.push(job),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        let rest = GROUP - group.len();
        group.extend(self.jobs.try_iter().take(rest));
        Some(group)
    }

    fn carry_out(&self, mut group: Vec<Job>) {
        let failure = self.transaction(&mut group).err();
        if let Some(failure) = &failure {
            tracing::error!(error = %failure, requests = group.len(), "a group of writes failed");
        }
        for job in group {
            job.request.finish(failure.as_ref());
            drop(job.place);
        }
    }

    fn transaction(&self, group: &mut [Job]) -> Result<(), DatabaseError> {
        let outcome =
            self.begin().and_then(|()| self.execute_all(group)).and_then(|()| self.statement("COMMIT"));
        if outcome.is_err() && !self.connection.is_autocommit() {
            self.statement("ROLLBACK")?;
        }
        outcome
    }

    fn begin(&self) -> Result<(), DatabaseError> {
        self.statement("BEGIN IMMEDIATE")
    }

    fn execute_all(&self, group: &mut [Job]) -> Result<(), DatabaseError> {
        for job in group {
            self.statement("SAVEPOINT request")?;
            let keep = job.request.execute(&self.connection);
            if self.connection.is_autocommit() {
                // Some failures (a full disk) make SQLite undo the whole transaction, the others' work with it.
                return Err(self.lost());
            }
            if !keep {
                self.statement("ROLLBACK TO request")?;
            }
            self.statement("RELEASE request")?;
        }
        Ok(())
    }

    fn statement(&self, sql: &str) -> Result<(), DatabaseError> {
        let run = || self.connection.prepare_cached(sql)?.execute([]);
        run().map(drop).map_err(|error| DatabaseError::sqlite(&self.file, &error))
    }

    fn lost(&self) -> DatabaseError {
        let detail = "the transaction was undone by a failure of another request in it".to_owned();
        DatabaseError::Unavailable { file: Arc::clone(&self.file), detail }
    }
}

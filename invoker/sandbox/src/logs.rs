//! What a sandbox writes. Nothing is kept here: when nobody reads, the pipe fills and the writer waits.
//!
//! A pipe in the poller of tokio wakes the server's thread at every write of the action, and each wake-up of an idle
//! processor costs more than the reading. Most runs are over, sentinels and all, before anybody has to read. So the
//! pipes are read directly when somebody polls, which is when the action's answer arrives, and are put into the poller
//! only when a run has gone on for [`QUIET`] without that. There they stay for [`WATCHED`].

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_core::Stream;
use nix::errno::Errno;
use oxwhisk_container::{LogChunk, LogOrigin};
use tokio::net::unix::pipe::Receiver;
use tokio::time::{Instant, Sleep};

/// Most bytes of one chunk.
const CHUNK: usize = 8 << 10;
/// Wait before the pipes are put into the poller. A pipe holds 64 KiB meanwhile.
const QUIET: Duration = Duration::from_millis(1);
/// Time for which they stay there.
const WATCHED: Duration = Duration::from_secs(1);

/// Both streams of a sandbox, polled by whoever reads, without a task or a channel in between.
#[derive(Debug)]
pub(crate) struct Output {
    sources: [Source; 2],
    /// Which to look at first: they take turns, so that a loud one does not hide the other.
    first: usize,
    watch: Watch,
}

#[derive(Debug)]
struct Source {
    origin: LogOrigin,
    pipe: Pipe,
}

#[derive(Debug)]
enum Pipe {
    Plain(OwnedFd),
    /// In the poller.
    Watched(Receiver),
    Ended,
}

impl Pipe {
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Plain(fd) => Some(fd.as_fd()),
            Self::Watched(watched) => Some(watched.as_fd()),
            Self::Ended => None,
        }
    }

    /// Puts it into the poller, if it is not there.
    fn enter_poller(&mut self) -> io::Result<()> {
        *self = match std::mem::replace(self, Self::Ended) {
            Self::Plain(fd) => Self::Watched(Receiver::from_owned_fd(fd)?),
            other => other,
        };
        Ok(())
    }

    fn leave_poller(&mut self) -> io::Result<()> {
        *self = match std::mem::replace(self, Self::Ended) {
            Self::Watched(watched) => Self::Plain(watched.into_nonblocking_fd()?),
            other => other,
        };
        Ok(())
    }
}

/// Whether the pipes are in the poller.
#[derive(Debug)]
enum Watch {
    /// They are not, and nobody has waited since the last chunk.
    Off,
    /// Somebody waits: they are put there when this is over.
    Soon(Pin<Box<Sleep>>),
    On {
        since: Instant,
    },
}

impl Output {
    /// Of the reading ends of two pipes, both non-blocking.
    pub(crate) fn new(stdout: OwnedFd, stderr: OwnedFd) -> Self {
        let source = |origin, fd| Source { origin, pipe: Pipe::Plain(fd) };
        Self {
            sources: [source(LogOrigin::Stdout, stdout), source(LogOrigin::Stderr, stderr)],
            first: 0,
            watch: Watch::Off,
        }
    }

    /// The next chunk of either stream; pending when there is none now, `None` when both have ended.
    fn read(&mut self) -> Poll<Option<LogChunk>> {
        self.look(Source::read)
    }

    /// As [`Output::read`]; if there is nothing, sees to it that `context` is woken when there is.
    fn watch(&mut self, context: &mut Context<'_>) -> Poll<Option<LogChunk>> {
        if matches!(&self.watch, Watch::On { since } if since.elapsed() > WATCHED) {
            self.sources.iter_mut().for_each(Source::leave_poller);
            self.watch = Watch::Off;
        }
        if matches!(self.watch, Watch::Off) {
            self.watch = Watch::Soon(Box::pin(tokio::time::sleep(QUIET)));
        }
        if let Watch::Soon(sleep) = &mut self.watch {
            ready!(sleep.as_mut().poll(context));
            self.watch = Watch::On { since: Instant::now() };
        }
        self.look(|source| source.watch(context))
    }

    /// Looks at both streams in turn. Pending when neither has anything, `None` when both have ended.
    fn look(&mut self, mut at: impl FnMut(&mut Source) -> Poll<Option<LogChunk>>) -> Poll<Option<LogChunk>> {
        let mut open = false;
        for turn in 0..2 {
            let index = (self.first + turn) % 2;
            match at(&mut self.sources[index]) {
                Poll::Ready(Some(chunk)) => {
                    self.first = (index + 1) % 2;
                    return Poll::Ready(Some(chunk));
                }
                Poll::Ready(None) => {}
                Poll::Pending => open = true,
            }
        }
        if open { Poll::Pending } else { Poll::Ready(None) }
    }
}

impl Source {
    /// What is in the pipe, `None` at its end.
    fn read(&mut self) -> Poll<Option<LogChunk>> {
        let Some(pipe) = self.pipe.fd() else { return Poll::Ready(None) };
        let mut buffer = [0; CHUNK];
        match nix::unistd::read(pipe, &mut buffer) {
            Err(Errno::EAGAIN) => Poll::Pending,
            Ok(length) => Poll::Ready(self.chunk(&buffer[..length])),
            Err(error) => Poll::Ready(self.fail(&error.into())),
        }
    }

    /// As [`Source::read`], by way of the poller.
    fn watch(&mut self, context: &mut Context<'_>) -> Poll<Option<LogChunk>> {
        if let Err(error) = self.pipe.enter_poller() {
            return Poll::Ready(self.fail(&error));
        }
        let Pipe::Watched(pipe) = &self.pipe else { return Poll::Ready(None) };
        let mut buffer = [0; CHUNK];
        loop {
            let read = match ready!(pipe.poll_read_ready(context)) {
                Ok(()) => pipe.try_read(&mut buffer),
                Err(error) => Err(error),
            };
            match read {
                // What the poller knew was old; now it is asked again.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(length) => return Poll::Ready(self.chunk(&buffer[..length])),
                Err(error) => return Poll::Ready(self.fail(&error)),
            }
        }
    }

    /// Nothing read is the end of the stream.
    fn chunk(&mut self, bytes: &[u8]) -> Option<LogChunk> {
        if bytes.is_empty() {
            self.pipe = Pipe::Ended;
            return None;
        }
        Some(LogChunk { origin: self.origin, time: SystemTime::now(), bytes: Bytes::copy_from_slice(bytes) })
    }

    fn leave_poller(&mut self) {
        if let Err(error) = self.pipe.leave_poller() {
            self.fail(&error);
        }
    }

    /// A pipe that cannot be read or watched is as good as ended: its reader must not wait for ever.
    fn fail(&mut self, error: &io::Error) -> Option<LogChunk> {
        tracing::error!(%error, origin = ?self.origin, "cannot read the output of a sandbox");
        self.pipe = Pipe::Ended;
        None
    }
}

impl Stream for Output {
    type Item = LogChunk;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<LogChunk>> {
        let Poll::Ready(item) = self.read() else { return self.watch(context) };
        // The next wait is that of another run, or of a run that has just shown life.
        if matches!(self.watch, Watch::Soon(_)) {
            self.watch = Watch::Off;
        }
        Poll::Ready(item)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use futures_util::StreamExt;
    use nix::fcntl::{FcntlArg, OFlag, fcntl};

    use super::*;

    fn pipe() -> (File, OwnedFd) {
        let (read, write) = nix::unistd::pipe().unwrap();
        fcntl(&read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        (write.into(), read)
    }

    #[tokio::test]
    async fn both_streams_take_turns_and_end_together() {
        let ((mut out, stdout), (mut err, stderr)) = (pipe(), pipe());
        let mut output = Output::new(stdout, stderr);
        out.write_all(&[b'a'; 40_000]).unwrap();
        err.write_all(b"b").unwrap();
        let origins = [output.next().await.unwrap().origin, output.next().await.unwrap().origin];
        assert_eq!(origins, [LogOrigin::Stdout, LogOrigin::Stderr]);
        drop(out);
        let mut rest = 0;
        while rest < 40_000 - CHUNK {
            let chunk = output.next().await.unwrap();
            assert!(chunk.origin == LogOrigin::Stdout && chunk.bytes.len() <= CHUNK);
            rest += chunk.bytes.len();
        }
        drop(err);
        assert!(output.next().await.is_none());
    }

    #[tokio::test]
    async fn what_comes_while_somebody_waits_wakes_them_early_and_late() {
        let ((mut out, stdout), (_err, stderr)) = (pipe(), pipe());
        let mut output = Output::new(stdout, stderr);
        for wait in [Duration::ZERO, QUIET * 5, Duration::ZERO, WATCHED + QUIET, Duration::ZERO] {
            let write = async {
                tokio::time::sleep(wait).await;
                out.write_all(b"x").unwrap();
                // Nothing more is polled here: what wakes the reader is the pipe.
                std::future::pending::<()>().await;
            };
            let chunk = tokio::select! {
                chunk = output.next() => chunk.unwrap(),
                () = write => unreachable!("it pends"),
            };
            assert_eq!(chunk.bytes, "x");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_ends_early_is_not_watched() {
        let ((mut out, stdout), (_err, stderr)) = (pipe(), pipe());
        let mut output = Output::new(stdout, stderr);
        for _ in 0..100 {
            assert!(tokio::time::timeout(Duration::ZERO, output.next()).await.is_err());
            out.write_all(b"x").unwrap();
            assert!(output.next().await.is_some());
            assert!(matches!(output.watch, Watch::Off | Watch::Soon(_)));
        }
    }
}

//! What a container writes: one stream of the daemon for as long as it lives, opened again where it breaks.
//!
//! The daemon reads the container's pipes into files of bounded size and tells from those. So a container is never
//! stopped by a reader that is behind, and a reader that is further behind than the files reach back loses lines.
//! Attaching to the pipes themselves would be a little faster, but what is written while a connection is broken would
//! be gone.

mod cursor;

use std::time::SystemTime;

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::query_parameters::{InspectContainerOptions, LogsOptions, LogsOptionsBuilder};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use oxwhisk_container::{LogChunk, LogOrigin, LogStream};
use tokio::time::Instant;

use crate::engine::{Engine, EngineError, Pauses};
use cursor::Cursor;

/// Everything the container writes, from its beginning on. Nothing is asked of the daemon before it is polled.
pub(crate) fn of(engine: Engine, id: String) -> LogStream {
    let reader = Reader { engine, id, cursor: Cursor::default(), follow: true, open: None, broken: None };
    Box::pin(stream::unfold(reader, |mut reader| async move {
        let chunk = reader.next().await?;
        Some((chunk, reader))
    }))
}

struct Reader {
    engine: Engine,
    id: String,
    cursor: Cursor,
    /// Until the container has ended. Then everything is asked for once more, since a daemon may end a stream that
    /// follows just before the last lines.
    follow: bool,
    open: Option<BoxStream<'static, Result<LogOutput, Error>>>,
    /// Since when nothing could be read, and the pauses between the attempts.
    broken: Option<(Instant, Pauses)>,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// As it does when the container has ended and everything was told.
    Whole,
    Broken,
}

impl Reader {
    /// The next chunk; `None` when the container has ended and has told all, or nothing more can be had.
    async fn next(&mut self) -> Option<LogChunk> {
        loop {
            let open = self
                .open
                .get_or_insert_with(|| open(&self.engine, &self.id, self.cursor.reopen(), self.follow));
            let end = match open.next().await {
                Some(Ok(output)) => {
                    self.broken = None;
                    match read(output) {
                        Some((time, chunk)) if self.cursor.accept(chunk.origin, time) => return Some(chunk),
                        Some(_) => continue,
                        // The rest of a line whose other end is lost: it comes again, whole.
                        None => End::Broken,
                    }
                }
                Some(Err(Error::DockerResponseServerError { status_code: 404, .. })) => return None,
                Some(Err(error)) => {
                    tracing::debug!(container = self.id, %error, "a stream of logs is broken");
                    End::Broken
                }
                None => End::Whole,
            };
            self.open = None;
            if !self.goes_on(end).await {
                return None;
            }
        }
    }

    /// Whether to open the stream again, after a pause if need be.
    async fn goes_on(&mut self, end: End) -> bool {
        match (is_running(&self.engine, &self.id).await, end) {
            (Ok(None), _) => return false,
            (Ok(Some(false)), End::Whole) => return std::mem::take(&mut self.follow),
            (Ok(Some(_)), _) => {}
            (Err(error), _) => tracing::debug!(container = self.id, %error, "cannot ask for a container"),
        }
        let retry = &self.engine.retry;
        let (since, pauses) = self.broken.get_or_insert_with(|| (Instant::now(), Pauses::endless(retry)));
        if since.elapsed() >= retry.logs {
            tracing::warn!(
                container = self.id,
                "the daemon does not give the logs of a container: they are given up"
            );
            return false;
        }
        let pause = pauses.next().unwrap_or(retry.max_pause);
        tokio::time::sleep(pause).await;
        true
    }
}

/// `None` if there is no such container.
async fn is_running(engine: &Engine, id: &str) -> Result<Option<bool>, EngineError> {
    let call = engine.docker.inspect_container(id, None::<InspectContainerOptions>);
    match engine.once("look at a container", engine.timeouts.inspect, call).await {
        Ok(container) => Ok(Some(container.state.and_then(|state| state.running) == Some(true))),
        Err(EngineError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn open(engine: &Engine, id: &str, since: i64, follow: bool) -> BoxStream<'static, Result<LogOutput, Error>> {
    engine.docker.logs(id, Some(options(since, follow))).boxed()
}

fn options(since: i64, follow: bool) -> LogsOptions {
    let since = i32::try_from(since).unwrap_or(i32::MAX);
    LogsOptionsBuilder::new().follow(follow).stdout(true).stderr(true).timestamps(true).since(since).build()
}

/// A line, or a piece of a long one, with its time: `2026-01-01T00:00:00.123456789Z text`. `None` for what is not whole.
fn read(output: LogOutput) -> Option<(cursor::Nanoseconds, LogChunk)> {
    let (origin, message) = match output {
        LogOutput::StdOut { message } => (LogOrigin::Stdout, message),
        LogOutput::StdErr { message } => (LogOrigin::Stderr, message),
        LogOutput::StdIn { .. } | LogOutput::Console { .. } => return None,
    };
    let (time, bytes) = split(&message)?;
    let chunk = LogChunk { origin, time: SystemTime::from(time), bytes };
    Some((time.as_nanosecond(), chunk))
}

fn split(message: &Bytes) -> Option<(jiff::Timestamp, Bytes)> {
    let space = message.iter().position(|byte| *byte == b' ')?;
    let time = std::str::from_utf8(&message[..space]).ok()?.parse().ok()?;
    Some((time, message.slice(space + 1..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_origin_and_time() {
        let message = Bytes::from_static(b"2026-01-01T00:00:01.000000007Z a b\n");
        let (time, chunk) = read(LogOutput::StdErr { message }).unwrap();
        assert_eq!(
            (time % 1_000_000_000, chunk.origin, &chunk.bytes[..]),
            (7, LogOrigin::Stderr, &b"a b\n"[..])
        );
        assert_eq!(chunk.time.duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos(), 7);
        let message = Bytes::from_static(b"2026-01-01T02:00:01.000000007+02:00 \n");
        assert_eq!(&read(LogOutput::StdOut { message }).unwrap().1.bytes[..], b"\n");
    }

    #[test]
    fn what_is_not_whole_is_not_a_line() {
        let message = Bytes::from_static(b"2026-01-01T00:00:01.000000007Z cut of");
        assert!(read(LogOutput::Console { message }).is_none());
        for message in [&b""[..], b"2026", b"yesterday line\n", b"\xff \n"] {
            assert!(read(LogOutput::StdOut { message: Bytes::from_static(message) }).is_none());
        }
    }
}

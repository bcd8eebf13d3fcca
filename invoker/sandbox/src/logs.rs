//! What a sandbox writes. Nothing is kept here: when nobody reads, the pipe fills and the writer waits.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use bytes::BytesMut;
use futures_core::Stream;
use oxwhisk_container::{LogChunk, LogOrigin};
use tokio::net::unix::pipe::Receiver;
use tokio_util::io::poll_read_buf;

/// Most bytes of one chunk.
const CHUNK: usize = 16 << 10;

/// Both streams of a sandbox, polled by whoever reads, without a task or a channel in between.
#[derive(Debug)]
pub(crate) struct Output {
    sources: [Source; 2],
    /// Which to look at first: they take turns, so that a loud one does not hide the other.
    first: usize,
}

#[derive(Debug)]
struct Source {
    origin: LogOrigin,
    pipe: Option<Receiver>,
    buffer: BytesMut,
}

impl Output {
    pub(crate) fn new(stdout: Receiver, stderr: Receiver) -> Self {
        let source = |origin, pipe| Source { origin, pipe: Some(pipe), buffer: BytesMut::new() };
        Self { sources: [source(LogOrigin::Stdout, stdout), source(LogOrigin::Stderr, stderr)], first: 0 }
    }
}

impl Source {
    /// The next chunk, or `None` at the end of the stream.
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<LogChunk>> {
        let Some(pipe) = self.pipe.as_mut() else { return Poll::Ready(None) };
        if self.buffer.capacity() == 0 {
            self.buffer.reserve(CHUNK);
        }
        match ready!(poll_read_buf(Pin::new(pipe), context, &mut self.buffer)) {
            Ok(0) | Err(_) => {
                self.pipe = None;
                Poll::Ready(None)
            }
            Ok(_) => Poll::Ready(Some(LogChunk {
                origin: self.origin,
                time: SystemTime::now(),
                bytes: self.buffer.split().freeze(),
            })),
        }
    }
}

impl Stream for Output {
    type Item = LogChunk;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<LogChunk>> {
        let mut open = false;
        for turn in 0..2 {
            let index = (self.first + turn) % 2;
            match self.sources[index].poll_chunk(context) {
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

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use tokio::io::AsyncWriteExt;
    use tokio::net::unix::pipe;

    use super::*;

    #[tokio::test]
    async fn both_streams_take_turns_and_end_together() {
        let (mut out, stdout) = pipe::pipe().unwrap();
        let (mut err, stderr) = pipe::pipe().unwrap();
        let mut output = Output::new(stdout, stderr);
        out.write_all(&[b'a'; 40_000]).await.unwrap();
        err.write_all(b"b").await.unwrap();
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
}

//! Hanging up on a client that still sends.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// A client that has not hung up after being silent for this long will not.
const SILENCE: Duration = Duration::from_secs(2);
/// How long a client may go on sending.
const MOST: Duration = Duration::from_secs(30);

/// Whether a connection ends while its client may still be sending.
#[derive(Clone, Debug, Default)]
pub(super) struct StillSending(Arc<AtomicBool>);

impl StillSending {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A stream that takes what its client still sends before it closes. Closed with bytes unread, the kernel resets the
/// connection; the client then finds that it cannot send, instead of the answer that says why it need not.
#[derive(Debug)]
pub(super) struct Lingering<S> {
    stream: S,
    still_sending: StillSending,
    farewell: Option<Farewell>,
}

/// The answer is out, and so is the end of the stream.
#[derive(Debug)]
struct Farewell {
    silence: Pin<Box<Sleep>>,
    end: Instant,
}

impl<S> Lingering<S> {
    pub(super) fn new(stream: S, still_sending: StillSending) -> Self {
        Self { stream, still_sending, farewell: None }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Lingering<S> {
    /// Ready when the client has hung up, or need not be listened to any longer.
    fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let farewell = self.farewell.get_or_insert_with(|| Farewell {
            silence: Box::pin(tokio::time::sleep(SILENCE)),
            end: Instant::now() + MOST,
        });
        loop {
            let mut space = [0; 16 * 1024];
            let mut rest = ReadBuf::new(&mut space);
            match Pin::new(&mut self.stream).poll_read(context, &mut rest) {
                Poll::Ready(Ok(())) if !rest.filled().is_empty() => {
                    let now = Instant::now();
                    if now >= farewell.end {
                        return Poll::Ready(());
                    }
                    farewell.silence.as_mut().reset(now + SILENCE);
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return farewell.silence.as_mut().poll(context),
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.farewell.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        }
        if self.still_sending.0.load(Ordering::Relaxed) {
            ready!(self.poll_rest(context));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    /// Closes a stream whose client `still` sends; says how long that took.
    async fn close(near: DuplexStream, still: bool) -> Duration {
        let still_sending = StillSending::default();
        if still {
            still_sending.set();
        }
        let began = Instant::now();
        Lingering::new(near, still_sending).shutdown().await.unwrap();
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_client_still_sends_is_taken_until_it_hangs_up() {
        let (near, mut far) = tokio::io::duplex(4);
        let client = tokio::spawn(async move {
            far.write_all(&[0; 1000]).await.unwrap();
            far.read_to_end(&mut Vec::new()).await.unwrap()
        });
        assert_eq!(close(near, true).await, Duration::ZERO);
        assert_eq!(client.await.unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_not_waited_for() {
        let (near, _far) = tokio::io::duplex(4);
        assert_eq!(close(near, true).await.as_secs(), SILENCE.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_ends_is_not_listened_to_for_ever() {
        let (near, mut far) = tokio::io::duplex(4);
        tokio::spawn(async move {
            while far.write_all(b"x").await.is_ok() {
                tokio::time::sleep(SILENCE / 2).await
            }
        });
        assert_eq!(close(near, true).await.as_secs(), MOST.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn others_are_closed_at_once() {
        let (near, _far) = tokio::io::duplex(4);
        assert_eq!(close(near, false).await, Duration::ZERO);
    }
}

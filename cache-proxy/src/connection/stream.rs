//! A client's stream.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

/// As much as is read at once.
const AT_ONCE: usize = 64 << 10;
/// What is larger than this is read where it stays; the next part of it will be as large.
const LARGE: usize = 16 << 10;

thread_local! {
    /// One for all connections of a thread: a connection that waits has none.
    static ROOM: RefCell<Box<[u8]>> = RefCell::new(vec![0; AT_ONCE].into_boxed_slice());
}

/// What clients connect with.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

/// Reads what there is behind what was read; 0 at the end. Given up, nothing is lost.
pub(crate) async fn read(stream: &mut impl Stream, input: &mut BytesMut) -> io::Result<usize> {
    if input.len() > LARGE {
        input.reserve(AT_ONCE);
        return stream.read_buf(input).await;
    }
    poll_fn(|context| {
        ROOM.with_borrow_mut(|room| {
            let mut filled = ReadBuf::new(room);
            ready!(Pin::new(&mut *stream).poll_read(context, &mut filled))?;
            input.extend_from_slice(filled.filled());
            Poll::Ready(Ok(filled.filled().len()))
        })
    })
    .await
}

/// Writes all of it, and keeps little room for the next.
pub(crate) async fn write(
    stream: &mut impl Stream,
    output: &mut BytesMut,
    within: Duration,
) -> io::Result<()> {
    if output.is_empty() {
        return Ok(());
    }
    let writing = async {
        stream.write_all(output).await?;
        stream.flush().await
    };
    let written = tokio::time::timeout(within, writing).await;
    // Whatever of it was not taken comes too late: nobody knows how much that is.
    if output.capacity() > LARGE {
        *output = BytesMut::new()
    } else {
        output.clear()
    }
    written.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

//! One connection: a request out, an answer in.

use std::io::{self, IoSlice};
use std::time::{Duration, Instant};

use oxwhisk_invoker_api::ResponseLimits;

use super::connect::Socket;
use super::reply::{Body, ReplyError, ReplyHead};
use crate::response::Answer;

/// The container gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// The container had closed the connection before it got anything: the request was not begun.
    #[error("the container closed its connection before the request")]
    NotSent,
    #[error("the connection to the container broke: {0}")]
    Broken(io::Error),
    #[error("the container's answer is not valid: {0}")]
    Invalid(#[from] ReplyError),
}

/// What was read of an answer; its body is [`Connection::answer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    length: u64,
    kept: usize,
    /// The connection can take another request.
    pub(crate) reusable: bool,
}

/// Room for the answers of most actions without asking for more.
const READ_AHEAD: usize = 4 << 10;
/// Buffers above this size are given back after the call that needed them.
const BUFFER_KEPT: usize = 64 << 10;
/// A longer answer than this is not read to its end to keep its connection.
const DRAINED_MAX: u64 = 64 << 20;

/// A kept connection to a container. One request at a time.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: Socket,
    /// The head of the answer, and what of the body came with it; then the body alone.
    input: Vec<u8>,
    /// For the parts of a request that are made for it.
    output: Vec<u8>,
}

impl Connection {
    pub(super) fn new(socket: Socket) -> Self {
        Self { socket, input: Vec::new(), output: Vec::new() }
    }

    /// A buffer for the parts of a request, kept from call to call.
    pub(crate) fn take_output(&mut self) -> Vec<u8> {
        let mut output = std::mem::take(&mut self.output);
        output.clear();
        output
    }

    pub(crate) fn return_output(&mut self, output: Vec<u8>) {
        if output.capacity() <= BUFFER_KEPT {
            self.output = output;
        }
    }

    /// Sends a request, in one system call if the kernel takes it, and reads the answer. Keeps at most the limit of
    /// the body, or the truncation size if it is longer. Waits for the beginning of the answer without sleeping for as
    /// long as `spin`.
    ///
    /// # Errors
    /// When there is no whole answer. The connection is of no use then.
    pub(crate) async fn exchange(
        &mut self,
        request: &mut [IoSlice<'_>],
        limits: ResponseLimits,
        spin: Duration,
    ) -> Result<Head, ExchangeError> {
        self.check_open()?;
        self.send(request).await?;
        self.input.clear();
        self.spin(spin);
        let (head, length) = self.read_head().await?;
        self.input.drain(..length);
        let (total, kept, whole) = match head.body {
            Body::Length(total) => self.read_sized(total, limits).await?,
            Body::Chunked => self.read_chunked(limits).await?,
        };
        Ok(Head { status: head.status, length: total, kept, reusable: head.keep_alive && whole })
    }

    /// The answer that the last exchange read.
    pub(crate) fn answer(&self, head: Head) -> Answer<'_> {
        Answer { status: head.status, body: &self.input[..head.kept], length: head.length }
    }

    /// Gives back the memory of an unusually long answer.
    pub(crate) fn shrink(&mut self) {
        if self.input.capacity() > BUFFER_KEPT {
            self.input = Vec::new();
        }
    }

    /// A kept connection is silent: anything to read is its end. Costs a system call only if something came.
    fn check_open(&self) -> Result<(), ExchangeError> {
        match self.socket.try_read(&mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Ok(_) | Err(_) => Err(ExchangeError::NotSent),
        }
    }

    async fn send(&mut self, mut rest: &mut [IoSlice<'_>]) -> Result<(), ExchangeError> {
        let mut begun = false;
        while !rest.is_empty() {
            match self.socket.write_vectored(rest).await {
                Ok(0) => return Err(ExchangeError::Broken(io::ErrorKind::WriteZero.into())),
                Ok(written) => {
                    begun = true;
                    IoSlice::advance_slices(&mut rest, written);
                }
                Err(_) if !begun => return Err(ExchangeError::NotSent),
                Err(error) => return Err(ExchangeError::Broken(error)),
            }
        }
        Ok(())
    }

    /// Reads what comes within `limit`, asking the kernel again and again. Going to sleep and being woken costs a
    /// virtual processor more than the whole run of a small action.
    fn spin(&mut self, limit: Duration) {
        if limit.is_zero() {
            return;
        }
        let begun = Instant::now();
        self.input.resize(READ_AHEAD, 0);
        let mut length = 0;
        while length == 0 && begun.elapsed() < limit {
            match self.socket.read_now(&mut self.input) {
                Ok(read) => length = read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::hint::spin_loop(),
                // The ordinary way of reading meets it again and says what it is.
                Err(_) => break,
            }
        }
        self.input.truncate(length);
    }

    async fn read_head(&mut self) -> Result<(ReplyHead, usize), ExchangeError> {
        if self.input.is_empty() {
            self.read_more(READ_AHEAD).await?;
        }
        loop {
            // Interim answers (1xx) precede the real one and have no body.
            while let Some((head, length)) = ReplyHead::parse(&self.input)? {
                if head.status >= 200 {
                    return Ok((head, length));
                }
                self.input.drain(..length);
            }
            self.read_more(READ_AHEAD).await?;
        }
    }

    /// Whole length, bytes kept, and whether all of it was read.
    async fn read_sized(
        &mut self,
        total: u64,
        limits: ResponseLimits,
    ) -> Result<(u64, usize, bool), ExchangeError> {
        let keep = if total <= limits.max as u64 { total } else { total.min(limits.truncation as u64) };
        let keep = usize::try_from(keep).unwrap_or(usize::MAX);
        self.input.reserve(keep.saturating_sub(self.input.len()));
        while self.input.len() < keep {
            self.read_more(1).await?;
        }
        let surplus = self.input.len() as u64 > total;
        if total > DRAINED_MAX || surplus {
            return Ok((total, keep, false));
        }
        let mut read = self.input.len() as u64;
        while read < total {
            self.input.truncate(keep);
            read += self.read_more(READ_AHEAD).await? as u64;
        }
        // More than the announced length: whatever follows is no answer to the next request.
        Ok((total, keep, read == total))
    }

    async fn read_chunked(&mut self, limits: ResponseLimits) -> Result<(u64, usize, bool), ExchangeError> {
        let most = limits.max.max(limits.truncation);
        let mut body = Vec::new();
        let mut total: u64 = 0;
        loop {
            let Some((line, size)) = super::reply::chunk_head(&self.input)? else {
                self.read_more(READ_AHEAD).await?;
                continue;
            };
            self.input.drain(..line);
            if size == 0 {
                break;
            }
            total += size;
            if total > DRAINED_MAX {
                body.truncate(limits.truncation);
                return Ok(self.keep_body(body, total, false));
            }
            self.read_chunk(size, most, &mut body).await?;
        }
        let whole = self.read_trailer().await?;
        if total > limits.max as u64 {
            body.truncate(limits.truncation);
        }
        Ok(self.keep_body(body, total, whole))
    }

    fn keep_body(&mut self, body: Vec<u8>, total: u64, whole: bool) -> (u64, usize, bool) {
        self.input = body;
        (total, self.input.len(), whole)
    }

    /// Moves one chunk to `body` as far as it holds less than `most`, and drops the line end behind it.
    async fn read_chunk(&mut self, size: u64, most: usize, body: &mut Vec<u8>) -> Result<(), ExchangeError> {
        let mut left = size;
        while left > 0 {
            if self.input.is_empty() {
                self.read_more(READ_AHEAD).await?;
            }
            let here = usize::try_from(left).unwrap_or(usize::MAX).min(self.input.len());
            let kept = here.min(most - body.len().min(most));
            body.extend_from_slice(&self.input[..kept]);
            self.input.drain(..here);
            left -= here as u64;
        }
        while self.input.len() < 2 {
            self.read_more(READ_AHEAD).await?;
        }
        if !self.input.starts_with(b"\r\n") {
            return Err(ReplyError::Chunk.into());
        }
        self.input.drain(..2);
        Ok(())
    }

    /// Reads the lines behind the last chunk, up to an empty one. Answers whether nothing follows it.
    async fn read_trailer(&mut self) -> Result<bool, ExchangeError> {
        loop {
            match memchr::memmem::find(&self.input, b"\r\n") {
                Some(0) => return Ok(self.input.len() == 2),
                Some(end) => drop(self.input.drain(..end + 2)),
                None if self.input.len() > READ_AHEAD => return Err(ReplyError::Chunk.into()),
                None => drop(self.read_more(READ_AHEAD).await?),
            }
        }
    }

    async fn read_more(&mut self, room: usize) -> Result<usize, ExchangeError> {
        self.input.reserve(room);
        match self.socket.read(&mut self.input).await {
            Ok(0) => Err(ExchangeError::Broken(io::ErrorKind::UnexpectedEof.into())),
            Ok(read) => Ok(read),
            Err(error) => Err(ExchangeError::Broken(error)),
        }
    }
}

//! A connection to the server of the client's own, for a transaction: what it sends is written together, as far as nothing has
//! to be known of the replies before.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use oxwhisk_cache_commands::{Plan, Request, rewrite};
use oxwhisk_cache_session::{Protocol, Sent, Transaction};
use oxwhisk_cache_tokens::{Current, Entry};
use oxwhisk_cache_upstream::{Private, UpstreamError};

use crate::plane::Bounds;

/// Bytes that are written before their replies are awaited.
const LARGE: usize = 256 << 10;
const TOO_LARGE: &[u8] = b"-ERR the replies are too large\r\n";

/// It begins with `WATCH` or `MULTI` and is over when nothing is left of these on it.
#[derive(Debug)]
pub(super) struct Own {
    private: Private,
    transaction: Transaction,
    /// Whose it is; it does not outlive the activation.
    pub(super) entry: Arc<Entry>,
    /// As they were when it began.
    current: Current,
    requests: BytesMut,
    sent: Vec<Sent>,
    /// Bytes that the server queues, as far as it has been sent a `MULTI`.
    queued: Option<usize>,
    bounds: Bounds,
}

impl Own {
    pub(super) fn new(private: Private, entry: Arc<Entry>, current: Current, bounds: Bounds) -> Self {
        Self {
            private,
            transaction: Transaction::default(),
            entry,
            current,
            requests: BytesMut::new(),
            sent: Vec::new(),
            queued: None,
            bounds,
        }
    }

    /// Takes a request that was planned for. It may wait to be sent until [`Own::settle`].
    pub(super) fn send(
        &mut self,
        (request, buffer): (&Request, &[u8]),
        plan: &Plan,
        sent: Sent,
        seconds: u32,
    ) {
        match sent {
            Sent::Abort | Sent::Conflict(_) => Request::write(&[b"DISCARD"], &mut self.requests),
            _ => rewrite(request, buffer, plan, &self.current.prefixes, seconds, &mut self.requests),
        }
        match sent {
            Sent::Multi => self.queued = self.queued.or(Some(0)),
            Sent::Exec | Sent::Abort | Sent::Conflict(_) | Sent::Discard => self.queued = None,
            _ => self.queued = self.queued.map(|bytes| bytes + buffer.len()),
        }
        self.sent.push(sent);
        self.sent.extend(std::iter::repeat_n(Sent::Extra, plan.extra_replies()));
    }

    /// Bytes of requests that the server keeps until `EXEC`.
    pub(super) fn queued(&self) -> usize {
        self.queued.unwrap_or_default()
    }

    /// What goes to the server for an `EXEC`. All that was sent is settled.
    pub(super) fn exec(&self, protocol: Protocol) -> Sent {
        let flushed = self.current.flushed.is_cancelled().then_some(protocol);
        self.transaction.exec(flushed)
    }

    pub(super) fn is_full(&self) -> bool {
        self.requests.len() >= LARGE
    }

    /// Sends what waits, and writes the replies.
    ///
    /// # Errors
    /// When not all came. The connection is of no use any more.
    pub(super) async fn settle(&mut self, out: &mut BytesMut) -> Result<(), UpstreamError> {
        if self.sent.is_empty() {
            return Ok(());
        }
        let Bounds { reply_timeout, max_replies } = self.bounds;
        let start = out.len();
        let exchange = async {
            self.private.send(&self.requests.split(), self.sent.len()).await?;
            for sent in self.sent.drain(..) {
                let reply = match self.private.receive().await {
                    Err(UpstreamError::TooLarge) => Bytes::from_static(TOO_LARGE),
                    other => other?,
                };
                let before = out.len();
                self.transaction
                    .replied(sent, &reply, &self.current.prefixes, out)
                    .map_err(|_| UpstreamError::Broken)?;
                if out.len() - start > max_replies {
                    out.truncate(before);
                    out.extend_from_slice(TOO_LARGE);
                }
            }
            Ok(())
        };
        tokio::time::timeout(reply_timeout, exchange).await.unwrap_or(Err(UpstreamError::TimedOut))
    }

    /// What waits to be sent, as the client counts it.
    pub(super) fn unanswered(&self) -> usize {
        self.sent.iter().filter(|sent| **sent != Sent::Extra).count()
    }

    /// All that was sent is settled.
    pub(super) fn transaction(&mut self) -> &mut Transaction {
        &mut self.transaction
    }

    /// Gives the connection back, if nothing is left on it.
    pub(super) fn end(self) {
        if self.transaction.is_over() && self.sent.is_empty() {
            self.private.hand_back();
        }
    }
}

//! A connection to the server of the client's own, for a transaction: what it sends is written together, as far as nothing has
//! to be known of the replies before.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use oxwhisk_cache_commands::{Plan, Prefixes, Request, rewrite};
use oxwhisk_cache_session::{Sent, Transaction};
use oxwhisk_cache_tokens::Entry;
use oxwhisk_cache_upstream::{Private, UpstreamError};

/// Bytes that are written before their replies are awaited.
const LARGE: usize = 256 << 10;

/// It begins with `WATCH` or `MULTI` and is over when nothing is left of these on it.
#[derive(Debug)]
pub(super) struct Own {
    private: Private,
    transaction: Transaction,
    /// Whose it is; it does not outlive the activation.
    pub(super) entry: Arc<Entry>,
    /// As they were when it began. A flush by somebody else comes after it.
    prefixes: Prefixes,
    requests: BytesMut,
    sent: Vec<Sent>,
    reply_timeout: Duration,
}

impl Own {
    pub(super) fn new(
        private: Private,
        entry: Arc<Entry>,
        prefixes: Prefixes,
        reply_timeout: Duration,
    ) -> Self {
        Self {
            private,
            transaction: Transaction::default(),
            entry,
            prefixes,
            requests: BytesMut::new(),
            sent: Vec::new(),
            reply_timeout,
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
            Sent::Abort => Request::write(&[b"DISCARD"], &mut self.requests),
            _ => rewrite(request, buffer, plan, &self.prefixes, seconds, &mut self.requests),
        }
        self.sent.push(sent);
        self.sent.extend(std::iter::repeat_n(Sent::Extra, plan.extra_replies()));
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
        let limit = self.reply_timeout;
        let exchange = async {
            self.private.send(&self.requests.split(), self.sent.len()).await?;
            for sent in self.sent.drain(..) {
                let reply = self.private.receive().await?;
                self.transaction
                    .replied(sent, &reply, &self.prefixes, out)
                    .map_err(|_| UpstreamError::Broken)?;
            }
            Ok(())
        };
        tokio::time::timeout(limit, exchange).await.unwrap_or(Err(UpstreamError::TimedOut))
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

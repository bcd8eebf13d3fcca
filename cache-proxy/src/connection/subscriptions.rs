//! What a client listens to.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use oxwhisk_cache_commands::reply::{MalformedReply, strip_message, subscription};
use oxwhisk_cache_commands::{Plan, Prefixes, Request, rewrite};
use oxwhisk_cache_tokens::LiveScope;
use oxwhisk_cache_upstream::{Private, UpstreamError};

/// A connection of the client's own that brings what is published. It outlives the activation that began it, as the client
/// does that listens, but brings nothing while there is none.
#[derive(Debug)]
pub(super) struct Subscriptions {
    private: Private,
    scope: Arc<LiveScope>,
    pub(super) prefixes: Prefixes,
    /// Channels, patterns, and channels of shards.
    counts: [u64; 3],
    reply_timeout: Duration,
}

/// Which of the counts a command, or word of it, is about.
fn kind(name: &[u8]) -> usize {
    let is = |words: [&str; 2]| words.iter().any(|word| name.eq_ignore_ascii_case(word.as_bytes()));
    if is(["PSUBSCRIBE", "PUNSUBSCRIBE"]) {
        1
    } else if is(["SSUBSCRIBE", "SUNSUBSCRIBE"]) {
        2
    } else {
        0
    }
}

impl Subscriptions {
    pub(super) const fn new(
        private: Private,
        scope: Arc<LiveScope>,
        prefixes: Prefixes,
        reply_timeout: Duration,
    ) -> Self {
        Self { private, scope, prefixes, counts: [0; 3], reply_timeout }
    }

    /// Whether they are this scope's.
    pub(super) fn are_of(&self, scope: &LiveScope) -> bool {
        self.scope.scope() == scope.scope()
    }

    pub(super) fn is_over(&self) -> bool {
        self.counts == [0; 3]
    }

    /// Sends a command that changes what is listened to, and waits until the server has taken it all in. What is published
    /// meanwhile is written as well.
    ///
    /// # Errors
    /// When the connection breaks.
    pub(super) async fn change(
        &mut self,
        (request, buffer): (&Request, &[u8]),
        plan: &Plan,
        out: &mut BytesMut,
    ) -> Result<(), UpstreamError> {
        let mut requests = BytesMut::new();
        rewrite(request, buffer, plan, &self.prefixes, 0, &mut requests);
        let name = request.argument(buffer, 0).unwrap_or_default();
        let named = request.len() - 1;
        let all = usize::try_from(self.counts[kind(name)]).unwrap_or(usize::MAX);
        let expected = if named > 0 { named } else { all.max(1) };
        self.exchange(&requests, expected, out).await
    }

    async fn exchange(
        &mut self,
        requests: &[u8],
        expected: usize,
        out: &mut BytesMut,
    ) -> Result<(), UpstreamError> {
        let limit = self.reply_timeout;
        let exchange = async {
            self.private.send(requests, expected).await?;
            let mut answered = 0;
            while answered < expected {
                let message = self.private.receive().await?;
                if self.take_in(&message, out).map_err(|_| UpstreamError::Broken)? {
                    answered += 1;
                }
            }
            Ok(())
        };
        tokio::time::timeout(limit, exchange).await.unwrap_or(Err(UpstreamError::TimedOut))
    }

    /// Waits for what is published.
    ///
    /// # Errors
    /// When the connection breaks.
    pub(super) async fn receive(&mut self) -> Result<Bytes, UpstreamError> {
        self.private.receive().await
    }

    /// Writes what came. Says whether it answers a command.
    ///
    /// # Errors
    /// When it is not what a subscription brings.
    pub(super) fn take_in(&mut self, message: &[u8], out: &mut BytesMut) -> Result<bool, MalformedReply> {
        let change = subscription(message)?;
        strip_message(message, &self.prefixes, out)?;
        if let Some((name, count)) = change {
            let of = kind(name);
            // The server counts channels and patterns together.
            let others = match of {
                0 => self.counts[1],
                1 => self.counts[0],
                _ => 0,
            };
            self.counts[of] = count.saturating_sub(others);
        }
        Ok(change.is_some())
    }
}

//! Commands that wait at the server until there is something for them, on a connection of the client's own.
//!
//! A wait ends with the activation. A flush of the scope does not end it: the command then waits for what comes under the scope's
//! new names.

use std::time::Instant;

use bytes::BytesMut;
use oxwhisk_cache_commands::reply::strip;
use oxwhisk_cache_commands::{Replies, rewrite};
use oxwhisk_cache_tokens::Current;
use oxwhisk_cache_upstream::{Private, UpstreamError};

use super::forward::{Asking, NotDone};
use super::{Connection, End, Stream, batch, stream};

/// What a client may send while its command waits; it is read to see that it is still there.
const MOST_AHEAD: usize = 64 << 10;

enum Waited {
    Replied(Result<Vec<bytes::Bytes>, UpstreamError>),
    Flushed,
    ActivationOver,
}

impl<S: Stream> Connection<S> {
    /// Does a command that may wait.
    pub(super) async fn block(&mut self, asking: Asking<'_>, replies: Replies) -> Result<(), End> {
        // Its replies to what came before must not wait as well.
        self.write_out().await?;
        let done = self.wait_at_server(asking, replies).await;
        // Whose right it was may be over.
        self.right = None;
        done
    }

    async fn wait_at_server(&mut self, asking: Asking<'_>, replies: Replies) -> Result<(), End> {
        loop {
            let (mut private, current) = match self.begin_to_wait(asking).await {
                Ok(begun) => begun,
                Err(not) => return self.refuse(&not).await,
            };
            match self.await_reply(&mut private, &current).await? {
                Waited::Flushed => {}
                Waited::ActivationOver => {
                    batch::error(&"NOAUTH the activation has ended", &mut self.output);
                    return Ok(());
                }
                Waited::Replied(Err(error)) => {
                    batch::error(&format_args!("ERR {error}"), &mut self.output);
                    return Ok(());
                }
                Waited::Replied(Ok(all)) => {
                    let reply = all.first().map(|reply| &reply[..]).unwrap_or_default();
                    let before = self.output.len();
                    if let Err(malformed) = strip(replies, reply, &current.prefixes, &mut self.output) {
                        self.output.truncate(before);
                        batch::error(&format_args!("ERR {malformed}"), &mut self.output);
                    }
                    if let Err(error) = self.hold_from(before) {
                        self.output.truncate(before);
                        batch::error(&format_args!("ERR {error}"), &mut self.output);
                    }
                    private.hand_back();
                    return Ok(());
                }
            }
        }
    }

    async fn begin_to_wait(&mut self, (request, buffer): Asking<'_>) -> Result<(Private, Current), NotDone> {
        let current = self.current().await?;
        let mut private = self.upstream()?.private.acquire().await?;
        let mut requests = BytesMut::new();
        rewrite(request, buffer, &self.plan, &current.prefixes, self.plane.key_expiry, &mut requests);
        let sending = private.send(&requests, 1 + self.plan.extra_replies());
        let sent = tokio::time::timeout(self.plane.bounds.reply_timeout, sending).await;
        sent.unwrap_or(Err(UpstreamError::TimedOut))?;
        Ok((private, current))
    }

    async fn await_reply(&mut self, private: &mut Private, current: &Current) -> Result<Waited, End> {
        let expected = 1 + self.plan.extra_replies();
        let Ok(entry) = self.entry() else { return Ok(Waited::ActivationOver) };
        let left = entry.grant().deadline.saturating_duration_since(Instant::now());
        let mut deadline = Box::pin(tokio::time::sleep(left));
        let all = async {
            let mut all = Vec::with_capacity(expected);
            while all.len() < expected {
                all.push(private.receive().await?);
            }
            Ok(all)
        };
        let mut all = std::pin::pin!(all);
        loop {
            let Self { stream, input, stopping, .. } = self;
            let ahead = input.len();
            tokio::select! {
                biased;
                all = &mut all => return Ok(Waited::Replied(all)),
                () = entry.end_signal().cancelled() => return Ok(Waited::ActivationOver),
                () = current.flushed.cancelled() => return Ok(Waited::Flushed),
                () = &mut deadline => return Ok(Waited::ActivationOver),
                () = stopping.as_mut() => return Err(End::Stopping),
                read = stream::read(stream, input), if ahead < MOST_AHEAD => {
                    if read? == 0 {
                        return Err(End::Closed);
                    }
                }
            }
        }
    }
}

//! Commands that a server does.

use std::fmt::Display;
use std::sync::Arc;

use oxwhisk_cache_commands::{Access, Replies, Request, Session};
use oxwhisk_cache_session::{Protocol, Sent, about_transactions};
use oxwhisk_cache_upstream::UpstreamError;
use oxwhisk_core::cache::CacheTier;

use super::admit::NotAdmitted;
use super::own::Own;
use super::subscriptions::Subscriptions;
use super::{Connection, End, Stream, batch};
use crate::upstreams::Upstream;

/// A request, and the buffer that it is in.
pub(super) type Asking<'a> = (&'a Request, &'a [u8]);

impl<S: Stream> Connection<S> {
    pub(super) async fn forward(
        &mut self,
        asking: Asking<'_>,
        access: Access,
        session: Session,
        replies: Replies,
    ) -> Result<(), End> {
        if let Err(not) = self.admit(asking.0, asking.1, access) {
            return self.refuse(&not).await;
        }
        if self.only_listens() && session != Session::Subscription {
            return self.refuse(&listening(self.plan.command().name)).await;
        }
        self.leave_former();
        // The way of nearly all.
        if session == Session::Shared && self.own.is_none() {
            let prefixes = match self.right.as_ref().and_then(|right| right.prefixes) {
                Some(prefixes) => prefixes,
                None => match Box::pin(self.prefixes()).await {
                    Ok(prefixes) => prefixes,
                    Err(not) => return self.refuse(&not).await,
                },
            };
            let seconds = self.plane.key_expiry;
            self.batch.forward(asking, &self.plan, replies, &prefixes, seconds);
            return Ok(());
        }
        Box::pin(self.forward_alone(asking, session, replies)).await
    }

    /// What leaves something behind on a connection.
    async fn forward_alone(
        &mut self,
        asking: Asking<'_>,
        session: Session,
        replies: Replies,
    ) -> Result<(), End> {
        self.flush_batch().await?;
        let done = match session {
            Session::Subscription if self.own.is_some() => return self.refuse(&IN_TRANSACTION).await,
            Session::Subscription => self.subscribe(asking).await,
            Session::Blocking if self.own.is_none() => return self.block(asking, replies).await,
            _ => self.transact(asking, replies).await,
        };
        match done {
            Ok(()) => Ok(()),
            Err(NotDone::Lost(end)) => Err(end),
            Err(not) => self.refuse(&not).await,
        }
    }

    /// A transaction of an activation that has ended is not the next one's.
    fn leave_former(&mut self) {
        if let (Some(own), Some(right)) = (&self.own, &self.right)
            && !Arc::ptr_eq(&own.entry, &right.entry)
        {
            self.own = None;
        }
    }

    /// A command of a transaction, or one that begins one.
    async fn transact(&mut self, asking: Asking<'_>, replies: Replies) -> Result<(), NotDone> {
        let about = about_transactions(self.plan.command().name);
        let entry = self.entry()?;
        if self.own.is_none() {
            match about {
                Some(Sent::Exec) => return Err(NotDone::Nothing(NO_MULTI)),
                Some(Sent::Discard) => return Err(NotDone::Nothing("ERR DISCARD without MULTI")),
                Some(Sent::Unwatch) => {
                    self.output.extend_from_slice(b"+OK\r\n");
                    return Ok(());
                }
                // Commands behind it must not be done outside of a transaction.
                Some(Sent::Multi) => {
                    if let Err(not) = self.begin_own(entry).await {
                        batch::error(&not, &mut self.output);
                        return Err(End::NoTransaction.into());
                    }
                }
                _ => self.begin_own(entry).await?,
            }
        }
        let sent = match about {
            Some(Sent::Exec) => {
                self.settle().await?;
                let protocol = self.client.protocol();
                // It may have turned out that there is none.
                let own = self.own.as_ref().ok_or(NotDone::Nothing(NO_MULTI))?;
                own.exec(protocol)
            }
            Some(sent) => sent,
            None => Sent::Command(replies),
        };
        let most = self.plane.config.max_request;
        let Some(own) = &mut self.own else { return Ok(()) };
        if own.queued().saturating_add(asking.1.len()) > most && matches!(sent, Sent::Command(_)) {
            return Err(NotDone::Nothing("ERR the transaction is too large"));
        }
        own.send(asking, &self.plan, sent, self.plane.key_expiry);
        // Whether anything is left on the connection is known when it has been answered.
        let ends = matches!(sent, Sent::Exec | Sent::Abort | Sent::Discard | Sent::Unwatch);
        if ends || own.is_full() { Ok(self.settle().await?) } else { Ok(()) }
    }

    pub(super) async fn begin_own(&mut self, entry: Arc<oxwhisk_cache_tokens::Entry>) -> Result<(), NotDone> {
        let current = self.current().await?;
        let private = self.upstream()?.private.acquire().await?;
        let own = Own::new(private, entry, current, self.plane.bounds);
        self.own = Some(Box::new(own));
        Ok(())
    }

    /// Has all that was sent of a transaction answered. Ends the connection when that breaks, as Redis itself would: what comes
    /// behind it must not be done without what was watched or begun.
    pub(super) async fn settle(&mut self) -> Result<(), End> {
        let Some(own) = &mut self.own else { return Ok(()) };
        let unanswered = own.unanswered();
        let before = self.output.len();
        let settled = own.settle(&mut self.output).await;
        if let Err(error) = settled.and_then(|()| self.hold_from(before)) {
            // Each command has one reply, whatever became of it.
            self.output.truncate(before);
            for _ in 0..unanswered {
                batch::error(&format_args!("ERR {error}"), &mut self.output);
            }
            settled.map_err(End::Transaction)?;
        }
        if self.own.as_mut().is_some_and(|own| own.transaction().is_over())
            && let Some(own) = self.own.take()
        {
            own.end();
        }
        Ok(())
    }

    async fn subscribe(&mut self, asking: Asking<'_>) -> Result<(), NotDone> {
        let prefixes = self.prefixes().await?;
        if self
            .subscriptions
            .as_ref()
            .is_some_and(|subscribed| subscribed.prefixes.channels != prefixes.channels)
        {
            self.subscriptions = None;
        }
        if self.subscriptions.is_none() {
            let private = self.upstream()?.private.acquire().await?;
            let scope = Arc::clone(&self.entry()?.grant().scope);
            let begun = Subscriptions::new(private, scope, prefixes, self.plane.bounds.reply_timeout);
            self.subscriptions = Some(Box::new(begun));
        }
        let Some(subscriptions) = &mut self.subscriptions else { return Ok(()) };
        let changed = subscriptions.change(asking, &self.plan, &mut self.output).await;
        if changed.is_err() || subscriptions.is_over() {
            self.subscriptions = None;
        }
        // What it was told so far does not hold any more.
        changed.map_err(|error| End::Subscriptions(error).into())
    }

    /// Counts what was written behind so many bytes until the client has it.
    pub(super) fn hold_from(&mut self, before: usize) -> Result<(), UpstreamError> {
        self.held.extend(self.plane.hold(self.output.len().saturating_sub(before))?);
        Ok(())
    }

    /// Its server, in the version of the protocol that it speaks.
    pub(super) fn upstream(&self) -> Result<&Upstream, NotDone> {
        let tier = self.right.as_ref().map_or(CacheTier::Local, |right| right.tier);
        let server = self.plane.upstreams.tier(tier).ok_or(NotAdmitted::NoTier)?;
        Ok(server.speaking(self.client.protocol()))
    }

    /// In the older version of the protocol a client that listens does nothing else.
    pub(super) fn only_listens(&self) -> bool {
        self.subscriptions.is_some() && self.client.protocol() == Protocol::Resp2
    }

    /// Answers a command that no server sees.
    pub(super) async fn refuse(&mut self, why: &(dyn Display + Send + Sync)) -> Result<(), End> {
        if self.own.is_none() {
            self.batch.error(&why);
            return Ok(());
        }
        Box::pin(self.flush()).await?;
        if let Some(own) = &mut self.own {
            own.transaction().refused();
        }
        batch::error(&why, &mut self.output);
        Ok(())
    }

    /// Has everything that was asked for answered.
    pub(super) async fn flush(&mut self) -> Result<(), End> {
        self.flush_batch().await?;
        if self.own.is_some() {
            Box::pin(self.settle()).await?;
        }
        Ok(())
    }

    async fn flush_batch(&mut self) -> Result<(), End> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let replied = match self.batch.take_requests() {
            None => None,
            Some((requests, replies)) => Some(match self.upstream() {
                Ok(upstream) => upstream.shared.exchange(requests, replies).await.and_then(|replies| {
                    self.held.extend(self.plane.hold(replies.bytes.len())?);
                    Ok(replies)
                }),
                Err(_) => Err(UpstreamError::Away),
            }),
        };
        self.batch.finish(replied, &mut self.output);
        self.right = None;
        Ok(())
    }
}

/// Why a command was not done. Its text is what the client gets.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotDone {
    #[error("{0}")]
    NotAdmitted(#[from] NotAdmitted),
    #[error("ERR {0}")]
    Upstream(#[from] UpstreamError),
    #[error("{0}")]
    Nothing(&'static str),
    /// What would have to be there for the rest is lost.
    #[error("ERR {0}")]
    Lost(#[from] End),
}

const NO_MULTI: &str = "ERR EXEC without MULTI";
const IN_TRANSACTION: &str = "NOPERM it is not available in a transaction of a cache";

pub(super) fn listening(name: &str) -> String {
    format!(
        "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
        name.to_ascii_lowercase()
    )
}

//! What an activation has of the cache: from before its code can run until its outcome is known.

use std::time::Instant;

use oxwhisk_core::cache::CacheUse;
use oxwhisk_core::id::ActivationId;
use oxwhisk_invoker_api::{CacheContainer, CacheToken, CacheTokenError};

use super::Work;
use crate::client::CacheFacts;
use crate::config::CacheAccess;

/// What an activation has of the cache.
pub(super) enum Cache<'a> {
    /// It has not asked.
    Unused,
    Access(Access<'a>),
    /// It runs without, and is told why.
    Without(String),
}

/// A token in hand. Dropped, all tokens of the activation are worth nothing any more: whichever way it ends, and if nobody
/// waits for its end.
pub(super) struct Access<'a> {
    token: CacheToken,
    /// When it was asked for, which is when its time begins at the earliest.
    asked: Instant,
    pass: Pass<'a>,
}

/// Ends the tokens of an activation that has asked for one, whether or not it got it: what was given up half way may have
/// been issued.
struct Pass<'a> {
    access: &'a CacheAccess,
    id: ActivationId,
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.access.tokens.revoke(self.id);
    }
}

/// It does not run without the cache; why it has none.
pub(super) struct Refused(pub(super) String);

impl<'a> Cache<'a> {
    /// Before anything of the action runs: clients that its code makes when it is loaded log in with this token.
    pub(super) async fn open(work: Work<'a>, wanted: &CacheUse) -> Result<Self, Refused> {
        Self::settle(first(work, wanted).await, wanted.required)
    }

    /// Before the run. What was had for the initialisation is kept, unless so much of its time is gone that it might end
    /// before a run that takes all of its own.
    pub(super) async fn for_run(self, work: Work<'a>) -> Result<Self, Refused> {
        match (self, &work.dispatch.cache) {
            // The other half is for what comes between here and the run.
            (Self::Access(had), Some(wanted)) if had.asked.elapsed() > CacheToken::SLACK / 2 => {
                Self::settle(Box::pin(issue(work, had.pass)).await, wanted.required)
            }
            (same, _) => Ok(same),
        }
    }

    fn settle(issued: Result<Access<'a>, String>, required: bool) -> Result<Self, Refused> {
        match issued {
            Ok(access) => Ok(Self::Access(access)),
            Err(reason) if required => Err(Refused(reason)),
            Err(reason) => Ok(Self::Without(reason)),
        }
    }

    /// What the action is told.
    pub(super) fn facts(&self) -> CacheFacts<'_> {
        match self {
            Self::Unused => CacheFacts::Nothing,
            Self::Access(access) => CacheFacts::Access { url: &access.pass.access.url, token: &access.token },
            Self::Without(reason) => CacheFacts::Error(reason),
        }
    }

    /// Why it has none, for its record.
    pub(super) fn error(&self) -> Option<String> {
        match self {
            Self::Unused | Self::Access(_) => None,
            Self::Without(reason) => Some(reason.clone()),
        }
    }
}

async fn first<'a>(work: Work<'a>, wanted: &CacheUse) -> Result<Access<'a>, String> {
    // What its author can mend comes first.
    wanted.grant.as_ref().map_err(String::clone)?;
    let access = work.shell.config.cache.as_ref().ok_or("this platform has no cache")?;
    issue(work, Pass { access, id: work.dispatch.activation_id }).await
}

async fn issue<'a>(work: Work<'a>, pass: Pass<'a>) -> Result<Access<'a>, String> {
    let (proxy, asked) = (work.lease.proxy(), Instant::now());
    let container = CacheContainer {
        name: proxy.name(),
        address: proxy.address(),
        is_alone: work.dispatch.action.limits.concurrency <= 1,
    };
    let limit = pass.access.timeout;
    let issued = tokio::time::timeout(limit, pass.access.tokens.issue(work.dispatch, container)).await;
    let issued = issued.unwrap_or_else(|_| {
        Err(CacheTokenError::Away(format!("it gave no token within {} ms", limit.as_millis())))
    });
    match issued {
        Ok(token) => Ok(Access { token, asked, pass }),
        Err(error) => {
            tracing::warn!(activation_id = %pass.id, %error, "an activation gets no token of the cache");
            Err(error.to_string())
        }
    }
}

//! Which tokens are alive, and what connections hold on to.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use oxwhisk_core::cache::{CacheRights, CacheTier};
use oxwhisk_core::id::ActivationId;
use tokio_util::sync::CancellationToken;

use crate::{Account, LiveScope, Token};

/// Names one container of one invoker, for as long as that runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContainerId(pub String);

/// By whom a token was asked for, and when among all that it asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Issue {
    /// One process, by a random number.
    pub by: u64,
    /// Rises with each of a process.
    pub number: u64,
}

/// What a token is worth.
#[derive(Clone, Debug)]
pub struct Grant {
    pub issue: Issue,
    pub activation_id: ActivationId,
    pub scope: Arc<LiveScope>,
    /// The namespace's, which all of its activations use up.
    pub account: Arc<Account>,
    pub rights: CacheRights,
    /// The tier that connections begin with.
    pub tier: CacheTier,
    pub container: ContainerId,
    /// The only address that may show it, where that is known.
    pub address: Option<IpAddr>,
    /// The container has one activation at a time.
    pub is_alone: bool,
    /// From then on it is worth nothing.
    pub deadline: Instant,
}

/// A token that is alive, or was.
#[derive(Debug)]
pub struct Entry {
    grant: Grant,
    ended: AtomicBool,
    /// For those who wait for it; `ended` is for those who look, at every command.
    end: CancellationToken,
}

impl Entry {
    fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.end.cancel();
    }

    /// Whether a command may run in its right.
    #[must_use]
    pub fn is_alive(&self, now: Instant) -> bool {
        now < self.grant.deadline && !self.ended.load(Ordering::Acquire)
    }

    /// Cancelled when the activation ends. Its deadline is for whoever waits to watch.
    #[must_use]
    pub const fn end_signal(&self) -> &CancellationToken {
        &self.end
    }

    #[must_use]
    pub const fn grant(&self) -> &Grant {
        &self.grant
    }
}

/// What connections of a container with one activation at a time hold on to.
#[derive(Debug, Default)]
pub struct Seat {
    taken: Mutex<Option<Arc<Entry>>>,
    gone: CancellationToken,
}

impl Seat {
    fn taken(&self) -> MutexGuard<'_, Option<Arc<Entry>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a connection has shown a token for.
#[derive(Clone, Debug)]
pub enum Hold {
    /// Whatever activation its container has.
    Container(Arc<Seat>),
    /// One activation.
    Activation(Arc<Entry>),
}

impl Hold {
    /// In whose right a command runs now; `None`: it is refused, and may be let again.
    #[must_use]
    pub fn current(&self, now: Instant) -> Option<Arc<Entry>> {
        let entry = match self {
            Self::Container(seat) => seat.taken().clone()?,
            Self::Activation(entry) => Arc::clone(entry),
        };
        entry.is_alive(now).then_some(entry)
    }

    /// Cancelled when it can never be let again: the container is gone, or the activation has ended.
    #[must_use]
    pub fn over(&self) -> &CancellationToken {
        match self {
            Self::Container(seat) => &seat.gone,
            Self::Activation(entry) => &entry.end,
        }
    }

    /// Whether it can ever be let again.
    #[must_use]
    pub fn is_over(&self, now: Instant) -> bool {
        matches!(self, Self::Activation(entry) if !entry.is_alive(now))
    }
}

/// Why a token is not taken. The client is told the same of all, since each would tell something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAuthorized {
    #[error("it is not alive")]
    Unknown,
    #[error("it is another container's")]
    Address,
}

/// The tokens of one proxy.
#[derive(Debug, Default)]
pub struct LiveSet {
    tokens: HashMap<Token, Arc<Entry>>,
    of_activations: HashMap<ActivationId, Vec<Token>>,
    seats: HashMap<ContainerId, Arc<Seat>>,
}

impl LiveSet {
    /// A token comes alive. An activation may have several: its first may have come close to its deadline before it could run.
    pub fn issue(&mut self, token: Token, grant: Grant) {
        let (id, container, is_alone) = (grant.activation_id, grant.container.clone(), grant.is_alone);
        let entry = Arc::new(Entry { grant, ended: AtomicBool::new(false), end: CancellationToken::new() });
        if is_alone {
            let seat = self.seats.entry(container).or_default();
            // Whoever had the container before has ended, also where nobody has told yet.
            if let Some(before) = seat.taken().replace(Arc::clone(&entry))
                && before.grant.activation_id != id
            {
                before.end();
            }
        }
        self.tokens.insert(token, entry);
        self.of_activations.entry(id).or_default().push(token);
    }

    /// What a connection from `address` holds on to that shows this token.
    ///
    /// # Errors
    /// When it is worth nothing, or nothing there.
    pub fn authenticate(
        &self,
        token: &Token,
        address: Option<IpAddr>,
        now: Instant,
    ) -> Result<Hold, NotAuthorized> {
        let entry =
            self.tokens.get(token).filter(|entry| entry.is_alive(now)).ok_or(NotAuthorized::Unknown)?;
        if entry.grant.address.is_some_and(|only| address != Some(only)) {
            return Err(NotAuthorized::Address);
        }
        let seat = self.seats.get(&entry.grant.container).filter(|_| entry.grant.is_alone);
        Ok(match seat {
            Some(seat) => Hold::Container(Arc::clone(seat)),
            None => Hold::Activation(Arc::clone(entry)),
        })
    }

    /// The activation has ended. Says whether it had a token.
    pub fn revoke(&mut self, id: ActivationId) -> bool {
        let Some(tokens) = self.of_activations.remove(&id) else { return false };
        for token in tokens {
            if let Some(entry) = self.tokens.remove(&token) {
                entry.end();
            }
        }
        true
    }

    /// The same, of those of its tokens that are meant.
    pub fn revoke_of(&mut self, id: ActivationId, is_meant: impl Fn(&Grant) -> bool) -> bool {
        let Some(tokens) = self.of_activations.get_mut(&id) else { return false };
        let mut has_ended = false;
        tokens.retain(|token| {
            let meant = self.tokens.get(token).is_none_or(|entry| is_meant(&entry.grant));
            if meant && let Some(entry) = self.tokens.remove(token) {
                entry.end();
                has_ended = true;
            }
            !meant
        });
        if tokens.is_empty() {
            self.of_activations.remove(&id);
        }
        has_ended
    }

    /// The container is gone: nothing of it goes on.
    pub fn forget_container(&mut self, container: &ContainerId) {
        if let Some(seat) = self.seats.remove(container) {
            seat.gone.cancel();
        }
        let of_it: Vec<ActivationId> = self
            .tokens
            .values()
            .filter(|entry| entry.grant.container == *container)
            .map(|entry| entry.grant.activation_id)
            .collect();
        for id in of_it {
            self.revoke(id);
        }
    }

    /// Of what is meant only these live on, as an invoker says that is back.
    pub fn keep_only(&mut self, living: &[ActivationId], is_meant: impl Fn(&Grant) -> bool) {
        let over: Vec<ActivationId> = self
            .tokens
            .values()
            .filter(|entry| is_meant(&entry.grant) && !living.contains(&entry.grant.activation_id))
            .map(|entry| entry.grant.activation_id)
            .collect();
        for id in over {
            self.revoke(id);
        }
    }

    /// Forgets tokens whose time is over.
    pub fn sweep(&mut self, now: Instant) {
        let over: Vec<ActivationId> = self
            .tokens
            .values()
            .filter(|entry| !entry.is_alive(now))
            .map(|entry| entry.grant.activation_id)
            .collect();
        for id in over {
            // One of several may live on.
            let lives = self
                .of_activations
                .get(&id)
                .into_iter()
                .flatten()
                .any(|token| self.tokens.get(token).is_some_and(|entry| entry.is_alive(now)));
            if !lives {
                self.revoke(id);
            }
        }
        // Of a container that nobody has told the end of: no connection holds on to it.
        self.seats.retain(|_, seat| {
            Arc::strong_count(seat) > 1 || seat.taken().as_ref().is_some_and(|entry| entry.is_alive(now))
        });
    }

    /// What a token is worth, for whoever looks from outside.
    #[must_use]
    pub fn look_up(&self, token: &Token, now: Instant) -> Option<Arc<Entry>> {
        self.tokens.get(token).filter(|entry| entry.is_alive(now)).cloned()
    }

    /// All that are alive.
    pub fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.tokens.values()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }
}

#[cfg(test)]
mod tests;

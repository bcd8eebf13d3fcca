//! Who is there: decisions, without I/O and clock.
//!
//! | a controller is | since | until |
//! |---|---|---|
//! | rumoured | a heartbeat of an unknown incarnation | it was met; its address refuses; it is silent |
//! | present | it was met: it answered or called with its certificate | it is gone |
//!
//! A present one is gone when its address refuses, it says that it leaves, another incarnation of its name was met, or it was
//! silent for too long. It decides about limits with the others (is in the [`View`]) until its conversation has been down
//! for that long, even if its heartbeats go on: without a conversation nobody could decide anything.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use oxwhisk_dispatch::Incarnation;
use oxwhisk_throttle::View;

use super::PeerIdentity;

/// Rumours at once: anybody who may write to the channel can make some.
const MAX_RUMOURS: usize = 64;
/// Ended processes that are remembered.
const MAX_ENDED: usize = 256;

/// Numbers conversations; later ones are larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SessionId(pub(crate) u64);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Begin to talk to it: it is to be met.
    Approach(PeerIdentity),
    /// Stop talking to it.
    Abandon(PeerIdentity),
    Joined(PeerIdentity),
    Gone(Incarnation, Reason),
    Members(View),
}

/// Why a controller is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Reason {
    #[error("nobody listens at its address")]
    Refuses,
    #[error("it has said so")]
    Left,
    #[error("another process answers in its name")]
    Replaced,
    #[error("it has been silent for too long")]
    Silent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Rumoured,
    /// A conversation goes on.
    Linked(SessionId),
    /// None does, since then.
    Unlinked(Instant),
}

#[derive(Debug)]
struct Known {
    identity: PeerIdentity,
    standing: Standing,
    /// Its last heartbeat, or when it was met.
    heard: Instant,
}

impl Known {
    fn decides(&self, silence: Duration, now: Instant) -> bool {
        match self.standing {
            Standing::Rumoured => false,
            Standing::Linked(_) => true,
            Standing::Unlinked(since) => now < since + silence,
        }
    }

    /// When it is taken for gone if nothing is heard.
    fn gone_at(&self, silence: Duration) -> Option<Instant> {
        match self.standing {
            Standing::Linked(_) => None,
            Standing::Rumoured => Some(self.heard + silence),
            Standing::Unlinked(since) => Some(since.max(self.heard) + silence),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Membership {
    own: PeerIdentity,
    silence: Duration,
    known: BTreeMap<Incarnation, Known>,
    /// Processes that have ended, until when heartbeats of theirs are passed over that were still on their way.
    ended: BTreeMap<Incarnation, Instant>,
    view: View,
}

impl Membership {
    pub(crate) fn new(own: PeerIdentity, silence: Duration) -> Self {
        let view = View::new([own.member()]);
        Self { own, silence, known: BTreeMap::new(), ended: BTreeMap::new(), view }
    }

    /// Nobody is known who could not be talked to.
    pub(crate) fn is_settled(&self) -> bool {
        self.known.values().all(|known| matches!(known.standing, Standing::Linked(_)))
    }

    /// A heartbeat of `peer` was heard; `leaving` if it is its last one.
    pub(crate) fn heartbeat(&mut self, peer: PeerIdentity, leaving: bool, now: Instant) -> Vec<Effect> {
        let incarnation = peer.incarnation;
        self.ended.retain(|_, until| *until > now);
        if peer.name == self.own.name || self.ended.contains_key(&incarnation) {
            return Vec::new();
        }
        let has_room = self.rumours() < MAX_RUMOURS;
        match self.known.get_mut(&incarnation) {
            Some(known) if known.standing == Standing::Rumoured => {
                known.heard = known.heard.max(now);
                match known.identity == peer {
                    true if leaving => self.left(incarnation, now),
                    true => Vec::new(),
                    // One of the two is wrong: the later one is tried, until another comes.
                    false => {
                        let earlier = std::mem::replace(&mut known.identity, peer.clone());
                        vec![Effect::Abandon(earlier), Effect::Approach(peer)]
                    }
                }
            }
            Some(known) if known.identity.name == peer.name => {
                known.heard = known.heard.max(now);
                // One who talks says it in the conversation, where it cannot be forged.
                let believed = !matches!(known.standing, Standing::Linked(_));
                if leaving && believed { self.left(incarnation, now) } else { Vec::new() }
            }
            Some(_) => Vec::new(),
            None if leaving || !has_room => Vec::new(),
            None => {
                let known = Known { identity: peer.clone(), standing: Standing::Rumoured, heard: now };
                self.known.insert(incarnation, known);
                vec![Effect::Approach(peer)]
            }
        }
    }

    fn rumours(&self) -> usize {
        self.known.values().filter(|known| known.standing == Standing::Rumoured).count()
    }

    /// Its certificate was seen: it has answered, or called.
    pub(crate) fn met(&mut self, peer: PeerIdentity, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        if peer.name == self.own.name {
            return effects;
        }
        let same_name = self.known.values().filter(|known| {
            known.identity.name == peer.name && known.identity.incarnation != peer.incarnation
        });
        for replaced in same_name.map(|known| known.identity.incarnation).collect::<Vec<_>>() {
            self.remove(replaced, Reason::Replaced, now, &mut effects);
        }
        self.ended.remove(&peer.incarnation);
        let present = Known { identity: peer.clone(), standing: Standing::Unlinked(now), heard: now };
        match self.known.get_mut(&peer.incarnation) {
            Some(known) if known.standing == Standing::Rumoured => {
                let rumoured = std::mem::replace(known, present).identity;
                // Heartbeats may have told another address than it does itself.
                if rumoured != peer {
                    effects.extend([Effect::Abandon(rumoured), Effect::Approach(peer.clone())]);
                }
                effects.push(Effect::Joined(peer));
            }
            Some(known) => known.heard = known.heard.max(now),
            None => {
                self.known.insert(peer.incarnation, present);
                effects.extend([Effect::Approach(peer.clone()), Effect::Joined(peer)]);
            }
        }
        self.look(now, &mut effects);
        effects
    }

    /// A conversation with it has begun.
    pub(crate) fn linked(
        &mut self,
        incarnation: Incarnation,
        session: SessionId,
        now: Instant,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        if let Some(known) = self.known.get_mut(&incarnation) {
            let latest = match known.standing {
                Standing::Linked(other) => other.max(session),
                Standing::Rumoured | Standing::Unlinked(_) => session,
            };
            known.standing = Standing::Linked(latest);
        }
        self.look(now, &mut effects);
        effects
    }

    /// A conversation has ended, in which it was last heard at `heard`.
    pub(crate) fn unlinked(
        &mut self,
        incarnation: Incarnation,
        session: SessionId,
        heard: Instant,
        now: Instant,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        // If a later one has taken its place, that is told first or has been.
        if let Some(known) =
            self.known.get_mut(&incarnation).filter(|known| known.standing == Standing::Linked(session))
        {
            known.standing = Standing::Unlinked(heard);
        }
        self.look(now, &mut effects);
        effects
    }

    /// Nobody listens at its address.
    pub(crate) fn refused(&mut self, incarnation: Incarnation, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        let talks = |known: &Known| matches!(known.standing, Standing::Linked(_));
        if !self.known.get(&incarnation).is_some_and(talks) {
            self.remove(incarnation, Reason::Refuses, now, &mut effects);
        }
        self.look(now, &mut effects);
        effects
    }

    /// It has told that it leaves.
    pub(crate) fn left(&mut self, incarnation: Incarnation, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.remove(incarnation, Reason::Left, now, &mut effects);
        self.look(now, &mut effects);
        effects
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        let silence = self.silence;
        let silent = |known: &&Known| known.gone_at(silence).is_some_and(|gone| gone <= now);
        let silent = self.known.values().filter(silent).map(|known| known.identity.incarnation);
        for incarnation in silent.collect::<Vec<_>>() {
            self.remove(incarnation, Reason::Silent, now, &mut effects);
        }
        self.look(now, &mut effects);
        effects
    }

    /// When [`Membership::tick`] has something to do next.
    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let out_of_view = |known: &Known| match known.standing {
            Standing::Unlinked(since) => Some(since + self.silence).filter(|end| now < *end),
            Standing::Rumoured | Standing::Linked(_) => None,
        };
        let of = |known: &Known| out_of_view(known).into_iter().chain(known.gone_at(self.silence)).min();
        self.known.values().filter_map(of).min()
    }

    fn remove(&mut self, incarnation: Incarnation, why: Reason, now: Instant, effects: &mut Vec<Effect>) {
        let Some(known) = self.known.remove(&incarnation) else { return };
        effects.push(Effect::Abandon(known.identity));
        if known.standing == Standing::Rumoured {
            return;
        }
        effects.push(Effect::Gone(incarnation, why));
        // One that is only silent may come back.
        if why != Reason::Silent && self.ended.len() < MAX_ENDED {
            self.ended.insert(incarnation, now + self.silence);
        }
    }

    /// Tells if the view is another one now.
    fn look(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let others = self.known.values().filter(|known| known.decides(self.silence, now));
        let members = others.map(|known| known.identity.member()).chain([self.own.member()]);
        let view = View::new(members);
        if view != self.view {
            self.view = view.clone();
            effects.push(Effect::Members(view));
        }
    }
}

#[cfg(test)]
mod tests;

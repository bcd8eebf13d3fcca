//! The invoker's side: who wants what, and what is held for whom.

use std::collections::{BTreeMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ledger::{Ledger, Room};
use super::{Offer, OfferId, WantId, WorkKey};

#[derive(Clone, Copy, Debug)]
pub struct OfferSettings {
    /// How long an offer is held.
    pub held_for: Duration,
    /// A want that was passed over this often for others gets the next memory, whoever else wants it.
    pub patience: u32,
    /// Wants of one controller; more are refused.
    pub max_wants: usize,
    /// Megabytes that the invoker has for containers, in all.
    pub total: u64,
}

impl OfferSettings {
    /// The defaults for an invoker with `total` megabytes for containers.
    #[must_use]
    pub const fn new(total: u64) -> Self {
        Self { held_for: Duration::from_millis(500), patience: 16, max_wants: 1024, total }
    }
}

/// Why a want is not registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WantError {
    #[error("a controller may have {max} wants at once")]
    TooMany { max: usize },
    /// It would wait for ever.
    #[error("a container of {memory} MB is wanted of an invoker that has {total} MB in all")]
    TooLarge { memory: u64, total: u64 },
}

/// What becomes of a dispatch that names an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// There is room: what was held for it is its own now.
    Held,
    /// The offer is over, or was for something else. Like any other dispatch it runs if there is room.
    Void,
}

#[derive(Debug)]
struct Want {
    id: WantId,
    key: Arc<WorkKey>,
    count: u32,
    /// Offers for it that are held.
    offered: u32,
    /// How often another was served that stood behind it.
    passed_over: u32,
    /// An offer for it expired: its controller gets no more until it is heard of again.
    silent: bool,
}

impl Want {
    fn is_open(&self) -> bool {
        self.offered < self.count && !self.silent
    }
}

#[derive(Debug)]
struct Held<C> {
    controller: C,
    want: WantId,
    key: Arc<WorkKey>,
    warm: bool,
    until: Instant,
}

/// Where a want stands: which controller in the order of turns, which of its wants.
type Place = (usize, usize);

/// Who wants what, and what is held for whom. `C` names a controller's stream.
///
/// Invariants: what is held never exceeds the room there was when the last offer was made or dispatch admitted; a want
/// has no more offers than its count; a controller that has gone has neither wants nor offers.
#[derive(Debug)]
pub struct OfferBook<C> {
    settings: OfferSettings,
    /// Controllers with wants, the next to be served first.
    turns: VecDeque<(C, Vec<Want>)>,
    held: BTreeMap<OfferId, Held<C>>,
    /// The sums of `held`.
    ledger: Ledger,
    next_offer: u64,
}

impl<C: Clone + Eq + Hash> OfferBook<C> {
    #[must_use]
    pub fn new(settings: OfferSettings) -> Self {
        Self {
            settings,
            turns: VecDeque::new(),
            held: BTreeMap::new(),
            ledger: Ledger::default(),
            next_offer: 0,
        }
    }

    /// A controller says how much work of one kind waits with it, offers that it has not answered included. Zero ends
    /// the want.
    ///
    /// # Errors
    /// When it has too many wants already, or no container of this invoker can be so large.
    pub fn want(
        &mut self,
        controller: &C,
        id: WantId,
        key: &Arc<WorkKey>,
        count: u32,
    ) -> Result<(), WantError> {
        if key.memory > self.settings.total {
            return Err(WantError::TooLarge { memory: key.memory, total: self.settings.total });
        }
        let place = self.turns.iter().position(|(other, _)| other == controller);
        let place = match place {
            Some(place) => place,
            None if count == 0 => return Ok(()),
            None => {
                self.turns.push_back((controller.clone(), Vec::new()));
                self.turns.len() - 1
            }
        };
        let wants = &mut self.turns[place].1;
        wants.iter_mut().for_each(|want| want.silent = false);
        match wants.iter().position(|want| want.id == id) {
            Some(known) if count == 0 => drop(wants.remove(known)),
            Some(known) => wants[known].count = count,
            None if count == 0 => {}
            None if wants.len() >= self.settings.max_wants => {
                return Err(WantError::TooMany { max: self.settings.max_wants });
            }
            None => {
                let offered = self.held.values().filter(|held| held.is_for(controller, id)).count();
                let offered = u32::try_from(offered).unwrap_or(u32::MAX);
                let key = Arc::clone(key);
                wants.push(Want { id, key, count, offered, passed_over: 0, silent: false });
            }
        }
        if self.turns[place].1.is_empty() {
            self.turns.remove(place);
        }
        Ok(())
    }

    /// A dispatch names an offer. What was held is free for it, so it must take it before anything else is decided.
    pub fn accept(&mut self, controller: &C, offer: OfferId, key: &WorkKey) -> Acceptance {
        self.heard(controller);
        let is_its_own = |held: &Held<C>| held.controller == *controller;
        if !self.held.get(&offer).is_some_and(is_its_own) {
            return Acceptance::Void;
        }
        let Some(held) = self.release(offer) else { return Acceptance::Void };
        let fits = *held.key == *key || (!held.warm && key.memory <= held.key.memory);
        if fits { Acceptance::Held } else { Acceptance::Void }
    }

    /// A controller has no use for an offer. Answers whether anything was held by it, which may now be offered again.
    pub fn decline(&mut self, controller: &C, offer: OfferId) -> bool {
        self.heard(controller);
        let is_its_own = self.held.get(&offer).is_some_and(|held| held.controller == *controller);
        is_its_own && self.release(offer).is_some()
    }

    /// A controller's stream has ended: nothing is left of it.
    pub fn controller_gone(&mut self, controller: &C) {
        self.turns.retain(|(other, _)| other != controller);
        let ledger = &mut self.ledger;
        self.held.retain(|_, held| {
            let stays = held.controller != *controller;
            if !stays {
                ledger.release(&held.key, held.warm);
            }
            stays
        });
    }

    /// Whether a dispatch without an offer may take room now: what is held, or kept for a want whose turn it is, is not
    /// for it.
    #[must_use]
    pub fn admits(&self, key: &WorkKey, room: &dyn Room) -> bool {
        let free = self.ledger.free(room);
        self.ledger.has_slot(key, room, free) || (key.memory <= free && self.overdue().is_none())
    }

    /// Whether a dispatch may take room now, by its offer or without. To be asked under the lock under which it then takes
    /// it: so two never take the same, and what was held for it is not given to another in between.
    ///
    /// An offer does not stand in for the room itself: containers fail, actions change, and of two idle containers the
    /// pool may evict the one that was held.
    pub fn claim(&mut self, controller: &C, offer: Option<OfferId>, key: &WorkKey, room: &dyn Room) -> bool {
        let accepted = offer.map(|offer| self.accept(controller, offer, key));
        if accepted != Some(Acceptance::Held) {
            return self.admits(key, room);
        }
        let free = self.ledger.free_for_held(room);
        self.ledger.has_slot(key, room, free) || key.memory <= free
    }

    /// Megabytes that a dispatch without an offer could get for a new container.
    #[must_use]
    pub fn free(&self, room: &dyn Room) -> u64 {
        if self.overdue().is_some() { 0 } else { self.ledger.free(room) }
    }

    /// Ends offers that were held for long enough. What they held may be offered again.
    pub fn expire(&mut self, now: Instant) -> Vec<OfferId> {
        let over: Vec<OfferId> =
            self.held.iter().filter(|(_, held)| held.until <= now).map(|(id, _)| *id).collect();
        for offer in &over {
            if let Some(held) = self.release(*offer) {
                self.want_of(&held).into_iter().for_each(|want| want.silent = true);
            }
        }
        over
    }

    /// When [`OfferBook::expire`] has something to do next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.held.values().map(|held| held.until).min()
    }

    /// Offers that are held now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Whether any work waits with a controller.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        !self.turns.is_empty()
    }

    /// Work that controllers say waits with them; the same work may be wanted of other invokers too.
    #[must_use]
    pub fn wanted(&self) -> u64 {
        self.turns.iter().flat_map(|(_, wants)| wants).map(|want| u64::from(want.count)).sum()
    }

    /// Offers all room there is: to be called when some came free, and when a want was registered.
    pub fn offer(&mut self, room: &dyn Room, now: Instant) -> Vec<(C, Offer)> {
        let mut offers = Vec::new();
        while let Some((place, warm)) = self.whose_turn(room) {
            offers.push(self.make(place, warm, now));
        }
        offers
    }

    /// Whom the next offer goes to. Warm containers find their action first; then memory goes round.
    ///
    /// Looks at every want, so what is the same for all of them is summed up once.
    fn whose_turn(&self, room: &dyn Room) -> Option<(Place, bool)> {
        if self.turns.is_empty() {
            return None;
        }
        let ledger = &self.ledger;
        let free = ledger.free(room);
        if let Some(place) = self.overdue() {
            let key = &self.turns[place.0].1[place.1].key;
            if ledger.has_slot(key, room, free) {
                return Some((place, true));
            }
            if key.memory <= free {
                return Some((place, false));
            }
            // While it waits for memory, only what takes none goes to others.
            return self.first(|want| ledger.has_busy_slot(&want.key, room)).map(|place| (place, true));
        }
        let warm = self.first(|want| ledger.has_slot(&want.key, room, free)).map(|place| (place, true));
        warm.or_else(|| self.first(|want| want.key.memory <= free).map(|place| (place, false)))
    }

    /// The first in order of those who may get an offer.
    fn first(&self, fits: impl Fn(&Want) -> bool) -> Option<Place> {
        self.turns.iter().enumerate().find_map(|(turn, (_, wants))| {
            let at = wants.iter().position(|want| want.is_open() && fits(want));
            at.map(|at| (turn, at))
        })
    }

    /// The want that was passed over too often.
    fn overdue(&self) -> Option<Place> {
        let mut worst = None;
        for (turn, (_, wants)) in self.turns.iter().enumerate() {
            for (at, want) in wants.iter().enumerate() {
                let is_worse = worst.is_none_or(|(_, times)| want.passed_over > times);
                if want.is_open() && want.passed_over >= self.settings.patience && is_worse {
                    worst = Some(((turn, at), want.passed_over));
                }
            }
        }
        worst.map(|(place, _)| place)
    }

    /// Holds a slot for a want; its controller and its other wants have had their turn.
    fn make(&mut self, (turn, at): Place, warm: bool, now: Instant) -> (C, Offer) {
        for (_, wants) in self.turns.iter_mut().take(turn) {
            wants.iter_mut().filter(|want| want.is_open()).for_each(|want| want.passed_over += 1);
        }
        let wants = &mut self.turns[turn].1;
        wants[..at].iter_mut().filter(|want| want.is_open()).for_each(|want| want.passed_over += 1);
        let mut want = wants.remove(at);
        want.offered += 1;
        want.passed_over = 0;
        let id = OfferId(self.next_offer);
        self.next_offer += 1;
        let offer = Offer { id, want: want.id, warm, memory: want.key.memory };
        let key = Arc::clone(&want.key);
        wants.push(want);
        let Some(served) = self.turns.remove(turn) else {
            unreachable!("the place is one of those there are")
        };
        let controller = served.0.clone();
        self.turns.push_back(served);
        let until = now + self.settings.held_for;
        self.ledger.hold(&key, warm);
        self.held.insert(id, Held { controller: controller.clone(), want: offer.want, key, warm, until });
        (controller, offer)
    }

    fn release(&mut self, offer: OfferId) -> Option<Held<C>> {
        let held = self.held.remove(&offer)?;
        self.ledger.release(&held.key, held.warm);
        if let Some(want) = self.want_of(&held) {
            want.offered = want.offered.saturating_sub(1);
        }
        Some(held)
    }

    fn want_of(&mut self, held: &Held<C>) -> Option<&mut Want> {
        let (_, wants) = self.turns.iter_mut().find(|(controller, _)| *controller == held.controller)?;
        wants.iter_mut().find(|want| want.id == held.want)
    }

    /// A controller that answers is not silent, however late.
    fn heard(&mut self, controller: &C) {
        if let Some((_, wants)) = self.turns.iter_mut().find(|(other, _)| other == controller) {
            wants.iter_mut().for_each(|want| want.silent = false);
        }
    }
}

impl<C: Eq> Held<C> {
    fn is_for(&self, controller: &C, want: WantId) -> bool {
        self.controller == *controller && self.want == want
    }
}

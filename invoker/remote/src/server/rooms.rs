//! The invoker's room, given out by offers: nothing waits in the pool for memory.
//!
//! Two locks, always in this order: the shell's state, in which the book of wants and offers is, and the pool's, under
//! which the book is shown the room. A dispatch is admitted and takes its room under both, so nobody is admitted on room
//! that another is about to take. Whatever frees room does so under the pool's lock alone and says so after it: see
//! [`RoomSignal`](oxwhisk_invoker_api::offers::RoomSignal) for why none is missed.
//!
//! Offers are made where the cause is: in the task that reads a want, and in one that the signal wakes. The only timer is
//! that of offers which nobody answers.

use std::sync::Arc;
use std::time::Instant;

use oxwhisk_dispatch::Incarnation;
use oxwhisk_invoker_api::offers::{Offer, OfferBook, OfferId, OfferSettings, WantId, WorkKey};
use oxwhisk_invoker_api::{Activating, DispatchError, InvokerCapacity};

use super::conversation::Conversing;
use super::shell::Shell;
use super::state::{Conversation, Ordered, State};
use super::{InvokerServerOptions, reply};
use crate::Malformed;

/// A book for an invoker with so many megabytes.
pub(super) fn book(options: &InvokerServerOptions, total: u64) -> OfferBook<Incarnation> {
    OfferBook::new(OfferSettings { held_for: options.offer_timeout, ..OfferSettings::new(total) })
}

impl Shell {
    /// Registers a want, and offers it room if there is some. One that cannot be is passed over: it waits with its
    /// controller until that gives up.
    pub(super) fn want(
        &self,
        from: &Conversing,
        want: WantId,
        key: &Arc<WorkKey>,
        count: u32,
    ) -> Result<(), Malformed> {
        let mut state = self.state();
        // Of a conversation that has ended nothing may be left behind.
        if !state.is_latest(from.by, from.number) || !state.conversations.contains_key(&from.by) {
            return Ok(());
        }
        let registered = state.book.want(&from.by, want, key, count);
        self.make_offers(&mut state);
        registered.map_err(|error| Malformed::new("want", error))
    }

    /// An offer is of no use to the controller that has it: others get what it held.
    pub(super) fn decline(&self, from: &Conversing, offer: OfferId) {
        let mut state = self.state();
        if state.is_latest(from.by, from.number) {
            self.drop_offer(&mut state, from.by, offer);
        }
    }

    /// Ends an offer, if it is still held.
    pub(super) fn drop_offer(&self, state: &mut State, by: Incarnation, offer: OfferId) {
        if state.book.decline(&by, offer) {
            self.make_offers(state);
        }
    }

    /// Takes a dispatch into the pool if there is room for it, at once or not at all.
    pub(super) fn take_in(&self, state: &mut State, ordered: Ordered) -> Result<Activating, DispatchError> {
        let Ordered { dispatch, by, offer } = ordered;
        let Some(invoker) = self.invoker() else { return Err(DispatchError::Draining) };
        let key = WorkKey::of(&dispatch.action, &dispatch.caller.namespace);
        let taken = invoker.dispatch_if(dispatch, &mut |room| state.book.claim(&by, offer, &key, room));
        if let (Err(_), Some(offer)) = (&taken, offer) {
            // What the offer held is free again, whether it came to the claim or not.
            state.book.decline(&by, offer);
            self.room.changed();
        }
        taken
    }

    /// Megabytes that a new container could get which is offered to nobody.
    pub(super) fn free(&self, state: &State) -> u64 {
        let mut free = 0;
        if let Some(invoker) = self.invoker() {
            invoker.look(&mut |room| free = state.book.free(room));
        }
        free
    }

    /// Room as controllers are to believe it. What is not free for them counts as busy, whatever it is used for.
    pub(super) fn capacity(&self, state: &State) -> InvokerCapacity {
        let Some(invoker) = self.invoker() else { return InvokerCapacity { memory: 0, busy: 0, idle: 0 } };
        let InvokerCapacity { memory, idle, .. } = invoker.capacity();
        let free = self.free(state).min(memory);
        InvokerCapacity { memory, busy: memory - free, idle: idle.min(free) }
    }

    /// A controller's stream has ended, or is given up: its wants and offers are void, and others get what it held.
    pub(super) fn hang_up(&self, state: &mut State, by: Incarnation) {
        state.conversations.remove(&by);
        state.book.controller_gone(&by);
        self.room.changed();
    }

    /// Offers all room there is to those who want it.
    pub(super) fn make_offers(&self, state: &mut State) {
        // Before the look at the room.
        self.room.set_wanted(state.book.is_wanted());
        let Some(invoker) = self.invoker().filter(|_| !state.keeper.is_draining()) else { return };
        if !state.book.is_wanted() {
            return;
        }
        let (now, timed) = (Instant::now(), state.book.held() > 0);
        let mut offers = Vec::new();
        invoker.look(&mut |room| offers = state.book.offer(room, now));
        // All are held equally long, so a later one never brings the next deadline nearer.
        if !timed && !offers.is_empty() {
            self.offers_held.notify_one();
        }
        for (to, offer) in offers {
            self.say_offer(state, to, offer);
        }
    }

    fn say_offer(&self, state: &mut State, to: Incarnation, offer: Offer) {
        let conversation = state.conversations.get(&to);
        let unsent = |with: &Conversation| with.outbound.try_send(Ok(reply::offer(offer))).is_err();
        if conversation.is_none_or(unsent) {
            tracing::warn!(controller = to.0, "a controller does not take what it is offered");
            self.hang_up(state, to);
        }
    }

    /// Offers what comes free, and what was offered to those who do not answer, for as long as it is polled.
    pub(super) async fn give_out_room(&self) {
        loop {
            let deadline = self.state().book.next_deadline();
            let over = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.room.freed() => {}
                () = over => {}
                // There is a deadline now.
                () = self.offers_held.notified() => continue,
            }
            let mut state = self.state();
            state.book.expire(Instant::now());
            self.make_offers(&mut state);
        }
    }
}

//! What a message or the end of a job does.

use std::sync::Arc;

use oxwhisk_core::id::InvokerId;
use oxwhisk_invoker_api::offers::OfferId;
use oxwhisk_loadbalancer::balancer::Work;
use oxwhisk_loadbalancer::fleet::Outcome;
use rand::Rng;

use super::{Event, ToController, ToInvoker, World, report};
use crate::Ended;
use crate::node::Invoker;

impl World {
    pub(super) fn at_invoker(&mut self, from: usize, to: usize, message: ToInvoker) {
        match message {
            ToInvoker::Want { want, key, count } => {
                // One that is refused only waits elsewhere.
                let _ = self.invokers[to].book.want(&from, want, &key, count);
            }
            ToInvoker::Decline { offer } => {
                self.invokers[to].book.decline(&from, offer);
            }
            ToInvoker::Dispatch { job, offer, work } => self.dispatched(from, to, job, offer, work),
        }
        self.offer(to);
    }

    fn dispatched(
        &mut self,
        from: usize,
        to: usize,
        job: usize,
        offer: Option<OfferId>,
        work: Option<Work<usize>>,
    ) {
        let key = Arc::clone(&self.jobs[job].key);
        let invoker = &mut self.invokers[to];
        if !invoker.book.claim(&from, offer, &key, &invoker.pool) {
            let free = invoker.book.free(&invoker.pool);
            return self.send_to_controller(to, from, ToController::Refused { job, free, work });
        }
        let warm = invoker.pool.start(&key, self.now);
        self.running += 1;
        let (least, most) = self.settings.cold;
        let cold = if warm { 0 } else { self.rng.random_range(least..=most) };
        let (runs, waited) = (self.jobs[job].runs + cold, self.now - self.jobs[job].arrives);
        self.note_start(to, key.memory, runs);
        self.summary.warm += usize::from(warm);
        self.summary.waited.push(waited);
        self.ended.push(Ended { job, waited: Some(waited), warm, invoker: to });
        self.at(self.now + runs, Event::Finish { invoker: to, job, controller: from });
    }

    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    fn note_start(&mut self, invoker: usize, memory: u64, runs: u64) {
        self.summary.work[invoker] += memory as f64 * runs as f64 / 1e6;
        let busy = self.invokers.iter().map(|one| one.pool.busy());
        // Summing up a large fleet at each start would take longer than all the rest.
        if self.invokers.len() <= 32 {
            self.summary.peak_busy = self.summary.peak_busy.max(busy.sum());
        }
    }

    pub(super) fn finish(&mut self, invoker: usize, job: usize, controller: usize) {
        let key = Arc::clone(&self.jobs[job].key);
        self.invokers[invoker].pool.end(&key, self.now);
        self.running -= 1;
        self.summary.done += 1;
        self.summary.ended_at = self.now;
        self.send_to_controller(invoker, controller, ToController::Done { job });
        self.offer(invoker);
    }

    /// Offers what room there is.
    pub(super) fn offer(&mut self, at: usize) {
        let now = self.instant();
        let Invoker { book, pool } = &mut self.invokers[at];
        let offers = book.offer(pool, now);
        let deadline = book.next_deadline();
        if let Some(deadline) = deadline.filter(|_| !offers.is_empty()) {
            let time = u64::try_from((deadline - self.base).as_micros()).unwrap_or(u64::MAX);
            self.at(time, Event::ExpireOffers(at));
        }
        for (controller, offer) in offers {
            self.send_to_controller(at, controller, ToController::Offer(offer));
        }
    }

    pub(super) fn at_controller(&mut self, from: usize, to: usize, message: ToController) {
        let (id, now) = (InvokerId(u32::try_from(from).unwrap_or(u32::MAX)), self.instant());
        let balancer = &mut self.controllers[to].balancer;
        let effects = match message {
            ToController::Offer(offer) => balancer.offered(id, offer),
            ToController::Report { free } => balancer.report(id, report(self.settings.memory, free), now),
            ToController::Done { job } => {
                balancer.ended(id, &self.jobs[job].key, Some(Outcome::Success), now)
            }
            ToController::Refused { free, work: Some(work), .. } => balancer.returned(id, work, free, now),
            ToController::Refused { job, free, work: None } => {
                balancer.refused(id, &self.jobs[job].key, free);
                return self.ask_next(to, job);
            }
        };
        self.perform(to, effects);
    }

    pub(super) fn kill(&mut self, controller: usize) {
        let node = &mut self.controllers[controller];
        node.alive = false;
        self.summary.lost += node.balancer.waiting();
        for invoker in 0..self.invokers.len() {
            self.invokers[invoker].book.controller_gone(&controller);
            self.offer(invoker);
        }
    }
}

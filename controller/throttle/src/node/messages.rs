//! What a node does with a message.

use super::{Effect, Node, Now};
use crate::budget::Served;
use crate::ledger::Demand;
use crate::{Account, Decision, Member, Message};

use super::Slot;

impl<W> Node<W> {
    pub(super) fn handle(&mut self, from: &Member, message: Message, now: Now, effects: &mut Vec<Effect<W>>) {
        match message {
            Message::Claim { view, sequence, sync } => {
                let Some(promised) = self.authority.claimed(from, view, now.steady) else { return };
                let accounts = sync.then(|| self.holdings_of(from));
                let message = Message::Grant { view, sequence, promised, accounts };
                self.send(from.clone(), message, effects);
            }
            Message::Grant { view, sequence, promised, accounts } => {
                let grant = (view, sequence);
                if let Some(accounts) = self.authority.granted(from, grant, &promised, accounts, now.steady) {
                    self.ledger.load(from, accounts);
                }
            }
            Message::Ask { .. } => self.decide(from, message, now, effects),
            Message::Reply { request, account, decision } => {
                if self.owner(&account) == *from {
                    self.decided(&account, request, decision, now, effects);
                }
            }
            Message::Slots { account, change } => {
                // What a member holds that is not known yet comes with its grant.
                if self.authority.is_synced(from) {
                    self.ledger.change_slots(from, &account, change);
                }
            }
        }
    }

    fn decide(&mut self, from: &Member, ask: Message, now: Now, effects: &mut Vec<Effect<W>>) {
        let Message::Ask {
            view,
            request,
            account,
            limits,
            requests,
            extra_requests,
            paid,
            slots,
            extra_slots,
        } = ask
        else {
            return;
        };
        let may = view == self.authority.view().id()
            && self.authority.view().contains(from)
            && self.owner(&account) == self.me
            && self.authority.is_synced(from)
            && self.authority.holds(now.steady);
        let demand = Demand { requests, extra_requests, paid, slots, extra_slots };
        let decision = match may {
            true => self.ledger.decide(from, account.clone(), limits, demand, now.wall),
            false => Decision::NotNow,
        };
        self.send(from.clone(), Message::Reply { request, account, decision }, effects);
    }

    fn decided(
        &mut self,
        account: &Account,
        request: u64,
        decision: Decision,
        now: Now,
        effects: &mut Vec<Effect<W>>,
    ) {
        let retry = self.config.lease / 40;
        let Some(budget) = self.budgets.get_mut(account) else { return };
        for served in budget.decided(request, decision, retry, now.steady) {
            effects.push(match served {
                Served::Admitted { payload, minute } => {
                    let slot = Slot::new(account.clone(), Some(minute));
                    Effect::Admit { waiter: payload, slot }
                }
                Served::Refused { payload, violation } => Effect::Refuse { waiter: payload, violation },
            });
        }
        self.ask(account, now, effects);
        self.give_back(account, now, effects);
    }
}

//! One controller's part: client of all owners, owner of its share.

mod effect;
mod messages;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::authority::Authority;
use crate::budget::{Budget, Need, Waiter};
use crate::ledger::Ledger;
use crate::{Account, AccountState, Kind, Limits, Member, Message, View};

pub use effect::{Config, Effect, Now, Slot};

#[derive(Debug)]
pub struct Node<W> {
    me: Member,
    config: Config,
    authority: Authority,
    ledger: Ledger,
    budgets: HashMap<Account, Budget<W>>,
    /// Accounts for which somebody waits.
    waiting: BTreeSet<Account>,
    next_request: u64,
    next_sweep: Instant,
    /// Messages of this node to itself.
    own: VecDeque<Message>,
}

/// Accounts are looked over for spare slots and idle ones this often.
const SWEEP: Duration = Duration::from_secs(1);

impl<W> Node<W> {
    /// Alone, until [`Node::members`] says otherwise.
    #[must_use]
    pub fn new(me: Member, config: Config, now: Instant) -> Self {
        Self {
            authority: Authority::new(me.clone(), config.lease, now),
            me,
            config,
            ledger: Ledger::default(),
            budgets: HashMap::new(),
            waiting: BTreeSet::new(),
            next_request: 0,
            next_sweep: now + SWEEP,
            own: VecDeque::new(),
        }
    }

    /// Activations of this account that this node has in flight, blocked ones left out.
    #[must_use]
    pub fn in_flight(&self, account: &Account) -> u64 {
        self.budgets.get(account).map_or(0, Budget::used)
    }

    /// Whether this node may decide for the accounts that it owns.
    #[must_use]
    pub fn decides(&self, now: Instant) -> bool {
        self.authority.holds(now)
    }

    /// A request wants to be admitted. The answer is among the effects, now or of a later event.
    pub fn admit(&mut self, account: Account, limits: Limits, waiter: W, now: Now) -> Vec<Effect<W>> {
        let mut effects = Vec::new();
        let deadline = now.steady + self.config.patience;
        let budget = self.budgets.entry(account.clone()).or_insert_with(|| Budget::new(limits, now.steady));
        if budget.waiting() >= self.config.max_waiting {
            return vec![Effect::Unavailable { waiter }];
        }
        match budget.admit(limits, Waiter { payload: waiter, deadline }, now.steady) {
            Some((waiter, minute)) => {
                let slot = Slot::new(account, Some(minute));
                effects.push(Effect::Admit { waiter, slot });
            }
            None => {
                self.waiting.insert(account.clone());
                self.ask(&account, now, &mut effects);
                self.settle_own(now, &mut effects);
            }
        }
        effects
    }

    /// Counts what was admitted before a restart, whatever the limits are now.
    pub fn readmit(&mut self, account: Account, limits: Limits, now: Now) -> (Slot, Vec<Effect<W>>) {
        self.budgets.entry(account.clone()).or_insert_with(|| Budget::new(limits, now.steady));
        let effects = self.take(&account, now);
        (Slot::new(account, None), effects)
    }

    /// An admitted request has ended.
    pub fn release(&mut self, mut slot: Slot, now: Now) -> Vec<Effect<W>> {
        self.pause(&mut slot, now)
    }

    /// An admitted request is blocked on an activation of its own, which counts instead.
    pub fn pause(&mut self, slot: &mut Slot, now: Now) -> Vec<Effect<W>> {
        let mut effects = Vec::new();
        if slot.account.kind == Kind::Invocation && !std::mem::replace(&mut slot.paused, true) {
            if let Some(budget) = self.budgets.get_mut(&slot.account) {
                budget.release(now.steady);
            }
            self.give_back(&slot.account, now, &mut effects);
            self.settle_own(now, &mut effects);
        }
        effects
    }

    /// And goes on. That is never refused, so the limit may be passed by as many as were blocked.
    pub fn resume(&mut self, slot: &mut Slot, now: Now) -> Vec<Effect<W>> {
        if slot.account.kind == Kind::Invocation && std::mem::replace(&mut slot.paused, false) {
            return self.take(&slot.account.clone(), now);
        }
        Vec::new()
    }

    fn take(&mut self, account: &Account, now: Now) -> Vec<Effect<W>> {
        let mut effects = Vec::new();
        let Some(budget) = self.budgets.get_mut(account) else { return effects };
        let beyond = budget.take();
        self.tell_slots(account, i64::try_from(beyond).unwrap_or(i64::MAX), &mut effects);
        self.settle_own(now, &mut effects);
        effects
    }

    /// Other controllers are alive than before. The view holds this node too.
    pub fn members(&mut self, view: View, now: Now) -> Vec<Effect<W>> {
        let mut effects = Vec::new();
        if !view.contains(&self.me) || !self.authority.adopt(view, now.steady) {
            return effects;
        }
        self.ledger.clear();
        let own = self.holdings_of(&self.me.clone());
        self.ledger.load(&self.me, own);
        self.claim(now, &mut effects);
        self.ask_again(|_| true, now, &mut effects);
        effects
    }

    /// The stream to or from another node broke: what was on its way is lost.
    pub fn session_lost(&mut self, with: &Member, now: Now) -> Vec<Effect<W>> {
        let mut effects = Vec::new();
        self.authority.session_lost(with, now.steady);
        self.claim(now, &mut effects);
        self.ask_again(|owner| owner == with, now, &mut effects);
        effects
    }

    pub fn received(&mut self, from: &Member, message: Message, now: Now) -> Vec<Effect<W>> {
        let mut effects = Vec::new();
        self.handle(from, message, now, &mut effects);
        self.settle_own(now, &mut effects);
        effects
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Now) -> Vec<Effect<W>> {
        let mut effects = Vec::new();
        self.claim(now, &mut effects);
        for account in self.waiting.clone() {
            let Some(budget) = self.budgets.get_mut(&account) else { continue };
            effects
                .extend(budget.expire(now.steady).into_iter().map(|waiter| Effect::Unavailable { waiter }));
            self.ask(&account, now, &mut effects);
        }
        if now.steady >= self.next_sweep {
            self.next_sweep = now.steady + SWEEP;
            self.sweep(now, &mut effects);
        }
        self.settle_own(now, &mut effects);
        effects
    }

    /// When [`Node::tick`] has something to do next. May be earlier after any event.
    #[must_use]
    pub fn next_deadline(&self) -> Instant {
        let waiting = self.waiting.iter().filter_map(|account| self.budgets.get(account)?.next_deadline());
        let all = waiting.chain(self.authority.next_claim()).chain([self.next_sweep]);
        all.min().unwrap_or(self.next_sweep)
    }

    fn sweep(&mut self, now: Now, effects: &mut Vec<Effect<W>>) {
        self.ledger.sweep(now.wall);
        let idle = self.config.idle;
        // At least a minute, so that a new owner is told of all budgets of this minute.
        self.budgets.retain(|_, budget| !budget.is_idle(Duration::from_secs(60).max(idle), now.steady));
        for account in self.budgets.keys().cloned().collect::<Vec<_>>() {
            self.give_back(&account, now, effects);
        }
    }

    fn claim(&mut self, now: Now, effects: &mut Vec<Effect<W>>) {
        let view = self.authority.view().id();
        for claim in self.authority.claims(now.steady) {
            let message = Message::Claim { view, sequence: claim.sequence, sync: claim.sync };
            effects.push(Effect::Send { to: claim.to, message });
        }
    }

    fn owner(&self, account: &Account) -> Member {
        self.authority.view().owner(&account.namespace).unwrap_or(&self.me).clone()
    }

    fn send(&mut self, to: Member, message: Message, effects: &mut Vec<Effect<W>>) {
        if to == self.me {
            self.own.push_back(message);
        } else {
            effects.push(Effect::Send { to, message });
        }
    }

    fn settle_own(&mut self, now: Now, effects: &mut Vec<Effect<W>>) {
        let me = self.me.clone();
        while let Some(message) = self.own.pop_front() {
            self.handle(&me, message, now, effects);
        }
    }

    /// Asks the account's owner for what those that wait need.
    fn ask(&mut self, account: &Account, now: Now, effects: &mut Vec<Effect<W>>) {
        let view = self.authority.view();
        let (members, view) = (view.members().len(), view.id());
        let Some(budget) = self.budgets.get_mut(account) else { return };
        if budget.waiting() == 0 {
            self.waiting.remove(account);
            return;
        }
        let Some(need) = budget.ask(self.next_request, members, now.steady) else { return };
        self.next_request += 1;
        let limits = budget.limits();
        let Need { request, requests, extra_requests, paid, slots, extra_slots } = need;
        let account = account.clone();
        let to = self.owner(&account);
        let message = Message::Ask {
            view,
            request,
            account,
            limits,
            requests,
            extra_requests,
            paid,
            slots,
            extra_slots,
        };
        self.send(to, message, effects);
    }

    /// Those whose owner is concerned ask anew.
    fn ask_again(&mut self, concerned: impl Fn(&Member) -> bool, now: Now, effects: &mut Vec<Effect<W>>) {
        for account in self.waiting.clone() {
            let owner = self.owner(&account);
            if let Some(budget) = self.budgets.get_mut(&account).filter(|_| concerned(&owner)) {
                budget.forget_ask();
                self.ask(&account, now, effects);
            }
        }
        self.settle_own(now, effects);
    }

    fn give_back(&mut self, account: &Account, now: Now, effects: &mut Vec<Effect<W>>) {
        let members = self.authority.view().members().len();
        let Some(budget) = self.budgets.get_mut(account) else { return };
        let surplus = budget.surplus(members, self.config.idle, now.steady);
        self.tell_slots(account, -i64::try_from(surplus).unwrap_or(i64::MAX), effects);
    }

    fn tell_slots(&mut self, account: &Account, change: i64, effects: &mut Vec<Effect<W>>) {
        if change != 0 {
            let to = self.owner(account);
            self.send(to, Message::Slots { account: account.clone(), change }, effects);
        }
    }

    /// What this node holds of what another one owns.
    fn holdings_of(&self, owner: &Member) -> Vec<AccountState> {
        let view = self.authority.view();
        let owned = self.budgets.iter().filter(|(account, _)| view.owner(&account.namespace) == Some(owner));
        owned.filter_map(|(account, budget)| budget.state(account)).collect()
    }
}

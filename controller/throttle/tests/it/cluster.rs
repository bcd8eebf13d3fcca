//! A cluster of nodes over streams with random delays, with clocks that differ.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::time::{Duration, Instant};

use oxwhisk_throttle::{
    Account, Config, Effect, Kind, Limits, Member, Message, Node, Now, Slot, View, Violation,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Milliseconds of the epoch at which tests begin: two seconds before a minute ends.
const START: i64 = 1_000_000 * 60_000 - 2_000;

#[derive(Debug)]
enum Event {
    Deliver {
        from: usize,
        to: usize,
        epoch: u64,
        message: Message,
    },
    Request {
        at: usize,
        account: usize,
        holds: u64,
    },
    Release {
        at: usize,
        serial: u64,
    },
    Tick(usize),
    Members {
        at: usize,
        members: Vec<usize>,
    },
    Kill(usize),
    /// The streams between two nodes break.
    Cut(usize, usize),
}

pub(crate) struct Cluster {
    rng: StdRng,
    base: Instant,
    pub(crate) now: u64,
    serial: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: HashMap<u64, Event>,
    names: Vec<Member>,
    nodes: Vec<Node<(usize, u64)>>,
    alive: Vec<bool>,
    /// How far each wall clock is off, in milliseconds.
    skew: Vec<i64>,
    /// Most milliseconds a message takes.
    delay: u64,
    last_arrival: BTreeMap<(usize, usize), u64>,
    /// Messages of streams that broke are lost.
    epochs: BTreeMap<(usize, usize), u64>,
    accounts: Vec<(Account, Limits)>,
    slots: BTreeMap<u64, (usize, usize, Slot)>,
    /// By account and the owner's minute.
    pub(crate) admitted: BTreeMap<(usize, i64), u64>,
    pub(crate) refused_rate: BTreeMap<usize, u64>,
    pub(crate) refused_slots: BTreeMap<usize, u64>,
    pub(crate) unavailable: u64,
    pub(crate) peak: BTreeMap<usize, u64>,
    pub(crate) messages: u64,
}

impl Cluster {
    pub(crate) fn new(nodes: usize, limits: &[Limits], delay: u64, seed: u64) -> Self {
        let base = Instant::now();
        let mut rng = StdRng::seed_from_u64(seed);
        let names: Vec<Member> = (0..nodes).map(|n| Member(format!("controller{n}/1").into())).collect();
        let node = |name: &Member| Node::new(name.clone(), Config::default(), base);
        let account = |(n, limits): (usize, &Limits)| {
            let kind = if limits.concurrent.is_some() { Kind::Invocation } else { Kind::Fire };
            (Account { namespace: format!("namespace-{n}").into(), kind }, *limits)
        };
        let mut cluster = Self {
            base,
            now: 0,
            serial: 0,
            queue: BinaryHeap::new(),
            events: HashMap::new(),
            nodes: names.iter().map(node).collect(),
            alive: vec![true; nodes],
            skew: (0..nodes).map(|_| rng.random_range(-300..=300)).collect(),
            delay,
            last_arrival: BTreeMap::new(),
            epochs: BTreeMap::new(),
            accounts: limits.iter().enumerate().map(account).collect(),
            slots: BTreeMap::new(),
            admitted: BTreeMap::new(),
            refused_rate: BTreeMap::new(),
            refused_slots: BTreeMap::new(),
            unavailable: 0,
            peak: BTreeMap::new(),
            messages: 0,
            names,
            rng,
        };
        let all: Vec<usize> = (0..nodes).collect();
        for node in 0..nodes {
            cluster.members_at(0, node, &all);
        }
        cluster
    }

    pub(crate) fn members_at(&mut self, time: u64, at: usize, members: &[usize]) {
        self.at(time, Event::Members { at, members: members.to_vec() });
    }

    pub(crate) fn request_at(&mut self, time: u64, at: usize, account: usize, holds: u64) {
        self.at(time, Event::Request { at, account, holds });
    }

    pub(crate) fn kill_at(&mut self, time: u64, node: usize) {
        self.at(time, Event::Kill(node));
    }

    pub(crate) fn cut_at(&mut self, time: u64, a: usize, b: usize) {
        self.at(time, Event::Cut(a, b));
    }

    pub(crate) fn random(&mut self, below: u64) -> u64 {
        self.rng.random_range(0..below)
    }

    fn at(&mut self, time: u64, event: Event) {
        self.serial += 1;
        self.queue.push(Reverse((time.max(self.now), self.serial)));
        self.events.insert(self.serial, event);
    }

    fn clock(&self, node: usize) -> Now {
        Now {
            wall: START + i64::try_from(self.now).unwrap() + self.skew[node],
            steady: self.base + Duration::from_millis(self.now),
        }
    }

    pub(crate) fn run_until(&mut self, end: u64) {
        while let Some(Reverse((time, serial))) = self.queue.peek().copied() {
            if time > end {
                break;
            }
            self.queue.pop();
            self.now = time;
            let event = self.events.remove(&serial).unwrap();
            self.step(event);
        }
        self.now = end;
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::Deliver { from, to, epoch, message } => {
                let current = self.epochs.get(&pair(from, to)).copied().unwrap_or(0);
                if self.alive[to] && epoch == current {
                    let (now, from) = (self.clock(to), self.names[from].clone());
                    let effects = self.nodes[to].received(&from, message, now);
                    self.perform(to, effects);
                }
            }
            Event::Request { at, account, holds } if self.alive[at] => {
                let (now, (account_id, limits)) = (self.clock(at), self.accounts[account].clone());
                let effects = self.nodes[at].admit(account_id, limits, (account, holds), now);
                self.perform(at, effects);
            }
            Event::Release { at, serial } => {
                if let Some((_, _, slot)) = self.slots.remove(&serial) {
                    let now = self.clock(at);
                    let effects = self.nodes[at].release(slot, now);
                    self.perform(at, effects);
                }
            }
            Event::Tick(node) if self.alive[node] => {
                let now = self.clock(node);
                if self.nodes[node].next_deadline() <= now.steady {
                    let effects = self.nodes[node].tick(now);
                    self.perform(node, effects);
                }
            }
            Event::Members { at, members } if self.alive[at] => {
                let view = View::new(members.iter().map(|member| self.names[*member].clone()));
                let now = self.clock(at);
                let effects = self.nodes[at].members(view, now);
                self.perform(at, effects);
            }
            Event::Kill(node) => {
                self.alive[node] = false;
                self.slots.retain(|_, (at, _, _)| *at != node);
            }
            Event::Cut(a, b) => {
                *self.epochs.entry(pair(a, b)).or_insert(0) += 1;
                for (node, other) in [(a, b), (b, a)] {
                    if self.alive[node] {
                        let (now, other) = (self.clock(node), self.names[other].clone());
                        let effects = self.nodes[node].session_lost(&other, now);
                        self.perform(node, effects);
                    }
                }
            }
            Event::Request { .. } | Event::Tick(_) | Event::Members { .. } => {}
        }
    }

    fn perform(&mut self, at: usize, effects: Vec<Effect<(usize, u64)>>) {
        for effect in effects {
            match effect {
                Effect::Send { to, message } => self.send(at, &to, message),
                Effect::Admit { waiter: (account, holds), slot } => self.admit(at, account, holds, slot),
                Effect::Refuse { waiter: (account, _), violation } => {
                    let (_, limits) = self.accounts[account];
                    let refused = match violation {
                        Violation::Rate { count, allowed } => {
                            assert!(count > allowed && allowed == limits.per_minute, "{violation}");
                            &mut self.refused_rate
                        }
                        Violation::Concurrency { count, allowed } => {
                            assert!(count >= allowed && Some(allowed) == limits.concurrent, "{violation}");
                            &mut self.refused_slots
                        }
                    };
                    *refused.entry(account).or_insert(0) += 1;
                }
                Effect::Unavailable { .. } => self.unavailable += 1,
            }
        }
        let deadline = self.nodes[at].next_deadline().max(self.clock(at).steady);
        // Rounded up: a millisecond is the smallest step.
        let time = u64::try_from((deadline - self.base).as_micros().div_ceil(1000)).unwrap();
        self.at(time, Event::Tick(at));
    }

    fn send(&mut self, from: usize, to: &Member, message: Message) {
        let to = self.names.iter().position(|name| name == to).unwrap();
        self.messages += 1;
        let time = self.now + self.rng.random_range(0..=self.delay);
        let last = self.last_arrival.entry((from, to)).or_insert(0);
        *last = time.max(*last);
        let (time, epoch) = (*last, self.epochs.get(&pair(from, to)).copied().unwrap_or(0));
        self.at(time, Event::Deliver { from, to, epoch, message });
    }

    /// Counts, and checks that no limit is passed.
    fn admit(&mut self, at: usize, account: usize, holds: u64, slot: Slot) {
        let limits = self.accounts[account].1;
        let admitted = self.admitted.entry((account, slot.minute.unwrap())).or_insert(0);
        *admitted += 1;
        let Some(concurrent) = limits.concurrent else { return };
        self.serial += 1;
        let serial = self.serial;
        self.slots.insert(serial, (at, account, slot));
        let held = self.held(account);
        assert!(held <= concurrent, "{held} at once, allowed {concurrent}");
        let peak = self.peak.entry(account).or_insert(0);
        *peak = held.max(*peak);
        self.at(self.now + holds, Event::Release { at, serial });
    }

    pub(crate) fn held(&self, account: usize) -> u64 {
        self.slots.values().filter(|(_, of, _)| *of == account).count() as u64
    }

    /// No minute admitted more than its limit.
    pub(crate) fn check_minutes(&self) {
        for ((account, minute), admitted) in &self.admitted {
            let allowed = self.accounts[*account].1.per_minute;
            assert!(*admitted <= allowed, "account {account}, minute {minute}: {admitted} of {allowed}");
        }
    }
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

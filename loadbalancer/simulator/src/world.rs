//! The simulation itself.

mod deliver;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use oxwhisk_core::id::InvokerId;
use oxwhisk_invoker_api::offers::{Offer, OfferBook, OfferId, OfferSettings, Room, WantId, WorkKey};
use oxwhisk_loadbalancer::PoolFractions;
use oxwhisk_loadbalancer::balancer::{Balancer, Effect, Work};
use oxwhisk_loadbalancer::fleet::{FleetConfig, Kinds, Outcome, Report};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::node::Invoker;
use crate::{ContainerPool, Controller, Ended, Job, Settings, Summary};

#[derive(Debug)]
enum ToInvoker {
    Dispatch { job: usize, offer: Option<OfferId>, work: Option<Work<usize>> },
    Want { want: WantId, key: Arc<WorkKey>, count: u32 },
    Decline { offer: OfferId },
}

#[derive(Debug)]
enum ToController {
    Offer(Offer),
    /// No room; `work` if it came from the line.
    Refused {
        job: usize,
        free: u64,
        work: Option<Work<usize>>,
    },
    Done {
        job: usize,
    },
    Report {
        free: u64,
    },
}

#[derive(Debug)]
enum Event {
    Arrive(usize),
    ToInvoker { from: usize, to: usize, message: ToInvoker },
    ToController { from: usize, to: usize, message: ToController },
    Finish { invoker: usize, job: usize, controller: usize },
    Report(usize),
    ExpireOffers(usize),
    Tick(usize),
    Kill(usize),
}

pub struct World {
    settings: Settings,
    jobs: Vec<Job>,
    base: Instant,
    now: u64,
    rng: StdRng,
    serial: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: HashMap<u64, Event>,
    /// When the last message on a stream arrives: the next one is not earlier.
    last_arrival: BTreeMap<(bool, usize, usize), u64>,
    in_flight: usize,
    pub controllers: Vec<Controller>,
    invokers: Vec<Invoker>,
    running: usize,
    summary: Summary,
    ended: Vec<Ended>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("now", &self.now)
            .field("running", &self.running)
            .finish_non_exhaustive()
    }
}

impl World {
    #[must_use]
    pub fn new(settings: Settings, jobs: Vec<Job>) -> Self {
        let base = Instant::now();
        let controllers = (0..settings.controllers).map(|_| controller(&settings, base)).collect();
        let invoker = |_| Invoker {
            book: OfferBook::new(OfferSettings::new(settings.memory)),
            pool: ContainerPool::new(settings.memory),
        };
        let invokers = (0..settings.invokers).map(invoker).collect();
        let summary = Summary { work: vec![0.0; settings.invokers], ..Summary::default() };
        let rng = StdRng::seed_from_u64(settings.seed);
        let mut world = Self {
            base,
            now: 0,
            rng,
            serial: 0,
            queue: BinaryHeap::new(),
            events: HashMap::new(),
            last_arrival: BTreeMap::new(),
            in_flight: 0,
            controllers,
            invokers,
            running: 0,
            summary,
            ended: Vec::new(),
            settings,
            jobs,
        };
        for job in 0..world.jobs.len() {
            world.at(world.jobs[job].arrives, Event::Arrive(job));
        }
        for invoker in 0..world.settings.invokers {
            let first = world.rng.random_range(0..world.settings.report);
            world.at(first, Event::Report(invoker));
        }
        world
    }

    /// A controller dies at this time (microseconds), with all it has waiting.
    pub fn kill_at(&mut self, time: u64, controller: usize) {
        self.at(time, Event::Kill(controller));
    }

    /// Until nothing is left to do.
    #[must_use]
    pub fn run(mut self) -> (Summary, Vec<Ended>) {
        while self.step() {}
        self.summary.waited.sort_unstable();
        (self.summary, self.ended)
    }

    /// One event; `false` when all jobs have ended.
    ///
    /// # Panics
    /// When an invoker holds more than it has, which the code under test rules out.
    pub fn step(&mut self) -> bool {
        let all = self.summary.done + self.summary.refused + self.summary.lost;
        if all == self.jobs.len() {
            return false;
        }
        let Some(Reverse((time, serial))) = self.queue.pop() else { return false };
        self.now = time;
        let Some(event) = self.events.remove(&serial) else { return true };
        self.handle(event);
        true
    }

    /// Messages on their way, reports left out.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Jobs that wait in the lines of all controllers.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.controllers.iter().filter(|one| one.alive).map(|one| one.balancer.waiting()).sum()
    }

    /// What invokers believe to be wanted of them.
    #[must_use]
    pub fn wanted(&self) -> u64 {
        self.invokers.iter().map(|invoker| invoker.book.wanted()).sum()
    }

    /// The most free memory that an invoker has, in megabytes.
    #[must_use]
    pub fn largest_room(&self) -> u64 {
        self.invokers.iter().map(|invoker| invoker.pool.memory()).max().unwrap_or(0)
    }

    /// Offers that are held in the whole fleet.
    #[must_use]
    pub fn held(&self) -> usize {
        self.invokers.iter().map(|invoker| invoker.book.held()).sum()
    }

    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    fn instant(&self) -> Instant {
        self.base + Duration::from_micros(self.now)
    }

    fn at(&mut self, time: u64, event: Event) {
        self.serial += 1;
        self.queue.push(Reverse((time.max(self.now), self.serial)));
        self.events.insert(self.serial, event);
    }

    /// When a message sent now arrives: in order on its stream.
    fn arrival(&mut self, to_invoker: bool, controller: usize, invoker: usize) -> u64 {
        let (least, most) = self.settings.delay;
        let time = self.now + self.rng.random_range(least..=most);
        let last = self.last_arrival.entry((to_invoker, controller, invoker)).or_insert(0);
        *last = time.max(*last);
        *last
    }

    fn send_to_invoker(&mut self, from: usize, to: usize, message: ToInvoker) {
        let time = self.arrival(true, from, to);
        self.in_flight += 1;
        self.summary.messages += 1;
        self.at(time, Event::ToInvoker { from, to, message });
    }

    fn send_to_controller(&mut self, from: usize, to: usize, message: ToController) {
        let time = self.arrival(false, to, from);
        if !matches!(message, ToController::Report { .. }) {
            self.in_flight += 1;
            self.summary.messages += 1;
        }
        self.at(time, Event::ToController { from, to, message });
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Arrive(job) => self.arrive(job),
            Event::ToInvoker { from, to, message } => {
                self.in_flight -= 1;
                if self.controllers[from].alive {
                    self.at_invoker(from, to, message);
                } else if let ToInvoker::Dispatch { .. } = message {
                    self.summary.lost += 1;
                }
            }
            Event::ToController { from, to, message } => {
                self.in_flight -= usize::from(!matches!(message, ToController::Report { .. }));
                if self.controllers[to].alive {
                    self.at_controller(from, to, message);
                } else if let ToController::Refused { .. } = message {
                    self.summary.lost += 1;
                }
            }
            Event::Finish { invoker, job, controller } => self.finish(invoker, job, controller),
            Event::Report(invoker) => {
                let free = self.invokers[invoker].pool.memory();
                for controller in 0..self.controllers.len() {
                    self.send_to_controller(invoker, controller, ToController::Report { free });
                }
                self.at(self.now + self.settings.report, Event::Report(invoker));
            }
            Event::ExpireOffers(invoker) => {
                let now = self.instant();
                self.invokers[invoker].book.expire(now);
                self.offer(invoker);
            }
            Event::Tick(controller) => {
                let now = self.instant();
                if self.controllers[controller].alive {
                    let effects = self.controllers[controller].balancer.tick(now);
                    self.perform(controller, effects);
                }
            }
            Event::Kill(controller) => self.kill(controller),
        }
    }

    fn arrive(&mut self, job: usize) {
        let (key, at) = (Arc::clone(&self.jobs[job].key), self.jobs[job].controller);
        let salt = self.rng.random();
        let controller = &mut self.controllers[at];
        if !controller.alive {
            self.summary.lost += 1;
            return;
        }
        let mut probes = controller.balancer.probe(&key, salt).as_slice().to_vec();
        probes.reverse();
        controller.probing.insert(job, probes);
        self.ask_next(at, job);
    }

    /// Asks the next invoker for a new job; with none left it waits.
    fn ask_next(&mut self, at: usize, job: usize) {
        let key = Arc::clone(&self.jobs[job].key);
        let now = self.instant();
        let controller = &mut self.controllers[at];
        if let Some(invoker) = controller.probing.get_mut(&job).and_then(Vec::pop) {
            controller.balancer.begin(invoker, &key);
            let message = ToInvoker::Dispatch { job, offer: None, work: None };
            self.send_to_invoker(at, invoker.0 as usize, message);
            return;
        }
        controller.probing.remove(&job);
        let work = Work { key, deadline: now + Duration::from_secs(3600), payload: job };
        match controller.balancer.wait(work, now) {
            Ok(effects) => self.perform(at, effects),
            Err((work, _)) => self.refuse(work.payload),
        }
    }

    fn refuse(&mut self, job: usize) {
        self.summary.refused += 1;
        self.summary.ended_at = self.now;
        self.ended.push(Ended { job, waited: None, warm: false, invoker: 0 });
    }

    fn perform(&mut self, at: usize, effects: Vec<Effect<usize>>) {
        for effect in effects {
            match effect {
                Effect::Serve { work, invoker, offer } => {
                    let job = work.payload;
                    let message = ToInvoker::Dispatch { job, offer, work: Some(work) };
                    self.send_to_invoker(at, invoker.0 as usize, message);
                }
                Effect::Refuse { work, .. } => self.refuse(work.payload),
                Effect::Want { invoker, want, key, count } => {
                    self.send_to_invoker(at, invoker.0 as usize, ToInvoker::Want { want, key, count });
                }
                Effect::Decline { invoker, offer } => {
                    self.send_to_invoker(at, invoker.0 as usize, ToInvoker::Decline { offer });
                }
                Effect::Fleet(_) => {}
            }
        }
        if let Some(deadline) = self.controllers[at].balancer.next_deadline() {
            let time = u64::try_from((deadline - self.base).as_micros()).unwrap_or(u64::MAX);
            self.at(time, Event::Tick(at));
        }
    }
}

fn report(memory: u64, free: u64) -> Report {
    Report { enabled: true, kinds: Kinds::All, memory, free }
}

/// With all invokers connected and tested.
fn controller(settings: &Settings, now: Instant) -> Controller {
    let pools = PoolFractions { managed: 1.0, blackbox: 1.0 };
    let fleet = FleetConfig { pools, ..FleetConfig::default() };
    let mut balancer = Balancer::new(fleet, settings.line, settings.policy.policy());
    for id in (0..u32::try_from(settings.invokers).unwrap_or(u32::MAX)).map(InvokerId) {
        // Ids are below the greatest: a simulated fleet is that small.
        let _ = balancer.stream_opened(id, 1, report(settings.memory, settings.memory), now);
        let _ = balancer.tested(id, Outcome::Success, now);
    }
    Controller { balancer, probing: HashMap::new(), alive: true }
}

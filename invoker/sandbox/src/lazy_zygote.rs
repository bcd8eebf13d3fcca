//! Zygotes on demand: one that nobody uses costs no memory.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use oxwhisk_sandbox_init::ZygoteSpec;

use crate::launcher::Launcher;
use crate::standby::Parent;
use crate::stock::{Stock, Stocks};
use crate::zygote::Zygote;

/// Before another attempt to start one that could not be started, or that keeps ending.
const RETRY_AFTER: Duration = Duration::from_secs(60);
/// One that ended sooner than this after its start may do so each time it forks.
const SHORT_LIFE: Duration = Duration::from_secs(60);
/// Short lives in a row after which it is left alone for [`RETRY_AFTER`].
const MAX_SHORT_LIVES: u32 = 3;

/// A runtime's zygote, started when the runtime is first asked for.
#[derive(Debug)]
pub(crate) struct LazyZygote {
    /// The kinds it is for, to speak of it.
    kinds: String,
    spec: ZygoteSpec,
    state: Mutex<State>,
    /// In a row.
    short_lives: AtomicU32,
}

#[derive(Debug)]
enum State {
    /// Not before then.
    Asleep(Instant),
    Starting,
    /// Since then.
    Awake(Arc<Zygote>, Arc<Stock>, Instant),
}

impl LazyZygote {
    pub(crate) fn new(kinds: String, spec: ZygoteSpec) -> Self {
        Self { kinds, spec, state: Mutex::new(State::Asleep(Instant::now())), short_lives: AtomicU32::new(0) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its forks, if it is there; otherwise it is started for those who come later, and the caller does without.
    pub(crate) fn stock(
        self: &Arc<Self>,
        launcher: &Arc<Launcher>,
        stocks: &Arc<Stocks>,
    ) -> Option<Arc<Stock>> {
        let mut state = self.state();
        match &*state {
            State::Awake(zygote, stock, _) if zygote.is_alive() => return Some(Arc::clone(stock)),
            State::Starting => return None,
            State::Asleep(until) if *until > Instant::now() => return None,
            State::Awake(_, _, since) if self.keeps_ending(*since) => {
                tracing::warn!(kinds = self.kinds, "the zygote keeps ending and is left for {RETRY_AFTER:?}");
                *state = State::Asleep(Instant::now() + RETRY_AFTER);
                return None;
            }
            State::Awake(..) => tracing::warn!(kinds = self.kinds, "the zygote ended and is started again"),
            State::Asleep(_) => {}
        }
        *state = State::Starting;
        drop(state);
        let (this, launcher, stocks) = (Arc::clone(self), Arc::clone(launcher), Arc::clone(stocks));
        stocks.clone().run(async move { this.start(&launcher, &stocks).await });
        None
    }

    /// Counts the end of one that was started then.
    fn keeps_ending(&self, since: Instant) -> bool {
        let short = since.elapsed() < SHORT_LIFE;
        let lives = if short { self.short_lives.load(Ordering::Relaxed) + 1 } else { 0 };
        let keeps_ending = lives == MAX_SHORT_LIVES;
        self.short_lives.store(if keeps_ending { 0 } else { lives }, Ordering::Relaxed);
        keeps_ending
    }

    async fn start(&self, launcher: &Launcher, stocks: &Stocks) {
        let started = Zygote::start(launcher, self.spec.clone(), stocks.maker().step_timeout).await;
        let state = match started {
            Ok(zygote) => {
                let zygote = Arc::new(zygote);
                let stock = stocks.open(Parent::Zygote(Arc::clone(&zygote)));
                State::Awake(zygote, stock, Instant::now())
            }
            Err(error) => {
                let kinds = &self.kinds;
                tracing::warn!(kinds, %error, "there is no zygote: each cold start boots the interpreter");
                State::Asleep(Instant::now() + RETRY_AFTER)
            }
        };
        *self.state() = state;
    }
}

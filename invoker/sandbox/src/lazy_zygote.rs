//! Zygotes on demand: one that nobody uses costs no memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use oxwhisk_sandbox_init::ZygoteSpec;

use crate::launcher::Launcher;
use crate::standby::Parent;
use crate::stock::{Stock, Stocks};
use crate::zygote::Zygote;

/// Before another attempt to start one that could not be started.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// A runtime's zygote, started when the runtime is first asked for.
#[derive(Debug)]
pub(crate) struct LazyZygote {
    /// The kinds it is for, to speak of it.
    kinds: String,
    spec: ZygoteSpec,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// Not before then.
    Asleep(Instant),
    Starting,
    Awake(Arc<Zygote>, Arc<Stock>),
}

impl LazyZygote {
    pub(crate) fn new(kinds: String, spec: ZygoteSpec) -> Self {
        Self { kinds, spec, state: Mutex::new(State::Asleep(Instant::now())) }
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
            State::Awake(zygote, stock) if zygote.is_alive() => return Some(Arc::clone(stock)),
            State::Starting => return None,
            State::Asleep(until) if *until > Instant::now() => return None,
            State::Awake(..) => tracing::warn!(kinds = self.kinds, "the zygote ended and is started again"),
            State::Asleep(_) => {}
        }
        *state = State::Starting;
        drop(state);
        let (this, launcher, stocks) = (Arc::clone(self), Arc::clone(launcher), Arc::clone(stocks));
        stocks.clone().run(async move { this.start(&launcher, &stocks).await });
        None
    }

    async fn start(&self, launcher: &Launcher, stocks: &Stocks) {
        let started = Zygote::start(launcher, self.spec.clone(), stocks.maker().step_timeout).await;
        let state = match started {
            Ok(zygote) => {
                let zygote = Arc::new(zygote);
                let stock = stocks.open(Parent::Zygote(Arc::clone(&zygote)));
                State::Awake(zygote, stock)
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

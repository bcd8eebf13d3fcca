//! Stocks of standbys, one for each parent, topped up in the background.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::standby::{Parent, Standby, StandbyMaker};

/// Between attempts after a standby could not be made.
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// Before a taken standby is replaced: the start it was taken for has the processors first.
const REPLACE_DELAY: Duration = Duration::from_millis(50);

/// The standbys of one parent.
#[derive(Debug)]
pub(crate) struct Stock {
    parent: Parent,
    maker: Arc<StandbyMaker>,
    wanted: usize,
    ready: Mutex<VecDeque<Standby>>,
    taken: Notify,
}

impl Stock {
    fn ready(&self) -> MutexGuard<'_, VecDeque<Standby>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pop(&self) -> Option<Standby> {
        self.ready().pop_front()
    }

    async fn keep(&self, arrived: &Notify) {
        loop {
            if !self.wants_more() {
                self.taken.notified().await;
                tokio::time::sleep(REPLACE_DELAY).await;
                continue;
            }
            match self.make().await {
                Ok(standby) => {
                    self.ready().push_back(standby);
                    arrived.notify_waiters();
                }
                Err(error) if !self.parent.is_alive() => {
                    tracing::debug!(%error, "a zygote's stock ends with it");
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot make a sandbox ahead of need");
                    tokio::time::sleep(RETRY_DELAY).await;
                }
            }
        }
    }

    async fn make(&self) -> io::Result<Standby> {
        let slot = self.maker.slots.take(self.maker.step_timeout).await.map_err(io::Error::other)?;
        self.maker.make(&self.parent, slot).await
    }

    /// The last slots are for starts, not for stock.
    fn wants_more(&self) -> bool {
        self.ready().len() < self.wanted && !self.maker.slots.is_exhausted()
    }
}

/// All stocks.
#[derive(Debug)]
pub(crate) struct Stocks {
    maker: Arc<StandbyMaker>,
    /// Standbys to hold for each parent.
    wanted: usize,
    all: Mutex<Vec<Weak<Stock>>>,
    /// Some stock has one more.
    arrived: Arc<Notify>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Stocks {
    pub(crate) fn new(
        maker: Arc<StandbyMaker>,
        wanted: usize,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        Self { maker, wanted, all: Mutex::default(), arrived: Arc::default(), tasks, stop }
    }

    pub(crate) fn maker(&self) -> &StandbyMaker {
        &self.maker
    }

    /// A new stock, which fills itself until the factory stops or its parent is gone.
    pub(crate) fn open(&self, parent: Parent) -> Arc<Stock> {
        let stock = Arc::new(Stock {
            parent,
            maker: Arc::clone(&self.maker),
            wanted: self.wanted,
            ready: Mutex::default(),
            taken: Notify::new(),
        });
        self.all().push(Arc::downgrade(&stock));
        let (keep, arrived, stop) = (Arc::clone(&stock), Arc::clone(&self.arrived), self.stop.clone());
        self.tasks.spawn(async move {
            let _ = stop.run_until_cancelled(keep.keep(&arrived)).await;
            // Whoever still holds the stock finds nothing that would outlive the factory.
            keep.ready().clear();
        });
        stock
    }

    /// Runs a task of the factory's, until that stops.
    pub(crate) fn run(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            let _ = stop.run_until_cancelled(task).await;
        });
    }

    /// A standby from `stock`, or one made now.
    pub(crate) async fn take(&self, stock: &Stock) -> io::Result<Standby> {
        stock.taken.notify_one();
        let deadline = Instant::now() + self.maker.step_timeout;
        loop {
            let arrived = self.arrived.notified();
            while let Some(standby) = stock.pop() {
                if standby.waits() {
                    return Ok(standby);
                }
            }
            if self.maker.slots.is_exhausted() {
                self.give_one_up();
            }
            // Nothing is lost when one of the two is given up.
            tokio::select! {
                slot = self.maker.slots.take(deadline.saturating_duration_since(Instant::now())) => {
                    let slot = slot.map_err(io::Error::other)?;
                    return self.maker.make(&stock.parent, slot).await;
                }
                () = arrived => {}
            }
        }
    }

    /// Ends a standby, whose slot is then free.
    fn give_one_up(&self) {
        let stocks: Vec<_> = self.all().iter().filter_map(Weak::upgrade).collect();
        let standby = stocks.iter().find_map(|stock| stock.ready().pop_front());
        drop(standby);
    }

    fn all(&self) -> MutexGuard<'_, Vec<Weak<Stock>>> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|stock| stock.strong_count() > 0);
        all
    }
}

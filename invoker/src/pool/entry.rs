//! One container as the pool sees it.
//!
//! ```text
//!              Create                  Grant                 initialised            release
//!   (ordered) ───────▶ Starting ──────────────▶ Initialising ────────▶ Warm (1..n) ◀───────▶ Warm (idle, suspended)
//!                         │ nobody waits ▲ Grant       │ failed             │ failed, doomed      │ evicted, expired,
//!                         ▼              │             ▼                    ▼                     ▼ invalidated
//!                      Prewarmed ────────┘          Removing ◀──────────────┴─────────────────────┘
//!                         └── expired, evicted ────────▲  └─ removed ─▶ (gone, memory free)
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::GroupId;
use super::key::Shape;

/// Names one container for as long as the pool lives: the place alone is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ContainerId {
    pub(super) place: usize,
    pub(crate) serial: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Starting,
    /// Started, with no code in it, and nobody's.
    Prewarmed,
    /// Taken by the activation that puts its action's code into it.
    Initialising,
    Warm,
    /// Being destroyed; its memory is still taken.
    Removing,
}

#[derive(Debug)]
pub(super) struct Entry<H> {
    pub(super) id: ContainerId,
    pub(super) phase: Phase,
    pub(super) shape: Arc<Shape>,
    /// The action it was started for or holds; `None` for stem cells and those left over.
    pub(super) group: Option<GroupId>,
    /// `None` until it is started.
    pub(super) handle: Option<H>,
    /// Activations in it.
    pub(super) active: u32,
    /// Activations it may have at once.
    pub(super) slots: u32,
    /// To be removed as soon as nothing runs in it.
    pub(super) doomed: bool,
    pub(super) suspended: bool,
    /// Others were evicted for it.
    pub(super) recreated: bool,
    /// Failures to start it are only a lost stem cell, and it is evicted after everything else.
    pub(super) stem_cell: Option<usize>,
    pub(super) ordered: Instant,
    pub(super) idle_since: Instant,
    /// Its deadline on the heap; entries of other times are left over.
    pub(super) due: Option<Instant>,
    pub(super) startup: Duration,
    pub(super) rank: f64,
}

impl<H> Entry<H> {
    /// Could be removed without anybody losing anything but time.
    pub(super) fn is_idle(&self) -> bool {
        match self.phase {
            Phase::Prewarmed => true,
            Phase::Warm => self.active == 0,
            Phase::Starting | Phase::Initialising | Phase::Removing => false,
        }
    }

    /// What it adds to the pool's sums.
    pub(super) fn share(&self) -> Share {
        let memory = self.shape.memory;
        Share {
            idle: if self.is_idle() { memory } else { 0 },
            removing: if self.phase == Phase::Removing { memory } else { 0 },
        }
    }

    /// It works for this namespace's action now, so it counts when namespaces are compared.
    pub(super) fn is_working(&self) -> bool {
        !self.is_idle() && self.phase != Phase::Removing
    }
}

/// Megabytes by what they are used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) idle: u64,
    pub(super) removing: u64,
}

//! Which containers have ended, and why, as the daemon's events tell it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oxwhisk_container::ExitReason;
use tokio::sync::watch;

/// What is known of a container's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fate {
    ended: Option<ExitReason>,
    out_of_memory: bool,
}

impl Fate {
    /// Why it ended, as far as is known now: a lack of memory may be told a moment later.
    pub(crate) fn reason(self) -> Option<ExitReason> {
        self.ended.map(|reason| if self.out_of_memory { ExitReason::OutOfMemory } else { reason })
    }
}

/// How the daemon counts exits: 128 and the signal's number for a process that was killed.
pub(crate) fn reason_of_code(code: i64) -> ExitReason {
    let code = i32::try_from(code).unwrap_or(-1);
    if code > 128 { ExitReason::Signalled(code - 128) } else { ExitReason::Exited(code) }
}

/// The containers of one factory, by id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lives(Arc<Mutex<HashMap<String, watch::Sender<Fate>>>>);

impl Lives {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, watch::Sender<Fate>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches a container from now on.
    pub(crate) fn watch(&self, id: &str) -> watch::Receiver<Fate> {
        self.lock().entry(id.to_owned()).or_insert_with(|| watch::channel(Fate::default()).0).subscribe()
    }

    pub(crate) fn forget(&self, id: &str) {
        self.lock().remove(id);
    }

    /// Those that are not known to have ended.
    pub(crate) fn running(&self) -> Vec<String> {
        let lives = self.lock();
        lives.iter().filter(|(_, fate)| fate.borrow().ended.is_none()).map(|(id, _)| id.clone()).collect()
    }

    pub(crate) fn ended(&self, id: &str, reason: ExitReason) {
        self.change(id, |fate| match (fate.ended, reason) {
            (_, ExitReason::OutOfMemory) => {
                fate.out_of_memory = true;
                fate.ended.get_or_insert(reason);
            }
            (None, reason) => fate.ended = Some(reason),
            // The first word counts.
            (Some(_), _) => {}
        });
    }

    /// The kernel has ended a process of it for want of memory; the container may live on.
    pub(crate) fn out_of_memory(&self, id: &str) {
        self.change(id, |fate| fate.out_of_memory = true);
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Fate)) {
        if let Some(life) = self.lock().get(id) {
            life.send_modify(change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_want_of_memory_counts_whether_it_is_told_before_or_after_the_end() {
        let lives = Lives::default();
        let (a, b) = (lives.watch("a"), lives.watch("b"));
        lives.out_of_memory("a");
        assert_eq!(a.borrow().reason(), None);
        lives.ended("a", reason_of_code(137));
        assert_eq!(a.borrow().reason(), Some(ExitReason::OutOfMemory));
        lives.ended("b", reason_of_code(137));
        assert_eq!(b.borrow().reason(), Some(ExitReason::Signalled(9)));
        lives.ended("b", reason_of_code(0));
        assert_eq!(b.borrow().reason(), Some(ExitReason::Signalled(9)));
        lives.ended("b", ExitReason::OutOfMemory);
        assert_eq!(b.borrow().reason(), Some(ExitReason::OutOfMemory));
        assert!(lives.running().is_empty());
    }

    #[test]
    fn codes_are_exits_or_signals() {
        assert_eq!(reason_of_code(3), ExitReason::Exited(3));
        assert_eq!(reason_of_code(128), ExitReason::Exited(128));
        assert_eq!(reason_of_code(143), ExitReason::Signalled(15));
    }
}

//! Waking a thread that sleeps takes longer than a command. So for a moment after a command a thread goes on looking for the next
//! one, or for the reply to this.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// When a thread was last asked for something.
struct Activity {
    last: Cell<Instant>,
    /// Of whoever looks for more, while it sleeps.
    asleep: RefCell<Option<Waker>>,
}

thread_local! {
    static ACTIVITY: Activity = Activity { last: Cell::new(Instant::now()), asleep: RefCell::new(None) };
}

/// Something was asked for on this thread.
pub(crate) fn active() {
    ACTIVITY.with(|activity| {
        activity.last.set(Instant::now());
        if let Some(waker) = activity.asleep.take() {
            waker.wake();
        }
    });
}

/// Looks for more on this thread, for so long after each activity. Every other task has its turn first.
pub(crate) async fn keep_looking(longest: Duration) {
    loop {
        // A turn of the event loop looks for what has come, without waiting for it.
        while ACTIVITY.with(|activity| activity.last.get().elapsed() < longest) {
            tokio::task::yield_now().await;
        }
        let mut was_asleep = false;
        poll_fn(|context| {
            if std::mem::replace(&mut was_asleep, true) {
                return Poll::Ready(());
            }
            ACTIVITY.with(|activity| activity.asleep.replace(Some(context.waker().clone())));
            Poll::Pending
        })
        .await;
    }
}

//! The end of an activation: logs, record, release.
//!
//! The reply never waits for logs of an action that goes on. Where they are complete with the answer, there is one record
//! with them. Where they are not, the answer goes out and a task of its own collects the rest. Where nobody else would write
//! a record if this process died, it is kept without logs before the answer, and again with them; else once, with them
//! ([`InvokerConfig::records_follow`](crate::config::InvokerConfig::records_follow)). The container stays taken until then,
//! so that the next activation's logs are its own.

use std::sync::Arc;
use std::time::Duration;

use oxwhisk_container::LogDelay;
use oxwhisk_core::entity::{Activation, Status};
use oxwhisk_invoker_api::{Completion, Dispatch, Kept, RecordContext, RecordError};
use oxwhisk_trace::SpanKind;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{Outcome, record};
use crate::logs::Ending;
use crate::metrics::increment;
use crate::pool::Release;
use crate::shell::{LeaseGuard, Shell};

/// Megabytes of log limit that are counted at least when the wait for logs is bounded.
const LOG_WAIT_MB_MIN: u64 = 5;
/// Pause before a record that was refused is handed over again.
const HAND_OVER_PAUSE: Duration = Duration::from_millis(100);

/// Keeps the record of an activation that did not come to run.
pub(super) fn without_run(shell: &Shell, dispatch: &Dispatch, record: Activation) -> Completion {
    let activation = Arc::new(record);
    tell(shell, dispatch, &activation);
    let record_refused = is_refused(shell, dispatch, &activation);
    Completion { activation, logs_follow: false, record_refused, cut_off: false }
}

/// An activation that ran, with what it still holds.
pub(super) struct Ended {
    pub(super) dispatch: Dispatch,
    pub(super) lease: LeaseGuard,
    pub(super) outcome: Outcome,
    pub(super) running: TaskTrackerToken,
}

/// Keeps the record of an activation that ran, and gives its container back.
pub(super) async fn finish(shell: &Arc<Shell>, ended: Ended) -> Completion {
    let Ended { dispatch, lease, outcome, .. } = &ended;
    let release = release_after(outcome.response.status, outcome.timed_out);
    let marked = dispatch.action.sentinelled_logs && dispatch.action.limits.logs > 0;
    let complete = lease.proxy().logs().drain().await;
    let delay = lease.proxy().log_delay();
    let under_way = dispatch.action.limits.logs > 0 && (marked || delay != LogDelay::NONE);
    let ending = match (complete || !under_way, release) {
        (true, _) => Ending::Complete,
        (false, Release::Keep) => return finish_later(shell, ended),
        // What a container has written that is given up is what its author needs most.
        (false, _) if !outcome.cut_off && last_words(lease, delay).await => Ending::Complete,
        (false, _) if marked => Ending::Failed,
        (false, _) => Ending::Complete,
    };
    let Ended { dispatch, lease, outcome, .. } = ended;
    shell.metrics.ended(dispatch.received, &outcome);
    let logs = lease.proxy().logs().take(ending);
    let cut_off = outcome.cut_off;
    let activation = Arc::new(record::activation(&dispatch, outcome, logs));
    if !cut_off {
        tell(shell, &dispatch, &activation);
    }
    let record_refused = !cut_off && is_refused(shell, &dispatch, &activation);
    lease.release(release);
    Completion { activation, logs_follow: false, record_refused, cut_off }
}

/// Reads what is still under way from a container that will not go on. Answers whether the logs are complete.
async fn last_words(lease: &LeaseGuard, delay: LogDelay) -> bool {
    delay != LogDelay::NONE && lease.proxy().logs().complete_within(delay.longest, delay.longest).await
}

/// A container is kept only after what counts as a run of the action's own making, in time.
fn release_after(status: Status, timed_out: bool) -> Release {
    match status {
        Status::Success | Status::ApplicationError if !timed_out => Release::Keep,
        _ => Release::Destroy,
    }
}

fn finish_later(shell: &Arc<Shell>, ended: Ended) -> Completion {
    let Ended { dispatch, lease, outcome, running } = ended;
    increment(&shell.metrics.late_logs);
    shell.metrics.ended(dispatch.received, &outcome);
    let activation = Arc::new(record::activation(&dispatch, outcome, Vec::new()));
    tell(shell, &dispatch, &activation);
    let logs_follow = shell.config.records_follow;
    let record_refused = !logs_follow && is_refused(shell, &dispatch, &activation);
    let completion =
        Completion { activation: Arc::clone(&activation), logs_follow, record_refused, cut_off: false };
    let shell = Arc::clone(shell);
    let runtime = shell.runtime.clone();
    let tracker = shell.activations.clone();
    let collection = async move {
        let mut span = shell
            .config
            .telemetry
            .tracer
            .child("logs", SpanKind::Internal, dispatch.trace)
            .marked("invoker_collectLogs", dispatch.received);
        let complete = tokio::select! {
            complete = late_logs(&shell, &dispatch, &lease) => complete,
            () = shell.stopping.cancelled() => false,
        };
        if !complete {
            span.fail(|| "not complete in time");
        }
        drop(span);
        let logs = lease.proxy().logs().take(if complete { Ending::Complete } else { Ending::Incomplete });
        let mut record = Arc::unwrap_or_clone(activation);
        record.logs = logs;
        // Before the container goes back: while the bus takes nothing, no more records wait here than there are containers.
        keep_late(&shell, &dispatch, &Arc::new(record)).await;
        lease.release(Release::Keep);
        drop(running);
    };
    tracker.spawn_on(collection, &runtime);
    completion
}

/// Waits for the logs of an activation that was answered. Answers whether all is there, as far as can be told.
async fn late_logs(shell: &Shell, dispatch: &Dispatch, lease: &LeaseGuard) -> bool {
    let logs = lease.proxy().logs();
    if dispatch.action.sentinelled_logs {
        let (idle, overall) = log_wait(shell, dispatch.action.limits.logs);
        return logs.complete_within(idle, overall).await;
    }
    // Without marks a silence has to do.
    let delay = lease.proxy().log_delay();
    logs.complete_within(delay.usual, delay.longest).await;
    true
}

/// Keeps the record of an activation that was answered without its logs.
async fn keep_late(shell: &Shell, dispatch: &Dispatch, record: &Arc<Activation>) {
    if !shell.config.records_follow {
        // One that is not stored was left out, and logged if wanted, with the answer.
        if dispatch.store.stores(record.response.status) {
            is_refused(shell, dispatch, record);
        }
        return;
    }
    // It is the only one, and nobody else hands it over again.
    while let Some(error) = refusal(shell, dispatch, record) {
        let pause = tokio::time::sleep(HAND_OVER_PAUSE);
        if error.lasting || shell.stopping.run_until_cancelled(pause).await.is_none() {
            return;
        }
    }
}

/// Longest silence and longest wait for logs.
fn log_wait(shell: &Shell, limit_mb: u64) -> (Duration, Duration) {
    let counted = u32::try_from(limit_mb.max(LOG_WAIT_MB_MIN)).unwrap_or(u32::MAX);
    (shell.config.logs.idle_timeout, shell.config.logs.timeout_per_mb.saturating_mul(counted))
}

/// Tells whoever wants to know that an activation has ended.
fn tell(shell: &Shell, dispatch: &Dispatch, activation: &Arc<Activation>) {
    if let Some(observer) = &shell.config.telemetry.ended {
        observer.ended(&dispatch.caller, activation);
    }
}

/// Hands a record over before the answer goes out, and says whether it was refused. If it cannot be kept, the answer is
/// all that is left of it, and goes out all the same: a caller who waits is better served by a result without record
/// than by neither.
fn is_refused(shell: &Shell, dispatch: &Dispatch, activation: &Arc<Activation>) -> bool {
    refusal(shell, dispatch, activation).is_some()
}

fn refusal(shell: &Shell, dispatch: &Dispatch, activation: &Arc<Activation>) -> Option<RecordError> {
    let tracer = &shell.config.telemetry.tracer;
    let mut span = tracer.child("completed send", SpanKind::Producer, dispatch.trace);
    let of = RecordContext { ticket: dispatch.ticket.as_ref(), trace: span.context() };
    let kept = dispatch.store.keep(&*shell.records, activation, of);
    let Kept::Refused(error) = kept else { return None };
    span.fail(|| error.to_string());
    increment(&shell.metrics.records_not_kept);
    tracing::error!(activation_id = %activation.activation_id, %error, "record is not taken");
    Some(error)
}

//! The end of an activation: logs, record, release.
//!
//! The reply never waits for logs. Where they are complete with the answer, there is one record. Where they are not, the
//! record is kept without them, the answer goes out, and a task of its own collects the rest and keeps the record again.
//! The container stays taken until then, so that the next activation's logs are its own.

use std::sync::Arc;
use std::time::Duration;

use oxwhisk_core::entity::{Activation, Status};
use oxwhisk_invoker_api::{Completion, Dispatch, StorePolicy};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{Outcome, record};
use crate::logs::{self, Ending};
use crate::metrics::increment;
use crate::pool::Release;
use crate::shell::{LeaseGuard, Shell};

/// Megabytes of log limit that are counted at least when the wait for logs is bounded.
const LOG_WAIT_MB_MIN: u64 = 5;

/// Keeps the record of an activation that got no container.
pub(super) fn without_container(shell: &Shell, dispatch: &Dispatch, record: Activation) -> Completion {
    let activation = Arc::new(record);
    keep_record(shell, dispatch.store, &activation);
    Completion { activation }
}

/// Keeps the record of an activation that ran, and gives its container back.
pub(super) async fn finish(
    shell: &Arc<Shell>,
    dispatch: Dispatch,
    lease: LeaseGuard,
    outcome: Outcome,
    running: TaskTrackerToken,
) -> Completion {
    let release = release_after(outcome.response.status, outcome.timed_out);
    let complete = lease.proxy().logs().drain().await;
    let marked = dispatch.action.sentinelled_logs && dispatch.action.limits.logs > 0;
    let ending = match (complete || !marked, release) {
        (true, _) => Ending::Complete,
        (false, Release::Keep) => return finish_later(shell, dispatch, lease, outcome, running),
        (false, _) => Ending::Failed,
    };
    let logs = lease.proxy().logs().take(ending);
    let activation = Arc::new(record::activation(&dispatch, outcome, logs));
    keep_record(shell, dispatch.store, &activation);
    lease.release(release);
    Completion { activation }
}

/// A container is kept only after what counts as a run of the action's own making, in time.
fn release_after(status: Status, timed_out: bool) -> Release {
    match status {
        Status::Success | Status::ApplicationError if !timed_out => Release::Keep,
        _ => Release::Destroy,
    }
}

fn finish_later(
    shell: &Arc<Shell>,
    dispatch: Dispatch,
    lease: LeaseGuard,
    outcome: Outcome,
    running: TaskTrackerToken,
) -> Completion {
    increment(&shell.metrics.late_logs);
    let activation = Arc::new(record::activation(&dispatch, outcome, Vec::new()));
    keep_record(shell, dispatch.store, &activation);
    let completion = Completion { activation: Arc::clone(&activation) };
    let shell = Arc::clone(shell);
    let runtime = shell.runtime.clone();
    let tracker = shell.activations.clone();
    let collection = async move {
        let (idle, overall) = log_wait(&shell, dispatch.action.limits.logs);
        let complete = tokio::select! {
            complete = lease.proxy().logs().complete_within(idle, overall) => complete,
            () = shell.stopping.cancelled() => false,
        };
        let logs = lease.proxy().logs().take(if complete { Ending::Complete } else { Ending::Incomplete });
        lease.release(Release::Keep);
        let mut record = Arc::unwrap_or_clone(activation);
        record.logs = logs;
        // One that is not stored was left out, and logged if wanted, with the answer.
        if dispatch.store.stores(record.response.status) {
            keep_record(&shell, dispatch.store, &Arc::new(record));
        }
        drop(running);
    };
    tracker.spawn_on(collection, &runtime);
    completion
}

/// Longest silence and longest wait for logs.
fn log_wait(shell: &Shell, limit_mb: u64) -> (Duration, Duration) {
    let counted = u32::try_from(limit_mb.max(LOG_WAIT_MB_MIN)).unwrap_or(u32::MAX);
    (shell.config.logs.idle_timeout, shell.config.logs.timeout_per_mb.saturating_mul(counted))
}

/// Hands a record over before the answer goes out. One that is refused is tried once more without its logs, which are
/// all that makes a record large. If it cannot be kept even so, the answer is all that is left of it, and goes out all
/// the same: a caller who waits is better served by a result without record than by neither.
fn keep_record(shell: &Shell, policy: StorePolicy, activation: &Arc<Activation>) {
    if !policy.stores(activation.response.status) {
        if policy.log_unstored {
            log_unstored(activation);
        }
        return;
    }
    let Err(error) = shell.records.accept(activation) else { return };
    let activation_id = activation.activation_id;
    if !activation.logs.is_empty() {
        let mut without_logs = Activation::clone(activation);
        without_logs.logs = vec![logs::INCOMPLETE.to_owned()];
        if shell.records.accept(&Arc::new(without_logs)).is_ok() {
            tracing::error!(%activation_id, %error, "record is kept without its logs");
            return;
        }
    }
    increment(&shell.metrics.records_not_kept);
    tracing::error!(%activation_id, %error, "record is lost");
}

/// What is left of an activation whose record is not stored, where the operator wants that much.
fn log_unstored(activation: &Activation) {
    tracing::info!(
        activation_id = %activation.activation_id,
        namespace = %activation.namespace,
        action = %activation.name,
        status = activation.response.status.word(),
        response_size = activation.response.size.unwrap_or(0),
        "record is not stored"
    );
}

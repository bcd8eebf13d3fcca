//! The life of one dispatch: acquire a container, initialise it if it is new, run, record, release.

mod cache;
mod call;
mod finish;
#[cfg(test)]
pub(crate) mod tests;
mod wait;

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use oxwhisk_core::entity::Status;
use oxwhisk_invoker_api::{Completion, Dispatch, DispatchError};
use oxwhisk_trace::{Span, SpanKind};
use tokio::sync::oneshot;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::metrics::increment;
use crate::pool::{ActionKey, Refusal, Release};
use crate::record::{self, Outcome, Timing};
use crate::shell::{Grant, LeaseGuard, Place, Shell};
use cache::{Cache, Refused};
use call::Call;
use wait::{Code, Obtained};

/// Milliseconds since the epoch.
pub(crate) fn epoch_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// An activation that has its place: a container, or one in line.
pub(crate) struct Begun {
    dispatch: Dispatch,
    key: ActionKey,
    place: Place,
    since: Instant,
    running: TaskTrackerToken,
}

/// Runs an activation to its end.
///
/// # Errors
/// When it did not run and may be dispatched again.
pub(crate) async fn activate(shell: Arc<Shell>, dispatch: Dispatch) -> Result<Completion, DispatchError> {
    let begun = begin(&shell, dispatch, |key, since| shell.acquire(key, since))?;
    to_end(shell, begun).await
}

/// Gets an activation its place by `acquire`.
///
/// # Errors
/// When it got none: it does not run.
pub(crate) fn begin(
    shell: &Shell,
    dispatch: Dispatch,
    acquire: impl FnOnce(&ActionKey, Instant) -> Result<Place, Refusal>,
) -> Result<Begun, DispatchError> {
    // Taken before the look at the flag, so that whoever drains either sees the token or is seen.
    let running = shell.activations.token();
    if shell.is_draining() {
        return Err(DispatchError::Draining);
    }
    let since = Instant::now();
    let key = ActionKey::new(&dispatch.action, &dispatch.caller);
    let place = acquire(&key, since).map_err(|refusal| refused(shell, key.memory(), refusal))?;
    Ok(Begun { dispatch, key, place, since, running })
}

/// Runs an activation that has begun.
///
/// # Errors
/// When it did not run and may be dispatched again.
pub(crate) async fn to_end(shell: Arc<Shell>, mut begun: Begun) -> Result<Completion, DispatchError> {
    let mut span = span(&shell, &mut begun.dispatch);
    let ended = run(shell, begun).await;
    match &ended {
        Ok(completion) => {
            let status = completion.activation.response.status;
            span.set("openwhisk.status", || status.word());
            if status == Status::WhiskError {
                span.fail(|| status.word());
            }
        }
        Err(error) => span.fail(|| error.to_string()),
    }
    ended
}

/// What happens for the activation from here on belongs into this span.
fn span(shell: &Shell, dispatch: &mut Dispatch) -> Span {
    let tracer = &shell.config.telemetry.tracer;
    let span = tracer.remote_child("activation", SpanKind::Server, dispatch.trace);
    let mut span = span.marked("invoker_activation", dispatch.received);
    span.set("openwhisk.activation_id", || dispatch.activation_id.to_string());
    span.set("openwhisk.action", || dispatch.action.id.to_string());
    dispatch.trace = span.context();
    span
}

async fn run(shell: Arc<Shell>, begun: Begun) -> Result<Completion, DispatchError> {
    let Begun { dispatch, key, mut place, since, running } = begun;
    for attempts_left in (0..=shell.config.max_reschedules).rev() {
        let (lease, code) = match place {
            Place::Container(lease) => (lease, None),
            Place::Line(granted) => match Box::pin(obtain(&shell, &dispatch, granted)).await? {
                Obtained::Lease(lease, code) => (lease, code),
                Obtained::Record(record) => return Ok(finish::without_run(&shell, &dispatch, record)),
            },
        };
        oxwhisk_trace::count("invoker_containerStart", lease.lease().start.word(), dispatch.received);
        match serve(Work { shell: &shell, dispatch: &dispatch, lease: &lease }, code).await {
            Served::Ended(outcome) => {
                let ended = finish::Ended { dispatch, lease, outcome, running };
                return Ok(finish::finish(&shell, ended).await);
            }
            Served::NotRun(outcome) => {
                // New or with its code, the container is as good for the next one as it was.
                lease.release(Release::Unused);
                let record = record::activation(&dispatch, outcome, Vec::new());
                return Ok(finish::without_run(&shell, &dispatch, record));
            }
            Served::Again => {
                increment(&shell.metrics.reschedules);
                tracing::info!(
                    container = lease.proxy().name(),
                    "container is gone, activation is rescheduled"
                );
                lease.release(Release::Destroy);
            }
        }
        if attempts_left == 0 {
            break;
        }
        // It was taken in: what it waits for now comes before what is offered to others.
        let again = shell.acquire(&key, since);
        place = again.map_err(|refusal| refused(&shell, key.memory(), refusal))?;
    }
    let reason = format!("{} containers ended before they ran it", shell.config.max_reschedules + 1);
    Err(DispatchError::NoRoom { memory: key.memory(), reason })
}

/// Waits for a container, and says how long that took to whoever traces it.
async fn obtain(
    shell: &Arc<Shell>,
    dispatch: &Dispatch,
    granted: oneshot::Receiver<Grant>,
) -> Result<Obtained, DispatchError> {
    let mut span = shell.config.telemetry.tracer.child("container", SpanKind::Internal, dispatch.trace);
    let obtained = wait::obtain(shell, dispatch, granted).await;
    match &obtained {
        Ok(Obtained::Lease(lease, _)) => span.set("openwhisk.container_start", || lease.lease().start.word()),
        Ok(Obtained::Record(_)) => span.fail(|| "no container"),
        Err(error) => span.fail(|| error.to_string()),
    }
    obtained
}

/// Which activation runs where.
#[derive(Clone, Copy)]
struct Work<'a> {
    shell: &'a Shell,
    dispatch: &'a Dispatch,
    lease: &'a LeaseGuard,
}

enum Served {
    Ended(Outcome),
    /// It has ended before its run, by no fault of the container's.
    NotRun(Outcome),
    /// The container was gone before the run began.
    Again,
}

async fn serve(work: Work<'_>, code: Code) -> Served {
    if work.lease.lease().suspended && !resume(work).await {
        return Served::Again;
    }
    let cache = match &work.dispatch.cache {
        None => Cache::Unused,
        Some(wanted) => match Box::pin(Cache::open(work, wanted)).await {
            Ok(cache) => cache,
            Err(Refused(reason)) => {
                let timing = Timing { begun: epoch_ms(), init: None, run: 0 };
                return Served::NotRun(record::without_cache(reason, timing));
            }
        },
    };
    let begun = epoch_ms();
    let (cache, init) = if work.lease.lease().uninitialised {
        let cache_error = cache.error();
        match Box::pin(call::init(work, code, cache)).await {
            Call::Answered(cache, took) => (cache, Some(took)),
            Call::Failed { response, took, timed_out } => {
                let timing = Timing { begun, init: Some(took), run: 0 };
                let cut_off = cut_off(work.shell, timed_out);
                return Served::Ended(Outcome { response, timing, timed_out, cut_off, cache_error });
            }
            Call::Gone => return Served::Again,
        }
    } else {
        (cache, None)
    };
    run_in(work, cache, begun, init).await
}

/// Runs it in a container that has its code, since this activation if `init` says how long that took.
async fn run_in(work: Work<'_>, cache: Cache<'_>, begun: i64, init: Option<u64>) -> Served {
    let timing = |run| Timing { begun, init, run };
    let cache = match cache.for_run(work).await {
        Ok(cache) => cache,
        Err(Refused(reason)) => return Served::NotRun(record::without_cache(reason, timing(0))),
    };
    let cache_error = cache.error();
    // How long that may take is the observer's to bound: whether to run untold depends on the delivery it keeps.
    if let Some(observer) = &work.shell.observer {
        observer.started(work.dispatch.activation_id).await;
    }
    match call::run(work, cache, init.is_some()).await {
        Call::Answered(response, took) => {
            let timed_out = took >= work.dispatch.action.limits.timeout;
            let timing = timing(took);
            Served::Ended(Outcome { response, timing, timed_out, cut_off: false, cache_error })
        }
        Call::Failed { response, took, timed_out } => {
            let cut_off = cut_off(work.shell, timed_out);
            Served::Ended(Outcome { response, timing: timing(took), timed_out, cut_off, cache_error })
        }
        Call::Gone => Served::Again,
    }
}

/// Whether an activation that failed did so because its container was taken away.
fn cut_off(shell: &Shell, timed_out: bool) -> bool {
    !timed_out && shell.stopping.is_cancelled()
}

async fn resume(work: Work<'_>) -> bool {
    let proxy = work.lease.proxy();
    match tokio::time::timeout(work.shell.config.suspend_timeout, proxy.resume()).await {
        Ok(Ok(())) => return true,
        Ok(Err(error)) => tracing::warn!(container = proxy.name(), %error, "cannot resume container"),
        Err(_) => tracing::warn!(container = proxy.name(), "cannot resume container in time"),
    }
    false
}

fn refused(shell: &Shell, memory: u64, refusal: Refusal) -> DispatchError {
    increment(&shell.metrics.refusals);
    let reason = match refusal {
        Refusal::NotGiven => "what there is is taken or held for others".to_owned(),
        Refusal::TooLarge { total } => format!("the invoker has {total} MB in all"),
        Refusal::QueueFull { max } => format!("{max} activations wait already"),
        Refusal::NamespaceQueueFull { max } => format!("{max} activations of the namespace wait already"),
        Refusal::WaitOver { limit } => format!("none came free within {} ms", limit.as_millis()),
        Refusal::Closed => return DispatchError::Draining,
    };
    DispatchError::NoRoom { memory, reason }
}

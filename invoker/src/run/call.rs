//! `/init` and `/run`: one call each, within its time limit, and what its outcome means.

use std::time::{Duration, Instant};

use oxwhisk_container::ExitReason;
use oxwhisk_core::entity::{Response, Status};
use oxwhisk_invoker_api::Dispatch;
use oxwhisk_trace::{Span, SpanKind};

use super::cache::Cache;
use super::wait::Code;
use super::{Work, epoch_ms, milliseconds};
use crate::client::{Circumstances, Connection, ExchangeError, Head, InitRequest, RunRequest};
use crate::proxy::{NeverListened, Proxy};
use crate::response;
use crate::shell::Shell;

/// The outcome of a call. Times are in milliseconds.
pub(super) enum Call<T> {
    Answered(T, u64),
    /// The activation ends with this, and its container with it.
    Failed {
        response: Response,
        took: u64,
        timed_out: bool,
    },
    /// The container was gone before it began.
    Gone,
}

/// Puts the action's code into a new container. What it has of the cache comes back with the answer: code that runs when it is
/// loaded may have logged in, and goes on with that.
pub(super) async fn init<'a>(work: Work<'a>, code: Code, cache: Cache<'a>) -> Call<Cache<'a>> {
    let Work { shell, dispatch, lease } = work;
    let limits = &dispatch.action.limits;
    let proxy = lease.proxy();
    proxy.logs().set_limit(limits.logs << 20);
    let failed = |response, took, timed_out| Call::Failed { response, took, timed_out };
    let Ok(code) = code.as_deref().map(std::str::from_utf8).transpose() else {
        tracing::error!(action = %dispatch.action.id, "the stored code is not text");
        let response = Response::error(Status::WhiskError, "Action could not be fetched.");
        return failed(response, 0, false);
    };
    let begun = Instant::now();
    let mut span = span(shell, dispatch, "POST /init").marked("invoker_activationInit", dispatch.received);
    let circumstances =
        Circumstances { deadline: deadline(limits.timeout), trace: span.context(), cache: cache.facts() };
    let request = InitRequest::new(dispatch, code, circumstances);
    let exchange = async {
        let mut connection = proxy.connect_when_ready().await.map_err(InitFailure::NeverListened)?;
        let head =
            connection.exchange(&mut request.slices(), dispatch.response_limits, Duration::ZERO).await?;
        Ok::<_, InitFailure>((connection, head))
    };
    let within = tokio::time::timeout(Duration::from_millis(limits.timeout), exchange);
    let outcome = proxy.logs().drained_during(within).await;
    let took = milliseconds(begun);
    if !matches!(outcome, Ok(Ok(_))) {
        span.fail(|| "no answer");
    }
    drop(span);
    match outcome {
        Err(_) => failed(response::init_timeout(limits.timeout), took.max(limits.timeout), true),
        Ok(Err(failure)) => {
            // Not after the wait for the reason: it is over for this activation.
            drop(cache);
            let reason = match failure {
                InitFailure::NeverListened(NeverListened(reason)) => Some(reason),
                InitFailure::Exchange(error) => {
                    tracing::debug!(container = proxy.name(), %error, "no answer to /init");
                    proxy.exit_reason().await
                }
            };
            failed(died(shell, response::broken_init(reason == Some(ExitReason::OutOfMemory))), took, false)
        }
        Ok(Ok((connection, head))) => match response::of_init(connection.answer(head)) {
            Some(response) => failed(response, took, took >= limits.timeout),
            None => {
                keep(proxy, connection, head);
                lease.initialised(begun.elapsed());
                Call::Answered(cache, took)
            }
        },
    }
}

enum InitFailure {
    NeverListened(NeverListened),
    Exchange(ExchangeError),
}

impl From<ExchangeError> for InitFailure {
    fn from(error: ExchangeError) -> Self {
        Self::Exchange(error)
    }
}

/// Runs the action. `new` says that it was initialised for this very activation.
pub(super) async fn run<'a>(work: Work<'a>, cache: Cache<'a>, new: bool) -> Call<Response> {
    let Work { shell, dispatch, lease } = work;
    let proxy = lease.proxy();
    let limit = dispatch.action.limits.timeout;
    let begun = Instant::now();
    let mut span = span(shell, dispatch, "POST /run").marked("invoker_activationRun", dispatch.received);
    let circumstances =
        Circumstances { deadline: deadline(limit), trace: span.context(), cache: cache.facts() };
    let exchange = run_exchange(shell, dispatch, proxy, circumstances);
    let within = tokio::time::timeout(Duration::from_millis(limit), exchange);
    let outcome = proxy.logs().drained_during(within).await;
    // It has ended, and nothing that it has left running goes on with its share of the cache.
    drop(cache);
    let took = milliseconds(begun);
    match &outcome {
        Ok(Ok((_, head))) => span.set("http.response.status_code", || head.status),
        _ => span.fail(|| "no answer"),
    }
    drop(span);
    match outcome {
        Ok(Ok((connection, head))) if head.status != response::SHUTTING_DOWN => {
            let response = response::of_run(connection.answer(head), dispatch.response_limits);
            keep(proxy, connection, head);
            Call::Answered(response, took)
        }
        Ok(Ok(_)) => Call::Gone,
        // A container that dies between its initialisation and its first run does so by the action's doing.
        Ok(Err(ExchangeError::NotSent)) if !new => Call::Gone,
        Ok(Err(error)) => {
            tracing::debug!(container = proxy.name(), %error, "no answer to /run");
            let out_of_memory = proxy.exit_reason().await == Some(ExitReason::OutOfMemory);
            let response = died(shell, response::broken_run(out_of_memory));
            Call::Failed { response, took, timed_out: false }
        }
        Err(_) => {
            Call::Failed { response: response::run_timeout(limit), took: took.max(limit), timed_out: true }
        }
    }
}

/// Sends the request over a kept connection, or over a new one if that was closed meanwhile.
async fn run_exchange(
    shell: &Shell,
    dispatch: &Dispatch,
    proxy: &Proxy,
    circumstances: Circumstances<'_>,
) -> Result<(Connection, Head), ExchangeError> {
    if let Some(mut connection) = proxy.kept_connection() {
        match exchange_once(dispatch, circumstances, &mut connection, shell.spin()).await {
            Err(ExchangeError::NotSent) => {}
            outcome => return outcome.map(|head| (connection, head)),
        }
    }
    let mut connection = proxy.connect().await.map_err(|error| {
        tracing::debug!(container = proxy.name(), %error, "cannot connect");
        ExchangeError::NotSent
    })?;
    let head = exchange_once(dispatch, circumstances, &mut connection, shell.spin()).await?;
    Ok((connection, head))
}

async fn exchange_once(
    dispatch: &Dispatch,
    circumstances: Circumstances<'_>,
    connection: &mut Connection,
    spin: Duration,
) -> Result<Head, ExchangeError> {
    let request = RunRequest::new(dispatch, circumstances, connection.take_output());
    let outcome = connection.exchange(&mut request.slices(), dispatch.response_limits, spin).await;
    connection.return_output(request.into_buffer());
    outcome
}

/// A call into the container.
fn span(shell: &Shell, dispatch: &Dispatch, name: &'static str) -> Span {
    shell.config.telemetry.tracer.child(name, SpanKind::Client, dispatch.trace)
}

fn keep(proxy: &Proxy, connection: Connection, head: Head) {
    if head.reusable {
        proxy.keep_connection(connection);
    }
}

/// A container that the shutdown took away did not end by the action's fault.
fn died(shell: &Shell, response: Response) -> Response {
    if shell.stopping.is_cancelled() {
        return Response::error(Status::WhiskError, "The invoker was shut down while the action ran.");
    }
    response
}

/// Milliseconds since the epoch at which a call that begins now is over its limit.
fn deadline(limit: u64) -> i64 {
    epoch_ms().saturating_add_unsigned(limit)
}

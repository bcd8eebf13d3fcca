//! Getting a container that is not there yet. The code is fetched meanwhile.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use oxwhisk_core::entity::Activation;
use oxwhisk_invoker_api::{CodeError, Dispatch, DispatchError};
use tokio::sync::oneshot;

use super::{epoch_ms, refused};
use crate::metrics::increment;
use crate::pool::{ActionKey, Lease, Release};
use crate::proxy::Proxy;
use crate::record::{self, Outcome, Timing};
use crate::shell::{Grant, LeaseGuard, Shell};

/// Code for a container without; `None` where none is needed.
pub(super) type Code = Option<Bytes>;

pub(super) enum Obtained {
    Lease(LeaseGuard, Code),
    /// The activation has ended without a container.
    Record(Activation),
}

/// Waits for a container.
///
/// # Errors
/// When there is no room.
pub(super) async fn obtain(
    shell: &Arc<Shell>,
    dispatch: &Dispatch,
    key: &ActionKey,
    since: Instant,
) -> Result<Obtained, DispatchError> {
    let refused = |memory, refusal| {
        increment(&shell.metrics.refusals);
        refused(memory, refusal)
    };
    let granted = shell.enqueue(key, since).map_err(|refusal| refused(key.memory(), refusal))?;
    let (grant, code) = wait_and_fetch(shell, dispatch, granted).await;
    match grant {
        Ok(Grant::Lease(lease)) => Ok(with_code(shell, dispatch, lease, code).await),
        Ok(Grant::CreateFailed(error)) => {
            let response = record::of_create_error(&error, dispatch);
            let timing = Timing { begun: epoch_ms(), init: None, run: 0 };
            let outcome = Outcome { response, timing, timed_out: false };
            Ok(Obtained::Record(record::activation(dispatch, outcome, Vec::new())))
        }
        Ok(Grant::Refused { memory, refusal }) => Err(refused(memory, refusal)),
        // The pool answers everybody; this is its end.
        Err(_) => Err(DispatchError::Draining),
    }
}

type Fetched = Result<Code, CodeError>;

/// The grant, and the code if that came first.
async fn wait_and_fetch(
    shell: &Shell,
    dispatch: &Dispatch,
    mut granted: oneshot::Receiver<Grant>,
) -> (Result<Grant, oneshot::error::RecvError>, Option<Fetched>) {
    tokio::select! {
        biased;
        grant = &mut granted => (grant, None),
        code = fetch(shell, dispatch) => (granted.await, Some(code)),
    }
}

async fn fetch(shell: &Shell, dispatch: &Dispatch) -> Fetched {
    if dispatch.action.has_code { shell.code.code(&dispatch.action).await } else { Ok(None) }
}

/// A warm container needs no code; a new one is given back if there is none.
async fn with_code(
    shell: &Arc<Shell>,
    dispatch: &Dispatch,
    lease: Lease<Arc<Proxy>>,
    fetched: Option<Fetched>,
) -> Obtained {
    let lease = shell.guard(lease);
    if !lease.lease().uninitialised {
        return Obtained::Lease(lease, None);
    }
    let fetched = match fetched {
        Some(fetched) => fetched,
        None => fetch(shell, dispatch).await,
    };
    match fetched {
        Ok(code) => Obtained::Lease(lease, code),
        Err(error) => {
            tracing::warn!(action = %dispatch.action.id, %error, "cannot fetch code");
            lease.release(Release::Unused);
            Obtained::Record(record::fallback(dispatch, &error, epoch_ms()))
        }
    }
}

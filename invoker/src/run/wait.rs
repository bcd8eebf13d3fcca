//! Getting a container that is not there yet. The code is fetched meanwhile.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use oxwhisk_core::entity::Activation;
use oxwhisk_invoker_api::{CodeError, Dispatch, DispatchError};
use tokio::sync::oneshot;

use super::{epoch_ms, refused};
use crate::pool::Release;
use crate::record::{self, Outcome, Timing};
use crate::shell::{Grant, LeaseGuard, Shell};

/// Code for a container without; `None` where none is needed.
pub(super) type Code = Option<Bytes>;

pub(super) enum Obtained {
    Lease(LeaseGuard, Code),
    /// The activation has ended without a container.
    Record(Activation),
}

/// Waits in line for a container.
///
/// # Errors
/// When there is no room.
pub(super) async fn obtain(
    shell: &Arc<Shell>,
    dispatch: &Dispatch,
    mut granted: oneshot::Receiver<Grant>,
) -> Result<Obtained, DispatchError> {
    let mut fetch = pin!(fetch(shell, dispatch));
    let (grant, fetched) = tokio::select! {
        biased;
        grant = &mut granted => (grant, None),
        fetched = &mut fetch => (granted.await, Some(fetched)),
    };
    match grant {
        Ok(Grant::Lease(lease)) => {
            let lease = shell.guard(lease);
            if !lease.lease().uninitialised {
                return Ok(Obtained::Lease(lease, None));
            }
            let fetched = match fetched {
                Some(fetched) => fetched,
                None => fetch.await,
            };
            Ok(with_code(dispatch, lease, fetched))
        }
        Ok(Grant::CreateFailed(error)) => {
            let response = record::of_create_error(&error, dispatch);
            let timing = Timing { begun: epoch_ms(), init: None, run: 0 };
            let outcome = Outcome { response, timing, timed_out: false, cut_off: false, cache_error: None };
            Ok(Obtained::Record(record::activation(dispatch, outcome, Vec::new())))
        }
        Ok(Grant::Refused { memory, refusal }) => Err(refused(shell, memory, refusal)),
        // The pool answers everybody; this is its end.
        Err(_) => Err(DispatchError::Draining),
    }
}

type Fetched = Result<Code, CodeError>;

async fn fetch(shell: &Shell, dispatch: &Dispatch) -> Fetched {
    if !dispatch.action.has_code {
        return Ok(None);
    }
    let code = tokio::time::timeout(
        shell.config.code_timeout,
        shell.code.code(&dispatch.action, dispatch.ticket.as_ref()),
    );
    code.await.unwrap_or(Err(CodeError::Unavailable))
}

/// Without code the container is given back, for the next whom it fits.
fn with_code(dispatch: &Dispatch, lease: LeaseGuard, fetched: Fetched) -> Obtained {
    match fetched {
        Ok(code) => Obtained::Lease(lease, code),
        Err(error) => {
            tracing::warn!(action = %dispatch.action.id, %error, "cannot fetch code");
            lease.release(Release::Unused);
            Obtained::Record(record::fallback(dispatch, &error, epoch_ms()))
        }
    }
}

//! How much a namespace may do: who is asked, and what is held while an invocation runs.

mod alone;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use http::StatusCode;
use oxwhisk_throttle::{Account, Kind, Limits, Slot, Violation};

use crate::auth::Caller;
use crate::http::fault::Fault;

pub use alone::LocalThrottles;

/// Decides what is admitted. The standalone server counts by itself ([`LocalThrottles`]); in a cluster controllers ask
/// each other.
pub trait Throttles: fmt::Debug + Send + Sync + 'static {
    /// Admits a request that arrived at `now` (milliseconds since the epoch), or says why not. Where that is known without
    /// asking anybody, it is said at once, so that the usual call neither waits nor allocates.
    fn admit(self: Arc<Self>, account: Account, limits: Limits, now: i64) -> Admission;

    /// Counts a request that was admitted before, by an earlier process or another one, whatever the limits are now.
    fn readmit(self: Arc<Self>, account: Account, limits: Limits) -> InFlight;

    /// What was admitted has ended. For [`InFlight`], which does it once.
    fn release(self: Arc<Self>, slot: Slot);
}

type Deciding = Pin<Box<dyn Future<Output = Result<InFlight, NotAdmitted>> + Send>>;

/// An answer, or the way to it.
pub enum Admission {
    Now(Result<InFlight, NotAdmitted>),
    /// Somebody else decides. It comes to an end; dropped before, nothing is held.
    Later(Deciding),
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(decided) => f.debug_tuple("Now").field(decided).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}

impl Admission {
    /// # Errors
    /// When it is not admitted.
    pub async fn decided(self) -> Result<InFlight, NotAdmitted> {
        match self {
            Self::Now(decided) => decided,
            Self::Later(deciding) => deciding.await,
        }
    }
}

/// Why a request is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    #[error(transparent)]
    Limit(#[from] Violation),
    /// Whoever decides for the namespace could not be asked in time.
    #[error("nobody could decide in time whether the limits admit it")]
    Undecided,
}

impl From<NotAdmitted> for Fault {
    fn from(error: NotAdmitted) -> Self {
        match error {
            NotAdmitted::Limit(violation) => Self::throttled(&violation),
            NotAdmitted::Undecided => Self::status(StatusCode::SERVICE_UNAVAILABLE),
        }
    }
}

/// One request that was admitted, and has not ended until this is dropped.
#[derive(Debug)]
pub struct InFlight(Option<(Arc<dyn Throttles>, Slot)>);

impl InFlight {
    #[must_use]
    pub fn new(throttles: Arc<dyn Throttles>, slot: Slot) -> Self {
        Self(Some((throttles, slot)))
    }

    /// For whoever gives it back in another way than by [`Throttles::release`].
    #[must_use]
    pub fn into_slot(mut self) -> Option<Slot> {
        self.0.take().map(|(_, slot)| slot)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some((throttles, slot)) = self.0.take() {
            throttles.release(slot);
        }
    }
}

/// Admits one invocation at `now` (milliseconds since the epoch), or says which limit it breaks.
pub(crate) async fn admit(
    throttles: &Arc<dyn Throttles>,
    caller: &Caller,
    now: i64,
) -> Result<InFlight, Fault> {
    let admission = Arc::clone(throttles).admit(account(caller), limits(caller), now);
    Ok(admission.decided().await?)
}

/// Counts an invocation that was admitted before, whatever the limits are now.
pub(crate) fn readmit(throttles: &Arc<dyn Throttles>, caller: &Caller) -> InFlight {
    Arc::clone(throttles).readmit(account(caller), limits(caller))
}

fn account(caller: &Caller) -> Account {
    Account { namespace: Arc::clone(&caller.dispatched.namespace_uuid), kind: Kind::Invocation }
}

fn limits(caller: &Caller) -> Limits {
    Limits {
        per_minute: caller.limits.invocations_per_minute,
        concurrent: Some(caller.limits.concurrent_invocations),
    }
}

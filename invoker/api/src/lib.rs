//! The border between whoever dispatches an activation and the invoker that runs it.
//!
//! A controller holds an [`InvokerClient`]; in the standalone server it is the invoker itself, between services it is a
//! gRPC stream. The invoker fetches code through a [`CodeSource`] and hands finished records to a [`RecordSink`]: it
//! holds no store of its own. How room is asked for and offered is in [`offers`]; an invoker that does so is a
//! [`RoomWatch`]. Both sides run activations under
//! [`DetachOnDrop`]: they outlive whoever waits.

mod cache;
mod detach;
mod dispatch;
pub mod offers;
mod store_policy;
mod traits;

pub use cache::{CacheContainer, CacheToken, CacheTokenError, CacheTokens};
pub use detach::DetachOnDrop;
pub use dispatch::{ActionDescriptor, ApiKey, Caller, Completion, Delivery, Dispatch, ResponseLimits};
pub use oxwhisk_core::cache::CacheUse;
pub use store_policy::{Kept, StorePolicy};
pub use traits::{
    Activating, ChangedAction, CodeError, CodeSource, DispatchError, EndedObserver, InvokerCapacity,
    InvokerClient, RecordContext, RecordError, RecordSink, RoomWatch, StartedObserver,
};

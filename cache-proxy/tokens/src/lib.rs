//! Tokens of a cache: each is an activation's own, and dies with it.
//!
//! A [`Token`] is 256 random bits that name an entry of the [`LiveSet`] of the proxy that issued it. It says nothing by
//! itself: there is no key by which another could be made, and no clock but the proxy's own. Unknown means refused, and a
//! proxy that starts knows none. Pure: time comes in as an argument.
//!
//! **Containers that stay warm.** A client that an action makes once, for the life of its container, has authenticated with
//! the token of the first activation. Where a container has one activation at a time, its connections hold on to the
//! container's [`Seat`]: when an activation ends they are refused, and with the next token of that same container they go on,
//! in the next activation's right. Where a container has several at once, a connection holds on to the token that it showed,
//! and ends with that.

mod account;
mod live;
mod live_scope;
mod scope;
mod token;

pub use account::{Account, Accounts, Budget, Connected, OverQuota, Usage, Written};
pub use live::{ContainerId, Entry, Grant, Hold, Issue, LiveSet, NotAuthorized, Seat};
pub use live_scope::{Current, LiveScope, LiveScopes, Version};
pub use scope::{Generation, Scope, Share, owner_of};
pub use token::{NoToken, Token};

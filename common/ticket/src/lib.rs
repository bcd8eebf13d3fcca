//! Tickets: what a controller vouches for when it dispatches an activation.
//!
//! Invokers run strangers' code, so nobody believes what an invoker says of itself. Each dispatch carries a [`Ticket`]:
//! [`Claims`] under two message authentication codes (HMAC-SHA256), one under a key that only controllers hold, one
//! under a key that they share with cache-proxies. Code is served, records are accepted and cache tokens are issued only
//! against a ticket, and for the identity that *it* names. An invoker that is taken over can use the tickets of what was
//! dispatched to it, until their deadline, and make none.

mod claims;
mod grant;
mod keys;
mod ticket;

pub use claims::Claims;
pub use keys::{KeyError, KeyRing};
pub use ticket::{Audience, Ticket, TicketError, TicketIssuer, TicketVerifier};

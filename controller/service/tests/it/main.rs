//! Tickets that are forged, stolen, swapped or expired, and controllers that know each other, over real connections.

mod code;
mod fixture;
mod peers;
mod records;

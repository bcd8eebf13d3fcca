//! Forged, stolen, swapped and expired tickets, over real connections.

mod code;
mod fixture;
mod records;

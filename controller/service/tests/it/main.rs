//! Tickets that are forged, stolen, swapped or expired, the writer of the records under them, controllers that know each
//! other, and the engine: over real connections.

mod code;
mod engine;
mod fixture;
mod peers;
mod records;
mod shared_records;
mod writer;

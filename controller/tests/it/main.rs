//! The controller with stores and a bus in memory and an invoker that does as it is told.

mod cache;
mod changes;
mod fixture;
mod invoker;
mod peers;
mod queue;
mod records;
mod slow;
mod telemetry;

//! The stores from outside.

mod conformance;
mod durability;
mod opening;
mod origins;
mod retention;

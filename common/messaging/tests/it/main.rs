//! The buses from outside.

mod conformance;
mod durability;
mod recovery;

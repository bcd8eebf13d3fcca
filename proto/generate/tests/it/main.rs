//! Tests of the contracts from outside.

mod contracts;
mod generated;

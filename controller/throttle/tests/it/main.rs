//! Limits in a simulated cluster.

mod cluster;
mod limits;

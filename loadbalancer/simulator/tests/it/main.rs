//! The real code over a simulated fleet.

mod admission;

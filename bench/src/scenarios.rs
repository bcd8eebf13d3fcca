//! What is measured.

pub(crate) mod cache;
pub(crate) mod cluster;
pub(crate) mod cold;
pub(crate) mod endurance;
pub(crate) mod records;
mod subjects;
pub(crate) mod warm;

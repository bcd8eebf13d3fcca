//! A proxy in front of a real `redis-server`.

mod fixture;
mod scope;
mod usage;

//! The rules held against a real server. Without `redis-server` these tests say that they are skipped.

mod generator;
mod scope;
mod table;

//! What a client is told, beside what a real server tells it.

mod client;
mod transaction;

//! Shared connections over a real server, and over one that is not.

mod dedicated;
mod shared;

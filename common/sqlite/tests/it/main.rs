//! The database from outside.

mod groups;
mod log;
mod schema;

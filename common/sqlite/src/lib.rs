//! How Oxwhisk keeps SQLite files.
//!
//! - [`Database`]: one file with its writer thread and its readers;
//! - [`DirectoryLock`]: one server to a data directory;
//! - [`Schema`]: what tables a file has, by version.
//!
//! All writes of a file go through one thread, which takes everything that waits, runs each request in a savepoint of
//! its own and commits once: under load the cost of making a commit durable is shared by all that wait for it. Reads
//! never wait for writes (write-ahead log) and run on the runtime's blocking threads, one hop away.

mod checkpoint;
mod database;
mod error;
mod lock;
mod open;
mod readers;
mod writer;

pub use database::Database;
pub use error::{DatabaseError, Failed, OpenError};
pub use lock::{DirectoryLock, create_directory};
pub use open::{Schema, Settings, Synchronous};

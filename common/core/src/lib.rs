//! The vocabulary of Oxwhisk: entities, names, ids, limits, the runtimes manifest and the messages between services.
//!
//! No I/O, no clock but what callers pass in, no async runtime: everything here is a value or a pure function, so it
//! compiles fast and tests instantly. Texts that clients see ("byte for byte") are made here, next to the rule that
//! they report; the HTTP status that goes with them is the controller's business.
//!
//! - [`name`], [`id`], [`version`]: what things are called;
//! - [`entity`]: actions and activation records; [`exec`]: what an action runs; [`parameters`];
//! - [`limits`], [`size`]: what is allowed; [`manifest`]: which kinds exist;
//! - [`json`]: texts that only pass through; [`subject`]: who calls; [`message`]: what a controller sends to an invoker;
//!   [`delivery`]: whether that may run twice; [`record`]: which of several records is kept; [`heartbeat`]: how services
//!   find each other; [`trace`]: what a piece of work is part of; [`event`]: what monitoring is told; [`cache`]: what an
//!   activation may have of the cache.

mod as_text;
pub mod cache;
pub mod delivery;
pub mod entity;
pub mod error;
pub mod event;
pub mod exec;
pub mod heartbeat;
pub mod id;
pub mod image;
pub mod json;
pub mod limits;
pub mod manifest;
pub mod message;
pub mod name;
pub mod parameters;
pub mod record;
pub mod size;
pub mod subject;
pub mod trace;
pub mod version;

pub use error::Malformed;

//! A container factory over Docker's API: unmodified OpenWhisk runtime images, this project's, and users' own.
//!
//! [`DockerFactory::start`] connects to a daemon; what it makes the pool uses as it does any other container. How it is
//! put together:
//!
//! - `images`, `body`, `names`, `extra_args`, `failure`, `logs::cursor`: what is asked for and what answers mean, pure;
//! - `engine`: every call with its time limit, repeated while the daemon does not answer;
//! - `factory`: fetches the image if need be, creates, starts, looks where it listens;
//! - `events`, `lives`: one stream for all containers says which have ended;
//! - `logs`: a stream for each container, opened again where it breaks;
//! - `freezer`: suspends by cgroup what would take the daemon 40 ms;
//! - `removal`: ends containers, those of a dead invoker too, which it knows by their labels;
//! - `config`, `settings`: what an operator may set, by OpenWhisk's keys.
//!
//! **The daemon may be away.** It may start, stop and be killed at any time: calls are repeated for some seconds, then
//! fail with a text that says which call and which daemon. Containers that outlive it (live restore) go on being used;
//! of the others their end is noted when it is back.

mod address;
mod body;
mod config;
mod container;
mod credentials;
mod engine;
mod error;
mod events;
mod extra_args;
mod factory;
mod failure;
mod freezer;
mod images;
mod lives;
mod logs;
mod names;
mod pulls;
mod removal;
mod settings;

pub use address::EngineAddress;
pub use config::{ContainerConfig, DockerConfig, LogFiles, Retry, Timeouts};
pub use error::StartError;
pub use factory::DockerFactory;
pub use images::{ImageRules, TaggedPull};
pub use settings::Known;

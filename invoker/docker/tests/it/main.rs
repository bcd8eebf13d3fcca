//! The factory against a real daemon: `scripts/with-services.sh docker -- cargo test -p oxwhisk-docker`.
//!
//! Without one, each test says that it is skipped, and why.

mod basics;
mod daemon;
mod images;
mod invoker;
mod leftovers;
mod lifecycle;
mod limits;
mod logs;
mod pulls;
mod registry;
mod rig;
mod wire;

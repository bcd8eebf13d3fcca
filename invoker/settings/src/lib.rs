//! What an invoker reads from its configuration and finds on its machine, whether it is alone in its process or with
//! everything else.
//!
//! - [`machine`], [`pool`]: the container pool's settings, and what their defaults take from the machine;
//! - [`runtimes`]: the servers that run inside the process sandbox, and what this program is when a sandbox starts it;
//! - [`stem_cells`]: those of the manifest that can be started here;
//! - [`sandbox`]: starting the process sandbox, and saying what isolation it gives;
//! - [`threads`]: how many of them serve.

pub mod machine;
pub mod pool;
pub mod runtimes;
pub mod sandbox;
pub mod stem_cells;
pub mod threads;

pub use machine::Machine;

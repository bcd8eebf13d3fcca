//! Threads of a process that has containers beside it.

use std::io;
use std::num::NonZero;

use tokio::runtime::{Builder, Runtime};

/// Threads that serve. The containers and their work need the processor, too: half of it, and at least one thread.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get).div_ceil(2)
}

/// The runtime of a process that has containers beside it.
///
/// # Errors
/// When threads cannot be started.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(workers())
        .max_blocking_threads(16)
        .thread_stack_size(1 << 20)
        .enable_all()
        .build()
}

//! A panic becomes a log line of its own, so that it is found where all other faults are looked for.

use std::panic::PanicHookInfo;

/// Replaces the process's panic hook. The panic itself goes on as before: it ends the task or thread it is in.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|info| {
        let location = info.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        tracing::error!(target: "panic", location, thread, "panicked: {}", message_of(info));
    }));
}

fn message_of<'a>(info: &'a PanicHookInfo<'_>) -> &'a str {
    info.payload_as_str().unwrap_or("(a value that is no text)")
}

//! Counts the allocations of a thread.
#![expect(unsafe_code, reason = "an allocator is unsafe to write, and only one can count")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use oxwhisk_trace::{FinishedSpan, SpanSink};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call goes to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that ends has no counter any more, and nobody asks for it.
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps to the contract of `alloc`, which is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: what was allocated here was allocated by the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What `work` gives, and how often it allocated.
pub(crate) fn allocations<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = COUNT.get();
    let outcome = work();
    (outcome, COUNT.get() - before)
}

/// Takes spans and forgets them.
#[derive(Debug)]
pub(crate) struct Discard;

impl SpanSink for Discard {
    fn ended(&self, _span: FinishedSpan) {}
}

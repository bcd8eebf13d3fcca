//! A shared library with one function, by which an interpreter becomes a zygote: it waits for the server's requests,
//! and forks the interpreter into a sandbox for each.
//!
//! The C signature is
//!
//! ```c
//! const char *oxwhisk_zygote_serve(void (*before_fork)(void), void (*after_fork_in_parent)(void),
//!                                  void (*after_fork_in_child)(void));
//! ```
//!
//! It returns
#![expect(unsafe_code, reason = "a C interface")]

use std::ffi::{CString, c_char};
use std::ptr;

use oxwhisk_sandbox_init::{Interpreter, Zygote};

struct Hooks {
    before_fork: extern "C" fn(),
    after_fork_in_parent: extern "C" fn(),
    after_fork_in_child: extern "C" fn(),
}

impl Interpreter for Hooks {
    fn before_fork(&self) {
        (self.before_fork)();
    }

    fn after_fork_in_parent(&self) {
        (self.after_fork_in_parent)();
    }

    fn after_fork_in_child(&self) {
        (self.after_fork_in_child)();
    }
}

/// See the crate's documentation. The text is never freed: a sandbox needs it once, at its start.
#[unsafe(no_mangle)]
pub extern "C" fn oxwhisk_zygote_serve(
    before_fork: extern "C" fn(),
    after_fork_in_parent: extern "C" fn(),
    after_fork_in_child: extern "C" fn(),
) -> *const c_char {
    let hooks = Hooks { before_fork, after_fork_in_parent, after_fork_in_child };
    let forked = Zygote::start().and_then(|zygote| zygote.serve(&hooks));
    let Ok(Some(forked)) = forked else { return ptr::null() };
    let text = serde_json::to_string(&forked.env).ok().and_then(|text| CString::new(text).ok());
    text.map_or(ptr::null(), |text| text.into_raw().cast_const())
}

//! A transaction, as it goes over a connection of the client's own.
//!
//! What the client sends is followed by what gives new keys an expiry, and that stands in the transaction as well: its
//! replies are taken out again. A command that is refused here is not known to the server, so an `EXEC` after it becomes a
//! `DISCARD`, and the client is told what Redis would tell it.

use bytes::{BufMut as _, BytesMut};
use oxwhisk_cache_commands::reply::{Element, MalformedReply, strip, strip_exec};
use oxwhisk_cache_commands::{Prefixes, Replies};

use crate::Protocol;

const ABORTED: &[u8] = b"-EXECABORT Transaction discarded because of previous errors.\r\n";

/// What was sent, for whoever reads the reply to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    Multi,
    Exec,
    /// `DISCARD`, in place of an `EXEC` that cannot be.
    Abort,
    /// The same, in place of an `EXEC` that is too late: what was watched has changed.
    Conflict(Protocol),
    Discard,
    Watch,
    Unwatch,
    /// Any other command of the client's.
    Command(Replies),
    /// What was added to it.
    Extra,
}

/// A command that is about a transaction, by its name in upper case.
#[must_use]
pub fn about_transactions(name: &str) -> Option<Sent> {
    match name {
        "MULTI" => Some(Sent::Multi),
        "EXEC" => Some(Sent::Exec),
        "DISCARD" => Some(Sent::Discard),
        "WATCH" => Some(Sent::Watch),
        "UNWATCH" => Some(Sent::Unwatch),
        _ => None,
    }
}

/// How far one is, by what the server has replied.
#[derive(Clone, Debug, Default)]
pub struct Transaction {
    /// What is queued in it.
    open: Option<Vec<Element>>,
    /// Something in it was refused here.
    is_aborted: bool,
    watches: bool,
}

impl Transaction {
    /// Nothing is left of it: whoever comes next may have the connection.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.open.is_none() && !self.watches
    }

    /// Commands are queued. Of what is on its way, the server may know better.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// A command was refused that the server has not seen. All that was sent before has been replied to.
    pub const fn refused(&mut self) {
        if self.open.is_some() {
            self.is_aborted = true;
        }
    }

    /// What goes to the server for an `EXEC`: itself, or `DISCARD`. All that was sent before has been replied to. `flushed`: what
    /// it names is out of reach, and the client speaks that.
    #[must_use]
    pub const fn exec(&self, flushed: Option<Protocol>) -> Sent {
        match flushed {
            _ if self.is_aborted => Sent::Abort,
            Some(protocol) if self.is_open() && self.watches => Sent::Conflict(protocol),
            Some(_) if self.is_open() => Sent::Abort,
            _ => Sent::Exec,
        }
    }

    /// Takes the next reply, to the oldest of what was sent, and writes what the client is to see of it.
    ///
    /// # Errors
    /// When it is not a reply to that: the connection is of no use any more.
    pub fn replied(
        &mut self,
        sent: Sent,
        reply: &[u8],
        prefixes: &Prefixes,
        out: &mut BytesMut,
    ) -> Result<(), MalformedReply> {
        let is_done = !reply.starts_with(b"-");
        match (sent, &mut self.open) {
            (Sent::Multi, open) => {
                if is_done {
                    *open = Some(Vec::new());
                }
                strip(Replies::Plain, reply, prefixes, out)
            }
            (Sent::Exec, Some(elements)) => {
                let elements = std::mem::take(elements);
                self.end();
                strip_exec(&elements, reply, prefixes, out)
            }
            (Sent::Abort, _) => {
                self.end();
                out.put_slice(ABORTED);
                Ok(())
            }
            (Sent::Conflict(protocol), _) => {
                self.end();
                out.put_slice(match protocol {
                    Protocol::Resp2 => b"*-1\r\n",
                    Protocol::Resp3 => b"_\r\n",
                });
                Ok(())
            }
            (Sent::Discard, _) => {
                if is_done {
                    self.end();
                }
                strip(Replies::Plain, reply, prefixes, out)
            }
            (Sent::Watch, _) => {
                self.watches |= is_done;
                strip(Replies::Plain, reply, prefixes, out)
            }
            // In a transaction it is queued like any other.
            (Sent::Unwatch, None) => {
                self.watches &= !is_done;
                strip(Replies::Plain, reply, prefixes, out)
            }
            (Sent::Unwatch, Some(elements)) => {
                queue(elements, Element::Own(Replies::Plain), reply);
                strip(Replies::Plain, reply, prefixes, out)
            }
            (Sent::Command(replies), Some(elements)) => {
                queue(elements, Element::Own(replies), reply);
                strip(Replies::Plain, reply, prefixes, out)
            }
            (Sent::Extra, Some(elements)) => {
                queue(elements, Element::Extra, reply);
                Ok(())
            }
            (Sent::Command(replies), None) => strip(replies, reply, prefixes, out),
            (Sent::Exec, None) => strip(Replies::Plain, reply, prefixes, out),
            (Sent::Extra, None) => Ok(()),
        }
    }

    fn end(&mut self) {
        *self = Self::default();
    }
}

/// What is not queued has no part in the reply of `EXEC`.
fn queue(elements: &mut Vec<Element>, element: Element, reply: &[u8]) {
    if reply == b"+QUEUED\r\n" {
        elements.push(element);
    }
}

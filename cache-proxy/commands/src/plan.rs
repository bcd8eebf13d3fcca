//! What becomes of one request.

use crate::keys::{Arguments, Found, find};
use crate::table::look_up;
use crate::{
    Access, Command, Creates, Emulation, Forward, Handling, Keys, Refusal, Replies, Request, Session,
};

/// What is added at the end of a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Added {
    #[default]
    Nothing,
    /// `EX seconds`.
    Expiry,
    /// `MATCH prefix*`.
    Match,
    /// `prefix*`.
    Pattern,
}

/// Used for one request after the other.
#[derive(Clone, Debug)]
pub struct Plan {
    command: &'static Command,
    pub(crate) found: Found,
    /// Keys that get an expiry afterwards if they have none.
    pub(crate) expire: Vec<usize>,
    pub(crate) added: Added,
    access: Access,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It goes to Redis by [`crate::rewrite`].
    Forward {
        access: Access,
        session: Session,
        replies: Replies,
    },
    Emulate(Emulation),
}

const BARE: Forward = Forward {
    access: Access::Read,
    keys: Keys::None,
    creates: Creates::None,
    replies: Replies::Plain,
    session: Session::Shared,
    channels: false,
};

struct In<'a>(&'a Request, &'a [u8]);

impl Arguments for In<'_> {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn at(&self, index: usize) -> &[u8] {
        self.0.argument(self.1, index).unwrap_or_default()
    }
}

impl Default for Plan {
    fn default() -> Self {
        static NOTHING: Command = Command { name: "", arity: -1, handling: Handling::Forward(BARE) };
        Self {
            command: &NOTHING,
            found: Found::default(),
            expire: Vec::new(),
            added: Added::Nothing,
            access: Access::Read,
        }
    }
}

/// Says what a request asks for, and plans what has to be done to it.
///
/// # Errors
/// When it is not to be had, or Redis would not take it either.
pub fn plan(request: &Request, buffer: &[u8], plan: &mut Plan) -> Result<Asked, Refusal> {
    plan.found.clear();
    plan.expire.clear();
    plan.added = Added::Nothing;
    plan.command = look_up(request.arguments(buffer))?;
    let command = plan.command;
    match command.handling {
        Handling::Emulate(emulation) => Ok(Asked::Emulate(emulation)),
        Handling::Refuse(reason) => {
            let words = request.arguments(buffer).next().unwrap_or_default();
            let container = String::from_utf8_lossy(words).to_ascii_uppercase();
            let command = match container == command.name {
                true => container,
                false => format!("{container} {}", command.name),
            };
            Err(Refusal::Refused { command, reason })
        }
        Handling::Container(_) => plan.forward(BARE, &In(request, buffer)),
        Handling::Forward(forward) => plan.forward(forward, &In(request, buffer)),
    }
}

impl Plan {
    /// The command that was planned for last, or its sub-command.
    #[must_use]
    pub const fn command(&self) -> &'static Command {
        self.command
    }

    /// Where the request's keys, channels and patterns are.
    #[must_use]
    pub fn keys(&self) -> &[usize] {
        &self.found.keys
    }

    /// Replies that come behind its own, and are nobody's.
    #[must_use]
    pub const fn extra_replies(&self) -> usize {
        self.expire.len()
    }

    /// What it names are channels, and no keys.
    #[must_use]
    pub fn names_channels(&self) -> bool {
        matches!(self.command.handling, Handling::Forward(forward) if forward.channels)
    }

    fn forward(&mut self, forward: Forward, arguments: &impl Arguments) -> Result<Asked, Refusal> {
        find(self.command.name, forward.keys, arguments, &mut self.found)?;
        self.access = forward.access;
        let keys = &self.found.keys;
        match forward.creates {
            Creates::None => {}
            Creates::First => self.expire.extend(keys.first()),
            Creates::Second => self.expire.extend(keys.get(1)),
            Creates::All => self.expire.extend_from_slice(keys),
            Creates::Stored => {
                self.expire.extend_from_slice(&self.found.stored);
                if self.expire.is_empty() {
                    self.access = Access::Read;
                }
            }
            Creates::BySet => self.set(arguments),
            Creates::ByGetEx => {
                if (2..arguments.count()).any(|index| arguments.is(index, "PERSIST")) {
                    self.expire.push(1);
                }
            }
        }
        if self.found.lacks_pattern {
            self.added = match forward.keys {
                Keys::ScanPattern => Added::Match,
                _ => Added::Pattern,
            };
        }
        let session = match forward.keys {
            Keys::Streams { .. } if !self.found.blocks => Session::Shared,
            _ => forward.session,
        };
        Ok(Asked::Forward { access: self.access, session, replies: forward.replies })
    }

    /// `SET` takes an expiry along, unless it has one or keeps the key's. What the server will find fault with goes to it: its
    /// key is where it is.
    fn set(&mut self, arguments: &impl Arguments) {
        let (mut at, mut expires) = (3, false);
        while at < arguments.count() {
            if ["NX", "XX", "GET"].iter().any(|word| arguments.is(at, word)) {
                at += 1;
            } else if ["EX", "PX", "EXAT", "PXAT"].iter().any(|word| arguments.is(at, word)) {
                expires = true;
                at += 2;
            } else {
                // `KEEPTTL`, or nothing that there is.
                self.expire.push(1);
                return;
            }
        }
        if !expires {
            self.added = Added::Expiry;
        }
    }
}

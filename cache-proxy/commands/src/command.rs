//! What is known of a command.

/// One command, or one sub-command of a container such as `OBJECT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// In upper case.
    pub name: &'static str,
    /// As Redis counts, the name and that of a container included; negative: at least so many.
    pub arity: i16,
    pub handling: Handling,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handling {
    /// Redis does it.
    Forward(Forward),
    /// The proxy answers by itself.
    Emulate(Emulation),
    Refuse(Reason),
    /// Its sub-commands, in order of their names.
    Container(&'static [Command]),
}

/// How a command goes to Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    pub access: Access,
    pub keys: Keys,
    pub creates: Creates,
    pub replies: Replies,
    pub session: Session,
    /// Its keys are channels.
    pub channels: bool,
}

/// Which right it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
}

/// Where a command has its keys; 0 is its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    None,
    One(usize),
    /// At these two.
    Two(usize, usize),
    /// From there to the last argument.
    From(usize),
    /// From there to the last but one.
    AllButLast(usize),
    /// Every other argument from there: keys with values.
    Pairs(usize),
    /// A number of keys, and then these.
    Counted(usize),
    /// A key at 1, a number of keys at 2, and then these.
    IntoCounted,
    /// `STREAMS key... id...` after options.
    Streams {
        /// `XREADGROUP`: there is a group.
        group: bool,
    },
    /// `key [STORE key] [STOREDIST key]`, options from there on.
    Radius(usize),
    /// `key [BY pattern] [GET pattern]... [STORE key]`.
    Sort {
        may_store: bool,
    },
    /// `COPY`: two, and no other database.
    Copy,
    /// `SCAN`: the pattern of `MATCH`, or one that is added.
    ScanPattern,
    /// A pattern of channels at that place, or one that is added.
    ChannelPattern(usize),
}

/// Which of its keys, in the order they are found, a command may make or leave without an expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creates {
    None,
    First,
    Second,
    All,
    /// All but the first, if there are more: `STORE` of commands that mostly read.
    Stored,
    /// As the options of `SET` say.
    BySet,
    /// `GETEX` with `PERSIST`.
    ByGetEx,
}

/// Where keys or channels are in its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replies {
    /// Nowhere.
    Plain,
    /// `[key, ...]`, or null.
    KeyFirst,
    /// `[cursor, [key...]]`.
    Scan,
    /// `[[key, ...]...]`, or a map in RESP3, or null.
    ByStream,
    /// `[channel...]`.
    Channels,
    /// `[channel, number...]`.
    ChannelNumbers,
}

/// On what connection it can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    /// On one that others use as well.
    Shared,
    /// It may wait.
    Blocking,
    /// It is part of a transaction.
    Transaction,
    /// It has to do with subscriptions.
    Subscription,
}

/// What the proxy answers by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emulation {
    Auth,
    Client,
    ClusterOff,
    Config,
    DbSize,
    Echo,
    Flush,
    Hello,
    Info,
    Ping,
    Quit,
    Reset,
    Select,
}

/// Why it is not to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It would show other scopes' keys, or take as long as there are keys of others.
    WholeKeyspace,
    /// Keys may be made up while it runs.
    Scripts,
    /// It administers a server that is shared.
    Administration,
    /// It reaches other databases.
    OtherDatabases,
    /// Connections are shared.
    ConnectionState,
}

impl Forward {
    const fn of(access: Access, keys: Keys) -> Self {
        Self {
            access,
            keys,
            creates: Creates::None,
            replies: Replies::Plain,
            session: Session::Shared,
            channels: false,
        }
    }
}

/// It reads.
pub(crate) const fn read(name: &'static str, arity: i16, keys: Keys) -> Command {
    Command { name, arity, handling: Handling::Forward(Forward::of(Access::Read, keys)) }
}

/// It writes, and makes no key.
pub(crate) const fn write(name: &'static str, arity: i16, keys: Keys) -> Command {
    Command { name, arity, handling: Handling::Forward(Forward::of(Access::Write, keys)) }
}

/// It writes, and may make keys.
pub(crate) const fn make(name: &'static str, arity: i16, keys: Keys, creates: Creates) -> Command {
    let forward = Forward { creates, ..Forward::of(Access::Write, keys) };
    Command { name, arity, handling: Handling::Forward(forward) }
}

pub(crate) const fn emulate(name: &'static str, arity: i16, emulation: Emulation) -> Command {
    Command { name, arity, handling: Handling::Emulate(emulation) }
}

pub(crate) const fn refuse(name: &'static str, arity: i16, reason: Reason) -> Command {
    Command { name, arity, handling: Handling::Refuse(reason) }
}

pub(crate) const fn container(name: &'static str, subs: &'static [Command]) -> Command {
    Command { name, arity: -2, handling: Handling::Container(subs) }
}

/// Of those that write, the ones that a server does that is full: most of them make room. In order.
const TAKE_NO_ROOM: [&str; 44] = [
    "BLMPOP",
    "BLPOP",
    "BRPOP",
    "BZMPOP",
    "BZPOPMAX",
    "BZPOPMIN",
    "DEL",
    "DELCONSUMER",
    "DESTROY",
    "EXPIRE",
    "EXPIREAT",
    "GETDEL",
    "GETEX",
    "HDEL",
    "LMPOP",
    "LPOP",
    "LREM",
    "LTRIM",
    "PERSIST",
    "PEXPIRE",
    "PEXPIREAT",
    "PUBLISH",
    "RENAME",
    "RENAMENX",
    "RPOP",
    "SETID",
    "SMOVE",
    "SPOP",
    "SPUBLISH",
    "SREM",
    "UNLINK",
    "XACK",
    "XAUTOCLAIM",
    "XCLAIM",
    "XDEL",
    "XREADGROUP",
    "XTRIM",
    "ZMPOP",
    "ZPOPMAX",
    "ZPOPMIN",
    "ZREM",
    "ZREMRANGEBYLEX",
    "ZREMRANGEBYRANK",
    "ZREMRANGEBYSCORE",
];

impl Command {
    pub(crate) const fn replies(self, replies: Replies) -> Self {
        match self.handling {
            Handling::Forward(forward) => {
                Self { handling: Handling::Forward(Forward { replies, ..forward }), ..self }
            }
            _ => self,
        }
    }

    pub(crate) const fn on(self, session: Session) -> Self {
        match self.handling {
            Handling::Forward(forward) => {
                Self { handling: Handling::Forward(Forward { session, ..forward }), ..self }
            }
            _ => self,
        }
    }

    pub(crate) const fn channels(self) -> Self {
        match self.handling {
            Handling::Forward(forward) => {
                Self { handling: Handling::Forward(Forward { channels: true, ..forward }), ..self }
            }
            _ => self,
        }
    }

    pub(crate) const fn blocking(self) -> Self {
        self.on(Session::Blocking)
    }

    /// Whether it may take more of the server's memory: a server that is full refuses it.
    #[must_use]
    pub fn takes_room(&self) -> bool {
        matches!(self.handling, Handling::Forward(Forward { access: Access::Write, .. }))
            && TAKE_NO_ROOM.binary_search(&self.name).is_err()
    }

    /// Whether Redis takes it with so many arguments, names included.
    #[must_use]
    pub const fn takes(&self, arguments: usize) -> bool {
        let arity = self.arity.unsigned_abs() as usize;
        if self.arity < 0 { arguments >= arity } else { arguments == arity }
    }
}

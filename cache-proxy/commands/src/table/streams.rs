//! Streams, and channels.

use crate::command::{container, make, read, refuse, write};
use crate::{Command, Creates, Keys, Reason, Replies, Session};

const FIRST: Keys = Keys::One(1);
const SECOND: Keys = Keys::One(2);

pub(super) const STREAMS: &[Command] = &[
    write("XACK", -4, FIRST),
    make("XADD", -5, FIRST, Creates::First),
    write("XAUTOCLAIM", -6, FIRST),
    write("XCLAIM", -6, FIRST),
    write("XDEL", -3, FIRST),
    container(
        "XGROUP",
        &[
            // With MKSTREAM.
            make("CREATE", -5, SECOND, Creates::First),
            write("CREATECONSUMER", 5, SECOND),
            write("DELCONSUMER", 5, SECOND),
            write("DESTROY", 4, SECOND),
            read("HELP", 2, Keys::None),
            write("SETID", -5, SECOND),
        ],
    ),
    container(
        "XINFO",
        &[
            read("CONSUMERS", 4, SECOND),
            read("GROUPS", 3, SECOND),
            read("HELP", 2, Keys::None),
            read("STREAM", -3, SECOND),
        ],
    ),
    read("XLEN", 2, FIRST),
    read("XPENDING", -3, FIRST),
    read("XRANGE", -4, FIRST),
    read("XREAD", -4, Keys::Streams { group: false }).blocking().replies(Replies::ByStream),
    write("XREADGROUP", -7, Keys::Streams { group: true }).blocking().replies(Replies::ByStream),
    read("XREVRANGE", -4, FIRST),
    write("XSETID", -3, FIRST),
    write("XTRIM", -4, FIRST),
];

/// Channels are scoped as keys are.
pub(super) const CHANNELS: &[Command] = &[
    read("PSUBSCRIBE", -2, Keys::From(1)).channels().on(Session::Subscription),
    write("PUBLISH", 3, FIRST).channels(),
    container(
        "PUBSUB",
        &[
            read("CHANNELS", -2, Keys::ChannelPattern(2)).channels().replies(Replies::Channels),
            read("HELP", 2, Keys::None),
            // It counts everybody's.
            refuse("NUMPAT", 2, Reason::WholeKeyspace),
            read("NUMSUB", -2, Keys::From(2)).channels().replies(Replies::ChannelNumbers),
            read("SHARDCHANNELS", -2, Keys::ChannelPattern(2)).channels().replies(Replies::Channels),
            read("SHARDNUMSUB", -2, Keys::From(2)).channels().replies(Replies::ChannelNumbers),
        ],
    ),
    read("PUNSUBSCRIBE", -1, Keys::From(1)).channels().on(Session::Subscription),
    write("SPUBLISH", 3, FIRST).channels(),
    read("SSUBSCRIBE", -2, Keys::From(1)).channels().on(Session::Subscription),
    read("SUBSCRIBE", -2, Keys::From(1)).channels().on(Session::Subscription),
    read("SUNSUBSCRIBE", -1, Keys::From(1)).channels().on(Session::Subscription),
    read("UNSUBSCRIBE", -1, Keys::From(1)).channels().on(Session::Subscription),
];

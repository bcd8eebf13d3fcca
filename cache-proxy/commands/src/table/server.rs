//! What is about the connection or the server.

use crate::command::{container, emulate, read, refuse};
use crate::{Command, Emulation, Keys, Reason};

const ADMIN: Reason = Reason::Administration;
const SCRIPTS: Reason = Reason::Scripts;

pub(super) const CONNECTION: &[Command] = &[
    emulate("ASKING", 1, Emulation::ClusterOff),
    emulate("AUTH", -2, Emulation::Auth),
    container(
        "CLIENT",
        &[
            refuse("CACHING", 3, Reason::ConnectionState),
            emulate("GETNAME", 2, Emulation::Client),
            emulate("GETREDIR", 2, Emulation::Client),
            emulate("HELP", 2, Emulation::Client),
            emulate("ID", 2, Emulation::Client),
            emulate("INFO", 2, Emulation::Client),
            refuse("KILL", -3, ADMIN),
            emulate("LIST", -2, Emulation::Client),
            refuse("NO-EVICT", 3, ADMIN),
            refuse("PAUSE", -3, ADMIN),
            emulate("REPLY", 3, Emulation::Client),
            emulate("SETINFO", 4, Emulation::Client),
            emulate("SETNAME", 3, Emulation::Client),
            refuse("TRACKING", -3, Reason::ConnectionState),
            emulate("TRACKINGINFO", 2, Emulation::Client),
            refuse("UNBLOCK", -3, ADMIN),
            refuse("UNPAUSE", 2, ADMIN),
        ],
    ),
    emulate("ECHO", 2, Emulation::Echo),
    emulate("HELLO", -1, Emulation::Hello),
    emulate("PING", -1, Emulation::Ping),
    emulate("QUIT", -1, Emulation::Quit),
    emulate("READONLY", 1, Emulation::ClusterOff),
    emulate("READWRITE", 1, Emulation::ClusterOff),
    emulate("RESET", 1, Emulation::Reset),
    emulate("SELECT", 2, Emulation::Select),
];

pub(super) const SERVER: &[Command] = &[
    refuse("ACL", -2, ADMIN),
    refuse("BGREWRITEAOF", 1, ADMIN),
    refuse("BGSAVE", -1, ADMIN),
    emulate("CLUSTER", -2, Emulation::ClusterOff),
    // Without a sub-command it lists them all.
    Command {
        arity: -1,
        ..container(
            "COMMAND",
            &[
                read("COUNT", 2, Keys::None),
                read("DOCS", -2, Keys::None),
                // It only takes arguments apart.
                read("GETKEYS", -4, Keys::None),
                read("GETKEYSANDFLAGS", -4, Keys::None),
                read("HELP", 2, Keys::None),
                read("INFO", -2, Keys::None),
                read("LIST", -2, Keys::None),
            ],
        )
    },
    container(
        "CONFIG",
        &[
            // Clients ask for some on their own.
            emulate("GET", -3, Emulation::Config),
            emulate("HELP", 2, Emulation::Config),
            refuse("RESETSTAT", 2, ADMIN),
            refuse("REWRITE", 2, ADMIN),
            refuse("SET", -4, ADMIN),
        ],
    ),
    emulate("DBSIZE", 1, Emulation::DbSize),
    refuse("DEBUG", -2, ADMIN),
    refuse("EVAL", -3, SCRIPTS),
    refuse("EVALSHA", -3, SCRIPTS),
    refuse("EVALSHA_RO", -3, SCRIPTS),
    refuse("EVAL_RO", -3, SCRIPTS),
    refuse("FAILOVER", -1, ADMIN),
    refuse("FCALL", -3, SCRIPTS),
    refuse("FCALL_RO", -3, SCRIPTS),
    // All that a client can know of is its scope.
    emulate("FLUSHALL", -1, Emulation::Flush),
    emulate("FLUSHDB", -1, Emulation::Flush),
    refuse("FUNCTION", -2, SCRIPTS),
    emulate("INFO", -1, Emulation::Info),
    refuse("LASTSAVE", 1, ADMIN),
    refuse("LATENCY", -2, ADMIN),
    read("LOLWUT", -1, Keys::None),
    container(
        "MEMORY",
        &[
            refuse("DOCTOR", 2, ADMIN),
            read("HELP", 2, Keys::None),
            refuse("MALLOC-STATS", 2, ADMIN),
            refuse("PURGE", 2, ADMIN),
            refuse("STATS", 2, ADMIN),
            read("USAGE", -3, Keys::One(2)),
        ],
    ),
    refuse("MODULE", -2, ADMIN),
    refuse("MONITOR", 1, ADMIN),
    container(
        "OBJECT",
        &[
            read("ENCODING", 3, Keys::One(2)),
            read("FREQ", 3, Keys::One(2)),
            read("HELP", 2, Keys::None),
            read("IDLETIME", 3, Keys::One(2)),
            read("REFCOUNT", 3, Keys::One(2)),
        ],
    ),
    refuse("PSYNC", -3, ADMIN),
    refuse("REPLCONF", -1, ADMIN),
    refuse("REPLICAOF", 3, ADMIN),
    refuse("ROLE", 1, ADMIN),
    refuse("SAVE", 1, ADMIN),
    refuse("SCRIPT", -2, SCRIPTS),
    refuse("SHUTDOWN", -1, ADMIN),
    refuse("SLAVEOF", 3, ADMIN),
    refuse("SLOWLOG", -2, ADMIN),
    refuse("SYNC", 1, ADMIN),
    read("TIME", 1, Keys::None),
    // It would hold up everybody on the connection.
    refuse("WAIT", 3, Reason::ConnectionState),
];

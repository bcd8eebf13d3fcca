//! The command line. Names and meanings of OpenWhisk's flags are its own; ours are new ones.

mod argparse;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use oxwhisk_grpc::{Address, Identity};

/// OpenWhisk admin command line tool
#[derive(Clone, Debug, Parser)]
#[command(
    name = "wskadmin",
    bin_name = "wskadmin",
    version,
    infer_long_args = true,
    subcommand_required = true
)]
pub(crate) struct Arguments {
    /// Verbose output: which server is asked, on stderr
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,

    /// Print results as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) connection: ConnectionArguments,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which server to ask. Without any of these: the standalone server of this user on this machine.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArguments {
    /// The admin API: HOST:PORT or unix:/PATH [env: OXWHISK_ADMIN_ENDPOINT]
    #[arg(long, global = true, value_name = "ADDRESS", conflicts_with = "data_dir")]
    pub(crate) endpoint: Option<Address>,

    /// Data directory of a standalone server on this machine [env: CONFIG_oxwhisk_dataDir]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,

    /// Directory with ca.crt, tls.crt and tls.key for mutual TLS [env: OXWHISK_ADMIN_TLS_DIR]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) tls_dir: Option<PathBuf>,

    /// Authorities to trust, PEM; instead of --tls-dir's [env: OXWHISK_ADMIN_TLS_CA]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,

    /// Own certificate, PEM; instead of --tls-dir's [env: OXWHISK_ADMIN_TLS_CERT]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// Its key, PEM; instead of --tls-dir's [env: OXWHISK_ADMIN_TLS_KEY]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Whom the server's certificate must name: controller/NAME; without this, any controller
    #[arg(long, global = true, value_name = "ROLE/NAME")]
    pub(crate) expect: Option<Identity>,

    /// Talk plain text to an address that is not on this machine
    #[arg(long, global = true)]
    pub(crate) insecure_plaintext: bool,

    /// Longest time for one request, seconds
    #[arg(long, global = true, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    // OpenWhisk's newer tool writes '30 seconds'.
    let number = text.trim().trim_end_matches(" seconds");
    match number.parse() {
        Ok(seconds @ 1..=3600) => Ok(Duration::from_secs(seconds)),
        _ => Err("it must be from 1 to 3600".to_owned()),
    }
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Manage users
    User(UserArguments),
    /// Manage namespace-specific limits
    #[command(subcommand)]
    Limits(LimitsCommand),
    /// Work with dbs
    #[command(subcommand)]
    Db(DbCommand),
    /// Work with system logs
    #[command(subcommand)]
    Syslog(SyslogCommand),
    /// Manage invokers
    #[command(subcommand)]
    Invoker(InvokerCommand),
    /// Manage invocations that failed on every attempt
    #[command(subcommand)]
    Deadletter(DeadLetterCommand),
    /// Look at queues
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Manage caches
    #[command(subcommand)]
    Cache(CacheCommand),
    /// Look at the configuration in force
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct UserArguments {
    /// The subject view to query
    #[arg(short = 'w', long, default_value = crate::commands::user::VIEW)]
    pub(crate) view: String,

    #[command(subcommand)]
    pub(crate) command: UserCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Create a user and show authorization key
    Create(UserCreate),
    /// Delete a user
    Delete {
        /// The subject to delete
        subject: String,
        /// Delete key for given namespace only (-ns)
        #[arg(short = 'n', long)]
        namespace: Option<String>,
    },
    /// Get authorization key for user
    Get {
        /// The subject to get key for
        subject: String,
        /// The namespace to get the key for, defaults to subject id (-ns)
        #[arg(short = 'n', long)]
        namespace: Option<String>,
        /// List all namespaces and their keys
        #[arg(short, long)]
        all: bool,
    },
    /// Identify user from an authorization key
    Whois {
        /// The credentials to look up
        authkey: String,
    },
    /// List authorization keys associated with a namespace
    List {
        /// The namespace to lookup
        namespace: String,
        /// Show no more than N identities
        #[arg(short, long, value_name = "N", default_value_t = 1, allow_negative_numbers = true)]
        pick: i64,
        /// Show all identities
        #[arg(short, long)]
        all: bool,
        /// Show only the keys
        #[arg(short, long)]
        key: bool,
    },
    /// Block one or more users
    Block {
        /// One or more users to block
        #[arg(required = true)]
        subjects: Vec<String>,
    },
    /// Unblock one or more users
    Unblock {
        /// One or more users to unblock
        #[arg(required = true)]
        subjects: Vec<String>,
    },
}

#[derive(Clone, Debug, Args)]
pub(crate) struct UserCreate {
    /// The subject to create
    pub(crate) subject: String,
    /// The uuid:key to initialize the subject authorization key with
    #[arg(short = 'u', long, value_name = "UUID:KEY")]
    pub(crate) auth: Option<String>,
    /// Create key for given namespace instead, defaults to subject id (-ns)
    #[arg(short = 'n', long)]
    pub(crate) namespace: Option<String>,
    /// Revoke existing key and create a new one
    #[arg(short, long)]
    pub(crate) revoke: bool,
    /// The same, as OpenWhisk's newer tool calls it
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Generate a uuid and key but do not store them in the database
    #[arg(short, long)]
    pub(crate) genonly: bool,
    /// Do not show the new key on the console
    #[arg(short, long)]
    pub(crate) silent: bool,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum LimitsCommand {
    /// Set limits for a given namespace
    Set(Box<LimitsSet>),
    /// Get limits for a given namespace (if none exist, system defaults apply)
    Get {
        /// The namespace to get limits for
        namespace: String,
    },
    /// Delete limits for a given namespace (system defaults apply)
    Delete {
        /// The namespace to delete limits for
        namespace: String,
    },
}

#[derive(Clone, Debug, Default, Args)]
#[command(rename_all = "camelCase")]
pub(crate) struct LimitsSet {
    /// The namespace to set limits for
    pub(crate) namespace: String,
    /// Invocations per minute allowed
    #[arg(long)]
    pub(crate) invocations_per_minute: Option<u64>,
    /// Trigger fires per minute allowed
    #[arg(long)]
    pub(crate) fires_per_minute: Option<u64>,
    /// Concurrent invocations allowed for this namespace
    #[arg(long)]
    pub(crate) concurrent_invocations: Option<u64>,
    /// List of runtime kinds allowed in this namespace
    #[arg(long, num_args = 1..)]
    pub(crate) allowed_kinds: Option<Vec<String>>,
    /// Enable or disable storing of activations for this namespace: yes, no, true or false
    #[arg(long, value_parser = argparse::boolean)]
    pub(crate) store_activations: Option<bool>,
    /// Minimum memory of an action, MB
    #[arg(long)]
    pub(crate) min_action_memory: Option<u64>,
    /// Maximum memory of an action, MB
    #[arg(long)]
    pub(crate) max_action_memory: Option<u64>,
    /// Minimum log size of an action, MB
    #[arg(long)]
    pub(crate) min_action_logs: Option<u64>,
    /// Maximum log size of an action, MB
    #[arg(long)]
    pub(crate) max_action_logs: Option<u64>,
    /// Minimum time limit of an action, milliseconds
    #[arg(long)]
    pub(crate) min_action_timeout: Option<u64>,
    /// Maximum time limit of an action, milliseconds
    #[arg(long)]
    pub(crate) max_action_timeout: Option<u64>,
    /// Minimum concurrency of an action
    #[arg(long)]
    pub(crate) min_action_concurrency: Option<u64>,
    /// Maximum concurrency of an action
    #[arg(long)]
    pub(crate) max_action_concurrency: Option<u64>,
    /// Maximum size of parameters, for example '1 MB'
    #[arg(long)]
    pub(crate) max_parameter_size: Option<String>,
    /// Maximum size of a payload, for example '1 MB'
    #[arg(long)]
    pub(crate) max_payload_size: Option<String>,
    /// Size to which results that are too large are truncated, for example '1 MB'
    #[arg(long)]
    pub(crate) truncation_size: Option<String>,
    /// What actions get of the cache whose authors say nothing: false, true, action, package or namespace
    #[arg(long)]
    pub(crate) cache_default: Option<String>,
    /// Maximum size of all keys in the cache, for example '64 MB'
    #[arg(long)]
    pub(crate) cache_bytes: Option<String>,
    /// Maximum number of keys in the cache
    #[arg(long)]
    pub(crate) cache_keys: Option<u64>,
    /// Maximum size of a value in the cache, for example '1 MB'
    #[arg(long)]
    pub(crate) cache_value_bytes: Option<String>,
    /// Maximum number of commands to the cache in a second
    #[arg(long)]
    pub(crate) cache_operations_per_second: Option<u64>,
    /// Maximum number of connections to the cache
    #[arg(long)]
    pub(crate) cache_connections: Option<u64>,
    /// Whether writes are refused when the cache is full for the namespace, and nothing is dropped
    #[arg(long, value_parser = argparse::boolean)]
    pub(crate) cache_refuse_when_full: Option<bool>,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum DbCommand {
    /// Get contents of database
    Get {
        /// The database: subjects, whisks or activations
        database: String,
        /// The view in the database to query, DESIGN/VIEW
        #[arg(short = 'w', long)]
        view: Option<String>,
        /// Include document contents
        #[arg(long)]
        docs: bool,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum SyslogCommand {
    /// Get logs, from files WHISK_LOGS_DIR/COMPONENT/COMPONENT_logs.log on this machine
    Get {
        /// Components, one or more of [controllerN, schedulerN, invokerN] where N is the instance
        #[arg(default_values_t = ["controller0", "scheduler0", "invoker0"].map(str::to_owned))]
        components: Vec<String>,
        /// Retrieve logs for the transaction id
        #[arg(short, long)]
        tid: Option<String>,
        /// Retrieve logs that match grep expression
        #[arg(short, long)]
        grep: Option<String>,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum InvokerCommand {
    /// List invokers
    List,
    /// Give an invoker no new work and wait until what runs there has ended
    Drain {
        /// Its number, or its name: invoker0
        #[arg(value_parser = invoker_id)]
        invoker: u32,
        /// Longest wait, seconds
        #[arg(long, default_value_t = 300)]
        wait: u64,
    },
    /// Give an invoker work again
    Enable {
        /// Its number, or its name: invoker0
        #[arg(value_parser = invoker_id)]
        invoker: u32,
    },
    /// Give an invoker no new work
    Disable {
        /// Its number, or its name: invoker0
        #[arg(value_parser = invoker_id)]
        invoker: u32,
    },
}

fn invoker_id(text: &str) -> Result<u32, String> {
    let number = text.strip_prefix("invoker").unwrap_or(text);
    number.parse().map_err(|_| "it must be a number, or a name such as invoker0".to_owned())
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum DeadLetterCommand {
    /// List dead letters, the oldest first
    List {
        /// Show no more than N
        #[arg(short, long, value_name = "N", default_value_t = 100)]
        limit: u32,
        /// Only those of a namespace
        #[arg(short = 'n', long)]
        namespace: Option<String>,
    },
    /// Show one dead letter with its message
    Show {
        /// Its activation id
        activation: String,
    },
    /// Queue dead letters again
    Redrive(SelectedLetters),
    /// Remove dead letters for good
    Drop(SelectedLetters),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct SelectedLetters {
    /// Activation ids
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub(crate) activations: Vec<String>,
    /// All there are
    #[arg(short, long)]
    pub(crate) all: bool,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// How many messages wait in each queue
    Depth,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// Have caches forget
    Invalidate {
        /// Which
        #[arg(value_enum, default_value = "all")]
        scope: Scope,
    },
}

/// Which cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scope {
    All,
    Identities,
    Entities,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show it, without secrets
    Show,
}

/// # Errors
/// What to print, for help as well as for wrong use.
pub(crate) fn parse(arguments: Vec<OsString>) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(argparse::adapted(arguments))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parsed(line: &[&str]) -> Result<Command, clap::Error> {
        let words = std::iter::once("wskadmin").chain(line.iter().copied()).map(OsString::from).collect();
        parse(words).map(|arguments| arguments.command)
    }

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn namespaces_are_given_as_argparse_takes_them() {
        for form in [
            &["-ns", "team"][..],
            &["-ns=team"],
            &["--namespace", "team"],
            &["--name", "team"],
            &["-n", "team"],
        ] {
            let line = [&["user", "get", "guest"], form].concat();
            let Ok(Command::User(UserArguments { command: UserCommand::Get { namespace, .. }, .. })) =
                parsed(&line)
            else {
                panic!("{line:?}");
            };
            assert_eq!(namespace.as_deref(), Some("team"), "{line:?}");
        }
    }

    #[test]
    fn limits_are_named_as_openwhisk_names_them() {
        let line = [
            "limits",
            "set",
            "ns",
            "--invocationsPerMinute",
            "1",
            "--allowedKinds",
            "nodejs:20",
            "python:3",
            "--storeActivations",
            "YES",
            "--minActionMemory",
            "1",
            "--maxParameterSize",
            "1 MB",
            "--cacheDefault",
            "package",
            "--cacheBytes",
            "64 MB",
            "--cacheKeys",
            "2",
            "--cacheValueBytes",
            "4 KB",
            "--cacheOperationsPerSecond",
            "3",
            "--cacheConnections",
            "4",
            "--cacheRefuseWhenFull",
            "yes",
        ];
        let Ok(Command::Limits(LimitsCommand::Set(set))) = parsed(&line) else { panic!("not parsed") };
        assert_eq!((set.invocations_per_minute, set.store_activations), (Some(1), Some(true)));
        assert_eq!(set.allowed_kinds.as_deref(), Some(&["nodejs:20".to_owned(), "python:3".to_owned()][..]));
        assert_eq!(set.max_parameter_size.as_deref(), Some("1 MB"));
        let texts = [&set.cache_default, &set.cache_bytes, &set.cache_value_bytes];
        assert_eq!(texts.map(|text| text.as_deref().unwrap()), ["package", "64 MB", "4 KB"]);
        let numbers = [set.cache_keys, set.cache_operations_per_second, set.cache_connections];
        assert_eq!(numbers, [Some(2), Some(3), Some(4)]);
        assert_eq!(set.cache_refuse_when_full, Some(true));
    }

    #[test]
    fn wrong_use_is_refused() {
        for line in [
            &["user"][..],
            &["user", "create"],
            &["user", "block"],
            &["limits", "set", "ns", "--storeActivations", "maybe"],
            &["limits", "set", "ns", "--firesPerMinute", "many"],
            &["deadletter", "drop"],
            &["deadletter", "drop", "x", "--all"],
            &["invoker", "drain", "alpha"],
            &["nonsense"],
            &[],
        ] {
            let error = parsed(line).expect_err("wrong");
            assert!(error.use_stderr() && error.exit_code() == 2, "{line:?}");
        }
    }
}

//! The flags. Those that set a key of the configuration are carried as text: the configuration reads and checks all
//! layers alike, and names the flag when a value is wrong.

use std::path::{Path, PathBuf};

use clap::builder::styling::{AnsiColor, Styles};
use clap::{ArgAction, Parser};
use oxwhisk_config::Layers;
use oxwhisk_settings::{CommandLine, Exit, LogFlags, exit};

const PROXY: &str = "Cache-proxy";
const OTHER: &str = "Other";

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Yellow.on_default().bold())
    .usage(AnsiColor::Yellow.on_default().bold())
    .literal(AnsiColor::Green.on_default())
    .placeholder(AnsiColor::Cyan.on_default());

const ABOUT: &str = "\
Lets the actions of this node use a Redis, each with a token of its own activation.

Clients speak Redis's protocol to it; invokers get tokens by gRPC, against the ticket of each activation. The secret of
the Redis stays in this process.";

/// The command line of `cache-proxy`.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "cache-proxy",
    bin_name = "cache-proxy",
    version,
    about = ABOUT,
    long_about = None,
    styles = STYLES,
    after_help = after_help(),
    disable_help_flag = true,
    disable_version_flag = true
)]
pub struct Args {
    /// Where clients are served: IP:PORT, as containers reach it
    /// [default: 127.0.0.1:6380] [env: CONFIG_oxwhisk_cache_listen]
    #[arg(verbatim_doc_comment, long, value_name = "ADDRESS", help_heading = PROXY)]
    listen: Option<String>,

    /// The Redis beside it: unix:/PATH or HOST:PORT
    /// [env: CONFIG_oxwhisk_cache_redis_address]
    #[arg(verbatim_doc_comment, long, value_name = "ADDRESS", help_heading = PROXY)]
    redis: Option<String>,

    /// File with the password of that Redis, and nothing else
    /// [env: CONFIG_oxwhisk_cache_redis_passwordFile]
    #[arg(verbatim_doc_comment, long, value_name = "FILE", help_heading = PROXY)]
    redis_password_file: Option<String>,

    /// File with the keys of tickets, the same as the controllers'
    /// [env: CONFIG_oxwhisk_tickets_cacheProxyKeysFile]
    #[arg(verbatim_doc_comment, long, value_name = "FILE", help_heading = PROXY)]
    ticket_keys: Option<String>,

    /// Where gRPC is served to invokers: unix:/PATH, or HOST:PORT. Mutual TLS by
    /// oxwhisk.grpc.tls.{authority,certificate,key}; without it on
    /// loopback only, or with oxwhisk.grpc.insecure-plaintext
    /// [default: 127.0.0.1:9097] [env: CONFIG_oxwhisk_grpc_listen]
    #[arg(verbatim_doc_comment, long, value_name = "ADDRESS", help_heading = PROXY)]
    grpc_listen: Option<String>,

    /// Where health, readiness and metrics are served: IP:PORT
    /// [default: 127.0.0.1:8087] [env: CONFIG_oxwhisk_ops_listen]
    #[arg(verbatim_doc_comment, long, value_name = "ADDRESS", help_heading = PROXY)]
    ops_listen: Option<String>,

    /// Configuration file (.toml, .yaml or .json); variables and flags win over it
    #[arg(short, long, value_name = "FILE", help_heading = PROXY)]
    config_file: Option<PathBuf>,

    /// Write {"api":ADDRESS,"pid":N} to this file once clients are served
    #[arg(long, value_name = "FILE", help_heading = PROXY)]
    pub(crate) ready_file: Option<PathBuf>,

    #[command(flatten)]
    log: LogFlags,

    /// Print the configuration in force with the origin of each value, without secrets
    #[arg(long, help_heading = OTHER)]
    dump_config: bool,

    /// Print this text and exit
    #[arg(short, long, action = ArgAction::Help, help_heading = OTHER)]
    help: Option<bool>,

    /// Print the version and exit
    #[arg(long, action = ArgAction::Version, help_heading = OTHER)]
    version: Option<bool>,
}

/// Flags that set a key each.
const KEYS: &[(&str, &str)] = &[
    ("--listen", "oxwhisk.cache.listen"),
    ("--redis", "oxwhisk.cache.redis.address"),
    ("--redis-password-file", "oxwhisk.cache.redis.password-file"),
    ("--ticket-keys", "oxwhisk.tickets.cache-proxy-keys-file"),
    ("--grpc-listen", "oxwhisk.grpc.listen"),
    ("--ops-listen", "oxwhisk.ops.listen"),
];

/// The codes it can end with.
const CODES: &[(Exit, &str)] = &[
    (Exit::Stopped, "stopped on request"),
    (Exit::Usage, "wrong use: an unknown flag, or a flag with a value or file that cannot be used"),
    (Exit::Unavailable, "an address or port cannot be had"),
    (Exit::Software, "an internal fault"),
    (Exit::System, "this machine does not keep secrets"),
    (Exit::CannotCreate, "the ready file cannot be had"),
    (Exit::Config, "wrong configuration, certificate or key file"),
];

impl CommandLine for Args {
    const OPEN_TABLES: &'static [&'static str] = &[];
    const VARIABLES: &'static [(&'static str, &'static str)] = &[];

    fn config_file(&self) -> Option<&Path> {
        self.config_file.as_deref()
    }

    fn dump_config(&self) -> bool {
        self.dump_config
    }

    fn add_flags(&self, layers: &mut Layers) {
        for (flag, key) in KEYS {
            if let Some(value) = self.text_of(flag) {
                layers.add_flag(flag, key, value.clone());
            }
        }
        self.log.add_to(layers);
    }
}

impl Args {
    fn text_of(&self, flag: &str) -> Option<&String> {
        match flag {
            "--listen" => self.listen.as_ref(),
            "--redis" => self.redis.as_ref(),
            "--redis-password-file" => self.redis_password_file.as_ref(),
            "--ticket-keys" => self.ticket_keys.as_ref(),
            "--grpc-listen" => self.grpc_listen.as_ref(),
            "--ops-listen" => self.ops_listen.as_ref(),
            _ => None,
        }
    }
}

fn after_help() -> String {
    format!(
        "\
Configuration:
  Defaults, then --config-file, then the environment, then flags: the later wins. oxwhisk.cache.key-expiry in a file is
  CONFIG_oxwhisk_cache_keyExpiry in the environment. --dump-config shows them all. docs/cache.md explains each key.

Exit codes:
{}
Examples:
  cache-proxy --redis unix:/run/redis/redis.sock --redis-password-file /run/secrets/redis \\
    --ticket-keys /run/secrets/tickets --listen 10.0.0.7:6380 --grpc-listen unix:/run/oxwhisk/cache.sock
",
        exit::table(CODES)
    )
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use oxwhisk_config::names;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_flag_with_a_key_is_read_and_its_help_names_the_variable() {
        for (flag, key) in KEYS {
            let args = Args::try_parse_from(["cache-proxy", flag, "x"]).expect("any text is taken");
            assert_eq!(args.text_of(flag).map(String::as_str), Some("x"), "{flag}");
            let command = Args::command();
            let arg = command.get_arguments().find(|arg| arg.get_long() == flag.strip_prefix("--"));
            let help = arg.and_then(|arg| arg.get_help()).expect("every flag has help").to_string();
            let (_, named) = help.split_once("[env: ").expect("the help names a variable");
            let variable = named.split(']').next().unwrap_or_default();
            assert_eq!(names::key_of_variable(variable).as_deref(), Some(*key), "{flag}");
        }
    }
}

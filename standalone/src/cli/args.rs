//! The flags. Those that set a key of the configuration are carried as text: the configuration reads and checks all
//! layers alike, and names the flag when a value is wrong.

use std::path::{Path, PathBuf};

use clap::builder::styling::{AnsiColor, Styles};
use clap::{ArgAction, Parser};
use oxwhisk_config::Layers;
use oxwhisk_controller_settings::users;
use oxwhisk_settings::{CommandLine, Exit, LogFlags, exit};

const SERVER: &str = "Server";
const ACTIONS: &str = "Actions and users";
const LIMITS: &str = "Limits";
const OTHER: &str = "Other";

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Yellow.on_default().bold())
    .usage(AnsiColor::Yellow.on_default().bold())
    .literal(AnsiColor::Green.on_default())
    .placeholder(AnsiColor::Cyan.on_default());

const ABOUT: &str = "\
A serverless platform in one process, compatible with Apache OpenWhisk.

Starts a server that wsk and all other OpenWhisk clients can talk to, and runs actions in sandboxes of its
own: no Docker, Kafka or CouchDB needed. What it remembers is in its data directory.";

/// The command line of `oxwhisk`.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "oxwhisk",
    bin_name = "oxwhisk",
    version,
    about = ABOUT,
    long_about = None,
    styles = STYLES,
    after_help = after_help(),
    disable_help_flag = true,
    disable_version_flag = true
)]
pub struct Args {
    /// Port of the API; 0 takes any free one [default: 3233]
    /// [env: CONFIG_oxwhisk_port]
    #[arg(verbatim_doc_comment, short, long, value_name = "PORT", help_heading = SERVER)]
    port: Option<String>,

    /// IP address to listen on [default: 127.0.0.1]
    /// [env: CONFIG_whisk_controller_interface]
    #[arg(verbatim_doc_comment, long, value_name = "ADDRESS", help_heading = SERVER)]
    host: Option<String>,

    /// Where everything is kept [default: ~/.openwhisk/standalone/server-<PORT>]
    /// [env: CONFIG_oxwhisk_dataDir]
    #[arg(verbatim_doc_comment, short, long, value_name = "DIR", help_heading = SERVER)]
    data_dir: Option<String>,

    /// Empty the data directory first
    #[arg(long, help_heading = SERVER)]
    pub clean: bool,

    /// Configuration file (.toml, .yaml or .json); variables and flags win over it
    #[arg(short, long, value_name = "FILE", help_heading = SERVER)]
    config_file: Option<PathBuf>,

    /// Write {"api":URL,"pid":N} to this file once the server takes requests
    #[arg(long, value_name = "FILE", help_heading = SERVER)]
    pub ready_file: Option<PathBuf>,

    /// Time that running activations get to finish when the server is stopped
    /// [default: 1 minute] [env: CONFIG_oxwhisk_shutdownGrace]
    #[arg(verbatim_doc_comment, long, value_name = "DURATION", help_heading = SERVER)]
    shutdown_grace: Option<String>,

    /// Serve the admin API for wskadmin on this address, too: HOST:PORT. It is
    /// always on the socket admin.sock in the data directory. Mutual TLS by
    /// oxwhisk.admin.tls.*; without it, every local user may administer
    /// [env: CONFIG_oxwhisk_admin_listen]
    #[arg(verbatim_doc_comment, long, value_name = "ADDRESS", help_heading = SERVER)]
    admin_listen: Option<String>,

    /// Runtimes manifest: which kinds of actions there are [default: Node.js and Python]
    /// [env: CONFIG_oxwhisk_runtimesManifestFile, or the JSON in RUNTIMES_MANIFEST]
    #[arg(verbatim_doc_comment, short, long, value_name = "FILE", help_heading = ACTIONS)]
    manifest: Option<String>,

    /// More users, beside guest and whisk.system: a JSON list of
    /// {"subject", "namespace", "uuid", "key", "limits"?, "blocked"?}
    /// [env: CONFIG_oxwhisk_usersFile]
    #[arg(verbatim_doc_comment, long, value_name = "FILE", help_heading = ACTIONS)]
    users: Option<String>,

    /// Memory of all containers together
    /// [default: half of the machine's, at least 1024 MB]
    /// [env: CONFIG_whisk_containerPool_userMemory]
    #[arg(verbatim_doc_comment, long, value_name = "SIZE", help_heading = ACTIONS)]
    user_memory: Option<String>,

    /// Invocations a namespace may make in a minute [default: 60]
    /// [env: LIMITS_ACTIONS_INVOKES_PERMINUTE]
    #[arg(verbatim_doc_comment, long, value_name = "COUNT", help_heading = LIMITS)]
    invocations_per_minute: Option<String>,

    /// Invocations of a namespace that may run at once [default: 30]
    /// [env: LIMITS_ACTIONS_INVOKES_CONCURRENT]
    #[arg(verbatim_doc_comment, long, value_name = "COUNT", help_heading = LIMITS)]
    concurrent_invocations: Option<String>,

    /// Triggers a namespace may fire in a minute [default: 60]
    /// [env: LIMITS_TRIGGERS_FIRES_PERMINUTE]
    #[arg(verbatim_doc_comment, long, value_name = "COUNT", help_heading = LIMITS)]
    fires_per_minute: Option<String>,

    /// Longest time limit an action may have [default: 5 minutes]
    /// [env: CONFIG_whisk_timeLimit_max]
    #[arg(verbatim_doc_comment, long, value_name = "DURATION", help_heading = LIMITS)]
    max_time: Option<String>,

    /// Largest memory limit an action may have [default: 512 MB]
    /// [env: CONFIG_whisk_memory_max]
    #[arg(verbatim_doc_comment, long, value_name = "SIZE", help_heading = LIMITS)]
    max_memory: Option<String>,

    /// Most activations at once an action may allow in one container
    /// [default: 1] [env: CONFIG_whisk_concurrencyLimit_max]
    #[arg(verbatim_doc_comment, long, value_name = "COUNT", help_heading = LIMITS)]
    max_concurrency: Option<String>,

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
pub(crate) const KEYS: &[(&str, &str)] = &[
    ("--port", "oxwhisk.port"),
    ("--host", "whisk.controller.interface"),
    ("--data-dir", "oxwhisk.data-dir"),
    ("--shutdown-grace", "oxwhisk.shutdown-grace"),
    ("--admin-listen", "oxwhisk.admin.listen"),
    ("--manifest", "oxwhisk.runtimes-manifest-file"),
    ("--users", "oxwhisk.users-file"),
    ("--user-memory", "whisk.container-pool.user-memory"),
    ("--invocations-per-minute", "whisk.config.limits-actions-invokes-per-minute"),
    ("--concurrent-invocations", "whisk.config.limits-actions-invokes-concurrent"),
    ("--fires-per-minute", "whisk.config.limits-triggers-fires-per-minute"),
    ("--max-time", "whisk.time-limit.max"),
    ("--max-memory", "whisk.memory.max"),
    ("--max-concurrency", "whisk.concurrency-limit.max"),
];

/// The codes this server ends with.
const CODES: [(Exit, &str); 8] = [
    (Exit::Stopped, "stopped on request; what was running has finished"),
    (Exit::Usage, "wrong use: an unknown flag, or a flag with a value or file that cannot be used"),
    (Exit::Unavailable, "the address or port cannot be had"),
    (Exit::Software, "an internal fault"),
    (Exit::System, "actions cannot be isolated on this machine"),
    (Exit::CannotCreate, "the data directory or the ready file cannot be had"),
    (Exit::Io, "data cannot be read or written"),
    (Exit::Config, "wrong configuration: a file or a variable of the environment"),
];

impl CommandLine for Args {
    const OPEN_TABLES: &'static [&'static str] = &[users::TABLE];

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
            "--port" => self.port.as_ref(),
            "--host" => self.host.as_ref(),
            "--data-dir" => self.data_dir.as_ref(),
            "--shutdown-grace" => self.shutdown_grace.as_ref(),
            "--admin-listen" => self.admin_listen.as_ref(),
            "--manifest" => self.manifest.as_ref(),
            "--users" => self.users.as_ref(),
            "--user-memory" => self.user_memory.as_ref(),
            "--invocations-per-minute" => self.invocations_per_minute.as_ref(),
            "--concurrent-invocations" => self.concurrent_invocations.as_ref(),
            "--fires-per-minute" => self.fires_per_minute.as_ref(),
            "--max-time" => self.max_time.as_ref(),
            "--max-memory" => self.max_memory.as_ref(),
            "--max-concurrency" => self.max_concurrency.as_ref(),
            _ => None,
        }
    }
}

fn after_help() -> String {
    let codes = exit::table(&CODES);
    format!(
        "\
Configuration:
  Defaults, then --config-file, then the environment, then flags: the later wins. Keys are OpenWhisk's:
  whisk.time-limit.max in a file is CONFIG_whisk_timeLimit_max in the environment. --dump-config shows them all.
  Durations read '10 minutes', '5m', '100 ms'; sizes '256 MB', '2048m'.

Exit codes:
{codes}
Examples:
  oxwhisk                                       a server on http://127.0.0.1:3233
  oxwhisk -p 8080 -d ./data --clean             another port, a new start in ./data
  oxwhisk -m runtimes.json --users team.json    own kinds and users
  oxwhisk --invocations-per-minute 6000 --concurrent-invocations 200
  CONFIG_whisk_memory_max=2g oxwhisk --dump-config
"
    )
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use oxwhisk_config::{names, openwhisk};

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_flag_with_a_key_is_read_and_its_help_names_a_variable_of_that_key() {
        for (flag, key) in KEYS {
            let args = Args::try_parse_from(["oxwhisk", flag, "x"]).expect("any text is taken");
            assert_eq!(args.text_of(flag).map(String::as_str), Some("x"), "{flag}");
            let command = Args::command();
            let arg = command.get_arguments().find(|arg| arg.get_long() == flag.strip_prefix("--"));
            let help = arg.and_then(|arg| arg.get_help()).expect("every flag has help").to_string();
            let (_, named) = help.split_once("[env: ").expect("the help names a variable");
            let variable = named.split([']', ',']).next().unwrap_or_default();
            let of_variable = openwhisk::key_of_legacy(variable)
                .map(str::to_owned)
                .or_else(|| names::key_of_variable(variable));
            assert_eq!(of_variable.as_deref(), Some(*key), "{flag}");
        }
    }

    #[test]
    fn the_help_tells_groups_codes_and_examples() {
        let help = Args::command().render_help().to_string();
        for part in
            [SERVER, ACTIONS, LIMITS, "Logging", OTHER, "Exit codes:", "  64   ", "  78   ", "Examples:"]
        {
            assert!(help.contains(part), "'{part}' is not in {help}");
        }
        assert!(help.lines().all(|line| line.chars().count() <= 112), "{help}");
    }
}

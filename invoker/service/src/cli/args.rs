//! The flags. Those that set a key of the configuration are carried as text: the configuration reads and checks all
//! layers alike, and names the flag when a value is wrong.

use std::path::{Path, PathBuf};

use clap::builder::styling::{AnsiColor, Styles};
use clap::{ArgAction, Parser};
use oxwhisk_config::Layers;
use oxwhisk_settings::{CommandLine, Exit, LogFlags, exit};

const INVOKER: &str = "Invoker";
const ACTIONS: &str = "Actions";
const OTHER: &str = "Other";

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Yellow.on_default().bold())
    .usage(AnsiColor::Yellow.on_default().bold())
    .literal(AnsiColor::Green.on_default())
    .placeholder(AnsiColor::Cyan.on_default());

const ABOUT: &str = "\
Runs actions on this node, for the controllers of an Oxwhisk deployment.

Controllers connect to it by gRPC; it sends them results, and records and heartbeats to Kafka. It holds no
credential of a store: code comes from controllers, against the ticket of each activation.";

/// The command line of `invoker`.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "invoker",
    bin_name = "invoker",
    version,
    about = ABOUT,
    long_about = None,
    styles = STYLES,
    after_help = after_help(),
    disable_help_flag = true,
    disable_version_flag = true
)]
pub struct Args {
    /// Number of this invoker, which no other of the deployment has
    /// [default: the number at the end of --unique-name] [env: INVOKER_ID]
    #[arg(verbatim_doc_comment, long, value_name = "NUMBER", help_heading = INVOKER)]
    id: Option<String>,

    /// Name of this invoker, for people
    /// [env: INVOKER_NAME]
    #[arg(verbatim_doc_comment, long, alias = "uniqueName", value_name = "NAME", help_heading = INVOKER)]
    unique_name: Option<String>,

    /// Where gRPC is served to controllers. Mutual TLS by
    /// oxwhisk.grpc.tls.{authority,certificate,key}; without it on
    /// loopback only, or with oxwhisk.grpc.insecure-plaintext
    /// [default: 127.0.0.1:9096] [env: CONFIG_oxwhisk_grpc_listen]
    #[arg(verbatim_doc_comment, long, value_name = "ADDRESS", help_heading = INVOKER)]
    grpc_listen: Option<String>,

    /// Address at which controllers reach it [default: where it listens;
    /// on all addresses, the host's name]
    /// [env: CONFIG_oxwhisk_grpc_advertise]
    #[arg(verbatim_doc_comment, long, value_name = "ADDRESS", help_heading = INVOKER)]
    grpc_advertise: Option<String>,

    /// Brokers of Kafka: HOST:PORT,...; how it is secured is said by oxwhisk.kafka.*
    /// [env: KAFKA_HOSTS]
    #[arg(verbatim_doc_comment, long, value_name = "HOSTS", help_heading = INVOKER)]
    kafka_hosts: Option<String>,

    /// Where health, readiness and metrics are served: IP:PORT
    /// [default: 127.0.0.1:8086] [env: CONFIG_oxwhisk_ops_listen]
    #[arg(verbatim_doc_comment, long, value_name = "ADDRESS", help_heading = INVOKER)]
    ops_listen: Option<String>,

    /// Configuration file (.toml, .yaml or .json); variables and flags win over it
    #[arg(short, long, value_name = "FILE", help_heading = INVOKER)]
    config_file: Option<PathBuf>,

    /// Write {"api":ADDRESS,"pid":N} to this file once work is taken
    #[arg(long, value_name = "FILE", help_heading = INVOKER)]
    pub(crate) ready_file: Option<PathBuf>,

    /// Time that running activations get to finish when the invoker is stopped
    /// [default: 1 minute] [env: CONFIG_oxwhisk_shutdownGrace]
    #[arg(verbatim_doc_comment, long, value_name = "DURATION", help_heading = INVOKER)]
    shutdown_grace: Option<String>,

    /// What makes containers: 'sandbox' (processes of this machine) or 'docker'
    /// [default: sandbox] [env: CONFIG_oxwhisk_containerFactory]
    #[arg(verbatim_doc_comment, long, value_name = "NAME", help_heading = ACTIONS)]
    container_factory: Option<String>,

    /// Where sandboxes keep files while they run
    /// [default: ~/.openwhisk/invoker<NUMBER>] [env: CONFIG_oxwhisk_dataDir]
    #[arg(verbatim_doc_comment, short, long, value_name = "DIR", help_heading = ACTIONS)]
    data_dir: Option<String>,

    /// Runtimes manifest: which kinds of actions there are
    /// [default: Node.js and Python] [env: CONFIG_oxwhisk_runtimesManifestFile,
    /// or the JSON in RUNTIMES_MANIFEST]
    #[arg(verbatim_doc_comment, short, long, value_name = "FILE", help_heading = ACTIONS)]
    manifest: Option<String>,

    /// Memory of all containers together
    /// [default: half of the machine's, at least 1024 MB]
    /// [env: CONFIG_whisk_containerPool_userMemory]
    #[arg(verbatim_doc_comment, long, value_name = "SIZE", help_heading = ACTIONS)]
    user_memory: Option<String>,

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
    ("--id", "oxwhisk.invoker.id"),
    ("--unique-name", "oxwhisk.invoker.name"),
    ("--grpc-listen", "oxwhisk.grpc.listen"),
    ("--grpc-advertise", "oxwhisk.grpc.advertise"),
    ("--kafka-hosts", "whisk.kafka.hosts"),
    ("--ops-listen", "oxwhisk.ops.listen"),
    ("--shutdown-grace", "oxwhisk.shutdown-grace"),
    ("--container-factory", "oxwhisk.container-factory"),
    ("--data-dir", "oxwhisk.data-dir"),
    ("--manifest", "oxwhisk.runtimes-manifest-file"),
    ("--user-memory", "whisk.container-pool.user-memory"),
];

/// The codes it can end with.
const CODES: &[(Exit, &str)] = &[
    (Exit::Stopped, "stopped on request; what was running has finished"),
    (Exit::Usage, "wrong use: an unknown flag, or a flag with a value or file that cannot be used"),
    (Exit::Unavailable, "an address or port cannot be had"),
    (Exit::Software, "an internal fault"),
    (Exit::System, "this machine cannot run containers"),
    (Exit::CannotCreate, "a directory or the ready file cannot be had"),
    (Exit::Config, "wrong configuration, certificate or credentials, or Kafka refuses them"),
];

/// OpenWhisk's flat variables for its invoker, and what is like them.
const VARIABLES: &[(&str, &str)] = &[
    ("INVOKER_ID", "oxwhisk.invoker.id"),
    ("INVOKER_NAME", "oxwhisk.invoker.name"),
    ("KAFKA_HOSTS", "whisk.kafka.hosts"),
    ("WHISK_API_HOST_URL", "whisk.config.whisk-api-host-url"),
];

impl CommandLine for Args {
    const OPEN_TABLES: &'static [&'static str] = &oxwhisk_kafka::config::OPEN_TABLES;
    const VARIABLES: &'static [(&'static str, &'static str)] = VARIABLES;

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
            "--id" => self.id.as_ref(),
            "--unique-name" => self.unique_name.as_ref(),
            "--grpc-listen" => self.grpc_listen.as_ref(),
            "--grpc-advertise" => self.grpc_advertise.as_ref(),
            "--kafka-hosts" => self.kafka_hosts.as_ref(),
            "--ops-listen" => self.ops_listen.as_ref(),
            "--shutdown-grace" => self.shutdown_grace.as_ref(),
            "--container-factory" => self.container_factory.as_ref(),
            "--data-dir" => self.data_dir.as_ref(),
            "--manifest" => self.manifest.as_ref(),
            "--user-memory" => self.user_memory.as_ref(),
            _ => None,
        }
    }
}

fn after_help() -> String {
    format!(
        "\
Configuration:
  Defaults, then --config-file, then the environment, then flags: the later wins. Keys are OpenWhisk's:
  whisk.time-limit.max in a file is CONFIG_whisk_timeLimit_max in the environment. --dump-config shows them all.
  Durations read '10 minutes', '5m', '100 ms'; sizes '256 MB', '2048m'. WHISK_API_HOST_NAME says where actions
  find the API. docs/invoker.md explains each key.

Exit codes:
{}
Examples:
  invoker --id 0 --kafka-hosts kafka:9092 -c invoker.toml
  INVOKER_NAME=owdev-invoker-3 KAFKA_HOSTS=kafka:9092 WHISK_API_HOST_NAME=example.org invoker
  CONFIG_whisk_containerPool_userMemory=4g invoker --id 0 --dump-config
",
        exit::table(CODES)
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
            let args = Args::try_parse_from(["invoker", flag, "x"]).expect("any text is taken");
            assert_eq!(args.text_of(flag).map(String::as_str), Some("x"), "{flag}");
            let command = Args::command();
            let arg = command.get_arguments().find(|arg| arg.get_long() == flag.strip_prefix("--"));
            let help = arg.and_then(|arg| arg.get_help()).expect("every flag has help").to_string();
            let (_, named) = help.split_once("[env: ").expect("the help names a variable");
            let variable = named.split([']', ',']).next().unwrap_or_default();
            let own = VARIABLES.iter().find(|(name, _)| *name == variable).map(|(_, key)| *key);
            let of_variable = own
                .or_else(|| openwhisk::key_of_legacy(variable))
                .map(str::to_owned)
                .or_else(|| names::key_of_variable(variable));
            assert_eq!(of_variable.as_deref(), Some(*key), "{flag}");
        }
    }

    #[test]
    fn the_help_tells_groups_codes_and_examples() {
        let help = Args::command().render_help().to_string();
        for part in [INVOKER, ACTIONS, "Logging", OTHER, "Exit codes:", "  64   ", "  78   ", "Examples:"] {
            assert!(help.contains(part), "'{part}' is not in {help}");
        }
        assert!(help.lines().all(|line| line.chars().count() <= 112), "{help}");
    }
}

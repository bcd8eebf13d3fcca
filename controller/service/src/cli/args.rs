//! The flags. Those that set a key of the configuration are carried as text: the configuration reads and checks all
//! layers alike, and names the flag when a value is wrong.

use std::path::{Path, PathBuf};

use clap::builder::styling::{AnsiColor, Styles};
use clap::{ArgAction, Parser};
use oxwhisk_config::Layers;
use oxwhisk_settings::{CommandLine, Exit, LogFlags, exit};

use crate::config;

const SERVICE: &str = "Service";
const OTHERS: &str = "Other services";
const TICKETS: &str = "Tickets";
const USERS: &str = "Actions and users";
const OTHER: &str = "Other";

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Yellow.on_default().bold())
    .usage(AnsiColor::Yellow.on_default().bold())
    .literal(AnsiColor::Green.on_default())
    .placeholder(AnsiColor::Cyan.on_default());

const ABOUT: &str = "\
The controller of Oxwhisk, a serverless platform compatible with Apache OpenWhisk.

Serves the public REST API, and to invokers, other controllers and administrators gRPC. Keeps entities and
records in CouchDB, work in Kafka; any number of controllers share them. It starts while those are away, says
so, and is ready when they are there.";

/// The command line of `controller`.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "controller",
    bin_name = "controller",
    version,
    about = ABOUT,
    long_about = None,
    styles = STYLES,
    after_help = after_help(),
    disable_help_flag = true,
    disable_version_flag = true
)]
pub struct Args {
    /// The same as --id, as OpenWhisk's controller has it
    #[arg(value_name = "ID", conflicts_with = "id", help_heading = SERVICE)]
    instance: Option<String>,

    /// Number of this controller among those of the cluster; it is called
    /// controller<ID>, in its certificate too [default: 0]
    /// [env: CONFIG_oxwhisk_controller_id]
    #[arg(verbatim_doc_comment, long, value_name = "ID", help_heading = SERVICE)]
    id: Option<String>,

    /// Its name, if it is another [env: CONTROLLER_NAME]
    #[arg(verbatim_doc_comment, long, value_name = "NAME", help_heading = SERVICE)]
    name: Option<String>,

    /// Port of the public API; 0 takes any free one [default: 10001]
    /// [env: PORT]
    #[arg(verbatim_doc_comment, short, long, value_name = "PORT", help_heading = SERVICE)]
    port: Option<String>,

    /// IP address of the public API [default: 0.0.0.0]
    /// [env: CONFIG_whisk_controller_interface]
    #[arg(verbatim_doc_comment, long, value_name = "ADDRESS", help_heading = SERVICE)]
    host: Option<String>,

    /// Configuration file (.toml, .yaml or .json); variables and flags win over it
    #[arg(short, long, value_name = "FILE", help_heading = SERVICE)]
    config_file: Option<PathBuf>,

    /// Write {"api":URL,"pid":N} to this file once the controller takes requests
    #[arg(long, value_name = "FILE", help_heading = SERVICE)]
    pub ready_file: Option<PathBuf>,

    /// Time that running activations get to finish when the controller is stopped
    /// [default: 1 minute] [env: CONFIG_oxwhisk_shutdownGrace]
    #[arg(verbatim_doc_comment, long, value_name = "DURATION", help_heading = SERVICE)]
    shutdown_grace: Option<String>,

    /// Where gRPC is served to invokers, controllers and administrators.
    /// Mutual TLS by oxwhisk.grpc.tls.{authority,certificate,key}; without it
    /// on loopback only, or with oxwhisk.grpc.insecure-plaintext
    /// [default: 127.0.0.1:9090]
    /// [env: CONFIG_oxwhisk_grpc_listen]
    #[arg(verbatim_doc_comment, long, value_name = "ADDRESS", help_heading = OTHERS)]
    grpc_listen: Option<String>,

    /// Address at which others reach it [default: where it listens; if that is
    /// everywhere, the host's name] [env: CONFIG_oxwhisk_grpc_advertise]
    #[arg(verbatim_doc_comment, long, value_name = "ADDRESS", help_heading = OTHERS)]
    grpc_advertise: Option<String>,

    /// Kafka's brokers, host:port,... Users, passwords and TLS are below
    /// oxwhisk.kafka [env: KAFKA_HOSTS]
    #[arg(verbatim_doc_comment, long, value_name = "HOSTS", help_heading = OTHERS)]
    kafka_hosts: Option<String>,

    /// CouchDB's host; whisk.couchdb has port, user, databases and the rest
    /// [default: localhost] [env: DB_HOST]
    #[arg(verbatim_doc_comment, long, value_name = "HOST", help_heading = OTHERS)]
    couchdb_host: Option<String>,

    /// Keys under which controllers make and check tickets; all have the
    /// same: a line id:base64 each
    /// [env: CONFIG_oxwhisk_tickets_controllerKeysFile]
    #[arg(verbatim_doc_comment, long, value_name = "FILE", help_heading = TICKETS)]
    controller_keys: Option<String>,

    /// Keys for those who issue cache tokens, other keys than the controllers'
    /// [env: CONFIG_oxwhisk_tickets_cacheProxyKeysFile]
    #[arg(verbatim_doc_comment, long, value_name = "FILE", help_heading = TICKETS)]
    cache_proxy_keys: Option<String>,

    /// Write a new key to a file that is not there yet, and exit
    #[arg(long, value_name = "FILE", help_heading = TICKETS)]
    generate_ticket_keys: Option<PathBuf>,

    /// Runtimes manifest: which kinds of actions there are
    /// [default: Node.js and Python]
    /// [env: CONFIG_oxwhisk_runtimesManifestFile, or the JSON in RUNTIMES_MANIFEST]
    #[arg(verbatim_doc_comment, short, long, value_name = "FILE", help_heading = USERS)]
    manifest: Option<String>,

    /// Users to be put into the store at start: a JSON list of
    /// {"subject", "namespace", "uuid", "key", "limits"?, "blocked"?}
    /// [env: CONFIG_oxwhisk_usersFile]
    #[arg(verbatim_doc_comment, long, value_name = "FILE", help_heading = USERS)]
    users: Option<String>,

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
    ("--id", "oxwhisk.controller.id"),
    ("--name", "oxwhisk.controller.name"),
    ("--port", "oxwhisk.port"),
    ("--host", "whisk.controller.interface"),
    ("--shutdown-grace", "oxwhisk.shutdown-grace"),
    ("--grpc-listen", "oxwhisk.grpc.listen"),
    ("--grpc-advertise", "oxwhisk.grpc.advertise"),
    ("--kafka-hosts", "whisk.kafka.hosts"),
    ("--couchdb-host", "whisk.couchdb.host"),
    ("--controller-keys", "oxwhisk.tickets.controller-keys-file"),
    ("--cache-proxy-keys", "oxwhisk.tickets.cache-proxy-keys-file"),
    ("--manifest", "oxwhisk.runtimes-manifest-file"),
    ("--users", "oxwhisk.users-file"),
];

/// The codes this service ends with.
const CODES: [(Exit, &str); 6] = [
    (Exit::Stopped, "stopped on request; what was running has finished"),
    (Exit::Usage, "wrong use: an unknown flag, or a flag with a value or file that cannot be used"),
    (Exit::Unavailable, "an address or port cannot be had"),
    (Exit::Software, "an internal fault"),
    (Exit::CannotCreate, "the ready file or a file of keys cannot be written"),
    (Exit::Config, "wrong configuration, or one that Kafka does not accept"),
];

impl CommandLine for Args {
    const OPEN_TABLES: &'static [&'static str] = &config::OPEN_TABLES;
    const VARIABLES: &'static [(&'static str, &'static str)] = config::VARIABLES;

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
    pub(super) fn generate_ticket_keys(&self) -> Option<&Path> {
        self.generate_ticket_keys.as_deref()
    }

    fn text_of(&self, flag: &str) -> Option<&String> {
        match flag {
            "--id" => self.id.as_ref().or(self.instance.as_ref()),
            "--name" => self.name.as_ref(),
            "--port" => self.port.as_ref(),
            "--host" => self.host.as_ref(),
            "--shutdown-grace" => self.shutdown_grace.as_ref(),
            "--grpc-listen" => self.grpc_listen.as_ref(),
            "--grpc-advertise" => self.grpc_advertise.as_ref(),
            "--kafka-hosts" => self.kafka_hosts.as_ref(),
            "--couchdb-host" => self.couchdb_host.as_ref(),
            "--controller-keys" => self.controller_keys.as_ref(),
            "--cache-proxy-keys" => self.cache_proxy_keys.as_ref(),
            "--manifest" => self.manifest.as_ref(),
            "--users" => self.users.as_ref(),
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
  whisk.kafka.hosts in a file is CONFIG_whisk_kafka_hosts in the environment. --dump-config shows them all.
  Durations read '10 minutes', '5m', '100 ms'; sizes '256 MB', '2048m'.

Exit codes:
{codes}
Examples:
  controller --generate-ticket-keys controllers.keys
  controller --generate-ticket-keys cache-proxies.keys
  controller 0 -c c.toml --controller-keys controllers.keys --cache-proxy-keys cache-proxies.keys
  CONFIG_whisk_couchdb_port=5984 KAFKA_HOSTS=kafka-0:9092 controller --id 1 --dump-config
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
            let args = Args::try_parse_from(["controller", flag, "x"]).expect("any text is taken");
            assert_eq!(args.text_of(flag).map(String::as_str), Some("x"), "{flag}");
            let command = Args::command();
            let arg = command.get_arguments().find(|arg| arg.get_long() == flag.strip_prefix("--"));
            let help = arg.and_then(|arg| arg.get_help()).expect("every flag has help").to_string();
            let (_, named) = help.split_once("[env: ").expect("the help names a variable");
            let variable = named.split([']', ',']).next().unwrap_or_default();
            let own = Args::VARIABLES.iter().find(|(name, _)| *name == variable).map(|(_, key)| *key);
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
        for part in [
            SERVICE,
            OTHERS,
            TICKETS,
            USERS,
            "Logging",
            OTHER,
            "Exit codes:",
            "  64   ",
            "  78   ",
            "Examples:",
        ] {
            assert!(help.contains(part), "'{part}' is not in {help}");
        }
        assert!(help.lines().all(|line| line.chars().count() <= 112), "{help}");
    }

    #[test]
    fn the_number_may_stand_alone_as_openwhisk_has_it() {
        let args = Args::try_parse_from(["controller", "3"]).expect("taken");
        assert_eq!(args.text_of("--id").map(String::as_str), Some("3"));
        assert!(Args::try_parse_from(["controller", "3", "--id", "4"]).is_err());
    }
}

//! Reading [`DockerConfig`] from a service's settings, by OpenWhisk's keys where it has them.

use std::ffi::OsString;
use std::path::PathBuf;

use oxwhisk_config::{Setting, Settings, setting};
use oxwhisk_core::id::InvokerId;
use oxwhisk_core::size::ByteSize;

use crate::address::EngineAddress;
use crate::config::{ContainerConfig, DockerConfig, LogFiles, Retry, Timeouts};
use crate::extra_args;
use crate::images::{ImageRules, TaggedPull};

const ARGS: &str = "whisk.container-factory.container-args";
const CLIENT: &str = "whisk.docker.client";
const USER_CPUS: &str = "whisk.container-pool.user-cpus";

/// What the service knows by itself.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    pub invoker: InvokerId,
    /// Bytes that all containers together may have.
    pub user_memory: u64,
    /// The service's environment: an extra variable named without value takes the one it has here.
    pub environment: &'a [(OsString, OsString)],
}

impl DockerConfig {
    /// Reads what an operator may say about Docker; faults are the settings' to report.
    pub fn read(settings: &mut Settings, known: &Known<'_>) -> Self {
        let Address(address) = settings.value("oxwhisk.docker.host", Address(EngineAddress::default()));
        let cluster = settings.value("whisk.cluster.name", "whisk".to_owned());
        let default = Self::new(address, cluster, known.invoker);
        Self {
            unique_name: read_unique_name(settings),
            containers: read_containers(settings, known),
            images: read_images(settings),
            credentials: settings.optional::<PathBuf>("oxwhisk.docker.credentials"),
            parallel_runs: settings
                .value(&format!("{CLIENT}.parallel-runs"), ParallelRuns(default.parallel_runs))
                .0,
            timeouts: read_timeouts(settings),
            retry: read_retry(settings),
            freeze_directly: settings
                .value("whisk.docker.container-factory.use-runc", default.freeze_directly),
            ..default
        }
    }
}

fn read_unique_name(settings: &mut Settings) -> String {
    const KEY: &str = "oxwhisk.docker.unique-name";
    let name = settings.value(KEY, String::new());
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) || name.len() > 32 {
        settings.fault(KEY, format!("'{name}' is not up to 32 letters and digits"));
        return String::new();
    }
    name
}

fn read_containers(settings: &mut Settings, known: &Known<'_>) -> ContainerConfig {
    let default = ContainerConfig::default();
    ContainerConfig {
        network: read_network(settings, default.network),
        dns_servers: settings.list(&format!("{ARGS}.dns-servers")),
        dns_search: settings.list(&format!("{ARGS}.dns-search")),
        dns_options: settings.list(&format!("{ARGS}.dns-options")),
        environment: read_environment(settings, known.environment),
        extra_args: read_extra_args(settings),
        user_cpus: settings.optional::<Cpus>(USER_CPUS).map(|cpus| cpus.0),
        user_memory: known.user_memory,
        logs: read_log_files(settings, default.logs),
        ..default
    }
}

/// Containers need an address each, since all of them listen on the same port.
fn read_network(settings: &mut Settings, default: String) -> String {
    let key = format!("{ARGS}.network");
    let network = settings.value(&key, default);
    if matches!(network.as_str(), "" | "host" | "none") || network.starts_with("container:") {
        settings.fault(&key, format!("'{network}' gives containers no address of their own"));
    }
    network
}

fn read_environment(settings: &mut Settings, own: &[(OsString, OsString)]) -> Vec<(String, String)> {
    let key = format!("{ARGS}.extra-env-vars");
    let mut variables = Vec::new();
    for element in settings.list(&key) {
        let (name, value) = match element.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (element.clone(), value_of(own, &element)),
        };
        match value {
            _ if name.is_empty() => settings.fault(&key, format!("'{element}' names no variable")),
            Some(value) => variables.push((name, value)),
            None => settings
                .warn(format!("{key}: '{name}' has no value and is not in the environment: it is left out")),
        }
    }
    variables
}

fn value_of(environment: &[(OsString, OsString)], name: &str) -> Option<String> {
    let (_, value) = environment.iter().find(|(key, _)| key == name)?;
    value.to_str().map(str::to_owned)
}

fn read_extra_args(settings: &mut Settings) -> std::collections::BTreeMap<String, Vec<String>> {
    let table = format!("{ARGS}.extra-args");
    let args = settings.list_table(&table);
    for (name, values) in &args {
        if let Err(error) = extra_args::check(name, values) {
            settings.fault(&format!("{table}.{name}"), error);
        }
    }
    args
}

fn read_log_files(settings: &mut Settings, default: LogFiles) -> LogFiles {
    const DRIVER: &str = "oxwhisk.docker.log.driver";
    const MAX_SIZE: &str = "oxwhisk.docker.log.max-size";
    const MAX_FILES: &str = "oxwhisk.docker.log.max-files";
    let driver = settings.value(DRIVER, default.driver);
    if !matches!(driver.as_str(), "json-file" | "local") {
        settings.fault(
            DRIVER,
            format!("'{driver}' is neither 'json-file' nor 'local', which alone can be read back"),
        );
    }
    let max_size = settings.value(MAX_SIZE, ByteSize::bytes(default.max_size)).as_bytes();
    let max_files = settings.value(MAX_FILES, default.max_files);
    if max_size < 1 << 16 {
        settings.fault(MAX_SIZE, "is less than 64 KB");
    }
    if max_files < 2 {
        settings.fault(MAX_FILES, "must be at least 2: the one being read would be emptied");
    }
    LogFiles { driver, max_size, max_files }
}

fn read_images(settings: &mut Settings) -> ImageRules {
    let default = ImageRules::default();
    ImageRules {
        runtimes_registry: settings
            .value("whisk.container-factory.runtimes-registry.url", default.runtimes_registry),
        user_images_registry: settings
            .value("whisk.container-factory.user-images-registry.url", default.user_images_registry),
        bypass_pull_for_local_images: settings
            .value("whisk.runtimes.bypass-pull-for-local-images", default.bypass_pull_for_local_images),
        local_prefix: settings.value("whisk.runtimes.local-image-prefix", default.local_prefix),
        tagged: settings.value("oxwhisk.docker.pull-tagged", Tagged(default.tagged)).0,
    }
}

fn read_timeouts(settings: &mut Settings) -> Timeouts {
    let default = Timeouts::default();
    let mut read = |name: &str, default| settings.value(&format!("{CLIENT}.timeouts.{name}"), default);
    let timeouts = Timeouts {
        run: read("run", default.run),
        remove: read("rm", default.remove),
        list: read("ps", default.list),
        inspect: read("inspect", default.inspect),
        pull: read("pull", default.pull),
        pause: read("pause", default.pause),
        unpause: read("unpause", default.unpause),
        version: read("version", default.version),
        stream: default.stream,
    };
    Timeouts { stream: settings.value("oxwhisk.docker.timeouts.stream", default.stream), ..timeouts }
}

fn read_retry(settings: &mut Settings) -> Retry {
    const ATTEMPTS: &str = "oxwhisk.docker.retry.attempts";
    let default = Retry::default();
    let attempts = settings.value(ATTEMPTS, default.attempts);
    if attempts == 0 {
        settings.fault(ATTEMPTS, "must be at least 1");
    }
    Retry {
        attempts: attempts.max(1),
        first_pause: settings.value("oxwhisk.docker.retry.first-pause", default.first_pause),
        max_pause: settings.value("oxwhisk.docker.retry.max-pause", default.max_pause),
        logs: settings.value("oxwhisk.docker.retry.logs", default.logs),
    }
}

struct Address(EngineAddress);

impl Setting for Address {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map(Self)
    }

    fn literal(&self) -> String {
        setting::quoted(&self.0.to_string())
    }
}

struct Tagged(TaggedPull);

impl Setting for Tagged {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "if-absent" => Ok(Self(TaggedPull::IfAbsent)),
            "always" => Ok(Self(TaggedPull::Always)),
            _ => Err(format!("'{text}' is neither 'if-absent' nor 'always'")),
        }
    }

    fn literal(&self) -> String {
        setting::quoted(match self.0 {
            TaggedPull::IfAbsent => "if-absent",
            TaggedPull::Always => "always",
        })
    }
}

/// 0 and less set no bound, as in OpenWhisk.
struct ParallelRuns(Option<usize>);

impl Setting for ParallelRuns {
    fn read(text: &str) -> Result<Self, String> {
        let number: i32 = text.trim().parse().map_err(|_| format!("'{text}' is not a whole number"))?;
        Ok(Self(usize::try_from(number).ok().filter(|number| *number > 0)))
    }

    fn literal(&self) -> String {
        self.0.unwrap_or(0).to_string()
    }
}

struct Cpus(f64);

impl Setting for Cpus {
    fn read(text: &str) -> Result<Self, String> {
        match text.trim().parse() {
            Ok(cpus) if f64::is_finite(cpus) && cpus > 0.0 => Ok(Self(cpus)),
            _ => Err(format!("'{text}' is not a number of processors such as '3.5'")),
        }
    }

    fn literal(&self) -> String {
        format!("{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use oxwhisk_config::Layers;

    use super::*;

    fn read(variables: &[(&str, &str)]) -> (DockerConfig, Result<oxwhisk_config::Loaded, String>) {
        let mut layers = Layers::new(&[]);
        let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        layers.add_environment(variables);
        let mut settings = layers.into_settings();
        let own = [("TZ".into(), "UTC".into())];
        let known = Known { invoker: InvokerId(3), user_memory: 1 << 30, environment: &own };
        let config = DockerConfig::read(&mut settings, &known);
        (config, settings.finish().map_err(|faults| faults.to_string()))
    }

    #[test]
    fn openwhisks_names_are_understood() {
        let (config, loaded) = read(&[
            ("CONFIG_whisk_containerFactory_containerArgs_network", "actions"),
            ("CONFIG_whisk_containerFactory_containerArgs_dnsServers_0", "8.8.8.8"),
            ("CONFIG_whisk_containerFactory_containerArgs_dnsSearch_0", "example.com"),
            ("CONFIG_whisk_containerFactory_containerArgs_dnsOptions_0", "ndots:1"),
            ("CONFIG_whisk_containerFactory_containerArgs_extraEnvVars_0", "__OW_ALLOW_CONCURRENT=true"),
            ("CONFIG_whisk_containerFactory_containerArgs_extraEnvVars_1", "TZ"),
            ("CONFIG_whisk_containerFactory_containerArgs_extraEnvVars_2", "ABSENT"),
            ("CONFIG_whisk_containerFactory_containerArgs_extraArgs_addHost_0", "api:10.0.0.1"),
            ("CONFIG_whisk_containerFactory_runtimesRegistry_url", "reg.example.com/"),
            ("CONFIG_whisk_containerFactory_userImagesRegistry_url", "users.example.com"),
            ("CONFIG_whisk_docker_client_parallelRuns", "-1"),
            ("CONFIG_whisk_docker_client_timeouts_run", "2 minutes"),
            ("CONFIG_whisk_docker_client_timeouts_rm", "7 s"),
            ("CONFIG_whisk_docker_containerFactory_useRunc", "false"),
            ("CONFIG_whisk_runtimes_bypassPullForLocalImages", "true"),
            ("CONFIG_whisk_runtimes_localImagePrefix", "mine"),
            ("CONFIG_whisk_containerPool_userCpus", "2.5"),
            ("CONFIG_whisk_cluster_name", "blue"),
        ]);
        let loaded = loaded.unwrap();
        assert_eq!((config.cluster.as_str(), config.invoker), ("blue", InvokerId(3)));
        let containers = &config.containers;
        assert_eq!((containers.network.as_str(), containers.user_cpus), ("actions", Some(2.5)));
        assert_eq!(containers.dns_servers, ["8.8.8.8"]);
        assert_eq!(
            (&containers.dns_search[0], &containers.dns_options[0]),
            (&"example.com".into(), &"ndots:1".into())
        );
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(containers.environment, [pair("__OW_ALLOW_CONCURRENT", "true"), pair("TZ", "UTC")]);
        assert_eq!(containers.extra_args["add-host"], ["api:10.0.0.1"]);
        assert_eq!((config.parallel_runs, config.freeze_directly), (None, false));
        assert_eq!(
            (config.timeouts.run, config.timeouts.remove),
            (Duration::from_secs(120), Duration::from_secs(7))
        );
        assert!(config.images.bypass_pull_for_local_images && config.images.local_prefix == "mine");
        assert_eq!(config.images.runtimes_registry, "reg.example.com/");
        assert_eq!(loaded.warnings.len(), 1);
        assert!(loaded.warnings[0].contains("'ABSENT'"), "{:?}", loaded.warnings);
    }

    #[test]
    fn the_defaults_are_openwhisks() {
        let (config, loaded) = read(&[]);
        assert!(loaded.unwrap().warnings.is_empty());
        assert_eq!((config.containers.network.as_str(), config.parallel_runs), ("bridge", Some(10)));
        assert_eq!((config.containers.pids_limit, config.containers.open_files), (1024, 1024));
        assert_eq!(
            (config.timeouts.pull, config.timeouts.pause),
            (Duration::from_secs(600), Duration::from_secs(10))
        );
        assert_eq!(config.address.to_string(), "unix:///var/run/docker.sock");
    }

    #[test]
    fn every_fault_is_named() {
        let (_, loaded) = read(&[
            ("CONFIG_oxwhisk_docker_host", "nowhere"),
            ("CONFIG_oxwhisk_docker_uniqueName", "a-b"),
            ("CONFIG_oxwhisk_docker_log_driver", "syslog"),
            ("CONFIG_oxwhisk_docker_log_maxFiles", "1"),
            ("CONFIG_oxwhisk_docker_retry_attempts", "0"),
            ("CONFIG_whisk_containerFactory_containerArgs_network", "host"),
            ("CONFIG_whisk_containerFactory_containerArgs_extraArgs_privileged_0", "true"),
            ("CONFIG_whisk_containerPool_userCpus", "-1"),
        ]);
        let faults = loaded.unwrap_err();
        for part in ["nowhere", "a-b", "syslog", "maxFiles", "attempts", "'host'", "privileged", "'-1'"] {
            assert!(faults.contains(part), "{part} is not in {faults}");
        }
    }
}

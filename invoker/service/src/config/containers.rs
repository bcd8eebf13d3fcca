//! What makes the containers.

use std::path::PathBuf;

use oxwhisk_config::{Setting, Settings, setting};
use oxwhisk_invoker_settings::Machine;

use super::api_host::{self, ApiRelay};
use super::{Identity, Known};

const FACTORY: &str = "oxwhisk.container-factory";
/// OpenWhisk names a class.
const PROVIDER: &str = "whisk.spi.ContainerFactoryProvider";
const DATA_DIR: &str = "oxwhisk.data-dir";

/// A container factory with its settings.
#[derive(Clone, Debug)]
pub enum Containers {
    Sandbox(SandboxSettings),
    #[cfg(feature = "docker")]
    Docker(Box<oxwhisk_docker::DockerConfig>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxSettings {
    /// Of this invoker alone; what it keeps is of no use once it has ended.
    pub data_dir: PathBuf,
    pub relay: Option<ApiRelay>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Sandbox,
    #[cfg(feature = "docker")]
    Docker,
}

impl Setting for Kind {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "sandbox" => Ok(Self::Sandbox),
            #[cfg(feature = "docker")]
            "docker" => Ok(Self::Docker),
            #[cfg(not(feature = "docker"))]
            "docker" => Err("'docker' is not in this build: it needs the cargo feature 'docker'".to_owned()),
            _ => Err(format!("'{text}' is neither 'sandbox' nor 'docker'")),
        }
    }

    fn literal(&self) -> String {
        setting::quoted(match self {
            Self::Sandbox => "sandbox",
            #[cfg(feature = "docker")]
            Self::Docker => "docker",
        })
    }
}

/// What OpenWhisk's class stands for here.
struct Provider(Kind, String);

impl Setting for Provider {
    fn read(text: &str) -> Result<Self, String> {
        let class = text.rsplit('.').next().unwrap_or(text);
        match class {
            "DockerContainerFactoryProvider" | "StandaloneDockerContainerFactoryProvider" => {
                Ok(Self(Kind::read("docker")?, text.to_owned()))
            }
            _ => Err(format!(
                "'{text}' is not among the container factories here; {FACTORY} names those there are"
            )),
        }
    }

    fn literal(&self) -> String {
        setting::quoted(&self.1)
    }
}

pub(super) fn read(
    settings: &mut Settings,
    identity: Option<&Identity>,
    machine: &Machine,
    known: &Known<'_>,
) -> Option<Containers> {
    let provider: Option<Provider> = settings.optional(PROVIDER);
    let default = provider.map_or(Kind::Sandbox, |Provider(kind, _)| kind);
    match settings.value(FACTORY, default) {
        Kind::Sandbox => Some(Containers::Sandbox(read_sandbox(settings, identity, machine)?)),
        #[cfg(feature = "docker")]
        Kind::Docker => {
            let known = oxwhisk_docker::Known {
                invoker: identity?.id,
                user_memory: known.user_memory,
                environment: known.environment,
            };
            Some(Containers::Docker(Box::new(oxwhisk_docker::DockerConfig::read(settings, &known))))
        }
    }
}

fn read_sandbox(
    settings: &mut Settings,
    identity: Option<&Identity>,
    machine: &Machine,
) -> Option<SandboxSettings> {
    let relay = api_host::read_relay(settings);
    let default = |home: &PathBuf| Some(home.join(format!(".openwhisk/{}", identity?.id)));
    let data_dir = match machine.home.as_ref().and_then(default) {
        Some(default) => Some(settings.value(DATA_DIR, default)),
        None => {
            let given = settings.optional(DATA_DIR);
            if given.is_none() && machine.home.is_none() {
                settings.fault(
                    DATA_DIR,
                    "HOME is not set, so a directory for sandboxes must be given (--data-dir)",
                );
            }
            given
        }
    };
    Some(SandboxSettings { data_dir: data_dir?, relay })
}

//! What the daemon is asked to create. Pure.

use std::collections::HashMap;

use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig, ResourcesUlimits};
use oxwhisk_container::ContainerSpec;

use crate::config::{ContainerConfig, LogFiles};
use crate::extra_args;
use crate::images::Image;
use crate::names::Owner;

/// Capabilities that Docker gives and OpenWhisk takes away.
const CAP_DROP: [&str; 2] = ["NET_RAW", "NET_ADMIN"];

/// The request for a container.
pub(crate) fn of(
    spec: &ContainerSpec,
    image: &Image,
    owner: &Owner,
    config: &ContainerConfig,
) -> ContainerCreateBody {
    let mut host = host_config(spec, config);
    let mut labels = owner.labels(&spec.kind);
    extra_args::apply(&config.extra_args, &mut host, &mut labels);
    // An operator's label must not hide whose container it is.
    labels.extend(owner.labels(&spec.kind));
    ContainerCreateBody {
        image: Some(image.reference()),
        env: Some(environment(spec, config)),
        labels: Some(labels),
        // Else the two streams would be one.
        tty: Some(false),
        host_config: Some(host),
        ..ContainerCreateBody::default()
    }
}

/// Of two values for a name, the pool's: it knows whether the container takes concurrent runs.
fn environment(spec: &ContainerSpec, config: &ContainerConfig) -> Vec<String> {
    let of_pool = spec.env.iter();
    let of_operator =
        config.environment.iter().filter(|(name, _)| spec.env.iter().all(|(taken, _)| taken != name));
    of_pool.chain(of_operator).map(|(name, value)| format!("{name}={value}")).collect()
}

fn host_config(spec: &ContainerSpec, config: &ContainerConfig) -> HostConfig {
    let memory = i64::try_from(spec.memory).unwrap_or(i64::MAX);
    let open_files = i64::from(config.open_files);
    let list = |values: &[String]| (!values.is_empty()).then(|| values.to_vec());
    HostConfig {
        memory: Some(memory),
        // Memory and swap together: no more than memory alone, so no swap.
        memory_swap: Some(memory),
        cpu_shares: Some(i64::from(spec.cpu_shares)),
        nano_cpus: config.user_cpus.map(|cpus| nano_cpus(cpus, spec.memory, config.user_memory)),
        pids_limit: Some(i64::from(config.pids_limit)),
        ulimits: Some(vec![ResourcesUlimits {
            name: Some("nofile".to_owned()),
            soft: Some(open_files),
            hard: Some(open_files),
        }]),
        cap_drop: Some(CAP_DROP.map(str::to_owned).to_vec()),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        network_mode: Some(config.network.clone()),
        dns: list(&config.dns_servers),
        dns_search: list(&config.dns_search),
        dns_options: list(&config.dns_options),
        log_config: Some(log_config(&config.logs)),
        ..HostConfig::default()
    }
}

/// OpenWhisk's rule: a part as large as that of the memory, at least a hundredth of a processor, five decimals.
fn nano_cpus(user_cpus: f64, memory: u64, user_memory: u64) -> i64 {
    #[expect(clippy::cast_precision_loss, reason = "five decimals are kept")]
    let part = memory as f64 / user_memory.max(1) as f64;
    let cpus = (user_cpus * part).max(0.01);
    #[expect(clippy::cast_possible_truncation, reason = "a number of processors is far below the bound")]
    let hundred_thousandths = (cpus * 1e5).round() as i64;
    hundred_thousandths * 10_000
}

fn log_config(files: &LogFiles) -> HostConfigLogConfig {
    let options: HashMap<String, String> = [
        ("max-size".to_owned(), files.max_size.to_string()),
        ("max-file".to_owned(), files.max_files.to_string()),
    ]
    .into();
    HostConfigLogConfig { typ: Some(files.driver.clone()), config: Some(options) }
}

#[cfg(test)]
mod tests {
    use oxwhisk_core::id::InvokerId;

    use super::*;
    use crate::config::DockerConfig;
    use crate::images::ImageRules;

    fn spec() -> ContainerSpec {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        ContainerSpec {
            name: "wsk0_1_cold_nodejs_20".into(),
            kind: "nodejs:20".into(),
            image: "openwhisk/action-nodejs-v20".into(),
            user_provided_image: false,
            memory: 256 << 20,
            cpu_shares: 256,
            env: vec![pair("__OW_API_HOST", "http://api"), pair("__OW_ALLOW_CONCURRENT", "false")],
        }
    }

    fn body(config: &ContainerConfig) -> ContainerCreateBody {
        let spec = spec();
        let image = Image::resolve(&spec.image, false, &ImageRules::default()).unwrap();
        let owner = Owner::of(&DockerConfig::new(Default::default(), "blue", InvokerId(0)));
        of(&spec, &image, &owner, config)
    }

    #[test]
    fn the_limits_are_openwhisks() {
        let body = body(&ContainerConfig::default());
        assert_eq!(body.image.as_deref(), Some("openwhisk/action-nodejs-v20:latest"));
        let host = body.host_config.unwrap();
        assert_eq!((host.memory, host.memory_swap), (Some(256 << 20), Some(256 << 20)));
        assert_eq!((host.cpu_shares, host.nano_cpus, host.pids_limit), (Some(256), None, Some(1024)));
        assert_eq!(host.cap_drop.unwrap(), ["NET_RAW", "NET_ADMIN"]);
        assert_eq!(host.security_opt.unwrap(), ["no-new-privileges"]);
        assert_eq!((host.network_mode.as_deref(), host.dns), (Some("bridge"), None));
        let limit = &host.ulimits.unwrap()[0];
        assert_eq!((limit.name.as_deref(), limit.soft, limit.hard), (Some("nofile"), Some(1024), Some(1024)));
        let log = host.log_config.unwrap();
        assert_eq!((log.typ.as_deref(), log.config.unwrap()["max-file"].as_str()), (Some("json-file"), "3"));
        assert_eq!(host.privileged, None);
        assert_eq!((host.binds, host.mounts), (None, None));
    }

    #[test]
    fn the_environment_is_what_was_asked_for_and_nothing_else() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let environment = vec![pair("__OW_ALLOW_CONCURRENT", "true"), pair("TZ", "UTC")];
        let body = body(&ContainerConfig { environment, ..ContainerConfig::default() });
        let expected = ["__OW_API_HOST=http://api", "__OW_ALLOW_CONCURRENT=false", "TZ=UTC"];
        assert_eq!(body.env.unwrap(), expected);
    }

    #[test]
    fn an_operators_label_does_not_hide_whose_container_it_is() {
        let label = vec!["org.oxwhisk.invoker=9".to_owned(), "team=x".to_owned()];
        let extra_args = [("label".to_owned(), label)].into();
        let labels = body(&ContainerConfig { extra_args, ..ContainerConfig::default() }).labels.unwrap();
        assert_eq!((labels["org.oxwhisk.invoker"].as_str(), labels["team"].as_str()), ("0", "x"));
    }

    #[test]
    fn processors_are_divided_by_memory() {
        assert_eq!(nano_cpus(4.0, 256 << 20, 1 << 30), 1_000_000_000);
        assert_eq!(nano_cpus(1.0, 1 << 20, 3 << 20), 333_330_000);
        assert_eq!(nano_cpus(1.0, 1, 1 << 40), 10_000_000);
    }
}

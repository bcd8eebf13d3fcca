//! Options of `docker run` that an operator adds, as the API has them. Pure.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{HostConfig, ResourcesUlimits};

/// Those that are understood. Each is a decision: `privileged`, `volume` or `network` would undo what isolates actions.
const KNOWN: &[&str] = &[
    "add-host",
    "cap-add",
    "cap-drop",
    "group-add",
    "ipc",
    "label",
    "oom-score-adj",
    "runtime",
    "security-opt",
    "shm-size",
    "sysctl",
    "tmpfs",
    "ulimit",
    "userns",
];

/// Whether the option and its values can be applied.
///
/// # Errors
/// A text for people that says what is wrong.
pub(crate) fn check(name: &str, values: &[String]) -> Result<(), String> {
    if !KNOWN.contains(&name) {
        return Err(format!("'{name}' is none of {}", KNOWN.join(", ")));
    }
    apply_one(name, values, &mut HostConfig::default(), &mut HashMap::new())
}

/// Applies all; what [`check`] finds at fault is left out.
pub(crate) fn apply(
    args: &BTreeMap<String, Vec<String>>,
    host: &mut HostConfig,
    labels: &mut HashMap<String, String>,
) {
    for (name, values) in args {
        if let Err(error) = apply_one(name, values, host, labels) {
            tracing::error!(name, error, "an extra argument for containers is left out");
        }
    }
}

fn apply_one(
    name: &str,
    values: &[String],
    host: &mut HostConfig,
    labels: &mut HashMap<String, String>,
) -> Result<(), String> {
    let append = |list: &mut Option<Vec<String>>| list.get_or_insert_default().extend(values.iter().cloned());
    match name {
        "add-host" => append(&mut host.extra_hosts),
        "cap-add" => append(&mut host.cap_add),
        "cap-drop" => append(&mut host.cap_drop),
        "group-add" => append(&mut host.group_add),
        "security-opt" => append(&mut host.security_opt),
        "ipc" => host.ipc_mode = Some(last(values)?),
        "runtime" => host.runtime = Some(last(values)?),
        "userns" => host.userns_mode = Some(last(values)?),
        "oom-score-adj" => host.oom_score_adj = Some(number(&last(values)?)?),
        "shm-size" => host.shm_size = Some(number(&last(values)?)?),
        "label" => labels.extend(pairs(values, '=')?),
        "sysctl" => host.sysctls.get_or_insert_default().extend(pairs(values, '=')?),
        "tmpfs" => host.tmpfs.get_or_insert_default().extend(values.iter().map(|value| {
            let (path, options) = value.split_once(':').unwrap_or((value, ""));
            (path.to_owned(), options.to_owned())
        })),
        "ulimit" => {
            let limits = values.iter().map(|value| ulimit(value)).collect::<Result<Vec<_>, _>>()?;
            let all = host.ulimits.get_or_insert_default();
            all.retain(|limit| limits.iter().all(|new| new.name != limit.name));
            all.extend(limits);
        }
        _ => return Err(format!("'{name}' is not understood")),
    }
    Ok(())
}

fn last(values: &[String]) -> Result<String, String> {
    values.last().cloned().ok_or_else(|| "has no value".to_owned())
}

fn number(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| format!("'{text}' is not a whole number"))
}

fn pairs(values: &[String], separator: char) -> Result<Vec<(String, String)>, String> {
    let pair = |value: &String| match value.split_once(separator) {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("'{value}' is not a name, '{separator}' and a value")),
    };
    values.iter().map(pair).collect()
}

/// `nofile=1024` or `nofile=1024:2048`.
fn ulimit(value: &str) -> Result<ResourcesUlimits, String> {
    let (name, limits) =
        value.split_once('=').ok_or_else(|| format!("'{value}' is not such as 'nofile=1024'"))?;
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    Ok(ResourcesUlimits { name: Some(name.to_owned()), soft: Some(number(soft)?), hard: Some(number(hard)?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    #[test]
    fn arguments_are_applied_beside_what_is_there() {
        let mut host = HostConfig {
            cap_drop: Some(strings(&["NET_RAW"])),
            ulimits: Some(vec![ulimit("nofile=1024").unwrap()]),
            ..HostConfig::default()
        };
        let mut labels = HashMap::new();
        let args = [
            ("cap-drop", strings(&["ALL"])),
            ("ulimit", strings(&["nofile=2048:4096", "core=0"])),
            ("label", strings(&["a=b=c"])),
            ("tmpfs", strings(&["/scratch:size=1m"])),
            ("runtime", strings(&["runsc"])),
        ];
        let args = args.into_iter().map(|(name, values)| (name.to_owned(), values)).collect();
        apply(&args, &mut host, &mut labels);
        assert_eq!(host.cap_drop.unwrap(), ["NET_RAW", "ALL"]);
        let limits = host.ulimits.unwrap();
        assert_eq!((limits.len(), limits[0].soft, limits[0].hard), (2, Some(2048), Some(4096)));
        assert_eq!((labels["a"].as_str(), host.runtime.as_deref()), ("b=c", Some("runsc")));
        assert_eq!(host.tmpfs.unwrap()["/scratch"], "size=1m");
    }

    #[test]
    fn what_cannot_be_applied_is_named() {
        for (name, value, text) in [
            ("privileged", "true", "'privileged' is none of"),
            ("volume", "/:/host", "'volume' is none of"),
            ("shm-size", "64m", "'64m' is not a whole number"),
            ("ulimit", "nofile", "'nofile' is not such as"),
            ("label", "x", "'x' is not a name"),
        ] {
            assert!(check(name, &strings(&[value])).unwrap_err().contains(text), "{name}");
        }
        assert_eq!(check("userns", &[]).unwrap_err(), "has no value");
        check("add-host", &strings(&["a:1.2.3.4"])).unwrap();
    }
}

//! How the environment names keys, by OpenWhisk's rule: `CONFIG_` and the path, with `_` for `.` and camel case for
//! dashes. `CONFIG_whisk_timeLimit_max` is `whisk.time-limit.max`.

/// What OpenWhisk's start scripts look for.
pub const PREFIX: &str = "CONFIG_";

/// The key that an environment variable names; `None` if it is not one of [`PREFIX`].
#[must_use]
pub fn key_of_variable(variable: &str) -> Option<String> {
    let path = variable.strip_prefix(PREFIX)?;
    Some(path.split('_').map(kebab).collect::<Vec<_>>().join("."))
}

/// The environment variable that names `key`.
#[must_use]
pub fn variable_of_key(key: &str) -> String {
    let path: Vec<String> = key.split('.').map(camel).collect();
    format!("{PREFIX}{}", path.join("_"))
}

/// One spelling for a key however its parts were written: `limits-actions-invokes-perMinute` and
/// `limitsActionsInvokesPerMinute` are both `limits-actions-invokes-per-minute`.
#[must_use]
pub fn normalized(key: &str) -> String {
    key.split('.').map(kebab).collect::<Vec<_>>().join(".")
}

/// A part that starts with a capital is left alone: those are names of classes (`whisk.spi.LogStoreProvider`).
fn kebab(part: &str) -> String {
    if part.starts_with(|c: char| c.is_ascii_uppercase()) {
        return part.to_owned();
    }
    let mut out = String::with_capacity(part.len() + 4);
    let mut after_word = false;
    for c in part.chars() {
        if after_word && c.is_ascii_uppercase() {
            out.push('-');
            out.push(c.to_ascii_lowercase());
        } else {
            out.push(c);
        }
        after_word = c.is_ascii_lowercase() || c.is_ascii_digit();
    }
    out
}

fn camel(part: &str) -> String {
    let mut words = part.split('-');
    let mut out = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        out.push_str(letters.as_str());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_and_keys_name_each_other() {
        for (variable, key) in [
            ("CONFIG_whisk_timeLimit_max", "whisk.time-limit.max"),
            ("CONFIG_whisk_memory_max", "whisk.memory.max"),
            ("CONFIG_whisk_logLimit_max", "whisk.log-limit.max"),
            ("CONFIG_whisk_concurrencyLimit_max", "whisk.concurrency-limit.max"),
            ("CONFIG_whisk_containerPool_userMemory", "whisk.container-pool.user-memory"),
            ("CONFIG_whisk_activation_payload_max", "whisk.activation.payload.max"),
            (
                "CONFIG_whisk_containerProxy_timeouts_idleContainer",
                "whisk.container-proxy.timeouts.idle-container",
            ),
            (
                "CONFIG_whisk_controller_activation_maxWaitForBlockingActivation",
                "whisk.controller.activation.max-wait-for-blocking-activation",
            ),
            ("CONFIG_whisk_spi_ArtifactStoreProvider", "whisk.spi.ArtifactStoreProvider"),
        ] {
            assert_eq!(key_of_variable(variable).as_deref(), Some(key));
            assert_eq!(variable_of_key(key), variable);
        }
        assert_eq!(key_of_variable("PATH"), None);
    }

    #[test]
    fn spellings_of_a_key_are_one() {
        for spelling in ["limits-actions-invokes-perMinute", "limitsActionsInvokesPerMinute"] {
            assert_eq!(normalized(spelling), "limits-actions-invokes-per-minute");
        }
        assert_eq!(normalized("no_such_key"), "no_such_key");
    }
}

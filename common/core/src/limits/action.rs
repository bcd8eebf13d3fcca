//! The limits of one action.

use serde::Serialize;
use serde_json::Number;
use serde_json::value::RawValue;

use super::EffectiveLimits;
use crate::Malformed;
use crate::json::Members;

/// What one run of an action may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ActionLimits {
    /// Milliseconds for `/run`, and as many again for `/init`.
    pub timeout: u64,
    /// Megabytes (1024 * 1024 bytes) of the container.
    pub memory: u64,
    /// Megabytes of log kept for an activation; 0 keeps none.
    pub logs: u64,
    /// Activations that may run in one container at once.
    pub concurrency: u64,
    /// Containers there may be of this action, if its owner bounded them. Kept and checked, and nothing more: only
    /// OpenWhisk's scheduler, which queues by action, heeds it. Its load balancers by hash and the lean one, whose
    /// behaviour this platform has, start a container for every activation that finds none free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instances: Option<u64>,
}

/// A limit outside its bounds; the texts are OpenWhisk's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitViolation {
    #[error("duration {0} milliseconds exceeds allowed threshold of {1} milliseconds")]
    TimeoutAbove(i64, u64),
    #[error("duration {0} milliseconds below allowed threshold of {1} milliseconds")]
    TimeoutBelow(i64, u64),
    #[error("memory size {0} MB exceeds allowed threshold of {1} MB")]
    MemoryAbove(i64, u64),
    #[error("memory size {0} MB below allowed threshold of {1} MB")]
    MemoryBelow(i64, u64),
    #[error("log size {0} MB exceeds allowed threshold of {1} MB")]
    LogsAbove(i64, u64),
    #[error("log size {0} MB below allowed threshold of {1} MB")]
    LogsBelow(i64, u64),
    #[error("concurrency {0} exceeds allowed threshold of {1}")]
    ConcurrencyAbove(i64, u64),
    #[error("concurrency {0} below allowed threshold of {1}")]
    ConcurrencyBelow(i64, u64),
    #[error("Max action instance concurrency must not exceed your namespace concurrency of {1}.")]
    InstancesAbove(i64, u64),
}

/// The members of `limits` that a client sent, negative ones too; the rest keeps its stored or default value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ActionLimitsPatch {
    pub timeout: Option<i64>,
    pub memory: Option<i64>,
    pub logs: Option<i64>,
    pub concurrency: Option<i64>,
    pub instances: Option<i64>,
}

impl ActionLimitsPatch {
    /// # Errors
    /// When a member is no whole number, or `instances` is negative.
    pub fn from_json(value: &RawValue) -> Result<Self, Malformed> {
        let members = Members::read(value).map_err(|_| Malformed::new("limits malformed!"))?;
        let read = |name: &str, label: &str| {
            let number = |value| {
                whole_number(value).ok_or_else(|| Malformed(format!("{label} limit must be whole number")))
            };
            members.given(name).map(number).transpose()
        };
        let instances = read("instances", "instance")?;
        if instances.is_some_and(|count| count < 0) {
            return Err(Malformed::new("Action container concurrency must be greater than or equal to 0."));
        }
        Ok(Self {
            timeout: read("timeout", "time")?,
            memory: read("memory", "memory")?,
            logs: read("logs", "log")?,
            concurrency: read("concurrency", "concurrency")?,
            instances,
        })
    }

    /// # Errors
    /// The first member outside the bounds of the namespace.
    pub fn check(&self, allowed: &EffectiveLimits) -> Result<(), LimitViolation> {
        use LimitViolation as V;
        let memory = (allowed.memory.min.as_mb(), allowed.memory.max.as_mb());
        let logs = (allowed.logs.min.as_mb(), allowed.logs.max.as_mb());
        within(self.timeout, (allowed.time.min, allowed.time.max), V::TimeoutBelow, V::TimeoutAbove)?;
        within(self.memory, memory, V::MemoryBelow, V::MemoryAbove)?;
        within(self.logs, logs, V::LogsBelow, V::LogsAbove)?;
        let concurrency = (allowed.concurrency.min, allowed.concurrency.max);
        within(self.concurrency, concurrency, V::ConcurrencyBelow, V::ConcurrencyAbove)?;
        within(self.instances, (0, allowed.concurrent_invocations), V::InstancesAbove, V::InstancesAbove)
    }

    /// These members laid over `base`.
    #[must_use]
    pub fn over(&self, base: ActionLimits) -> ActionLimits {
        // A negative one did not pass the check, which comes first.
        let given = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
        ActionLimits {
            timeout: given(self.timeout).unwrap_or(base.timeout),
            memory: given(self.memory).unwrap_or(base.memory),
            logs: given(self.logs).unwrap_or(base.logs),
            concurrency: given(self.concurrency).unwrap_or(base.concurrency),
            instances: given(self.instances).or(base.instances),
        }
    }
}

impl ActionLimits {
    /// Reads the limits of a stored action. Documents of older releases lack `logs` or `concurrency`: defaults apply.
    ///
    /// # Errors
    /// When `timeout` or `memory` is missing, or a member is no whole number.
    pub fn from_stored(value: &RawValue, defaults: Self) -> Result<Self, Malformed> {
        let patch = ActionLimitsPatch::from_json(value)?;
        for (name, member) in [("timeout", patch.timeout), ("memory", patch.memory)] {
            if member.is_none() {
                return Err(Malformed(format!("'{name}' is missing")));
            }
        }
        Ok(patch.over(Self { instances: None, ..defaults }))
    }

    /// # Errors
    /// The first limit the namespace may no longer have: checked again before each run.
    pub fn check(&self, allowed: &EffectiveLimits) -> Result<(), LimitViolation> {
        let signed = |value: u64| Some(i64::try_from(value).unwrap_or(i64::MAX));
        let all = ActionLimitsPatch {
            timeout: signed(self.timeout),
            memory: signed(self.memory),
            logs: signed(self.logs),
            concurrency: signed(self.concurrency),
            instances: None,
        };
        all.check(allowed)
    }
}

/// The number, if it has no fraction: `60000` and `60000.0`, not `1.5`.
fn whole_number(value: &RawValue) -> Option<i64> {
    let number: Number = serde_json::from_str(value.get()).ok()?;
    number.as_i64().or_else(|| {
        let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 9e15)?;
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
        Some(float as i64)
    })
}

fn within<V>(
    value: Option<i64>,
    (min, max): (u64, u64),
    below: impl Fn(i64, u64) -> V,
    above: impl Fn(i64, u64) -> V,
) -> Result<(), V> {
    let Some(value) = value else { return Ok(()) };
    match u64::try_from(value) {
        Ok(number) if number > max => Err(above(value, max)),
        Ok(number) if number >= min => Ok(()),
        _ => Err(below(value, min)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use crate::limits::{SystemLimits, UserLimits};
    use serde_json::json;

    fn check(limits: &RawValue) -> String {
        let allowed = EffectiveLimits::new(&SystemLimits::default(), &UserLimits::default());
        match ActionLimitsPatch::from_json(limits).map(|patch| patch.check(&allowed)) {
            Ok(Ok(())) => "ok".to_owned(),
            Ok(Err(violation)) => violation.to_string(),
            Err(malformed) => malformed.to_string(),
        }
    }

    #[test]
    fn thresholds_and_their_texts() {
        for (limits, text) in [
            (json!({"timeout": 100, "memory": 512, "logs": 0, "concurrency": 1, "instances": 30}), "ok"),
            (json!({"timeout": -1}), "duration -1 milliseconds below allowed threshold of 100 milliseconds"),
            (json!({"timeout": 99}), "duration 99 milliseconds below allowed threshold of 100 milliseconds"),
            (
                json!({"timeout": 300_001}),
                "duration 300001 milliseconds exceeds allowed threshold of 300000 milliseconds",
            ),
            (json!({"memory": 64}), "memory size 64 MB below allowed threshold of 128 MB"),
            (json!({"memory": 1024}), "memory size 1024 MB exceeds allowed threshold of 512 MB"),
            (json!({"logs": 11}), "log size 11 MB exceeds allowed threshold of 10 MB"),
            (json!({"concurrency": 2}), "concurrency 2 exceeds allowed threshold of 1"),
            (
                json!({"instances": 31}),
                "Max action instance concurrency must not exceed your namespace concurrency of 30.",
            ),
            (json!({"instances": -1}), "Action container concurrency must be greater than or equal to 0."),
            (json!({"timeout": 1.5}), "time limit must be whole number"),
            (json!({"memory": "256"}), "memory limit must be whole number"),
        ] {
            assert_eq!(check(&json::raw(&limits)), text, "{limits}");
        }
        for limits in [r#"{"timeout":1e400}"#, r#"{"timeout":12345678901234567890}"#] {
            assert_eq!(check(serde_json::from_str(limits).unwrap()), "time limit must be whole number");
        }
        assert_eq!(check(&json::raw("x")), "limits malformed!");
    }

    #[test]
    fn a_patch_changes_only_what_it_names() {
        let base = SystemLimits::default().default_action_limits();
        let patch = ActionLimitsPatch::from_json(&json::raw(&json!({"memory": 512, "logs": null}))).unwrap();
        assert_eq!(patch.over(base), ActionLimits { memory: 512, ..base });
    }
}

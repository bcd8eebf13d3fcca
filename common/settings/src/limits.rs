//! What the deployment allows, and what a namespace may do that has no limits of its own.

use std::fmt::Display;
use std::time::Duration;

use oxwhisk_config::{Setting, Settings, duration};
use oxwhisk_core::limits::{Bounds, SystemLimits, UserLimits};
use oxwhisk_core::size::ByteSize;

/// Throttles of the standalone server, as OpenWhisk's.
const INVOCATIONS_PER_MINUTE: &str = "whisk.config.limits-actions-invokes-per-minute";
const CONCURRENT_INVOCATIONS: &str = "whisk.config.limits-actions-invokes-concurrent";
const FIRES_PER_MINUTE: &str = "whisk.config.limits-triggers-fires-per-minute";
const SEQUENCE_LENGTH: &str = "whisk.config.limits-actions-sequence-max-length";

/// A size that becomes a whole number of megabytes; API and records count in those.
fn whole_megabytes(settings: &mut Settings, key: &str, size: ByteSize) {
    if !size.as_bytes().is_multiple_of(1 << 20) {
        settings.fault(key, format!("'{size}' is not a whole number of megabytes"));
    }
}

fn milliseconds(settings: &mut Settings, key: &str, default: u64) -> u64 {
    let value = settings.value(key, Duration::from_millis(default));
    match u64::try_from(value.as_millis()) {
        Ok(whole) if Duration::from_millis(whole) == value => whole,
        _ => {
            settings
                .fault(key, format!("'{}' is not a whole number of milliseconds", duration::format(value)));
            default
        }
    }
}

/// Reads `<table>.min`, `.std` and `.max`, which must be in that order.
fn bounds<T: Copy + Ord + Display>(
    settings: &mut Settings,
    table: &str,
    default: Bounds<T>,
    unit: &str,
    mut read: impl FnMut(&mut Settings, &str, T) -> T,
) -> Bounds<T> {
    let key = |name: &str| format!("{table}.{name}");
    let min = read(settings, &key("min"), default.min);
    let std = read(settings, &key("std"), default.std);
    let max = read(settings, &key("max"), default.max);
    for (low, low_value, high, high_value) in [("min", min, "std", std), ("std", std, "max", max)] {
        if low_value > high_value {
            // Blame what somebody set; a default cannot be edited.
            let (blamed, text) = if settings.origin(&key(high)) >= settings.origin(&key(low)) {
                (high, format!("{high_value}{unit} is less than {table}.{low}, {low_value}{unit}"))
            } else {
                (low, format!("{low_value}{unit} is more than {table}.{high}, {high_value}{unit}"))
            };
            settings.fault(&key(blamed), text);
        }
    }
    Bounds { min, std, max }
}

fn megabyte_bounds(settings: &mut Settings, table: &str, default: Bounds<ByteSize>) -> Bounds<ByteSize> {
    bounds(settings, table, default, "", |settings, key, default| {
        let size = settings.value(key, default);
        whole_megabytes(settings, key, size);
        size
    })
}

/// At least 1: with 0 nothing could ever pass.
fn positive(settings: &mut Settings, key: &str, default: u64) -> u64 {
    let value = settings.value(key, default);
    if value == 0 {
        settings.fault(key, "must be at least 1");
    }
    value
}

/// Reads the limits of the deployment.
pub fn read_system(settings: &mut Settings) -> SystemLimits {
    let default = SystemLimits::default();
    let whole = |settings: &mut Settings, key: &str, default| positive(settings, key, default);
    let parameters = settings.value("whisk.parameter-size-limit", default.parameters);
    let limits = SystemLimits {
        time: bounds(settings, "whisk.time-limit", default.time, " ms", milliseconds),
        memory: megabyte_bounds(settings, "whisk.memory", default.memory),
        logs: megabyte_bounds(settings, "whisk.log-limit", default.logs),
        concurrency: bounds(settings, "whisk.concurrency-limit", default.concurrency, "", whole),
        payload: settings.value("whisk.activation.payload.max", default.payload),
        truncation: settings.value("whisk.activation.payload.truncation", default.truncation),
        parameters,
        // OpenWhisk has one limit for both.
        annotations: parameters,
        exec: settings.value("whisk.exec-size-limit", default.exec),
        sequence_length: settings.value(SEQUENCE_LENGTH, default.sequence_length),
        invocations_per_minute: settings.value(INVOCATIONS_PER_MINUTE, default.invocations_per_minute),
        concurrent_invocations: settings.value(CONCURRENT_INVOCATIONS, default.concurrent_invocations),
        fires_per_minute: settings.value(FIRES_PER_MINUTE, default.fires_per_minute),
        list_default: settings.value("whisk.query-limit.default-list-limit", default.list_default),
        list_max: positive(settings, "whisk.query-limit.max-list-limit", default.list_max),
        blocking_wait: settings
            .value("whisk.controller.activation.max-wait-for-blocking-activation", default.blocking_wait),
    };
    if limits.list_default > limits.list_max {
        let text = format!("{} is more than max-list-limit, {}", limits.list_default, limits.list_max);
        settings.fault("whisk.query-limit.default-list-limit", text);
    }
    limits
}

/// Reads what a namespace may do that sets nothing itself; absent members leave it at the limits of the deployment.
pub fn read_namespace_defaults(settings: &mut Settings) -> UserLimits {
    const TABLE: &str = "whisk.namespace-default-limit";
    fn member<T: Setting>(settings: &mut Settings, name: &str) -> Option<T> {
        settings.optional(&format!("{TABLE}.{name}"))
    }
    let mb = |settings: &mut Settings, name: &str| {
        let size: ByteSize = member(settings, name)?;
        whole_megabytes(settings, &format!("{TABLE}.{name}"), size);
        Some(size.as_mb())
    };
    let ms = |settings: &mut Settings, name: &str| {
        let time: Duration = member(settings, name)?;
        u64::try_from(time.as_millis()).ok()
    };
    UserLimits {
        min_action_memory: mb(settings, "memory.min"),
        max_action_memory: mb(settings, "memory.max"),
        min_action_logs: mb(settings, "log-limit.min"),
        max_action_logs: mb(settings, "log-limit.max"),
        min_action_timeout: ms(settings, "time-limit.min"),
        max_action_timeout: ms(settings, "time-limit.max"),
        min_action_concurrency: member(settings, "concurrency-limit.min"),
        max_action_concurrency: member(settings, "concurrency-limit.max"),
        max_parameter_size: member(settings, "parameter-size-limit"),
        max_payload_size: member(settings, "activation.payload.max"),
        truncation_size: member(settings, "activation.payload.truncation"),
        ..UserLimits::default()
    }
}

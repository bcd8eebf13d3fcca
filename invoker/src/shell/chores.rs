//! What takes time and no activation waits for in its own task: making, suspending and ending containers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use oxwhisk_container::{Container, ContainerSpec, CreateError};

use super::{Grant, Shell};
use crate::config::InvokerConfig;
use crate::metrics::increment;
use crate::pool::{ContainerId, Shape};
use crate::proxy::Proxy;

/// Docker's full share, which the containers of an invoker divide by their memory.
const CPU_SHARES: u64 = 1024;
/// Pauses between attempts to end a container.
const DESTROY_RETRY: Duration = Duration::from_secs(1);
const DESTROY_RETRY_MAX: Duration = Duration::from_secs(30);

pub(super) async fn create(shell: Arc<Shell>, id: ContainerId, shape: Arc<Shape>, prewarm: bool) {
    let name = container_name(shell.config.id.0, id.serial, prewarm, &shape.kind);
    let spec = spec(&shell.config, name, &shape);
    let name = spec.name.clone();
    let limit = shell.config.create_timeout;
    let created = match tokio::time::timeout(limit, shell.factory.create(spec)).await {
        Ok(created) => created,
        Err(_) => Err(CreateError::Platform(format!("it took longer than {} ms", limit.as_millis()))),
    };
    match created {
        Ok(container) => hand_over(&shell, id, container),
        Err(error) => {
            tracing::warn!(container = name, kind = shape.kind, %error, "cannot create container");
            increment(&shell.metrics.create_failures);
            let (victim, effects) = shell.pool().create_failed(id, Instant::now());
            if let Some(victim) = victim {
                // Whoever stopped waiting does not need to know.
                let _ = victim.send(Grant::CreateFailed(error));
            }
            shell.perform(effects);
        }
    }
}

fn hand_over(shell: &Arc<Shell>, id: ContainerId, container: Arc<dyn Container>) {
    let proxy = Arc::new(Proxy::new(container));
    let effects = shell.pool().created(id, proxy, Instant::now());
    shell.perform(effects);
}

pub(super) async fn suspend(shell: Arc<Shell>, id: ContainerId, proxy: Arc<Proxy>) {
    let work = proxy.suspend(|| shell.pool().may_suspend(id));
    match tokio::time::timeout(shell.config.suspend_timeout, work).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(container = proxy.name(), %error, "cannot suspend container"),
        Err(_) => tracing::warn!(container = proxy.name(), "cannot suspend container in time"),
    }
}

/// Repeats until the container is gone: until then its memory is not free.
pub(super) async fn destroy(shell: Arc<Shell>, id: ContainerId, proxy: Arc<Proxy>) {
    if let Some(cache) = &shell.config.cache {
        cache.tokens.forget(proxy.name());
    }
    let mut pause = DESTROY_RETRY;
    loop {
        match tokio::time::timeout(shell.config.destroy_timeout, proxy.destroy()).await {
            Ok(Ok(())) => break,
            Ok(Err(error)) => tracing::warn!(container = proxy.name(), %error, "cannot end container"),
            Err(_) => tracing::warn!(container = proxy.name(), "cannot end container in time"),
        }
        increment(&shell.metrics.destroy_failures);
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(DESTROY_RETRY_MAX),
            () = shell.stopping.cancelled() => return,
        }
    }
    let effects = shell.pool().removed(id, Instant::now());
    shell.perform(effects);
}

fn spec(config: &InvokerConfig, name: String, shape: &Shape) -> ContainerSpec {
    let fitting = (config.user_memory / shape.memory.max(1)).max(1);
    let mut env = vec![
        ("__OW_API_HOST".to_owned(), config.api_host.clone()),
        ("__OW_ALLOW_CONCURRENT".to_owned(), shape.concurrent.to_string()),
    ];
    env.extend(config.extra_environment.iter().cloned());
    ContainerSpec {
        name,
        kind: shape.kind.clone(),
        image: shape.image.to_string(),
        user_provided_image: shape.user_provided_image,
        memory: shape.memory << 20,
        cpu_shares: u32::try_from((CPU_SHARES / fitting).max(2)).unwrap_or(2),
        env,
    }
}

/// `wsk0_17_prewarm_nodejs_20`: legal for every factory, and telling for whoever lists processes. OpenWhisk names a
/// namespace and an action where it does not say `prewarm`; here whoever comes first takes a container, so it has none
/// at its start.
fn container_name(invoker: u32, serial: u64, prewarm: bool, kind: &str) -> String {
    let purpose = if prewarm { "prewarm" } else { "cold" };
    let kind: String =
        kind.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(20).collect();
    format!("wsk{invoker}_{serial}_{purpose}_{kind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_a_container_is_for_and_are_legal() {
        assert_eq!(container_name(0, 17, true, "nodejs:20"), "wsk0_17_prewarm_nodejs_20");
        assert_eq!(container_name(3, 1, false, "blackbox"), "wsk3_1_cold_blackbox");
        assert!(container_name(u32::MAX, u64::MAX, true, &"k".repeat(99)).len() <= 63);
    }
}

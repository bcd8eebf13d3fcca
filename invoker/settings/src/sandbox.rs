//! The process sandbox, started and described.

use oxwhisk_sandbox::{SandboxConfig, SandboxFactory, SetupError};

/// Starts it, and logs what isolation it gives on this machine.
///
/// # Errors
/// When actions cannot be isolated here: one line that says what is lacking.
pub async fn start(config: SandboxConfig) -> Result<SandboxFactory, SetupError> {
    let sandbox = SandboxFactory::start(config).await?;
    for line in sandbox.report().lines() {
        if line.warning { tracing::warn!("{line}") } else { tracing::info!("{line}") }
    }
    Ok(sandbox)
}

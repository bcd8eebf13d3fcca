//! The official JavaScript client, the npm package `openwhisk`, pinned by `js-client/package-lock.json`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::process::{self, Finished};
use crate::tenant::Tenant;

static INSTALLED: OnceLock<Result<PathBuf, String>> = OnceLock::new();

/// Runs a script of `js-client/` as the owner of `tenant`.
///
/// # Errors
/// When this machine has no Node.js or cannot install the client; the text says why.
pub fn run(script: &str, tenant: &Tenant) -> Result<Finished, String> {
    let installed = INSTALLED.get_or_init(install).clone()?;
    let mut command = Command::new("node");
    command
        .arg(sources().join(script))
        .env("NODE_PATH", installed.join("node_modules"))
        .env("E2E_API", tenant.api().url())
        .env("E2E_AUTH", tenant.user().auth())
        .env("E2E_NAMESPACE", tenant.namespace());
    // The client would send even loopback requests through a proxy of the environment.
    for proxy in ["PROXY", "HTTP_PROXY", "HTTPS_PROXY"] {
        command.env_remove(proxy).env_remove(proxy.to_lowercase());
    }
    Ok(process::run(command))
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("js-client")
}

/// Installs the locked packages once into the cache directory; a later run with the same lock file reuses them.
fn install() -> Result<PathBuf, String> {
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/js-client");
    let lock = read(&sources().join("package-lock.json"))?;
    let stamp = cache.join("installed-lock.json");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(cache);
    }
    std::fs::create_dir_all(&cache).map_err(|e| format!("cannot make {}: {e}", cache.display()))?;
    for file in ["package.json", "package-lock.json", ".npmrc"] {
        std::fs::copy(sources().join(file), cache.join(file))
            .map_err(|e| format!("cannot copy {file}: {e}"))?;
    }
    npm_ci(&cache)?;
    std::fs::write(&stamp, lock).map_err(|e| format!("cannot write {}: {e}", stamp.display()))?;
    Ok(cache)
}

fn npm_ci(dir: &Path) -> Result<(), String> {
    let mut command = Command::new("npm");
    command.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(dir);
    let probe = Command::new("npm").arg("--version").output();
    if probe.is_err() || Command::new("node").arg("--version").output().is_err() {
        return Err("no node and npm on PATH".to_owned());
    }
    let finished = process::run(command);
    if finished.status.success() {
        Ok(())
    } else {
        Err(format!("npm ci failed with {}: {}", finished.status, finished.stderr.trim()))
    }
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))
}

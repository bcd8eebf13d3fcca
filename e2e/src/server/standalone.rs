//! The standalone server: one process of the real `oxwhisk` binary.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::kept::Kept;
use super::options::{Admin, ServerOptions, write};
use super::parts::Parts;
use super::{Running, binary};
use crate::http::Api;
use crate::wskadmin::Target;

pub(super) const NAME: &str = "oxwhisk";

pub(super) fn start(options: &ServerOptions, dir: &Path) -> Result<Running, String> {
    let (ready, data) = (dir.join("ready.json"), options.data_dir_in(dir));
    let command = command(options, dir, &ready, &data)?;
    let mut parts = Parts::spawn(vec![(NAME, command)], dir, options.stdout_is_read)?;
    let api = Api::from_url(&parts.until_ready(NAME, &ready)?)?;
    let kept = Kept { containers: data.join("sandbox"), data: data.clone(), services: None };
    Ok(Running { parts, invoker_metrics: api.clone(), api, admin: Target::DataDir(data), kept })
}

fn command(options: &ServerOptions, dir: &Path, ready: &Path, data: &Path) -> Result<Command, String> {
    let users = dir.join("users.json");
    write(&users, &options.roster.to_json())?;
    let mut command = Command::new(binary(NAME)?);
    command.args(["--port", "0", "--ready-file"]).arg(ready);
    command.arg("--data-dir").arg(data).arg("--users").arg(users);
    if let Some(manifest) = &options.manifest {
        let path = dir.join("manifest.json");
        write(&path, &manifest.to_string())?;
        command.arg("--manifest").arg(path);
    }
    if let Some(path) = &options.config_file {
        command.arg("--config-file").arg(path);
    }
    command.envs(admin(&options.admin));
    command.envs(options.environment.iter().map(|(name, value)| (name, value)));
    Ok(command)
}

/// Its admin API is on a socket in its data directory, and where it is said.
fn admin(admin: &Admin) -> Vec<(&'static str, PathBuf)> {
    let listen = |listen: &String| ("CONFIG_oxwhisk_admin_listen", listen.into());
    match admin {
        Admin::Usual => Vec::new(),
        Admin::Plain { listen: address, insecure } => {
            let insecure = ("CONFIG_oxwhisk_admin_insecurePlaintext", insecure.to_string().into());
            vec![listen(address), insecure]
        }
        Admin::Tls { listen: address, certificates } => {
            let folder = certificates.join("controller-controller0");
            vec![
                listen(address),
                ("CONFIG_oxwhisk_admin_tls_authority", folder.join("ca.crt")),
                ("CONFIG_oxwhisk_admin_tls_certificate", folder.join("tls.crt")),
                ("CONFIG_oxwhisk_admin_tls_key", folder.join("tls.key")),
            ]
        }
    }
}

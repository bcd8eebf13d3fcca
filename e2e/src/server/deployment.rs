//! A deployment of a test's own: a controller and an invoker, apart from a cluster that is up and from each other, though
//! they have the same Kafka and the same CouchDB. Its name stands before the names of its topics, its consumer groups and its
//! databases.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

use super::Running;
use super::kept::{InServices, Kept};
use super::options::{Admin, ServerOptions, write};
use super::parts::Parts;
use super::services::{Services, tls_files};
use crate::http::Api;
use crate::ports;
use crate::wskadmin::Target;

const CONTROLLER: &str = "controller";
const INVOKER: &str = "invoker";
pub(super) const NAMES: [&str; 2] = [CONTROLLER, INVOKER];

/// The standalone server's users without any configuration.
const USERS: &str = "\
[whisk.users]
guest = \"23bc46b1-71f6-4ed5-8c54-816aa4f8c502:123zO3xZCLrMN6v2BKK1dXYFpXlPkccOFqm12CdAsMgRU4VrNZ9lyGVCGuMDGIwP\"
whisk-system = \"789c46b1-71f6-4ed5-8c54-816aa4f8c502:abczO3xZCLrMN6v2BKK1dXYFpXlPkccOFqm12CdAsMgRU4VrNZ9lyGVCGuMDGIwP\"
";

pub(super) fn start(options: &ServerOptions, dir: &Path, services: &Services) -> Result<Running, String> {
    let place = Place::new(options, dir, services)?;
    let commands = vec![(CONTROLLER, place.controller()?), (INVOKER, place.invoker()?)];
    let mut parts = Parts::spawn(commands, dir, options.stdout_is_read)?;
    let api = Api::from_url(&parts.until_ready(CONTROLLER, &place.ready_file(CONTROLLER))?)?;
    parts.until_ready(INVOKER, &place.ready_file(INVOKER))?;
    // The invoker has passed its test action.
    parts.until("a healthy invoker", || {
        let answer = api.get("/invokers/healthy/count").try_send().map_err(|error| error.to_string())?;
        if answer.status == 200 && answer.text().trim() == "1" { Ok(()) } else { Err(format!("{answer:?}")) }
    })?;
    let invoker_metrics = Api::from_url(&format!("http://{}", loopback(place.ops_invoker)))?;
    Ok(Running { parts, api, admin: place.admin(), invoker_metrics, kept: place.kept()? })
}

/// Name and files of a deployment, and the ports of one start.
struct Place<'a> {
    options: &'a ServerOptions,
    services: &'a Services,
    /// Files of this start.
    dir: &'a Path,
    /// What outlives a start.
    data: PathBuf,
    name: String,
    api: u16,
    grpc: u16,
    ops_invoker: u16,
}

impl<'a> Place<'a> {
    fn new(options: &'a ServerOptions, dir: &'a Path, services: &'a Services) -> Result<Self, String> {
        let data = options.data_dir_in(dir);
        let name = name(&data)?;
        write(&dir.join("users.json"), &options.roster.to_json())?;
        write(&dir.join("users.toml"), USERS)?;
        if let Some(manifest) = &options.manifest {
            write(&dir.join("manifest.json"), &manifest.to_string())?;
        }
        let [api, grpc, ops_invoker] = std::array::from_fn(|_| ports::free());
        Ok(Self { options, services, dir, data, name, api, grpc, ops_invoker })
    }

    fn ready_file(&self, program: &str) -> PathBuf {
        self.dir.join(format!("{program}.ready"))
    }

    /// What controllers and invokers are told alike.
    fn program(&self, program: &str) -> Result<Command, String> {
        let mut command = Command::new(self.services.binary(program)?);
        command.args(["--kafka-hosts", &self.services.kafka, "--ready-file"]).arg(self.ready_file(program));
        if let Admin::Plain { insecure: true, .. } = self.options.admin {
            command.env("CONFIG_oxwhisk_grpc_insecurePlaintext", "true");
        }
        if self.options.manifest.is_some() {
            command.arg("--manifest").arg(self.dir.join("manifest.json"));
        }
        command
            .env("CONFIG_whisk_kafka_topics_prefix", format!("{}.", self.name))
            .env("CONFIG_whisk_kafka_topics_userEvent_prefix", format!("{}.", self.name))
            .env("CONFIG_whisk_kafka_replicationFactor", "1");
        Ok(command)
    }

    fn controller(&self) -> Result<Command, String> {
        let mut command = self.program(CONTROLLER)?;
        let (host, port) = self.services.couchdb.split_once(':').ok_or("CouchDB has no port")?;
        let config = self.options.config_file.clone().unwrap_or_else(|| self.dir.join("users.toml"));
        command
            .args(["--host", "127.0.0.1", "--port", &self.api.to_string(), "--couchdb-host", host])
            .arg("--config-file")
            .arg(config)
            .arg("--users")
            .arg(self.dir.join("users.json"))
            .arg("--controller-keys")
            .arg(self.data.join("controllers.keys"))
            .arg("--cache-proxy-keys")
            .arg(self.data.join("cache-proxies.keys"))
            .envs([("DB_PROTOCOL", "http"), ("DB_PORT", port)])
            .env("CONFIG_oxwhisk_couchdb_databasePrefix", format!("{}_", self.name))
            .env("CONFIG_oxwhisk_couchdb_create", "true")
            // As scripts/cluster has it.
            .env("CONFIG_oxwhisk_couchdb_activationLists", "up-to-date")
            .env("CONFIG_oxwhisk_couchdb_maxDocumentSize", "64 m")
            // One broker has those of all tests.
            .envs([
                ("CONFIG_oxwhisk_kafka_activationPartitions", "2"),
                ("CONFIG_oxwhisk_kafka_partitions", "1"),
            ])
            .env("CONFIG_oxwhisk_ops_listen", "127.0.0.1:0")
            .env("CONFIG_oxwhisk_grpc_listen", self.admin_address())
            .envs(self.security("controller-controller0"));
        command.envs(self.options.environment.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    fn invoker(&self) -> Result<Command, String> {
        let mut command = self.program(INVOKER)?;
        command
            .args(["--id", "0", "--container-factory", "sandbox", "--data-dir"])
            .arg(self.data.join(INVOKER))
            .args(["--grpc-listen", "127.0.0.1:0", "--ops-listen", &loopback(self.ops_invoker)])
            .env("CONFIG_oxwhisk_sandbox_apiRelay", format!("http://{}", loopback(self.api)))
            .envs(self.security("invoker-invoker0"))
            .envs(self.options.environment.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    /// Controllers serve administrators where they serve everybody by gRPC.
    fn admin_address(&self) -> String {
        match &self.options.admin {
            Admin::Usual => loopback(self.grpc),
            Admin::Plain { listen, .. } | Admin::Tls { listen, .. } => listen.clone(),
        }
    }

    fn certificates(&self) -> Option<PathBuf> {
        match &self.options.admin {
            Admin::Usual => Some(self.services.certificates()),
            Admin::Plain { .. } => None,
            Admin::Tls { certificates, .. } => Some(certificates.clone()),
        }
    }

    fn security(&self, peer: &str) -> Vec<(&'static str, PathBuf)> {
        self.certificates().map_or_else(Vec::new, |folder| tls_files(&folder, peer).into())
    }

    fn admin(&self) -> Target {
        let tls_dir = self.certificates().map(|folder| folder.join("admin-admin"));
        Target::Endpoint { address: self.admin_address(), tls_dir }
    }

    fn kept(&self) -> Result<Kept, String> {
        let services = InServices {
            deployment: self.name.clone(),
            partitions: self.services.kafka_data(),
            couchdb: Api::from_url(&format!("http://{}", self.services.couchdb))?,
        };
        let containers = self.data.join(INVOKER).join("sandbox");
        Ok(Kept { data: self.data.clone(), containers, services: Some(services) })
    }
}

fn loopback(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// The name of the deployment whose data is in `data`: one that nobody has, if there is none yet. Its ticket keys are made
/// with it.
fn name(data: &Path) -> Result<String, String> {
    let file = data.join("name");
    if let Ok(name) = std::fs::read_to_string(&file) {
        return Ok(name);
    }
    std::fs::create_dir_all(data).map_err(|error| format!("cannot make {}: {error}", data.display()))?;
    for ring in ["controllers.keys", "cache-proxies.keys"] {
        let key = [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat();
        write(&data.join(ring), &format!("1:{}\n", STANDARD.encode(key)))?;
    }
    // Letters first, as CouchDB wants it.
    let name = format!("e2e{}", &Uuid::new_v4().simple().to_string()[..12]);
    write(&file, &name)?;
    Ok(name)
}

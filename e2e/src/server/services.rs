//! What deployments of tests use of a cluster that is up: its Kafka, its CouchDB and its certificates.

use std::path::{Path, PathBuf};

/// Folder of the cluster, as `scripts/cluster.sh` has it.
const DIR_VARIABLE: &str = "OXWHISK_CLUSTER_DIR";
/// Folder of its binaries.
const BINARIES_VARIABLE: &str = "BINARIES";

/// The services of a cluster.
#[derive(Debug)]
pub(super) struct Services {
    /// Where everybody may do everything in Kafka: `host:port`.
    pub(super) kafka: String,
    /// `host:port`, without a password.
    pub(super) couchdb: String,
    dir: PathBuf,
    binaries: PathBuf,
}

impl Services {
    /// Those of the cluster that the environment names.
    pub(super) fn of_environment() -> Result<Self, String> {
        let (dir, binaries) = (variable(DIR_VARIABLE)?, variable(BINARIES_VARIABLE)?);
        let dir = PathBuf::from(dir);
        let printed = |service: &str, name: &str| {
            let path = dir.join(format!("{service}.env"));
            let text = std::fs::read_to_string(&path);
            let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            value.map(str::to_owned).ok_or_else(|| format!("{} has no {name}", path.display()))
        };
        let url = printed("couchdb", "OXWHISK_TEST_COUCHDB")?;
        let couchdb = url.strip_prefix("http://").ok_or_else(|| format!("'{url}' is no http url"))?;
        Ok(Self {
            kafka: printed("kafka", "OXWHISK_TEST_KAFKA")?,
            couchdb: couchdb.trim_end_matches('/').to_owned(),
            binaries: binaries.into(),
            dir,
        })
    }

    /// The binary of a service.
    pub(super) fn binary(&self, name: &str) -> Result<PathBuf, String> {
        let path = self.binaries.join(name);
        if path.is_file() { Ok(path) } else { Err(format!("there is no {}", path.display())) }
    }

    /// Certificates, a folder for each peer.
    pub(super) fn certificates(&self) -> PathBuf {
        self.dir.join("tls")
    }

    /// Where Kafka has the files of its partitions, a folder each.
    pub(super) fn kafka_data(&self) -> PathBuf {
        self.dir.join("kafka/data")
    }
}

fn variable(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|error| format!("{name}: {error}"))
}

/// The three files of a peer.
pub(super) fn tls_files(certificates: &Path, peer: &str) -> [(&'static str, PathBuf); 3] {
    let folder = certificates.join(peer);
    [
        ("CONFIG_oxwhisk_grpc_tls_authority", folder.join("ca.crt")),
        ("CONFIG_oxwhisk_grpc_tls_certificate", folder.join("tls.crt")),
        ("CONFIG_oxwhisk_grpc_tls_key", folder.join("tls.key")),
    ]
}

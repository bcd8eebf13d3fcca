//! A server that is killed in the middle of writes, and started again with the same data.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use oxwhisk_couchdb::{CouchConfig, CouchStores, Retries};
use oxwhisk_store::StoreError;
use serde_json::json;

use crate::samples::{action, all_records, id, me, record};
use crate::server;

/// A server of this test's own, since it is killed.
#[derive(Debug)]
struct OwnServer {
    directory: tempfile::TempDir,
    url: String,
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../scripts/services/couchdb.sh")
}

impl OwnServer {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut server = Self { directory, url: String::new() };
        server.run(None);
        server
    }

    fn run(&mut self, port: Option<&str>) {
        let output =
            Command::new("sh").arg(script()).arg("start").arg(self.directory.path()).args(port).output();
        let output = output.unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        printed.trim().strip_prefix("OXWHISK_TEST_COUCHDB=").unwrap().clone_into(&mut self.url);
    }

    fn kill(&self) {
        let pid = std::fs::read_to_string(self.directory.path().join("pid")).unwrap();
        // The shell's own: the program is not on every machine.
        let killed = Command::new("sh").args(["-c", "kill -9 \"$0\"", pid.trim()]).status().unwrap();
        assert!(killed.success());
    }

    /// With the same data on the same port.
    fn restart(&mut self) {
        let port = self.url.rsplit(':').next().unwrap().to_owned();
        self.run(Some(&port));
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        let _ = Command::new("sh").arg(script()).arg("stop").arg(self.directory.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_kill_and_what_was_not_can_be_written_again() {
    let Some(_) = server::url("a server that is killed") else { return };
    let mut own = tokio::task::spawn_blocking(OwnServer::start).await.unwrap();
    let retries = Retries { attempts: 2, first_pause: Duration::from_millis(1), ..Retries::default() };
    let config = CouchConfig { username: None, password: None, retries, ..server::config(&own.url) };
    let stores = std::sync::Arc::new(server::stores(&config).await);
    let batches: Vec<Vec<_>> = (0..200).map(|n| (0..50).map(|m| record(n * 50 + m)).collect()).collect();
    let writing = tokio::spawn({
        let (stores, batches) = (std::sync::Arc::clone(&stores), batches.clone());
        async move {
            for (done, batch) in batches.iter().enumerate() {
                let document = action(&format!("a{done}"), 1, &json!("x"));
                let written = stores.entities().put(document, None).await.map(drop);
                let stored = match written {
                    Ok(()) => stores.activations().store(batch).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = stored {
                    return (done, error);
                }
            }
            panic!("all was written before the server was killed")
        }
    });
    let enough = |stores: std::sync::Arc<CouchStores>| async move {
        while stores.entities().get(&id("a5")).await.unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    enough(std::sync::Arc::clone(&stores)).await;
    own.kill();
    let (done, error) = writing.await.unwrap();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert!(done >= 5);
    let own = tokio::task::spawn_blocking(move || {
        own.restart();
        own
    })
    .await
    .unwrap();
    assert_eq!(own.url, config.url());
    // The same stores: their connections are new ones.
    stores.prepare().await.unwrap();
    for (n, batch) in batches[..done].iter().enumerate() {
        assert!(stores.entities().get(&id(&format!("a{n}"))).await.unwrap().is_some(), "a{n}");
        let ids: Vec<_> = batch.iter().map(|record| (me(), record.activation_id)).collect();
        assert_eq!(stores.activations().existing(&ids).await.unwrap(), vec![true; ids.len()], "batch {n}");
    }
    // What was under way, with what may have been stored of it.
    for batch in &batches[..done + 3] {
        stores.activations().store(batch).await.unwrap();
    }
    assert_eq!(stores.activations().count(&all_records()).await.unwrap(), 50 * (done as u64 + 3));
}

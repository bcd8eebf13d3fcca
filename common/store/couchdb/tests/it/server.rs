//! The server that the tests share, and databases of their own on it.

use std::time::Duration;

use oxwhisk_couchdb::{CouchConfig, CouchStores, Databases, Lists, Retries};

const URL: &str = "OXWHISK_TEST_COUCHDB";
const WHY_NOT: &str = "OXWHISK_NO_COUCHDB";

/// The address of the server, or a line that says why the test cannot run.
pub(crate) fn url(test: &str) -> Option<String> {
    if let Ok(url) = std::env::var(URL) {
        return Some(url);
    }
    let why = std::env::var(WHY_NOT)
        .unwrap_or_else(|_| "no CouchDB; run through scripts/with-services.sh couchdb".to_owned());
    say(&format!("skipped: {test}: {why}"));
    None
}

/// Past the capture of the test harness.
pub(crate) fn say(line: &str) {
    use std::io::Write;
    writeln!(std::io::stdout().lock(), "{line}").unwrap();
}

/// Databases that no other test uses, and that are made; retries that do not take long.
pub(crate) fn config(url: &str) -> CouchConfig {
    let secret = |name: &str| std::env::var(name).ok();
    CouchConfig {
        username: secret("OXWHISK_TEST_COUCHDB_USER"),
        password: secret("OXWHISK_TEST_COUCHDB_PASSWORD").map(Into::into),
        databases: Databases::with_prefix(&format!("test_{}_", uuid::Uuid::new_v4().simple())),
        create: true,
        activation_lists: Lists::UpToDate,
        retries: Retries { first_pause: Duration::from_millis(20), ..Retries::default() },
        ..CouchConfig::at(url).unwrap()
    }
}

pub(crate) async fn stores(config: &CouchConfig) -> CouchStores {
    let stores = CouchStores::new(config).unwrap();
    assert!(!stores.is_ready());
    stores.prepare().await.unwrap();
    assert!(stores.is_ready());
    stores
}

//! How many activation records a second go into a CouchDB, and what lists and counts cost as they pile up.
//!
//! `scripts/with-services.sh couchdb -- cargo run --release -p oxwhisk-couchdb --example couchdb_record_rate -- [records] [batch]`
//!
//! Against another server: `OXWHISK_TEST_COUCHDB=http://host:port`, with `OXWHISK_TEST_COUCHDB_USER` and `_PASSWORD`.
//! The databases are new ones, whose names begin with `bench_`, and stay.

use std::io::Write;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use oxwhisk_core::entity::{Activation, Response, Status};
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::EntityName;
use oxwhisk_core::parameters::Parameters;
use oxwhisk_core::version::Version;
use oxwhisk_couchdb::{CouchConfig, CouchStores, Databases, Lists};
use oxwhisk_store::{ActivationQuery, ActivationStore, RecordDocument};

/// Records between two lines of output.
const REPORT: usize = 5_000;

/// Batches under way at the same time: one is made while one is written.
const CONCURRENT: usize = 2;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let records: usize = arguments.next().map_or(Ok(20_000), |text| text.parse())?;
    let batch: usize = arguments.next().map_or(Ok(500), |text| text.parse())?;
    let url = std::env::var("OXWHISK_TEST_COUCHDB").map_err(|_| "OXWHISK_TEST_COUCHDB names no server")?;
    let config = CouchConfig {
        username: std::env::var("OXWHISK_TEST_COUCHDB_USER").ok(),
        password: std::env::var("OXWHISK_TEST_COUCHDB_PASSWORD").ok().map(Into::into),
        databases: Databases::with_prefix(&format!("bench_{}_", uuid::Uuid::new_v4().simple())),
        create: true,
        activation_lists: Lists::Lagging,
        ..CouchConfig::at(&url)?
    };
    let stores = CouchStores::new(&config)?;
    stores.prepare().await?;
    let began = Instant::now();
    let (mut stored, mut last) = (0, (Instant::now(), 0));
    while stored < records {
        let writes = (0..CONCURRENT).map(|_| {
            let (store, batch) = (stores.activations(), make_batch(batch));
            tokio::spawn(async move { store.store(&batch?).await.map_err(|error| error.to_string()) })
        });
        for write in writes.collect::<Vec<_>>() {
            write.await??;
        }
        stored += CONCURRENT * batch;
        if stored - last.1 >= REPORT {
            let rate = (stored - last.1) as f64 / last.0.elapsed().as_secs_f64();
            let reads = reads(&*stores.activations()).await?;
            report(&format!("{stored:>9} records  {rate:>8.0}/s  {reads}"))?;
            last = (Instant::now(), stored);
        }
    }
    report(&format!("{:.0} records/s over all", stored as f64 / began.elapsed().as_secs_f64()))?;
    Ok(())
}

fn report(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}

fn make_batch(size: usize) -> Result<Vec<RecordDocument>, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64;
    let name = |text: &str| EntityName::new(text).map_err(|error| error.to_string());
    let (namespace, mut annotations) = (name("guest")?, Parameters::new());
    annotations.set("path", "guest/hello");
    annotations.set("kind", "nodejs:20");
    let activation = Activation {
        namespace,
        name: name("hello")?,
        version: Version::FIRST,
        subject: "guest".into(),
        activation_id: ActivationId::generate(),
        start: now,
        end: now + 3,
        duration: Some(3),
        cause: None,
        response: Response::error(Status::Success, &"x".repeat(100)),
        logs: vec!["2026-01-01T00:00:00.123456789Z stdout: hello".to_owned(); 3],
        annotations,
        publish: false,
    };
    let record = || Activation { activation_id: ActivationId::generate(), ..activation.clone() };
    Ok((0..size).map(|_| RecordDocument::from_activation(&record(), now)).collect())
}

/// What a list and a count cost. They may lag behind.
async fn reads(store: &dyn ActivationStore) -> Outcome<String> {
    let namespace = EntityName::new("guest")?;
    let all = ActivationQuery { namespace, name: None, since: None, upto: None, skip: 0, limit: Some(30) };
    let began = Instant::now();
    let page = store.summaries(&all).await?.len();
    let listed = began.elapsed();
    let total = store.count(&all).await?;
    Ok(format!("page of {page} {listed:?}  count {total} {:?}", began.elapsed() - listed))
}

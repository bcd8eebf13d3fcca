//! How many activation records a second the SQLite store takes, and what counting and paging cost as they pile up.
//!
//! `cargo run --release -p oxwhisk-store --example record_rate -- [records] [batch] [random|ordered]`

use std::io::Write;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::EntityName;
use oxwhisk_core::record::{RecordKind, RecordOrigin};
use oxwhisk_store::sqlite::{SqliteOptions, SqliteStores};
use oxwhisk_store::{ActivationQuery, ActivationStore, RecordDocument};

/// Records between two lines of output.
const REPORT: usize = 100_000;

/// Batches under way at the same time: one is made while one is written.
const CONCURRENT: usize = 2;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let records: usize = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let batch: usize = arguments.next().map_or(Ok(500), |text| text.parse())?;
    let ordered = arguments.next().is_some_and(|text| text == "ordered");
    let directory = tempfile::tempdir_in(".")?;
    let stores = SqliteStores::open(directory.path(), &SqliteOptions::default())?;
    let store = stores.activations();
    let namespace = EntityName::new("guest")?;
    let began = Instant::now();
    let (mut stored, mut last) = (0, (Instant::now(), 0));
    while stored < records {
        let batches: Vec<Vec<RecordDocument>> =
            (0..CONCURRENT).map(|n| make_batch(&namespace, stored + n * batch, batch, ordered)).collect();
        let writes = batches.into_iter().map(|batch| {
            let store = stores.activations();
            tokio::spawn(async move { store.store(&batch).await })
        });
        for write in writes.collect::<Vec<_>>() {
            write.await??;
        }
        stored += CONCURRENT * batch;
        if stored - last.1 >= REPORT {
            let rate = (stored - last.1) as f64 / last.0.elapsed().as_secs_f64();
            report(&format!(
                "{stored:>9} records  {rate:>8.0}/s  {}",
                reads(&*store, &namespace, stored as u64).await?
            ))?;
            last = (Instant::now(), stored);
        }
    }
    report(&format!("{:.0} records/s over all", stored as f64 / began.elapsed().as_secs_f64()))?;
    Ok(())
}

fn report(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn make_batch(namespace: &EntityName, first: usize, size: usize, ordered: bool) -> Vec<RecordDocument> {
    let start = now().as_millis() as i64;
    let make = |n: usize| {
        let activation_id = match ordered {
            true => format!("{:032x}", first + n).parse().unwrap_or_else(|_| ActivationId::generate()),
            false => ActivationId::generate(),
        };
        let summary = format!(
            r#"{{"namespace":"guest","name":"hello","version":"0.0.1","publish":false,"annotations":[{{"key":"path","value":"guest/hello"}},{{"key":"kind","value":"nodejs:20"}}],"activationId":"{activation_id}","start":{start},"end":{start},"duration":3,"statusCode":0}}"#
        );
        RecordDocument {
            namespace: namespace.clone(),
            activation_id,
            start,
            filter_name: format!("action{}", n % 10),
            document: format!(r#"{{"activationId":"{activation_id}","filler":"{}"}}"#, "x".repeat(540))
                .into(),
            summary: summary.into(),
            origin: Some(RecordOrigin { kind: RecordKind::Result, run: u64::MAX / 3, version: 2 }),
        }
    };
    (0..size).map(make).collect()
}

/// Milliseconds of a count over all time, a count since a minute ago, and a page from the middle; and the memory used.
async fn reads(
    store: &dyn ActivationStore,
    namespace: &EntityName,
    stored: u64,
) -> Result<String, Box<dyn std::error::Error>> {
    let namespace = namespace.clone();
    let all = ActivationQuery { namespace, name: None, since: None, upto: None, skip: 0, limit: Some(30) };
    let recent = ActivationQuery { since: Some(now().as_millis() as i64 - 20_500), ..all.clone() };
    let deep = ActivationQuery { skip: stored / 2, ..all.clone() };
    let begun = Instant::now();
    let total = store.count(&all).await?;
    let counted = begun.elapsed();
    store.count(&recent).await?;
    let ranged = begun.elapsed() - counted;
    let page = store.summaries(&deep).await?.len();
    let paged = begun.elapsed() - counted - ranged;
    Ok(format!(
        "count {total} {counted:?}  range {ranged:?}  page of {page} {paged:?}  rss {} MB",
        resident_mb()?
    ))
}

fn resident_mb() -> std::io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = status.split(' ').nth(1).and_then(|text| text.parse().ok()).unwrap_or(0);
    Ok(pages * 4096 / 1_000_000)
}

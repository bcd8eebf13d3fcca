//! Lists and counts with many records against few.

use std::time::Duration;

use anyhow::Context;
use oxwhisk_core::entity::{Activation, Response, Status};
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::EntityName;
use oxwhisk_core::parameters::Parameters;
use oxwhisk_core::version::Version;
use oxwhisk_store::RecordDocument;
use oxwhisk_store::sqlite::{SqliteOptions, SqliteStores};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Cli;
use crate::load::{self, Target, Until};
use crate::process::Server;
use crate::report;

const BATCH: u64 = 500;
const FEW: u64 = 1000;
/// Milliseconds since the epoch at which the first made record starts; they follow each other by a tenth of a second.
const FIRST_START: i64 = 1_760_000_000_000;

pub(crate) fn run(cli: &Cli, many: u64) -> anyhow::Result<()> {
    let (small, large) = (TempDir::new()?, TempDir::new()?);
    for (folder, count) in [(&small, FEW), (&large, many)] {
        // A server takes a directory with files in it only if they are a server's.
        drop(Server::start_on(&cli.oxwhisk, folder.path())?);
        let begin = std::time::Instant::now();
        fill(&folder.path().join("data"), count)?;
        let rate = (count as f64 / begin.elapsed().as_secs_f64()).round();
        println!(
            "{}",
            json!({"scenario": "records", "moment": "filled", "records": count, "records_per_second": rate})
        );
    }
    let servers = [
        (FEW, Server::start_on(&cli.oxwhisk, small.path())?),
        (many, Server::start_on(&cli.oxwhisk, large.path())?),
    ];
    let middle = |count: u64| FIRST_START + 100 * i64::try_from(count / 2).unwrap_or(0) + 37;
    for round in 1..=cli.rounds {
        for (count, server) in &servers {
            let requests = [
                ("list", "activations?limit=30".to_owned()),
                ("list by name", "activations?limit=30&name=noop7".to_owned()),
                ("list in a range", format!("activations?limit=30&upto={}", middle(*count))),
                ("count", "activations?count=true".to_owned()),
                ("count in a range", format!("activations?count=true&since={}", middle(*count))),
            ];
            for (name, path) in requests {
                let request = server.api.request("GET", &path, &Value::Null);
                let target = Target { endpoint: server.api.endpoint.clone(), request, expected: 200 };
                let measured =
                    load::run(&target, 1, Until::Elapsed(Duration::from_secs(cli.seconds.min(2))))?;
                let mut row = report::row("records", name, round, 1, &measured);
                row["records"] = (*count).into();
                println!("{row}");
            }
        }
    }
    Ok(())
}

fn fill(folder: &std::path::Path, count: u64) -> anyhow::Result<()> {
    let stores = SqliteStores::open(folder, &SqliteOptions::default()).context("open the stores")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let activations = stores.activations();
    runtime.block_on(async {
        for batch in 0..count.div_ceil(BATCH) {
            let records: Vec<RecordDocument> =
                (batch * BATCH..((batch + 1) * BATCH).min(count)).map(record).collect::<Result<_, _>>()?;
            activations.store(&records).await?;
        }
        Ok(())
    })
}

fn record(number: u64) -> anyhow::Result<RecordDocument> {
    let start = FIRST_START + 100 * i64::try_from(number)?;
    let name = format!("noop{}", number % 100);
    let mut annotations = Parameters::new();
    annotations.set("path", &format!("bench/{name}"));
    annotations.set("kind", "nodejs:20");
    annotations.set("waitTime", &3);
    annotations.set("limits", &json!({"timeout": 60000, "memory": 256, "logs": 10, "concurrency": 1}));
    let result = serde_json::value::RawValue::from_string("{\"ok\":true}".to_owned())?;
    let activation = Activation {
        namespace: EntityName::new("bench")?,
        name: EntityName::new(&name)?,
        version: Version::FIRST,
        subject: "bench".into(),
        activation_id: ActivationId::generate(),
        start,
        end: start + 5,
        duration: Some(5),
        cause: None,
        response: Response { status: Status::Success, result: Some(result.into()), size: Some(11) },
        logs: vec!["2026-01-01T00:00:00.123456789Z stdout: hello".to_owned()],
        annotations,
        publish: false,
    };
    Ok(RecordDocument::from_activation(&activation, start))
}

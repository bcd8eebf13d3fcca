//! Users who ask for tiles: in a closed loop, with a delay on the way there and on the way back.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;

use super::host::seconds_now;
use super::image;
use super::record::Row;
use super::requests::Tile;
use crate::api::Api;
use crate::client::{Answer, Connection};

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Action<'a> {
    pub(crate) api: &'a Api,
    pub(crate) name: &'a str,
    pub(crate) variant: &'a str,
    pub(crate) round: u32,
    pub(crate) user_delay: Duration,
}

/// The result of the action, in the shape of a web action's.
#[derive(Debug, Deserialize)]
struct Served {
    headers: Headers,
    body: String,
}

#[derive(Debug, Deserialize)]
struct Headers {
    #[serde(rename = "X-Node")]
    node: String,
    #[serde(rename = "X-Container")]
    container: String,
    #[serde(rename = "X-Cache")]
    cache: String,
    #[serde(rename = "X-Cache-Ms")]
    cache_ms: String,
    #[serde(rename = "X-Fetch-Ms")]
    fetch_ms: String,
    #[serde(rename = "X-Cache-Error")]
    cache_error: Option<String>,
}

/// Asks for all of `requests`, by so many users at once, each for the next one that nobody has asked for yet; the rows are in the order
/// in which they were asked.
///
/// # Errors
/// When a connection breaks, or what is served is not the tile. Errors of the platform and the action are rows with their status.
pub(crate) fn replay(action: &Action<'_>, requests: &[Tile], clients: usize) -> anyhow::Result<Vec<Row>> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let client = || {
        let outcome = one_client(action, requests, (&next, &stop));
        stop.fetch_or(outcome.is_err(), Ordering::Relaxed);
        outcome
    };
    let outcomes: Vec<anyhow::Result<Vec<Row>>> = thread::scope(|scope| {
        let handles: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
        let join = |handle: thread::ScopedJoinHandle<'_, _>| {
            handle.join().map_err(|_| anyhow::anyhow!("a client panicked"))?
        };
        handles.into_iter().map(join).collect()
    });
    let mut rows = Vec::with_capacity(requests.len());
    for outcome in outcomes {
        rows.extend(outcome?);
    }
    rows.sort_by(|one: &Row, other| one.at.total_cmp(&other.at));
    Ok(rows)
}

fn one_client(
    action: &Action<'_>,
    requests: &[Tile],
    (next, stop): (&AtomicUsize, &AtomicBool),
) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut connection = Connection::open(&action.api.endpoint)?;
    while !stop.load(Ordering::Relaxed) {
        let Some(tile) = requests.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
        let request = action.request(*tile);
        let asked = Instant::now();
        thread::sleep(action.user_delay);
        let (at, sent) = (seconds_now(), Instant::now());
        let answer = connection.call(&request)?;
        let latency = sent.elapsed();
        thread::sleep(action.user_delay);
        let user = asked.elapsed();
        rows.push(action.row(*tile, &answer, Times { at, latency, user })?);
    }
    Ok(rows)
}

struct Times {
    at: f64,
    latency: Duration,
    user: Duration,
}

impl Action<'_> {
    fn request(&self, tile: Tile) -> Vec<u8> {
        let path = format!("actions/{}?blocking=true&result=true", self.name);
        self.api.request("POST", &path, &json!({"z": tile.zoom, "x": tile.x, "y": tile.y}))
    }

    /// One request, to say at once what is wrong where nothing works.
    pub(crate) fn check(&self, tile: Tile) -> anyhow::Result<()> {
        let answer = Connection::open(&self.api.endpoint)?.call(&self.request(tile))?;
        let text = String::from_utf8_lossy(&answer.body);
        ensure!(answer.status == 200, "{}: {} {text}", self.name, answer.status);
        let served = served(&answer, tile)?;
        if let Some(error) = served.headers.cache_error {
            bail!("{} does without its cache: {error}", self.name);
        }
        Ok(())
    }

    fn row(&self, tile: Tile, answer: &Answer, times: Times) -> anyhow::Result<Row> {
        let row = Row {
            variant: self.variant.to_owned(),
            round: self.round,
            at: times.at,
            tile: tile.to_string(),
            latency_ms: super::duration::milliseconds(times.latency),
            user_ms: super::duration::milliseconds(times.user),
            node: String::new(),
            container: String::new(),
            hit: false,
            fetch_ms: 0.0,
            cache_ms: 0.0,
            status: answer.status,
            cache_error: None,
        };
        if answer.status != 200 {
            return Ok(row);
        }
        let Headers { node, container, cache, cache_ms, fetch_ms, cache_error } =
            served(answer, tile)?.headers;
        let (fetch_ms, cache_ms) = (fetch_ms.parse()?, cache_ms.parse()?);
        Ok(Row { node, container, hit: cache == "hit", fetch_ms, cache_ms, cache_error, ..row })
    }
}

/// What was served, if it is that tile.
fn served(answer: &Answer, tile: Tile) -> anyhow::Result<Served> {
    let text = || format!("the answer to {tile}: {}", String::from_utf8_lossy(&answer.body));
    let served: Served = serde_json::from_slice(&answer.body).with_context(text)?;
    let picture = STANDARD.decode(&served.body).with_context(text)?;
    ensure!(image::shows(&picture, tile), "not the tile that was asked for: {}", text());
    Ok(served)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Endpoint;

    const TILE: Tile = Tile { zoom: 3, x: 1, y: 2 };

    fn answer(tile: Tile) -> Answer {
        let body = json!({
            "statusCode": 200,
            "headers": {
                "Content-Type": "image/png", "X-Node": "n", "X-Container": "c", "X-Cache": "hit", "X-Cache-Ms": "0.812",
                "X-Fetch-Ms": "0.000",
            },
            "body": STANDARD.encode(image::png(tile).unwrap()),
        });
        Answer { status: 200, body: body.to_string().into_bytes() }
    }

    fn row(answer: &Answer) -> anyhow::Result<Row> {
        let api = Api::new(Endpoint::Unix("/nowhere".into()));
        let action =
            Action { api: &api, name: "tiles-2", variant: "local", round: 1, user_delay: Duration::ZERO };
        let (latency, user) = (Duration::from_micros(1234), Duration::from_millis(21));
        action.row(TILE, answer, Times { at: 1.5, latency, user })
    }

    #[test]
    fn an_answer_becomes_a_row() {
        let row = row(&answer(TILE)).unwrap();
        assert_eq!((row.node.as_str(), row.container.as_str(), row.hit), ("n", "c", true));
        assert_eq!([row.latency_ms, row.user_ms, row.cache_ms, row.fetch_ms], [1.234, 21.0, 0.812, 0.0]);
    }

    #[test]
    fn another_tile_ends_the_run_and_an_error_is_a_row() {
        let error = row(&answer(Tile { x: 0, ..TILE })).unwrap_err().to_string();
        assert!(error.starts_with("not the tile that was asked for"), "{error}");
        let row = row(&Answer { status: 502, body: Vec::new() }).unwrap();
        assert_eq!((row.status, row.hit), (502, false));
    }
}

//! The rows of a run: one for each request, one a second for the host, one in the end.

use serde::{Deserialize, Serialize};

/// One request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) variant: String,
    pub(crate) round: u32,
    /// Seconds since 1970, when the request was sent.
    pub(crate) at: f64,
    pub(crate) tile: String,
    /// From the request's being sent until its answer is here.
    pub(crate) latency_ms: f64,
    /// What the user's delay makes of that: both ways are in it.
    pub(crate) user_ms: f64,
    pub(crate) node: String,
    pub(crate) container: String,
    pub(crate) hit: bool,
    /// In the action: for the store's answer, 0 with a hit; and with the cache.
    pub(crate) fetch_ms: f64,
    pub(crate) cache_ms: f64,
    pub(crate) status: u16,
    /// What went wrong with the cache, where something did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) cache_error: Option<String>,
}

/// One variant in one round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) variant: String,
    pub(crate) round: u32,
    pub(crate) clients: usize,
    pub(crate) user_delay_ms: f64,
    pub(crate) requests: usize,
    pub(crate) warmup: usize,
    pub(crate) seconds: f64,
    /// Tiles that the store has served meanwhile.
    pub(crate) store_requests: u64,
    /// Tiles among the requests that were not asked for before: the fewest that the store must serve.
    pub(crate) first_requests: usize,
    pub(crate) load: f64,
}

/// A line of a file of results that is of interest here. Its `scenario` says what it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "scenario")]
pub(crate) enum Line {
    #[serde(rename = "tiles")]
    Request(Row),
    #[serde(rename = "tiles host")]
    Host(super::host::Sample),
    #[serde(rename = "tiles run")]
    Run(Run),
}

/// Prints a row.
pub(crate) fn print(line: &Line) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(line)?);
    Ok(())
}

/// The lines of a file of results; what else is in it (the machine) is passed over.
///
/// # Errors
/// With the number of a line that is no JSON, or is of this scenario and cannot be read.
pub(crate) fn parse(text: &str) -> anyhow::Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (number, text) in text.lines().enumerate() {
        let fault = |error| anyhow::anyhow!("line {}: {error}", number + 1);
        let value: serde_json::Value = serde_json::from_str(text).map_err(fault)?;
        if value.get("scenario").is_some() {
            lines.push(serde_json::from_value(value).map_err(fault)?);
        }
    }
    Ok(lines)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn row(variant: &str, latency_ms: f64, hit: bool) -> Row {
        Row {
            variant: variant.to_owned(),
            round: 1,
            at: 1_796_130_704.054,
            tile: "3/1/2".into(),
            latency_ms,
            user_ms: latency_ms + 20.0,
            node: "0a1b2c3d".into(),
            container: "0123456789ab".into(),
            hit,
            fetch_ms: if hit { 0.0 } else { 51.5 },
            cache_ms: 0.4,
            status: 200,
            cache_error: None,
        }
    }

    #[test]
    fn a_row_is_a_line_with_the_named_members() {
        let line = Line::Request(row("local", 1.25, true));
        let text = serde_json::to_string(&line).unwrap();
        assert_eq!(
            text,
            "{\"scenario\":\"tiles\",\"variant\":\"local\",\"round\":1,\"at\":1796130704.054,\"tile\":\"3/1/2\",\
             \"latency_ms\":1.25,\"user_ms\":21.25,\"node\":\"0a1b2c3d\",\"container\":\"0123456789ab\",\"hit\":true,\
             \"fetch_ms\":0.0,\"cache_ms\":0.4,\"status\":200}"
        );
        assert_eq!(parse(&format!("{{\"machine\":{{}}}}\n{text}\n")).unwrap(), [line]);
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named() {
        let error = parse("{}\n{\"scenario\":\"tiles\"}").unwrap_err().to_string();
        assert!(error.starts_with("line 2: missing field"), "{error}");
        assert!(parse("x").unwrap_err().to_string().starts_with("line 1"));
    }
}

//! The API as one subject sees it.

use anyhow::bail;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::client::{Connection, Endpoint, request};

const UUID: &str = "6f7b2c1e-3b0a-4a52-9d59-0d3c5a6f1e77";
/// Calls that no measurement reaches.
const UNLIMITED: u64 = 1_000_000_000;

fn key() -> String {
    "k".repeat(64)
}

/// A file of users with one subject whose limits do not matter.
pub(crate) fn users() -> Value {
    let limits = json!({"invocationsPerMinute": UNLIMITED, "concurrentInvocations": UNLIMITED});
    json!([{"subject": "bench", "namespace": "bench", "uuid": UUID, "key": key(), "limits": limits}])
}

/// Where a server listens, and who calls.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) endpoint: Endpoint,
    authorization: String,
}

impl Api {
    /// As the subject of [`users`].
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, authorization: STANDARD.encode(format!("{UUID}:{}", key())) }
    }

    /// At a URL of plain HTTP and an address.
    pub(crate) fn at(url: &str) -> anyhow::Result<Self> {
        let address =
            url.strip_prefix("http://").and_then(|address| address.trim_end_matches('/').parse().ok());
        let Some(address) = address else { bail!("'{url}' is not http://address:port") };
        Ok(Self::new(Endpoint::Tcp(address)))
    }

    /// As another subject, by its `uuid:key`.
    pub(crate) fn with_credentials(self, credentials: &str) -> Self {
        Self { authorization: STANDARD.encode(credentials), ..self }
    }

    /// A request for `path` below the namespace.
    pub(crate) fn request(&self, method: &str, path: &str, body: &Value) -> Vec<u8> {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let path = format!("/api/v1/namespaces/_/{path}");
        request(method, &path, Some(&self.authorization), &body)
    }

    pub(crate) fn call(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
        let answer = Connection::open(&self.endpoint)?.call(&self.request(method, path, body))?;
        if answer.status >= 300 {
            bail!("{method} {path}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
        Ok(serde_json::from_slice(&answer.body)?)
    }

    pub(crate) fn create_action(&self, name: &str, exec: &Value) -> anyhow::Result<()> {
        self.call("PUT", &format!("actions/{name}?overwrite=true"), &json!({"exec": exec})).map(drop)
    }
}

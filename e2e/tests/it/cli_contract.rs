//! What the official command line needs from the server, request by request as it sends them. These hold on
//! every machine; `wsk.rs` drives the real program where there is one.

mod actions;
mod activations;
mod invoking;
mod session;
mod shapes;

use oxwhisk_e2e::{Request, Response, Tenant};
use serde_json::Value;

/// A request with the headers and the body form of the command line: JSON that ends in a newline.
fn as_cli(tenant: &Tenant, method: &str, rest: &str, body: Option<&Value>) -> Request {
    let request = tenant
        .request(method, rest)
        .header("User-Agent", "OpenWhisk-CLI/1.0 (not set) linux amd64")
        .header("Accept-Encoding", "gzip");
    match body {
        None => request,
        Some(body) => request.header("Content-Type", "application/json").body(format!("{body}\n")),
    }
}

/// The exit code of the command line for a failed request: it needs `error` and `code`, else it reports a broken
/// connection.
#[track_caller]
fn exit_code(response: &Response) -> i32 {
    assert!(response.status >= 400, "not an error\n{response:?}");
    response.error_message(response.status);
    exit_code_of(response.status)
}

fn exit_code_of(status: u16) -> i32 {
    (i32::from(status) - 256).rem_euclid(256)
}

//! The HTTP that clients really speak.

use std::{
    io::{BufReader, Read, Write},
    net::TcpListener,
    os::unix::net::UnixStream,
    process::Command,
};

use serde_json::{Value, json};

use crate::harness::{Proxy, activation, connect, echo_program, error, has, ok, read_answer, wait_for};

fn proxy_with_echo() -> (Proxy, BufReader<UnixStream>) {
    let mut proxy = Proxy::start();
    assert_eq!(proxy.init_binary(&echo_program()), ok());
    let stream = BufReader::new(connect(&proxy.socket()));
    (proxy, stream)
}

fn send(stream: &mut BufReader<UnixStream>, text: &str) {
    stream.get_mut().write_all(text.as_bytes()).unwrap();
}

#[test]
fn chunked_bodies_and_expect_continue() {
    let (_proxy, mut stream) = proxy_with_echo();
    let body = activation(&json!({"a": 1}));
    let (left, right) = body.split_at(10);
    let chunks = format!("{:x}\r\n{left}\r\n{:X};x\r\n{right}\r\n0\r\n\r\n", left.len(), right.len());
    send(&mut stream, &format!("POST /run HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"));
    assert_eq!(read_answer(&mut stream), (200, json!({"a": 1})));

    send(
        &mut stream,
        &format!("POST /run HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n", body.len()),
    );
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    send(&mut stream, &body);
    assert_eq!(read_answer(&mut stream), (200, json!({"a": 1})));
}

#[test]
fn requests_may_come_byte_by_byte_and_one_behind_the_other() {
    let (_proxy, mut stream) = proxy_with_echo();
    let body = activation(&json!({"a": 1}));
    let request = format!("POST /run HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    for byte in request.bytes() {
        stream.get_mut().write_all(&[byte]).unwrap();
    }
    assert_eq!(read_answer(&mut stream), (200, json!({"a": 1})));
    send(&mut stream, &request.repeat(3));
    for _ in 0..3 {
        assert_eq!(read_answer(&mut stream), (200, json!({"a": 1})));
    }
}

#[test]
fn other_paths_methods_and_broken_requests() {
    let (_proxy, mut stream) = proxy_with_echo();
    send(&mut stream, "POST /other HTTP/1.1\r\n\r\n");
    assert_eq!(read_answer(&mut stream).0, 404);
    send(&mut stream, "GET /run HTTP/1.1\r\n\r\n");
    assert_eq!(read_answer(&mut stream).0, 405);
    send(&mut stream, "POST /run HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n");
    assert_eq!(read_answer(&mut stream), error(413, "the request body is longer than 67108864 bytes"));
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "closed after a request it cannot read over");
}

#[test]
fn a_connection_is_closed_when_asked_for() {
    let (_proxy, mut stream) = proxy_with_echo();
    let body = activation(&json!({}));
    let request =
        format!("POST /run HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    send(&mut stream, &request);
    assert_eq!(read_answer(&mut stream), (200, json!({})));
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn connections_are_bounded_and_given_back() {
    let (proxy, mut first) = proxy_with_echo();
    let mut others: Vec<_> = (0..80).map(|_| BufReader::new(connect(&proxy.socket()))).collect();
    let refused = error(429, "more than 64 connections");
    assert_eq!(read_answer(others.last_mut().unwrap()), refused);
    let body = activation(&json!({}));
    let request = format!("POST /run HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    send(&mut first, &request);
    assert_eq!(read_answer(&mut first).0, 200, "connections that were taken go on");
    drop(others);
    wait_for("a free connection", || {
        let mut stream = BufReader::new(connect(&proxy.socket()));
        // A refused connection may be closed before the request is written.
        stream.get_mut().write_all(request.as_bytes()).is_ok() && read_answer(&mut stream).0 == 200
    });
}

#[test]
fn curl_over_tcp() {
    if !has("/usr/bin/curl") {
        return;
    }
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let folder = tempfile::TempDir::new().unwrap();
    let mut proxy = Command::new(env!("CARGO_BIN_EXE_oxwhisk-runtime-native"))
        .env("OW_LISTEN", format!("tcp:127.0.0.1:{port}"))
        .env("TMPDIR", folder.path())
        .spawn()
        .unwrap();
    wait_for("the port", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    let curl = |path: &str, body: &str, extra: &[&str]| -> Value {
        let file = folder.path().join("body");
        std::fs::write(&file, body).unwrap();
        let data = format!("@{}", file.display());
        let url = format!("http://127.0.0.1:{port}{path}");
        let output = Command::new("/usr/bin/curl")
            .args(["-sS", "--noproxy", "*", "-X", "POST", "--data-binary", &data, &url])
            .args(extra)
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    };
    let script = "#!/bin/sh\ncat\n";
    assert_eq!(curl("/init", &json!({"value": {"code": script}}).to_string(), &[]), json!({"ok": true}));
    let value = json!({ "text": "y".repeat(2 << 20) });
    assert_eq!(curl("/run", &activation(&value), &[]), value);
    assert_eq!(curl("/run", &activation(&value), &["-H", "Transfer-Encoding: chunked"]), value);
    proxy.kill().unwrap();
    proxy.wait().unwrap();
}

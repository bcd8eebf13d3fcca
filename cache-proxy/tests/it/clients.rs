//! Clients that people use, unmodified. What they do is in `tests/clients`, and `scripts/cache-clients.sh` installs them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};

use oxwhisk_cache_proxy::ProxyConfig;

use crate::fixture::{Cache, Running, order_in};

/// How scripts say that this machine lacks something.
const LACKS: i32 = 77;

#[expect(clippy::print_stdout, reason = "a test that did not run says so")]
fn skipped(test: &str, why: &str) {
    println!("skipped: {test}: {why}");
}

/// Lets a client's activations begin and end, one line for each: `begin` is answered with a token.
fn control(cache: &Cache, stream: &TcpStream, container: &str) {
    let mut running: Option<Running> = None;
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let answer = if line == "begin" {
            let begun = cache.begin(order_in(container, "/guest/a"));
            running.insert(begun).token.reveal()
        } else {
            cache.end(&running.take().expect("one has begun"));
            "ended".to_owned()
        };
        // In one piece: a second one would wait for word of the first.
        if (&*stream).write_all(format!("{answer}\n").as_bytes()).is_err() {
            return;
        }
    }
}

/// Runs a program for which activations begin and end as it says.
fn with_control(cache: &Cache, program: &mut Command) -> std::io::Result<Output> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    program.env("CACHE_CONTROL", address.to_string()).env("CACHE_ADDRESS", cache.address().to_string());
    let over = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let (listener, over) = (&listener, &over);
        threads.spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                if over.load(Ordering::Acquire) {
                    return;
                }
                control(cache, &stream.unwrap(), &format!("container-{number}"));
            }
        });
        let output = program.output();
        over.store(true, Ordering::Release);
        // Wakes the one that listens.
        let _ = TcpStream::connect(address);
        output
    })
}

fn run(test: &str, clients: &[&[&str]]) {
    for arguments in clients {
        let Some(cache) = Cache::start(test) else { return };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/cache-clients.sh");
        let output = with_control(&cache, Command::new(script).args(*arguments)).unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        if output.status.code() == Some(LACKS) {
            skipped(test, told.trim_end());
            continue;
        }
        assert!(output.status.success(), "{arguments:?}: {}{told}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn the_python_client_is_served() {
    run("the_python_client_is_served", &[&["python", "client.py"]]);
}

#[test]
fn the_javascript_clients_are_served() {
    run("the_javascript_clients_are_served", &[&["nodejs", "redis.js"], &["nodejs", "ioredis.js"]]);
}

#[test]
fn the_go_client_is_served() {
    run("the_go_client_is_served", &[&["go"]]);
}

#[test]
fn the_rust_clients_are_served() {
    run("the_rust_clients_are_served", &[&["rust", "redis"], &["rust", "fred"]]);
}

/// `redis-cli` or `redis-benchmark`; `None`, and a line that says so, where there is none.
fn tool(test: &str, cache: &Cache, name: &str, arguments: &[&str]) -> Option<String> {
    let address = cache.address();
    let mut command = Command::new(name);
    command.args(["-h", &address.ip().to_string(), "-p", &address.port().to_string()]).args(arguments);
    match command.output() {
        Ok(output) => {
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{arguments:?}: {told}");
            Some(String::from_utf8_lossy(&output.stdout).into_owned() + &told)
        }
        Err(error) => {
            skipped(test, &format!("no {name} (Debian package redis-tools): {error}"));
            None
        }
    }
}

#[test]
fn the_command_line_client_is_served() {
    let test = "the_command_line_client_is_served";
    let Some(cache) = Cache::start(test) else { return };
    let token = cache.begin(order_in("c", "/guest/a")).token.reveal();
    let log_in = ["--no-auth-warning", "-a", &token];
    for version in ["-2", "-3"] {
        let cli = |arguments: &[&str]| {
            tool(test, &cache, "redis-cli", &[&log_in[..], &[version], arguments].concat())
        };
        let Some(set) = cli(&["set", "k", "v"]) else { return };
        assert_eq!(set, "OK\n");
        assert_eq!(cli(&["get", "k"]).unwrap(), "v\n");
        assert_eq!(cli(&["--scan"]).unwrap(), "k\n");
        assert!(cli(&["keys", "*"]).unwrap().contains("NOPERM"));
        assert!(cli(&["--bigkeys"]).unwrap().contains("Sampled 1 keys"));
        assert_eq!(cli(&["-r", "3", "incr", "n"]).unwrap(), "1\n2\n3\n");
        assert!(cli(&["info", "keyspace"]).unwrap().contains("db0:keys=2"));
        assert!(cli(&["command", "count"]).unwrap().trim().parse::<u32>().unwrap() > 200);
        assert_eq!(cli(&["flushall"]).unwrap(), "OK\n");
    }
    let url = format!("redis://:{token}@{}", cache.address());
    assert_eq!(
        tool(test, &cache, "redis-cli", &["--no-auth-warning", "-u", &url, "ping"]).unwrap(),
        "PONG\n"
    );
}

#[test]
fn the_benchmark_of_redis_runs() {
    let test = "the_benchmark_of_redis_runs";
    let config = ProxyConfig { max_private: 10, ..ProxyConfig::default() };
    let Some(cache) = Cache::start_with(test, config) else { return };
    let token = cache.begin(order_in("c", "/guest/a")).token.reveal();
    let all =
        "ping_inline,ping_mbulk,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,lrange,mset";
    for more in [&["-P", "1"][..], &["-P", "50", "-r", "1000"], &["-3", "-P", "5", "-d", "5000"]] {
        let arguments = [&["-a", &token, "-n", "500", "-c", "10", "-q", "-t", all], more].concat();
        let Some(told) = tool(test, &cache, "redis-benchmark", &arguments) else { return };
        let done = told.matches("requests per second").count();
        assert!(done >= 20 && !told.contains("Error"), "{done}: {told}");
    }
}

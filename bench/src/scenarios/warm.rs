//! Warm blocking calls: the server against its floors, in turns.

use std::time::Duration;

use serde_json::json;

use crate::Cli;
use crate::client::request;
use crate::load::{self, Measured, Target, Until};
use crate::process::{Nginx, Runtime, Server};
use crate::report;
use crate::scenarios::subjects::{Subject, run_body};

pub(crate) fn run(cli: &Cli, connections: &[usize], kinds: &[String]) -> anyhow::Result<()> {
    for kind in kinds {
        let subject = Subject::of_kind(cli, kind)?;
        for count in connections {
            compare(cli, &subject, *count)?;
        }
    }
    Ok(())
}

fn compare(cli: &Cli, subject: &Subject, connections: usize) -> anyhow::Result<()> {
    let server = Server::start(&cli.oxwhisk)?;
    server.api.create_action("noop", &subject.exec)?;
    let runtime = Runtime::start(subject.runtime(cli)?, &subject.init)?;
    let nginx = Nginx::start()?;
    let direct = request("POST", "/run", None, run_body().to_string().as_bytes());
    let invoke = server.api.request("POST", "actions/noop?blocking=true", &json!({"a": 1}));
    let plain = request("POST", "/", None, br#"{"a":1}"#);
    // One runtime serves one call at a time, so the direct floor has one connection.
    let subjects = [
        ("direct /run", 1, Target { endpoint: runtime.endpoint, request: direct, expected: 200 }),
        ("oxwhisk", connections, Target { endpoint: server.api.endpoint, request: invoke, expected: 200 }),
        ("nginx", connections, Target { endpoint: nginx.endpoint, request: plain, expected: 200 }),
    ];
    let mut taken: Vec<Vec<Measured>> = subjects.iter().map(|_| Vec::new()).collect();
    for round in 1..=cli.rounds {
        for ((name, count, target), taken) in subjects.iter().zip(&mut taken) {
            load::run(target, *count, Until::Elapsed(Duration::from_secs(cli.seconds.min(2))))?;
            let measured = load::run(target, *count, Until::Elapsed(Duration::from_secs(cli.seconds)))?;
            let label = format!("warm {}", subject.kind);
            println!("{}", report::row(&label, name, round, *count, &measured));
            taken.push(measured);
        }
    }
    summarise(subject, connections, &taken);
    Ok(())
}

fn summarise(subject: &Subject, connections: usize, taken: &[Vec<Measured>]) {
    let [direct, ours, nginx] = taken else { return };
    let median = |runs: &[Measured], figure: &dyn Fn(&Measured) -> f64| {
        report::median(runs.iter().map(figure).collect())
    };
    let added = ours.iter().zip(direct).map(|(ours, direct)| ours.micros(0.5) - direct.micros(0.5)).collect();
    println!(
        "{}",
        json!({
            "summary": format!("warm {}", subject.kind), "connections": connections,
            "rate": median(ours, &Measured::rate).round(),
            "p50_us": median(ours, &|run| run.micros(0.5)), "p99_us": median(ours, &|run| run.micros(0.99)),
            "max_us": ours.iter().map(Measured::max_micros).fold(0.0, f64::max),
            "direct_p50_us": median(direct, &|run| run.micros(0.5)),
            "added_p50_us": report::median(added),
            "nginx_rate": median(nginx, &Measured::rate).round(),
            "nginx_p50_us": median(nginx, &|run| run.micros(0.5)),
        })
    );
}

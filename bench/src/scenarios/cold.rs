//! First calls of fresh actions: cold and prewarmed, against the runtime started by hand and a warm call.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Cli;
use crate::client::{Connection, request};
use crate::process::{Runtime, Server};
use crate::report;
use crate::scenarios::subjects::{Subject, run_body};

/// Time for stem cells to be replaced between two samples.
const REFILL: Duration = Duration::from_millis(700);

pub(crate) fn run(cli: &Cli, samples: u32) -> anyhow::Result<()> {
    for kind in ["native", "nodejs", "python"] {
        let subject = Subject::of_kind(cli, kind)?;
        let server = Server::start(&cli.oxwhisk)?;
        // The first of a kind is another matter: the files it reads are not in memory, its zygote does not exist yet.
        first_call(&server, &subject, "unmeasured", 192)?;
        let mut by_hand = Vec::new();
        let mut first = Vec::new();
        let mut without_stem_cell = Vec::new();
        let mut warm = Vec::new();
        for sample in 0..samples {
            // Before each: a stem cell that is being replaced would take the processors from what is timed.
            std::thread::sleep(REFILL);
            by_hand.push(start_by_hand(cli, &subject)?);
            std::thread::sleep(REFILL);
            let name = format!("fresh{sample}");
            // The default memory is what stem cells have; any other is a cold start.
            first.push(first_call(&server, &subject, &name, 256)?);
            warm.push(timed_call(&server, &name)?);
            std::thread::sleep(REFILL);
            without_stem_cell.push(first_call(&server, &subject, &format!("odd{sample}"), 192)?);
        }
        let prewarmed = if kind == "nodejs" { first } else { Vec::new() };
        for (name, values) in [
            ("runtime by hand", by_hand),
            ("cold", without_stem_cell),
            ("prewarmed", prewarmed),
            ("warm", warm),
        ] {
            if !values.is_empty() {
                print_row(kind, name, &values);
            }
        }
    }
    Ok(())
}

fn print_row(kind: &str, subject: &str, milliseconds: &[f64]) {
    let most = milliseconds.iter().copied().fold(0.0, f64::max);
    let row = json!({
        "scenario": format!("cold {kind}"), "subject": subject, "samples": milliseconds.len(),
        "median_ms": report::median(milliseconds.to_vec()), "max_ms": most, "load": report::load_average(),
    });
    println!("{row}");
}

fn start_by_hand(cli: &Cli, subject: &Subject) -> anyhow::Result<f64> {
    let command = subject.runtime(cli)?;
    let begin = Instant::now();
    let runtime = Runtime::start(command, &subject.init)?;
    let body = run_body().to_string();
    Connection::open(&runtime.endpoint)?.call(&request("POST", "/run", None, body.as_bytes()))?;
    Ok(milliseconds(begin))
}

fn first_call(server: &Server, subject: &Subject, name: &str, memory: u64) -> anyhow::Result<f64> {
    let body = json!({"exec": subject.exec, "limits": {"memory": memory}});
    server.api.call("PUT", &format!("actions/{name}"), &body)?;
    timed_call(server, name)
}

fn timed_call(server: &Server, name: &str) -> anyhow::Result<f64> {
    let begin = Instant::now();
    server.api.call("POST", &format!("actions/{name}?blocking=true"), &Value::Null)?;
    Ok(milliseconds(begin))
}

fn milliseconds(begin: Instant) -> f64 {
    begin.elapsed().as_secs_f64() * 1000.0
}

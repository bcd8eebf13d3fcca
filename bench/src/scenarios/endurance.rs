//! Many activations: does memory stay flat, does any call take long?

use serde_json::json;

use crate::Cli;
use crate::load::{self, Target, Until};
use crate::process::Server;
use crate::report;
use crate::scenarios::subjects::Subject;

const PARTS: u64 = 10;

pub(crate) fn run(cli: &Cli, activations: u64, connections: usize) -> anyhow::Result<()> {
    let subject = Subject::of_kind(cli, "native")?;
    let server = Server::start(&cli.oxwhisk)?;
    std::thread::sleep(std::time::Duration::from_secs(3));
    let (idle, _) = report::memory(server.pid());
    println!("{}", json!({"scenario": "endurance", "moment": "idle", "rss_kb": idle}));
    server.api.create_action("noop", &subject.exec)?;
    let request = server.api.request("POST", "actions/noop?blocking=true", &json!({"a": 1}));
    let target = Target { endpoint: server.api.endpoint.clone(), request, expected: 200 };
    for part in 1..=PARTS {
        let measured = load::run(&target, connections, Until::Requests(activations / PARTS))?;
        let (now, most) = report::memory(server.pid());
        let slow = measured.latencies.len() - measured.latencies.count_between(0, 100_000_000);
        let mut row = report::row("endurance", "oxwhisk", u32::try_from(part)?, connections, &measured);
        row["rss_kb"] = now.into();
        row["most_rss_kb"] = most.into();
        row["above_100_ms"] = slow.into();
        println!("{row}");
    }
    Ok(())
}

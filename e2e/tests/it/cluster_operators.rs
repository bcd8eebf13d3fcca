//! What operators and their probes ask the real binaries of a cluster: `/live`, `/ready`, `/loglevel`.

use oxwhisk_e2e::cluster::Cluster;
use oxwhisk_e2e::{action, shared, wait};
use serde_json::json;

#[test]
fn every_process_is_alive_and_ready() {
    let Some(cluster) = Cluster::to_watch("every_process_is_alive_and_ready") else { return };
    let processes = cluster.processes();
    assert!(processes.len() >= 3, "{processes:?}");
    for part in processes {
        let get = |path: &str| cluster.ops(&part).get(path).send().expect(200).text();
        assert_eq!((get("/live").as_str(), get("/ping").as_str()), ("live\n", "pong\n"), "{part}");
        let ready = cluster.ops(&part).get("/ready").send().expect(200);
        assert_eq!(ready.json(), json!({"ready": true}), "{part}");
    }
}

#[test]
fn the_log_filter_is_changed_while_they_run() {
    let Some(cluster) = Cluster::to_watch("the_log_filter_is_changed_while_they_run") else { return };
    let processes = cluster.processes();
    let filter = |part: &str| cluster.ops(part).get("/loglevel").send().expect(200).text();
    let set = |part: &str, filter: &str| {
        cluster.ops(part).request("PUT", "/loglevel").body(filter.trim_end()).send()
    };
    let before: Vec<String> = processes.iter().map(|part| filter(part)).collect();
    let tenant = shared::tenant();
    tenant.create("marked", &action::nodejs(action::ECHO));
    // The lines that dashboards for OpenWhisk look for, of one transaction: by its id, in all logs together.
    let marks = |transaction: &str, token: &str| {
        let marker = format!("[marker:{token}:");
        let logs = processes.iter().map(|part| cluster.log(part));
        let lines = |log: &String| {
            log.lines().filter(|line| line.contains(&marker) && line.contains(transaction)).count()
        };
        logs.map(|log| lines(&log)).sum::<usize>()
    };
    let invoke = || {
        let answer = tenant.call("marked", &json!({})).expect(200);
        answer.header("x-request-id").expect("the id of its transaction").to_owned()
    };
    let quiet = invoke();
    for part in &processes {
        set(part, "loud=very").expect(400);
        set(part, "info,marker=debug").expect(200);
        assert!(filter(part).contains("marker=debug"), "{part}");
    }
    let (told, queued) = (invoke(), tenant.post("actions/marked", &json!({})).expect(202));
    let queued = queued.header("x-request-id").expect("the id of its transaction").to_owned();
    for token in [
        "controller_blockingActivation_start",
        "controller_loadbalancer_finish",
        "invoker_activationRun_finish",
    ] {
        wait::until(&format!("a marker of {token}"), || match marks(&told, token) {
            1 => Ok(()),
            count => Err(format!("{count} of them")),
        });
        assert_eq!(marks(&quiet, token), 0, "{token} was off");
    }
    // It bears the id on its way through Kafka.
    for token in ["controller_kafka_finish", "controller_loadbalancer_start", "invoker_activationRun_finish"]
    {
        wait::until(&format!("a marker of {token}"), || match marks(&queued, token) {
            0 => Err("none".to_owned()),
            _ => Ok(()),
        });
    }
    for (part, before) in processes.iter().zip(&before) {
        set(part, before).expect(200);
        assert_eq!(filter(part), *before, "{part}");
    }
}

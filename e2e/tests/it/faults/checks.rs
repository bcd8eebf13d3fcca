//! What must be true of what clients were told.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use oxwhisk_e2e::cluster::Cluster;
use oxwhisk_e2e::{Tenant, report, wait};
use serde_json::{Value, json};

use super::effects;
use super::load::{All, Told};

/// How long records may take, from the end of the load on: an owner's death has to be noticed, and backlogs are run.
const RECORDED: Duration = Duration::from_secs(90);

/// What the record of an interrupted activation says.
const LOST: &str = "The activation was interrupted and is not run again.";

#[track_caller]
pub(super) fn everything(test: &str, cluster: &Cluster, all: All) {
    let All { tenants, told, refusals } = all;
    let began = Instant::now();
    let records = records(&tenants, &told);
    let recorded = began.elapsed();
    let effects = effects::by_activation(cluster);
    let wrong: Vec<String> =
        told.iter().filter_map(|told| judge(told, records.get(&told.id), &effects).err()).collect();
    let lost = records.values().filter(|record| is_lost(record)).count();
    report::line(&format!(
        "{test}: {} told, {} answered, {lost} lost, last record {recorded:?} after the load; refused: {refusals:?}",
        told.len(),
        told.iter().filter(|told| told.answer.is_some()).count(),
    ));
    wrong.iter().take(10).for_each(|wrong| report::line(wrong));
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), told.len(), wrong.join("\n"));
    listed_once(&tenants, &told);
    let began = Instant::now();
    nothing_is_queued(cluster);
    report::line(&format!("{test}: nothing queued after {:?}", began.elapsed()));
}

/// The records that there are in time.
fn records(tenants: &[Tenant], told: &[Told]) -> HashMap<String, Value> {
    let start = Instant::now();
    let mut records = HashMap::new();
    let mut missing: Vec<&Told> = told.iter().collect();
    while !missing.is_empty() && start.elapsed() < RECORDED {
        missing.retain(|told| {
            let request = tenants[told.user].request("GET", &format!("activations/{}", told.id));
            match request.try_send() {
                Ok(response) if response.status == 200 => {
                    records.insert(told.id.clone(), response.json());
                    false
                }
                _ => true,
            }
        });
        std::thread::sleep(Duration::from_millis(200));
    }
    records
}

fn is_lost(record: &Value) -> bool {
    record["response"]["result"]["error"] == LOST
}

fn judge(told: &Told, record: Option<&Value>, effects: &HashMap<String, usize>) -> Result<(), String> {
    let Some(record) = record else {
        return Err(format!("no record, told after {:?}: {told:?}", told.after));
    };
    let fault = |what: &str| Err(format!("{what}: {told:?}\n    has the record {record}"));
    if told.answer.as_ref().is_some_and(|answer| answer["response"] != record["response"]) {
        return fault("the answer was another");
    }
    let times = effects.get(&told.id).copied().unwrap_or_default();
    if times > 1 {
        return fault(&format!("{times} effects"));
    }
    let result = &record["response"]["result"];
    if record["response"]["success"] == json!(true) && result["n"] == told.n {
        return if told.once && result["noted"] == 200 && times == 0 { fault("no effect") } else { Ok(()) };
    }
    if told.once && is_lost(record) { Ok(()) } else { fault("neither a result nor a loss that may be") }
}

/// Lists show each activation once.
#[track_caller]
fn listed_once(tenants: &[Tenant], told: &[Told]) {
    for (user, tenant) in tenants.iter().enumerate() {
        let mut times: HashMap<String, usize> = HashMap::new();
        let mut skip = 0;
        loop {
            let page = tenant.get(&format!("activations?limit=200&skip={skip}")).expect(200).array();
            skip += page.len();
            if page.is_empty() {
                break;
            }
            for id in page.iter().filter_map(|entry| entry["activationId"].as_str()) {
                *times.entry(id.to_owned()).or_default() += 1;
            }
        }
        let own: HashSet<&str> = told.iter().filter(|told| told.user == user).map(|told| &*told.id).collect();
        let odd: Vec<_> = own.iter().filter(|id| times.get(**id) != Some(&1)).collect();
        assert!(odd.is_empty(), "not listed once: {odd:?}");
    }
}

/// Every message is done, and every note is withdrawn.
#[track_caller]
fn nothing_is_queued(cluster: &Cluster) {
    for controller in ["controller0", "controller1"] {
        wait::until(&format!("empty queues, as {controller} sees them"), || {
            let depths = cluster.admin(controller, &["queue", "depth"])?;
            let full = |topic: &&str| depths[*topic].as_u64() != Some(0);
            let full: Vec<_> =
                ["activations", "activations.parked", "completed"].into_iter().filter(full).collect();
            if full.is_empty() { Ok(()) } else { Err(format!("{full:?} in {depths}")) }
        });
    }
}

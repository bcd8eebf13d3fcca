//! A crash: `kill -9` loses nothing that was answered, and every accepted invocation ends in exactly one record.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use oxwhisk_e2e::tenant::activation_id;
use oxwhisk_e2e::users::{Roster, Special};
use oxwhisk_e2e::{Response, Server, ServerOptions, Tenant, action, server, shared, wait};
use serde_json::{Value, json};

/// What clients were told before the crash.
#[derive(Default)]
struct Told {
    /// Version by action name.
    actions: Mutex<HashMap<String, String>>,
    /// Names of deleted actions.
    deleted: Mutex<Vec<String>>,
    /// Ids of 202 answers.
    accepted: Mutex<Vec<String>>,
    /// Records answered to blocking invocations.
    answered: Mutex<Vec<Value>>,
    answers: AtomicUsize,
    /// What is answered from now on may say that the server cannot.
    crashing: AtomicBool,
}

impl Told {
    fn count(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    /// `response`, unless the server is about to be gone and says something else.
    #[track_caller]
    fn expected(&self, response: Response, status: u16) -> Option<Response> {
        if response.status != status && self.crashing.load(Ordering::Relaxed) {
            return None;
        }
        Some(response.expect(status))
    }
}

/// Creates, updates and deletes actions until the server is gone.
fn write_entities(tenant: &Tenant, told: &Told) {
    for n in 0.. {
        let name = format!("entity{}", n % 50);
        let target = format!("actions/{name}?overwrite=true");
        // From the moment of the request until its answer nothing is known about the action.
        told.actions.lock().expect("no panic").remove(&name);
        let Ok(put) = tenant.request("PUT", &target).json(&action::nodejs(action::ECHO)).try_send() else {
            return;
        };
        let Some(put) = told.expected(put, 200) else { return };
        let version = put.json()["version"].as_str().expect("a version").to_owned();
        told.actions.lock().expect("no panic").insert(name, version);
        told.count();

        let name = format!("deleted{n}");
        let target = format!("actions/{name}");
        let Ok(put) = tenant.request("PUT", &target).json(&action::nodejs(action::ECHO)).try_send() else {
            return;
        };
        if told.expected(put, 200).is_none() {
            return;
        }
        let Ok(deleted) = tenant.request("DELETE", &target).try_send() else { return };
        if told.expected(deleted, 200).is_none() {
            return;
        }
        told.deleted.lock().expect("no panic").push(name);
        told.count();
    }
}

/// Invokes without waiting until the server is gone.
fn fire(tenant: &Tenant, told: &Told) {
    loop {
        let Ok(response) = tenant.request("POST", "actions/load").json(&json!({"ms": 2})).try_send() else {
            return;
        };
        let Some(accepted) = told.expected(response, 202) else { return };
        told.accepted.lock().expect("no panic").push(activation_id(&accepted));
        told.count();
    }
}

/// Invokes and waits until the server is gone.
fn call(tenant: &Tenant, told: &Told) {
    loop {
        let request = tenant.request("POST", "actions/load?blocking=true").json(&json!({"ms": 2}));
        let Ok(response) = request.try_send() else { return };
        let Some(answered) = told.expected(response, 200) else { return };
        told.answered.lock().expect("no panic").push(answered.json());
        told.count();
    }
}

/// All ids in the list of activations, page by page.
fn listed_ids(tenant: &Tenant) -> Vec<String> {
    let mut ids = Vec::new();
    loop {
        let page = tenant.get(&format!("activations?limit=200&skip={}", ids.len())).expect(200).array();
        if page.is_empty() {
            return ids;
        }
        ids.extend(page.iter().filter_map(|entry| entry["activationId"].as_str().map(str::to_owned)));
    }
}

/// Puts a server under load, ends it by `crash`, and gives what clients were told before.
#[track_caller]
fn crash_under_load(server: Server, crash: impl FnOnce(Server)) -> Told {
    const ANSWERS: usize = 400;
    server.special(Special::Busy).create("load", &action::nodejs(action::SLEEP));
    let told = Told::default();
    thread::scope(|scope| {
        let told = &told;
        let tenants = [
            server.special(Special::Busy),
            server.special(Special::Busy),
            server.special(Special::Busy),
            server.special(Special::Busy),
            server.special(Special::Busy),
        ];
        for (tenant, work) in tenants.into_iter().zip([write_entities, fire, fire, call, call]) {
            scope.spawn(move || work(&tenant, told));
        }
        wait::until("enough answers before the crash", || {
            let (all, accepted) =
                (told.answers.load(Ordering::Relaxed), told.accepted.lock().expect("no panic").len());
            if all >= ANSWERS && accepted >= 50 {
                Ok(())
            } else {
                Err(format!("{all} answers, {accepted} accepted"))
            }
        });
        told.crashing.store(true, Ordering::Relaxed);
        crash(server);
    });
    told
}

#[test]
fn a_crash_of_everything_under_load_loses_nothing_that_was_accepted() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let options = ServerOptions::new(Roster::generate(1)).data_dir(data.path());
    let Some(server) = shared::own_server("a_crash_of_everything", &options) else { return };
    let told = crash_under_load(server, Server::kill9);

    let server = Server::start(&options);
    let tenant = server.special(Special::Busy);
    expect_entities(&tenant, &told);
    expect_accepted(&tenant, &told);
}

/// Where a server is several processes, an answer's record comes behind the answer, and is lost if all of them die in between.
#[test]
fn a_crash_under_load_loses_nothing_that_was_answered() {
    for program in server::programs().unwrap_or_default() {
        let data = tempfile::tempdir().expect("a temporary directory");
        let options = ServerOptions::new(Roster::generate(1)).data_dir(data.path());
        let Some(server) = shared::own_server("a_crash_under_load", &options) else { return };
        let told = crash_under_load(server, |server| server.kill9_one(program));

        let server = Server::start(&options);
        let tenant = server.special(Special::Busy);
        expect_entities(&tenant, &told);
        expect_answered(&tenant, &told);
        expect_accepted(&tenant, &told);
    }
}

#[track_caller]
fn expect_entities(tenant: &Tenant, told: &Told) {
    for (name, version) in told.actions.lock().expect("no panic").iter() {
        let stored = tenant.get(&format!("actions/{name}")).expect(200).json();
        assert_eq!(stored["version"], version.as_str(), "{name}");
        assert_eq!(stored["exec"]["code"], action::ECHO, "{name}");
    }
    for name in told.deleted.lock().expect("no panic").iter() {
        tenant.get(&format!("actions/{name}")).expect(404);
    }
}

#[track_caller]
fn expect_answered(tenant: &Tenant, told: &Told) {
    for record in told.answered.lock().expect("no panic").iter() {
        let id = record["activationId"].as_str().expect("an id");
        assert_eq!(tenant.record(id)["response"], record["response"], "{id}");
    }
}

#[track_caller]
fn expect_accepted(tenant: &Tenant, told: &Told) {
    let accepted = told.accepted.lock().expect("no panic");
    for id in accepted.iter() {
        tenant.record(id);
    }
    // One list shows that no activation has two records, and that none is missing.
    let listed = listed_ids(tenant);
    let mut times: HashMap<&str, usize> = HashMap::new();
    for id in &listed {
        *times.entry(id).or_default() += 1;
    }
    for id in accepted.iter() {
        assert_eq!(times.get(id.as_str()), Some(&1), "records of the accepted activation {id}");
    }
}

#[test]
fn a_crash_during_an_accepted_invocation_still_ends_in_one_record() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let options = ServerOptions::new(Roster::generate(1)).data_dir(data.path());
    let Some(server) = shared::own_server("a_crash_during_an_invocation", &options) else { return };
    let tenant = server.tenant(0);
    tenant.create("slow", &action::nodejs(action::SLEEP));
    let ids: Vec<_> = (0..3).map(|_| tenant.fire("slow", &json!({"ms": 3_000}))).collect();
    server.kill9();

    let server = Server::start(&options);
    let tenant = server.tenant(0);
    for id in &ids {
        let record = tenant.record(id);
        assert_eq!(record["name"], "slow");
        assert!(record["response"]["status"].is_string(), "{record}");
    }
    let listed = listed_ids(&tenant);
    for id in &ids {
        assert_eq!(listed.iter().filter(|listed| *listed == id).count(), 1, "records of {id}");
    }
}

#[test]
fn a_second_crash_while_recovering_loses_nothing_either() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let options = ServerOptions::new(Roster::generate(1)).data_dir(data.path());
    let Some(server) = shared::own_server("a_second_crash", &options) else { return };
    let tenant = server.tenant(0);
    tenant.create("echo", &action::nodejs(action::ECHO));
    let ids: Vec<_> = (0..30).map(|n| tenant.fire("echo", &json!({"n": n}))).collect();
    server.kill9();
    Server::start(&options).kill9();

    let server = Server::start(&options);
    let tenant = server.tenant(0);
    for id in &ids {
        assert_eq!(tenant.record(id)["response"]["status"], "success");
    }
    assert_eq!(listed_ids(&tenant).len(), ids.len());
}

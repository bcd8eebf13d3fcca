//! Clients of every sort, and what they were told.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use oxwhisk_e2e::cluster::Cluster;
use oxwhisk_e2e::users::Special;
use oxwhisk_e2e::{Response, Tenant, action, wait};
use serde_json::{Value, json};

/// Has its effect once, and says whether it was noted.
const ONCE: &str = "const http = require('http')
function main(args) {
  const noted = new Promise(done => {
    const url = process.env.__OW_API_HOST + '/effects/' + process.env.__OW_ACTIVATION_ID
    const request = http.get(url, {timeout: 5000}, answer => { answer.resume(); answer.on('end', () => done(answer.statusCode)) })
    request.on('error', error => done(String(error)))
    request.on('timeout', () => request.destroy())
  })
  return noted.then(status => new Promise(done => setTimeout(() => done({n: args.n, noted: status}), args.ms)))
}";
const PYTHON: &str = "import time
def main(args):
    time.sleep(args['ms'] / 1000)
    return {'n': args['n']}";

/// Between two requests of a client.
const PACE: Duration = Duration::from_millis(150);

/// How a client invokes.
#[derive(Clone, Copy, Debug)]
enum Manner {
    Fire,
    Call,
    /// Its action takes longer than it waits.
    Outlive,
}

/// What a client was told.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) user: usize,
    pub(super) id: String,
    pub(super) n: usize,
    /// The action says at most once.
    pub(super) once: bool,
    /// The record in the answer, if it came in time.
    pub(super) answer: Option<Value>,
    /// How long after the beginning of the load it was told.
    pub(super) after: Duration,
}

#[derive(Debug)]
pub(super) struct All {
    pub(super) tenants: Vec<Tenant>,
    pub(super) told: Vec<Told>,
    /// What else was answered, and how often.
    pub(super) refusals: BTreeMap<String, usize>,
}

/// A load that goes on.
#[derive(Debug)]
pub(super) struct Load {
    began: Instant,
    told: Mutex<Vec<Told>>,
    refusals: Mutex<BTreeMap<String, usize>>,
    next: AtomicUsize,
    over: AtomicBool,
}

impl Load {
    /// Waits until clients have been told as much again as makes a load, of calls and of what is not waited for.
    #[track_caller]
    pub(super) fn await_answers(&self, when: &str) {
        self.await_more(when, 60, |_| true);
        self.await_more(when, 15, |told| told.answer.is_none());
        self.await_blocking_answers(when);
    }

    #[track_caller]
    pub(super) fn await_blocking_answers(&self, when: &str) {
        self.await_more(when, 15, |told| told.answer.is_some());
    }

    #[track_caller]
    fn await_more(&self, when: &str, more: usize, which: impl Fn(&Told) -> bool) {
        let count = || self.told.lock().expect("no panic").iter().filter(|told| which(told)).count();
        let before = count();
        wait::until(&format!("answers {when}"), || {
            let now = count();
            if now >= before + more {
                Ok(())
            } else {
                Err(format!("{} more, {:?}", now - before, self.refusals))
            }
        });
    }

    fn client(&self, user: usize, tenant: &Tenant, manner: Manner, once: bool) {
        while !self.over.load(Ordering::Relaxed) {
            let n = self.next.fetch_add(1, Ordering::Relaxed);
            let (query, ms) = match manner {
                Manner::Fire => ("", 30),
                Manner::Call => ("?blocking=true", 15),
                Manner::Outlive => ("?blocking=true&timeout=200", 1500),
            };
            let name = if once { "once" } else { "again" };
            let request = tenant.request("POST", &format!("actions/{name}{query}"));
            match request.json(&json!({"n": n, "ms": ms})).try_send() {
                Ok(response) => self.told(user, n, once, &response),
                Err(error) => self.refused(format!("{:?}", error.kind())),
            }
            sleep(PACE);
        }
    }

    fn told(&self, user: usize, n: usize, once: bool, response: &Response) {
        let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        let answer = body.get("response").is_some().then(|| body.clone());
        match body["activationId"].as_str() {
            Some(id) if response.status == 202 || answer.is_some() => {
                if response.status != 200 && response.status != 202 {
                    self.refused(format!("{}, with a record: {}", response.status, body["response"]));
                }
                let after = self.began.elapsed();
                let told = Told { user, id: id.to_owned(), n, once, answer, after };
                self.told.lock().expect("no panic").push(told);
            }
            _ => self.refused(format!("{}: {}", response.status, body["error"])),
        }
    }

    fn refused(&self, how: String) {
        *self.refusals.lock().expect("no panic").entry(how).or_default() += 1;
    }
}

/// Runs clients for as long as `during` takes.
#[track_caller]
pub(super) fn run(cluster: &Cluster, during: impl FnOnce(&Load)) -> All {
    let users = std::iter::once(Special::Busy).chain((0..5).map(Special::Busier));
    let tenants: Vec<Tenant> = users.map(|user| cluster.tenant(user)).collect();
    for tenant in &tenants {
        let limits = json!({"memory": 128});
        let once = action::with(action::nodejs(ONCE), "limits", limits.clone());
        let delivery = json!([{"key": "delivery", "value": "at-most-once"}]);
        tenant.update("once", &action::with(once, "annotations", delivery));
        tenant.update("again", &action::with(action::python(PYTHON), "limits", limits));
    }
    let load = Load {
        began: Instant::now(),
        told: Mutex::default(),
        refusals: Mutex::default(),
        next: AtomicUsize::new(0),
        over: AtomicBool::new(false),
    };
    thread::scope(|scope| {
        for (user, tenant) in tenants.iter().enumerate() {
            for once in [false, true] {
                let manner = [Manner::Fire, Manner::Call, Manner::Outlive][(user + usize::from(once)) % 3];
                let load = &load;
                scope.spawn(move || load.client(user, tenant, manner, once));
            }
        }
        // The clients end even if `during` does not come to its end.
        let _over = Over(&load.over);
        during(&load);
    });
    let refusals = load.refusals.into_inner().expect("no panic");
    All { tenants, told: load.told.into_inner().expect("no panic"), refusals }
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

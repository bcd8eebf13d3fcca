//! Parts of a cluster are killed, stopped and started again under load (`make test-faults`). Whatever dies, every
//! activation that a client was told of ends in one record, and the right one.

mod checks;
mod effects;
mod idle;
mod load;

use std::sync::Mutex;
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::Signal;
use oxwhisk_e2e::cluster::Cluster;

use load::{Load, Told};

/// Faults of one test must not meet another's load.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// How long something is gone in these tests: long enough for others to notice and to take over. Nothing depends on it.
const AWAY: Duration = Duration::from_secs(8);
/// How long Kafka keeps the lanes of a controller that says nothing (`session.timeout.ms` of `docs/kafka.md`).
const SESSION: Duration = Duration::from_secs(30);

/// Puts a cluster under load, lets `hurt` do its work, ends the load, and checks what clients were told.
#[track_caller]
fn under_load(test: &str, hurt: impl FnOnce(&Cluster, &Load)) {
    promised_under_load(test, |_| true, hurt);
}

/// As [`under_load`], and checks those that `promised` picks.
#[track_caller]
fn promised_under_load(test: &str, promised: impl Fn(&Told) -> bool, hurt: impl FnOnce(&Cluster, &Load)) {
    let Some(cluster) = Cluster::to_hurt(test) else { return };
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    effects::listen(&cluster);
    cluster.wait_until_whole();
    let mut all = load::run(&cluster, |load| {
        load.await_answers("before the fault");
        hurt(&cluster, load);
        cluster.wait_until_whole();
        load.await_answers("after the fault");
    });
    all.told.retain(promised);
    checks::everything(test, &cluster, all);
    idle::report(test, &cluster);
}

/// Kills a part and starts it again after others have had time to notice.
fn crash(cluster: &Cluster, part: &str) {
    cluster.kill(part);
    sleep(AWAY);
    cluster.start(part);
}

/// Stops a part, which then says nothing and keeps its connections, and lets it go on.
fn silence(cluster: &Cluster, part: &str) {
    cluster.signal(part, Signal::SIGSTOP);
    sleep(AWAY * 2);
    cluster.signal(part, Signal::SIGCONT);
}

#[test]
fn nothing_is_killed() {
    under_load("nothing_is_killed", |_, _| {});
}

#[test]
fn a_controller_crashes() {
    under_load("a_controller_crashes", |cluster, load| {
        cluster.kill("controller0");
        load.await_answers("of the other controller");
        sleep(AWAY);
        cluster.start("controller0");
    });
}

#[test]
fn both_controllers_crash_one_after_the_other() {
    under_load("both_controllers_crash", |cluster, _| {
        crash(cluster, "controller1");
        crash(cluster, "controller0");
    });
}

#[test]
fn an_invoker_crashes() {
    under_load("an_invoker_crashes", |cluster, load| {
        cluster.kill("invoker1");
        load.await_answers("of the other invokers");
        sleep(AWAY);
        cluster.start("invoker1");
    });
}

#[test]
fn an_invoker_crashes_and_is_back_at_once() {
    under_load("an_invoker_is_back_at_once", |cluster, _| {
        cluster.kill("invoker0");
        cluster.start("invoker0");
    });
}

#[test]
fn kafka_crashes_and_calls_go_on() {
    under_load("kafka_crashes", |cluster, load| {
        cluster.kill("kafka");
        load.await_blocking_answers("while Kafka is away");
        sleep(AWAY);
        cluster.start("kafka");
    });
}

#[test]
fn couchdb_crashes() {
    under_load("couchdb_crashes", |cluster, _| crash(cluster, "couchdb"));
}

#[test]
fn the_edge_crashes() {
    under_load("the_edge_crashes", |cluster, _| {
        cluster.kill("nginx");
        cluster.start("nginx");
    });
}

#[test]
fn an_invoker_is_silent_for_a_while() {
    under_load("an_invoker_is_silent", |cluster, _| silence(cluster, "invoker2"));
}

#[test]
fn a_controller_is_silent_for_a_while() {
    under_load("a_controller_is_silent", |cluster, _| silence(cluster, "controller1"));
}

#[test]
fn a_controller_and_an_invoker_crash_together() {
    under_load("a_controller_and_an_invoker_crash", |cluster, load| {
        cluster.kill("controller0");
        cluster.kill("invoker0");
        load.await_answers("of those that are left");
        sleep(AWAY);
        cluster.start("invoker0");
        cluster.start("controller0");
    });
}

#[test]
fn a_controller_crashes_while_kafka_is_away() {
    under_load("a_controller_crashes_without_kafka", |cluster, load| {
        cluster.kill("kafka");
        load.await_blocking_answers("while Kafka is away");
        cluster.kill("controller1");
        sleep(AWAY);
        cluster.start("kafka");
        cluster.start("controller1");
    });
}

#[test]
fn a_controller_is_away_for_longer_than_its_session() {
    under_load("a_controller_is_away_for_long", |cluster, load| {
        cluster.kill("controller0");
        sleep(SESSION + AWAY);
        load.await_answers("of the controller that has all lanes now");
        cluster.start("controller0");
    });
}

#[test]
fn everything_crashes_at_once() {
    // What was answered over a connection is kept by one process for the other: with both goes the record of a call that was
    // answered in the last moment. What was accepted is on the bus.
    let accepted = |told: &Told| told.answer.is_none();
    promised_under_load("everything_crashes", accepted, |cluster, _| {
        let parts = ["controller0", "controller1", "invoker0", "invoker1", "invoker2", "kafka", "couchdb"];
        parts.iter().for_each(|part| cluster.kill(part));
        // What the others need comes last: until then they say that they are not ready, and do not give up.
        parts.iter().for_each(|part| cluster.start(part));
    });
}

//! The promise holds, in every state of these settings.

use std::time::Instant;

use stateright::{Checker, Model};

use super::properties::ADOPTED;
use super::trace;

use super::setting::{BLOCKING, BLOCKING_ONCE, Faults, NON_BLOCKING, NON_BLOCKING_ONCE, Setting};

#[track_caller]
fn holds(setting: Setting, reached: &[&str]) {
    let begun = Instant::now();
    let checker = setting.checker().threads(2).spawn_bfs().join();
    let (states, depth) = (checker.unique_state_count(), checker.max_depth());
    eprintln!("{states} states, {depth} steps deep, {:?}", begun.elapsed());
    let discoveries = checker.discoveries();
    for (name, path) in &discoveries {
        if checker.discovery_classification(name).to_string() == "counterexample" {
            panic!("{}", trace(name, path));
        }
    }
    for name in reached {
        assert!(discoveries.contains_key(name), "the setting never shows: {name}");
    }
}

#[test]
fn non_blocking_without_faults() {
    holds(Setting::of(&[NON_BLOCKING]), &[]);
}

#[test]
fn non_blocking_once_without_faults() {
    holds(Setting::of(&[NON_BLOCKING_ONCE]), &[]);
}

#[test]
fn blocking_without_faults() {
    holds(Setting::of(&[BLOCKING]), &[]);
    holds(Setting::of(&[BLOCKING_ONCE]), &[]);
}

#[test]
fn a_controller_dies() {
    holds(
        Setting::of(&[NON_BLOCKING]).with(Faults { controller_deaths: 1, ..Faults::default() }).remembering(),
        &[ADOPTED],
    );
}

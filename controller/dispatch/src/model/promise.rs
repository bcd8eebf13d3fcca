//! The promise holds, in every state of these settings.

#![expect(
    clippy::print_stderr,
    reason = "sizes and traces are for people, who ask for them with --nocapture"
)]

use std::time::Instant;

use stateright::{Checker, Model};

use super::properties::{ADOPTED, EXHAUSTED, LOST, NOTE_ADOPTED, PARKED, RETRIED};
use super::reach::find_trap;
use super::trace;

use super::setting::{BLOCKING, BLOCKING_ONCE, Faults, NON_BLOCKING, NON_BLOCKING_ONCE, NONE, Setting};

#[track_caller]
fn holds(setting: Setting, reached: &[&str]) {
    let begun = Instant::now();
    let checker = setting.checker().threads(2).target_state_count(4_000_000).spawn_bfs().join();
    let (states, depth) = (checker.unique_state_count(), checker.max_depth());
    eprintln!("{states} states, {depth} steps deep, {:?}", begun.elapsed());
    let discoveries = checker.discoveries();
    for (name, path) in &discoveries {
        if checker.discovery_classification(name).to_string() == "counterexample" {
            panic!("{}", trace(name, path));
        }
    }
    assert!(checker.is_done(), "the setting is too large");
    for name in reached {
        assert!(discoveries.contains_key(name), "the setting never shows: {name}");
    }
}

#[test]
fn without_faults() {
    for kind in [NON_BLOCKING, NON_BLOCKING_ONCE, BLOCKING, BLOCKING_ONCE] {
        holds(Setting::of(&[kind]).lagging(), &[]);
    }
    holds(Setting::of(&[NON_BLOCKING, NON_BLOCKING_ONCE]), &[]);
}

#[test]
fn a_controller_dies() {
    let faults = Faults { controller_deaths: 1, ..NONE };
    holds(Setting::of(&[NON_BLOCKING]).with(faults).remembering(), &[ADOPTED]);
    holds(Setting::of(&[NON_BLOCKING]).with(faults).lagging().with_controllers_back(), &[ADOPTED]);
    holds(Setting::of(&[NON_BLOCKING_ONCE]).with(faults).lagging().with_controllers_back(), &[ADOPTED, LOST]);
}

#[test]
fn the_only_controller_dies_twice() {
    let faults = Faults { controller_deaths: 2, ..NONE };
    let alone = |kind| Setting::of(&[kind]).with(faults).lagging().with_controllers_back().one_controller();
    holds(alone(NON_BLOCKING).one_invoker(), &[ADOPTED]);
    holds(alone(NON_BLOCKING_ONCE).one_invoker(), &[ADOPTED, LOST]);
    holds(alone(BLOCKING).one_invoker(), &[NOTE_ADOPTED]);
}

#[test]
fn invokers_die() {
    let faults = Faults { invoker_deaths: 2, ..NONE };
    let setting = |kind| Setting::of(&[kind]).with(faults).lagging().with_invokers_back().one_controller();
    holds(setting(NON_BLOCKING), &[RETRIED, EXHAUSTED]);
    holds(setting(NON_BLOCKING_ONCE), &[LOST]);
    holds(setting(BLOCKING), &[RETRIED, EXHAUSTED]);
    holds(setting(BLOCKING_ONCE), &[LOST]);
}

#[test]
fn streams_are_cut() {
    let faults = Faults { cuts: 2, suspicions: 1, ..NONE };
    holds(Setting::of(&[NON_BLOCKING]).with(faults).one_controller(), &[RETRIED]);
    holds(Setting::of(&[NON_BLOCKING_ONCE]).with(faults).one_controller(), &[LOST]);
    let faults = Faults { cuts: 1, suspicions: 1, ..NONE };
    holds(Setting::of(&[BLOCKING]).with(faults).one_controller(), &[RETRIED]);
}

#[test]
fn everything_dies_once() {
    let faults = Faults { controller_deaths: 1, invoker_deaths: 1, ..NONE };
    holds(Setting::of(&[NON_BLOCKING]).with(faults).lagging(), &[RETRIED, ADOPTED]);
    holds(Setting::of(&[NON_BLOCKING_ONCE]).with(faults).lagging(), &[LOST, ADOPTED]);
    holds(Setting::of(&[BLOCKING]).with(faults).remembering(), &[NOTE_ADOPTED]);
    holds(Setting::of(&[BLOCKING_ONCE]).with(faults).remembering(), &[NOTE_ADOPTED, LOST]);
}

/// An invoker may say that it does not hold what is still on its way to it.
#[test]
fn a_dead_controllers_orders_arrive_late() {
    let faults = Faults { controller_deaths: 1, ..NONE };
    holds(Setting::of(&[NON_BLOCKING]).with(faults).with_late_orders().lagging(), &[ADOPTED]);
    holds(Setting::of(&[NON_BLOCKING_ONCE]).with(faults).with_late_orders().lagging(), &[ADOPTED, LOST]);
    holds(Setting::of(&[BLOCKING]).with(faults).with_late_orders(), &[NOTE_ADOPTED]);
    holds(Setting::of(&[BLOCKING_ONCE]).with(faults).with_late_orders(), &[NOTE_ADOPTED, LOST]);
}

#[test]
fn lanes_move() {
    let faults = Faults { rebalances: 1, ..NONE };
    holds(Setting::of(&[NON_BLOCKING]).with(faults).lagging(), &[ADOPTED]);
    holds(Setting::of(&[NON_BLOCKING_ONCE]).with(faults).lagging(), &[ADOPTED, LOST]);
    let faults = Faults { rebalances: 1, controller_deaths: 1, ..NONE };
    holds(Setting::of(&[NON_BLOCKING_ONCE]).with(faults).remembering(), &[ADOPTED, LOST]);
}

#[test]
fn a_cut_and_a_death() {
    let faults = Faults { cuts: 1, controller_deaths: 1, ..NONE };
    holds(Setting::of(&[NON_BLOCKING]).with(faults).one_invoker().remembering(), &[ADOPTED]);
    holds(Setting::of(&[NON_BLOCKING_ONCE]).with(faults).one_invoker().remembering(), &[ADOPTED, LOST]);
}

#[test]
fn surplus_is_parked() {
    let faults = Faults { parks: 1, controller_deaths: 1, ..NONE };
    holds(Setting::of(&[NON_BLOCKING]).with(faults).lagging(), &[PARKED, ADOPTED]);
    holds(Setting::of(&[NON_BLOCKING_ONCE]).with(faults).lagging(), &[PARKED, ADOPTED]);
}

#[test]
fn invokers_are_shut_down() {
    let faults = Faults { cut_offs: 1, controller_deaths: 1, ..NONE };
    holds(Setting::of(&[NON_BLOCKING]).with(faults).remembering().one_invoker(), &[RETRIED]);
    holds(Setting::of(&[NON_BLOCKING_ONCE]).with(faults), &[]);
}

#[test]
fn what_an_invoker_took_finds_no_room() {
    let faults = Faults { no_rooms: 1, controller_deaths: 1, ..NONE };
    holds(Setting::of(&[NON_BLOCKING]).with(faults).lagging(), &[]);
    holds(Setting::of(&[NON_BLOCKING_ONCE]).with(faults), &[]);
    let cut = Faults { no_rooms: 1, cuts: 1, ..NONE };
    holds(Setting::of(&[NON_BLOCKING_ONCE]).with(cut), &[]);
    holds(Setting::of(&[BLOCKING]).with(cut), &[]);
}

#[test]
fn calls_that_outlive_their_wait() {
    let faults = Faults { controller_deaths: 1, ..NONE };
    holds(Setting::of(&[BLOCKING]).with(faults).lagging(), &[NOTE_ADOPTED]);
    holds(Setting::of(&[BLOCKING_ONCE]).with(faults).lagging(), &[NOTE_ADOPTED, LOST]);
}

#[test]
fn two_at_a_time() {
    let faults = Faults { controller_deaths: 1, ..NONE };
    holds(
        Setting::of(&[NON_BLOCKING, NON_BLOCKING_ONCE]).with(faults).remembering().one_invoker(),
        &[ADOPTED],
    );
}

#[test]
fn calls_at_a_controller_that_does_not_own_the_lane() {
    let faults = Faults { controller_deaths: 1, cuts: 1, ..NONE };
    let setting = |kind| Setting::of(&[kind]).with(faults).asking_another().remembering();
    holds(setting(BLOCKING).one_invoker(), &[NOTE_ADOPTED]);
    holds(setting(BLOCKING_ONCE).one_invoker(), &[NOTE_ADOPTED, LOST]);
    let faults = Faults { controller_deaths: 1, invoker_deaths: 1, ..NONE };
    holds(Setting::of(&[BLOCKING]).with(faults).asking_another().remembering(), &[NOTE_ADOPTED]);
}

#[test]
fn what_is_produced_twice() {
    let faults = Faults { doubles: 1, invoker_deaths: 1, parks: 1, ..NONE };
    holds(Setting::of(&[NON_BLOCKING]).with(faults).lagging().one_controller(), &[RETRIED, PARKED]);
    holds(Setting::of(&[NON_BLOCKING_ONCE]).with(faults).lagging().one_controller(), &[LOST, PARKED]);
    let faults = Faults { doubles: 1, controller_deaths: 1, ..NONE };
    holds(Setting::of(&[BLOCKING]).with(faults).lagging().remembering(), &[NOTE_ADOPTED]);
}

/// Refusals may go on for as long as an invoker is full, so here a path may be endless. But from every state a good end
/// can be reached.
#[test]
fn no_state_is_a_trap() {
    let both = Faults { controller_deaths: 1, invoker_deaths: 1, ..NONE };
    let controller = Faults { controller_deaths: 1, ..NONE };
    no_trap(Setting::of(&[NON_BLOCKING, NON_BLOCKING_ONCE]).with(controller).one_invoker().narrow());
    no_trap(Setting::of(&[NON_BLOCKING]).with(both).lagging());
    no_trap(Setting::of(&[NON_BLOCKING_ONCE]).with(both).lagging());
    no_trap(Setting::of(&[BLOCKING]).with(both).remembering());
}

#[track_caller]
fn no_trap(setting: Setting) {
    let (states, trap) = find_trap(&setting);
    eprintln!("{states} states, none a trap");
    assert!(trap.is_none(), "no good end can be reached from {trap:?}");
}

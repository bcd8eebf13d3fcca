//! What is checked in every state.

use oxwhisk_core::delivery::Delivery;
use stateright::{Model, Property};

use super::setting::Setting;
use super::world::{Client, Seen, World};
use crate::names::{RecordKind, Source};

pub(super) const NEVER_FORGOTTEN: &str = "what was accepted has a record or a durable message";
pub(super) const NOT_DONE_WHILE_OWED: &str = "what Kafka was given stays there until there is a record";
pub(super) const ENDS_RECORDED: &str = "when all is quiet everything is recorded and nothing is owed";
pub(super) const AT_MOST_ONCE: &str = "at most once runs at most once";
pub(super) const ONCE_WITHOUT_INVOKER_FAULTS: &str = "while invokers and streams live, nothing runs twice";
pub(super) const NO_FALSE_LOSS: &str = "no loss is recorded of what a live invoker holds";
pub(super) const NO_UNSTARTED_LOSS: &str = "no loss is recorded of what cannot have started";
pub(super) const LAST_ATTEMPT: &str = "dead letters have had all their attempts";
pub(super) const EXHAUSTED_IS_BURIED: &str = "what is recorded as exhausted is in the dead letters";
pub(super) const RECORDED_IS_NOT_RUN: &str = "what has a record when it is read is not run";
pub(super) const DONE_IS_NOT_RUN: &str = "what is committed as done is not run";
pub(super) const RUNS_ALONE: &str = "no invoker runs the same activation beside itself";
pub(super) const NOTHING_IDLE: &str = "nothing is dispatched of which nothing is owed";
pub(super) const VIEW_STAYS: &str = "a record that could be read stays as it is";

pub(super) const RETRIED: &str = "retried";
pub(super) const PARKED: &str = "parked";
pub(super) const ADOPTED: &str = "adopted";
pub(super) const NOTE_ADOPTED: &str = "note adopted";
pub(super) const LOST: &str = "lost";
pub(super) const EXHAUSTED: &str = "exhausted";

pub(super) fn all() -> Vec<Property<Setting>> {
    let mut all = promises();
    all.extend(reached());
    all
}

fn promises() -> Vec<Property<Setting>> {
    vec![
        Property::always(NEVER_FORGOTTEN, never_forgotten),
        Property::always(NOT_DONE_WHILE_OWED, not_done_while_owed),
        Property::always(ENDS_RECORDED, |setting, world| {
            !is_quiet(setting, world) || is_good(setting, world)
        }),
        Property::always(AT_MOST_ONCE, |setting: &Setting, world: &World| {
            let mut runs = world.history.runs.iter();
            runs.all(|(id, runs)| *runs <= 1 || World::delivery(setting, *id) != Delivery::AtMostOnce)
        }),
        Property::always(ONCE_WITHOUT_INVOKER_FAULTS, |setting: &Setting, world: &World| {
            let is_asked = setting.is_without_zombies()
                && !setting.lag
                && setting.faults.invoker_deaths + setting.faults.cuts + setting.faults.cut_offs == 0;
            !is_asked || world.history.runs.values().all(|runs| *runs <= 1)
        }),
        Property::always(NO_FALSE_LOSS, |setting: &Setting, world: &World| {
            !(setting.is_without_zombies() && world.history.false_loss)
        }),
        Property::always(NO_UNSTARTED_LOSS, |_, world: &World| !world.history.unstarted_loss),
        Property::always(LAST_ATTEMPT, |setting: &Setting, world: &World| {
            let runs = |id: &usize| world.history.runs.get(id).copied().unwrap_or(0);
            world.kafka.dead_letters.iter().all(|id| u32::from(runs(id)) >= setting.max_attempts)
        }),
        Property::always(EXHAUSTED_IS_BURIED, |setting: &Setting, world: &World| {
            let mut exhausted =
                world.kafka.completed.iter().filter(|(_, record)| record.kind == RecordKind::Exhausted);
            exhausted.all(|(id, _)| setting.kinds[*id].blocking || world.kafka.dead_letters.contains(id))
        }),
        Property::always(RECORDED_IS_NOT_RUN, |_, world: &World| !world.history.recorded_run),
        Property::always(NOTHING_IDLE, |setting: &Setting, world: &World| {
            !(setting.is_without_zombies() && !setting.lag && world.history.idle_dispatch)
        }),
        Property::always(DONE_IS_NOT_RUN, |_, world: &World| !world.history.done_run),
        Property::always(RUNS_ALONE, |_, world: &World| !world.history.beside_itself),
        Property::always(VIEW_STAYS, |_, world: &World| !world.history.changed_view),
    ]
}

/// That settings are not too small to mean anything.
fn reached() -> Vec<Property<Setting>> {
    vec![
        Property::sometimes(RETRIED, |_, world: &World| world.history.seen.contains(&Seen::Retried)),
        Property::sometimes(PARKED, |_, world: &World| world.history.seen.contains(&Seen::Parked)),
        Property::sometimes(ADOPTED, |_, world: &World| world.history.seen.contains(&Seen::Adopted)),
        Property::sometimes(NOTE_ADOPTED, |_, world: &World| world.history.seen.contains(&Seen::NoteAdopted)),
        Property::sometimes(LOST, |_, world: &World| world.history.seen.contains(&Seen::Lost)),
        Property::sometimes(EXHAUSTED, |_, world: &World| world.history.seen.contains(&Seen::Exhausted)),
    ]
}

fn never_forgotten(_: &Setting, world: &World) -> bool {
    let accepted = world.clients.iter().enumerate().filter(|(_, client)| **client == Client::Accepted);
    accepted.into_iter().all(|(id, _)| world.is_recorded(id) || world.is_owed(id))
}

fn not_done_while_owed(_: &Setting, world: &World) -> bool {
    let kafka = &world.kafka;
    let ids = kafka.queue.iter().chain(&kafka.parked).map(|message| super::world::index(message.id));
    let noted = kafka.inflight.iter().filter_map(|line| match line {
        super::world::Line::Note { message, .. } => Some(super::world::index(message.id)),
        _ => None,
    });
    // A note may be withdrawn before the record, if its client got the result instead of a 202.
    let noted = noted.filter(|id| world.clients[*id] == Client::Accepted);
    ids.chain(noted).all(|id| world.is_recorded(id) || world.is_owed(id))
}

fn is_quiet(setting: &Setting, world: &World) -> bool {
    let mut steps = Vec::new();
    setting.actions(world, &mut steps);
    steps.is_empty()
}

/// Every disclosed id has its record in the store, and nobody waits, keeps or owes.
pub(super) fn is_good(setting: &Setting, world: &World) -> bool {
    let deaths = |faults: super::setting::Faults| faults.controller_deaths + faults.invoker_deaths;
    let recorded = world.clients.iter().enumerate().all(|(id, client)| match client {
        Client::Accepted => world.view(setting, id, world.stored).is_some(),
        // Answered from memory: the record survives one death, as that of a client who was never told.
        Client::Answered => {
            deaths(setting.faults) - deaths(world.left) > 1 || world.view(setting, id, world.stored).is_some()
        }
        Client::Refused => true,
        Client::Waits => false,
    });
    let is_idle = |process: &super::world::Process| process.dispatcher.is_idle();
    let idle = world.controllers.iter().all(|controller| controller.process.as_ref().is_none_or(is_idle));
    let kept =
        world.invokers.iter().filter_map(|invoker| invoker.keeper.as_ref()).any(|keeper| !keeper.is_empty());
    let all_done = (0..world.kafka.queue.len()).all(|offset| world.is_done(Source::Queue, offset))
        && (0..world.kafka.parked.len()).all(|offset| world.is_done(Source::Parked, offset))
        && (0..world.clients.len()).all(|id| !world.is_noted(id));
    recorded && idle && !kept && all_done
}

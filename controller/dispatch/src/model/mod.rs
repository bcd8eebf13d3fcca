//! The machine-checked model: the same [`crate::Dispatcher`] and [`crate::Keeper`] that run in production, in a world
//! where processes die, streams are cut and Kafka's answers come when they like.
//!
//! A state is everything durable (topics, commits, the store), every process, and every stream's content. A step is
//! whatever can happen next. Stateright tries all orders, within the budget of faults of a [`Setting`].

mod apply;
mod enabled;
mod kafka;
mod promise;
mod properties;
mod reach;
mod setting;
mod variants;
mod world;

use stateright::{Model, Path, Property};

use enabled::Step;
use setting::Setting;
use world::World;

impl Model for Setting {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self)]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        world.enabled(self, steps);
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = world.clone();
        next.apply(self, step);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

/// The steps of a counterexample, and where they lead.
fn trace(name: &str, path: &Path<World, Step>) -> String {
    let steps: Vec<String> = path.clone().into_actions().iter().map(|step| format!("    {step:?}")).collect();
    format!("not so: {name}\n{}\n{:?}", steps.join("\n"), path.last_state())
}

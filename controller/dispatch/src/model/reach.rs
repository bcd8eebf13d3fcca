//! From everywhere to a good end: that no state is a trap.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use stateright::Model;

use super::properties::is_good;
use super::setting::Setting;
use super::world::World;

/// Explores everything, and answers how many states there are, and one from which no good end can be reached, if there is
/// one.
pub(super) fn find_trap(setting: &Setting) -> (usize, Option<World>) {
    let hasher = RandomState::new();
    let mut numbers: HashMap<u64, usize> = HashMap::new();
    let mut worlds = setting.init_states();
    let mut before: Vec<Vec<u32>> = vec![Vec::new(); worlds.len()];
    let mut good = Vec::new();
    for (number, world) in worlds.iter().enumerate() {
        numbers.insert(hasher.hash_one(world), number);
    }
    let mut next = 0;
    while next < worlds.len() {
        let world = worlds[next].clone();
        if is_good(setting, &world) {
            good.push(next);
        }
        for reached in setting.next_states(&world) {
            let number = *numbers.entry(hasher.hash_one(&reached)).or_insert_with(|| {
                worlds.push(reached);
                before.push(Vec::new());
                worlds.len() - 1
            });
            before[number].push(u32::try_from(next).expect("fits"));
        }
        next += 1;
    }
    (worlds.len(), first_outside(&before, good).map(|number| worlds.swap_remove(number)))
}

/// The first state that is not among the predecessors of `good`.
fn first_outside(before: &[Vec<u32>], mut good: Vec<usize>) -> Option<usize> {
    let mut leads = vec![false; before.len()];
    good.iter().for_each(|number| leads[*number] = true);
    while let Some(number) = good.pop() {
        for earlier in before[number].iter().map(|number| *number as usize) {
            if !std::mem::replace(&mut leads[earlier], true) {
                good.push(earlier);
            }
        }
    }
    leads.iter().position(|leads| !leads)
}

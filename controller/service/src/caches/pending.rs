//! What others have not been told of yet. Pure.

use std::collections::BTreeSet;

use super::message::Change;

/// Entities that are told of one by one, at most.
const MOST: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Pending {
    entities: BTreeSet<String>,
    all_entities: bool,
    identities: bool,
}

impl Pending {
    pub(super) fn add(&mut self, change: Change) {
        match change {
            Change::Entity(id) if !self.all_entities && self.entities.len() < MOST => {
                self.entities.insert(id);
            }
            Change::Entity(_) | Change::Entities => {
                self.all_entities = true;
                self.entities.clear();
            }
            Change::Identities => self.identities = true,
            Change::Everything => {
                self.identities = true;
                self.add(Change::Entities);
            }
        }
    }

    /// Something to be told next, which is told from now on unless it is added again.
    pub(super) fn take(&mut self) -> Option<Change> {
        if std::mem::take(&mut self.identities) {
            return Some(Change::Identities);
        }
        if std::mem::take(&mut self.all_entities) {
            return Some(Change::Entities);
        }
        self.entities.pop_first().map(Change::Entity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(pending: &mut Pending) -> Vec<Change> {
        std::iter::from_fn(|| pending.take()).collect()
    }

    fn entity(id: impl ToString) -> Change {
        Change::Entity(id.to_string())
    }

    #[test]
    fn a_change_is_told_once_however_often_it_came() {
        let mut pending = Pending::default();
        for change in [entity("b"), Change::Identities, entity("a"), entity("b"), Change::Identities] {
            pending.add(change);
        }
        assert_eq!(taken(&mut pending), [Change::Identities, entity("a"), entity("b")]);
        assert_eq!(taken(&mut pending), []);
    }

    #[test]
    fn too_much_to_tell_is_everything() {
        let mut pending = Pending::default();
        (0..MOST).for_each(|n| pending.add(entity(n)));
        assert_eq!(pending.entities.len(), MOST);
        pending.add(entity("one more"));
        pending.add(entity("and another"));
        assert_eq!(taken(&mut pending), [Change::Entities]);
        pending.add(entity("later"));
        assert_eq!(taken(&mut pending), [entity("later")]);
    }

    #[test]
    fn everything_is_all_there_is() {
        let mut pending = Pending::default();
        pending.add(entity("a"));
        pending.add(Change::Everything);
        assert_eq!(taken(&mut pending), [Change::Identities, Change::Entities]);
    }
}

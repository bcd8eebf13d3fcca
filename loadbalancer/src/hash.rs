//! OpenWhisk's placement: a home invoker by hash, then steps.

use crate::{InvokerView, PROBES, Placement, PlacementRequest};

/// Home invoker by `hash(namespace) xor hash(action)`, then steps of a size coprime to the number of invokers.
/// Invokers that seem to have room come before those that seem full.
#[derive(Clone, Copy, Debug, Default)]
pub struct HashPlacement;

impl Placement for HashPlacement {
    fn place(&self, fleet: &[InvokerView], request: &PlacementRequest<'_>) -> Vec<usize> {
        if let [only] = fleet {
            return if only.usable { vec![0] } else { Vec::new() };
        }
        let Some(order) = probe_order(fleet.len(), generation_hash(request)) else { return Vec::new() };
        let usable: Vec<usize> = order.filter(|index| fleet[*index].usable).collect();
        let has_room = |index: &usize| fleet[*index].free_memory >= request.memory;
        let (mut room, full): (Vec<usize>, Vec<usize>) = usable.into_iter().partition(has_room);
        room.extend(full);
        room.truncate(PROBES);
        room
    }
}

fn generation_hash(request: &PlacementRequest<'_>) -> u32 {
    let hash = java_hash(request.namespace.as_str()) ^ java_hash(&request.action.to_string());
    hash.unsigned_abs()
}

/// `String.hashCode` of Java: the vectors of an existing deployment stay valid.
fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// Every index below `count` once, home first. `None` when there is nothing to visit.
fn probe_order(count: usize, hash: u32) -> Option<impl Iterator<Item = usize>> {
    let steps = step_sizes(count);
    let hash = usize::try_from(hash).ok()?;
    let home = hash.checked_rem(count)?;
    let step = steps[hash % steps.len()];
    Some((0..count).map(move |probe| (home + probe * step) % count))
}

/// Numbers from 1 that are coprime to `count` and to each other, chosen greedily.
fn step_sizes(count: usize) -> Vec<usize> {
    let mut steps: Vec<usize> = Vec::new();
    for candidate in 1..=count {
        if gcd(candidate, count) == 1 && steps.iter().all(|step| gcd(candidate, *step) == 1) {
            steps.push(candidate);
        }
    }
    steps
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oxwhisk_core::id::InvokerId;
    use oxwhisk_core::name::{EntityName, FullyQualifiedName};

    fn fleet(free: &[Option<u64>]) -> Vec<InvokerView> {
        let view = |(id, free): (u32, &Option<u64>)| InvokerView {
            id: InvokerId(id),
            usable: free.is_some(),
            free_memory: free.unwrap_or(0),
        };
        (0..).zip(free).map(view).collect()
    }

    fn place(free: &[Option<u64>]) -> Vec<usize> {
        let namespace = EntityName::new("guest").unwrap();
        let action = FullyQualifiedName::parse("guest/hello", &namespace).unwrap();
        let request = PlacementRequest { namespace: &namespace, action: &action, memory: 256 };
        HashPlacement.place(&fleet(free), &request)
    }

    #[test]
    fn steps_are_pairwise_coprime() {
        assert_eq!(step_sizes(1), [1]);
        assert_eq!(step_sizes(9), [1, 2, 5, 7]);
        assert_eq!(step_sizes(10), [1, 3, 7]);
    }

    #[test]
    fn strings_hash_as_in_java() {
        assert_eq!(java_hash("guest"), 98_708_952);
        assert_eq!(java_hash(""), 0);
    }

    #[test]
    fn every_invoker_is_visited_once() {
        for count in 1..40 {
            let mut seen: Vec<usize> = probe_order(count, 12345).unwrap().collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..count).collect::<Vec<_>>());
        }
        assert!(probe_order(0, 1).is_none());
    }

    #[test]
    fn room_comes_first_and_unusable_invokers_never() {
        let all = place(&[Some(512); 5]);
        assert_eq!(all.len(), PROBES);
        let home = all[0];
        let mut full_home = [Some(512); 5];
        full_home[home] = Some(0);
        assert_ne!(place(&full_home)[0], home);
        assert!(place(&[None; 5]).is_empty() && place(&[None]).is_empty());
        assert_eq!(place(&[Some(0)]), [0]);
    }
}

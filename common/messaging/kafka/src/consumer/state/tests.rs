use bytes::Bytes;

use super::*;
use crate::chunk::{Chunk, MessageId, Part};
use crate::wire::Content;

const NOW: Duration = Duration::ZERO;

fn bounds() -> Consuming {
    Consuming { pending_messages: 4, ..Consuming::default() }
}

fn record(offset: u64, key: &str, content: Content) -> Record {
    Record { offset, key: key.to_owned(), attempt: 1, transient: false, at: 0, content }
}

fn part(offset: u64, index: u32, count: u32) -> Content {
    let message = Some(MessageId { producer: 1, sequence: 1 });
    Content::Chunk(Chunk { offset, message, part: Part { index, count }, payload: Bytes::from_static(b"x") })
}

fn whole(offset: u64) -> Content {
    let payload = Bytes::from_static(b"x");
    Content::Chunk(Chunk { offset, message: None, part: Part::WHOLE, payload })
}

fn feed(state: &mut State, partition: u32, offsets: std::ops::Range<u64>) {
    for offset in offsets {
        state.read(partition, record(offset, &offset.to_string(), whole(offset)), NOW);
    }
}

fn start(committed: Option<(u64, &str)>, high: u64) -> Start {
    Start {
        committed: committed.map(|(offset, metadata)| (offset, metadata.to_owned())),
        low: 0,
        high,
        at: 0,
    }
}

/// A state with partition 0 taken up.
fn state(start: &Start) -> State {
    let mut state = State::new(bounds(), Topic::InFlight);
    state.assign(0);
    state.take_up(0, std::slice::from_ref(start), NOW);
    assert!(matches!(state.next(9), Ok(Some(Event::Assigned(Partition(0))))));
    state
}

fn taken(state: &mut State) -> Vec<Delivery> {
    match state.next(100).unwrap() {
        Some(Event::Messages(deliveries)) => deliveries,
        event => panic!("{event:?}"),
    }
}

#[test]
fn nothing_is_handed_out_before_it_is_known_what_was_done() {
    let mut state = State::new(bounds(), Topic::Activations);
    state.assign(0);
    assert_eq!(state.unknown(), [0]);
    feed(&mut state, 0, 5..8);
    assert!(state.next(9).unwrap().is_none());
    let mut done = self::state(&start(None, 8));
    feed(&mut done, 0, 5..8);
    let ids: Vec<_> = taken(&mut done).iter().map(|delivery| delivery.id).collect();
    done.complete(&ids[1..2]);
    let commit = done.commits().remove(0);
    assert_eq!(commit.offset, 5);
    state.take_up(0, &[start(Some((5, &commit.metadata)), 8)], NOW);
    assert!(matches!(state.next(9), Ok(Some(Event::Assigned(_)))));
    let keys: Vec<_> = taken(&mut state).into_iter().map(|delivery| (delivery.key, delivery.again)).collect();
    assert_eq!(keys, [("5".to_owned(), true), ("7".to_owned(), true)]);
    assert!(matches!(state.next(9), Ok(Some(Event::CaughtUp(_)))));
}

#[test]
fn completions_of_an_earlier_assignment_have_no_effect() {
    let mut state = state(&start(None, 0));
    assert!(matches!(state.next(9), Ok(Some(Event::CaughtUp(_)))));
    feed(&mut state, 0, 0..3);
    let ids: Vec<_> = taken(&mut state).iter().map(|delivery| delivery.id).collect();
    feed(&mut state, 0, 3..4);
    state.revoke(0);
    // What waited is dropped, and the program is told.
    assert!(matches!(state.next(9), Ok(Some(Event::Revoked(Partition(0))))));
    state.complete(&ids);
    assert_eq!(state.commits(), []);
    state.assign(0);
    state.take_up(0, &[start(None, 4)], NOW);
    state.complete(&ids);
    assert_eq!(state.commits(), []);
    feed(&mut state, 0, 0..4);
    assert!(matches!(state.next(9), Ok(Some(Event::Assigned(_)))));
    assert_eq!(taken(&mut state).len(), 4);
}

#[test]
fn a_tombstone_takes_waiting_notes_back_and_tells_of_the_others() {
    let mut state = state(&start(None, 1));
    for (offset, key) in [(0, "a"), (1, "b")] {
        state.read(0, record(offset, key, whole(offset)), NOW);
    }
    let first = match state.next(1).unwrap() {
        Some(Event::Messages(deliveries)) => deliveries[0].id,
        event => panic!("{event:?}"),
    };
    state.read(0, record(2, "a", Content::Tombstone), NOW);
    state.read(0, record(3, "b", Content::Tombstone), NOW);
    assert!(matches!(state.next(9), Ok(Some(Event::CaughtUp(_)))));
    assert!(matches!(state.next(9), Ok(Some(Event::Withdrawn(ids))) if ids == [first]));
    assert!(state.next(9).unwrap().is_none(), "b was never handed out");
    let [commit] = state.commits().try_into().unwrap();
    assert_eq!((commit.offset, commit.metadata.as_str()), (4, ""));
    state.complete(&[first]);
    assert_eq!(state.commits(), [], "it counts as completed already");
}

#[test]
fn all_chunks_of_a_message_are_done_together() {
    let mut state = state(&start(None, 0));
    state.next(9).unwrap();
    for index in 0..3 {
        state.read(0, record(index.into(), "a", part(index.into(), index, 3)), NOW);
        assert_eq!(state.commits(), []);
    }
    let delivery = taken(&mut state).remove(0);
    assert_eq!((delivery.payload.len(), delivery.id.offset), (3, 2));
    state.complete(&[delivery.id]);
    assert_eq!(state.commits()[0].offset, 3);
}

#[test]
fn too_much_waiting_pauses_everything_until_half_is_taken() {
    let mut state = state(&start(None, 0));
    state.next(9).unwrap();
    // Paused from the beginning, until it was taken up.
    assert_eq!(state.flow(), Flow { pause: vec![], resume: vec![0] });
    feed(&mut state, 0, 0..4);
    assert_eq!(state.flow(), Flow { pause: vec![0], resume: vec![] });
    assert!(state.is_held_up());
    state.next(1).unwrap();
    assert_eq!(state.flow(), Flow::default());
    state.next(1).unwrap();
    assert_eq!(state.flow(), Flow { pause: vec![], resume: vec![0] });
}

#[test]
fn one_partition_with_too_much_outstanding_is_paused_alone() {
    let mut state = State::new(Consuming { outstanding: 8, ..Consuming::default() }, Topic::Activations);
    for partition in [0, 1] {
        state.assign(partition);
        state.take_up(partition, &[start(None, 0)], NOW);
    }
    state.flow();
    feed(&mut state, 0, 0..8);
    feed(&mut state, 1, 0..7);
    assert_eq!(state.flow(), Flow { pause: vec![0], resume: vec![] });
    let ids: Vec<_> = std::iter::from_fn(|| state.next(100).unwrap())
        .filter_map(|event| match event {
            Event::Messages(deliveries) => Some(deliveries),
            _ => None,
        })
        .flatten()
        .map(|delivery| delivery.id)
        .collect();
    // Not the first one: what is done behind it makes room, too.
    state.complete(&ids[1..3]);
    assert_eq!(state.flow(), Flow { pause: vec![], resume: vec![0] });
}

#[test]
fn a_commit_that_failed_is_made_again() {
    let mut state = state(&start(None, 0));
    state.next(9).unwrap();
    feed(&mut state, 0, 0..1);
    let id = taken(&mut state)[0].id;
    state.complete(&[id]);
    let commits = state.commits();
    assert_eq!(commits[0].offset, 1);
    assert_eq!(state.commits(), []);
    state.not_committed(&commits[0]);
    assert_eq!(state.commits(), commits);
}

#[test]
fn halves_of_messages_are_given_up_when_the_log_has_no_more_of_them() {
    let mut state = state(&start(None, 0));
    state.next(9).unwrap();
    state.read(0, record(0, "a", part(0, 0, 2)), NOW);
    state.expire();
    assert_eq!(state.commits(), []);
    let later = Consuming::default().chunk_patience;
    assert_eq!(state.silent(later), [0]);
    state.log_ends(0, 1, later);
    state.expire();
    assert_eq!(state.commits()[0].offset, 1);
}

use bytes::Bytes;

use super::*;
use crate::chunk::{Chunk, MessageId, Part};
use crate::consumer::group::Group as _;
use crate::consumer::state::Start;
use crate::wire::Content;

const NOW: Duration = Duration::ZERO;
const EVERYTHING: Wanted = Wanted { activations: true, parked: true };
const LANE: Partition = Partition(3);
/// Of messages in these tests, in milliseconds.
const HOUR: i64 = 3_600_000;

fn start(committed: Option<u64>, high: u64) -> Start {
    Start { committed: committed.map(|offset| (offset, String::new())), low: 0, high, at: HOUR }
}

fn record(offset: u64, key: &str, payload: Option<Chunk>) -> Record {
    let content = payload.map_or(Content::Tombstone, Content::Chunk);
    Record { offset, key: key.to_owned(), attempt: 1, transient: false, at: HOUR + offset as i64, content }
}

fn chunk(offset: u64, part: Part, message: Option<MessageId>) -> Chunk {
    Chunk { offset, message, part, payload: Bytes::from_static(b"x") }
}

fn whole(offset: u64, key: &str) -> Record {
    record(offset, key, Some(chunk(offset, Part::WHOLE, None)))
}

fn mark(offset: u64, key: &str) -> Record {
    Record { transient: true, ..whole(offset, key) }
}

fn tombstone(offset: u64, key: &str) -> Record {
    record(offset, key, None)
}

/// A state with the lane taken up; `inflight` is not begun with yet.
fn taken_up(bounds: Consuming, starts: [Start; 3]) -> State {
    let mut state = State::new(bounds);
    state.assign(LANE.0);
    assert_eq!(state.unknown(), [LANE.0]);
    state.take_up(LANE.0, &starts, NOW);
    assert_eq!(state.next(EVERYTHING, 9).unwrap(), Some(LaneEvent::Assigned(LANE)));
    state
}

fn source(state: &State, topic: Topic) -> Source {
    Source { topic, lane: LANE.0, assignment: state.lanes[&LANE.0].number }
}

/// A state whose lane was empty but for `inflight`, which ends at `high`.
fn reading(committed: Option<u64>, high: u64) -> State {
    let mut state = taken_up(Consuming::default(), [start(None, 0), start(None, 0), start(committed, high)]);
    let beginning = state.beginning();
    assert_eq!(beginning, [(source(&state, Topic::InFlight), None)]);
    state.begin(beginning[0].0, None);
    state
}

fn read(state: &mut State, topic: Topic, record: Record) {
    match topic {
        Topic::Activations => state.read(LANE.0, record, NOW),
        _ => state.read_from(source(state, topic), record, NOW),
    }
}

fn events(state: &mut State) -> Vec<String> {
    let mut events = Vec::new();
    while let Some(event) = state.next(EVERYTHING, 9).unwrap() {
        let keys = |messages: &[LaneMessage]| {
            messages.iter().map(|message| message.key.as_str()).collect::<Vec<_>>().join(" ")
        };
        events.push(match &event {
            LaneEvent::Messages { topic, messages } => format!("{}: {}", topic.name(), keys(messages)),
            LaneEvent::InFlight(entries) => format!("inflight: {}", keys(entries)),
            LaneEvent::Assigned(_) => "assigned".to_owned(),
            LaneEvent::CaughtUp(_) => "caught up".to_owned(),
            LaneEvent::Barrier(Barrier(number)) => format!("barrier {number}"),
            LaneEvent::Revoked(_) => "revoked".to_owned(),
        });
    }
    events
}

fn committed(state: &mut State, topic: Topic) -> Option<u64> {
    let commits = state.commits();
    commits.iter().find(|commit| commit.topic == topic).map(|commit| commit.offset)
}

#[test]
fn inflight_is_read_from_the_time_of_the_oldest_message() {
    let starts = [start(Some(5), 8), start(Some(2), 4), start(Some(70), 90)];
    let mut state = taken_up(Consuming::default(), starts);
    assert_eq!(state.beginning(), []);
    read(&mut state, Topic::Activations, whole(5, "a"));
    assert_eq!(state.beginning(), [], "the parked ones may be older");
    read(&mut state, Topic::Parked, whole(2, "b"));
    let in_flight = source(&state, Topic::InFlight);
    assert_eq!(state.beginning(), [(in_flight, Some(HOUR + 2 - 60_000))]);
    assert!(!state.sources().iter().any(|(source, _)| *source == in_flight));
    state.begin(in_flight, Some(40));
    assert_eq!(state.beginning(), []);
    assert!(state.sources().contains(&(in_flight, 40)));
    // What was over before is handed out, and does not count again.
    read(&mut state, Topic::InFlight, whole(40, "old"));
    read(&mut state, Topic::InFlight, mark(41, "a"));
    assert_eq!(committed(&mut state, Topic::InFlight), None);
    assert_eq!(events(&mut state)[0], "inflight: old a");
}

#[test]
fn inflight_is_read_from_the_oldest_note() {
    for (since, expected) in [(None, 70), (Some(80), 70), (Some(60), 60), (Some(3), 10)] {
        let mut in_flight = start(Some(70), 90);
        in_flight.low = 10;
        let mut state = taken_up(Consuming::default(), [start(None, 1), start(None, 0), in_flight]);
        read(&mut state, Topic::Activations, whole(0, "a"));
        let in_flight = source(&state, Topic::InFlight);
        state.begin(in_flight, since);
        assert!(state.sources().contains(&(in_flight, expected)), "{since:?}");
    }
}

#[test]
fn the_oldest_note_is_committed() {
    let mut state = reading(None, 0);
    for record in [mark(0, "m"), whole(1, "a"), whole(2, "b"), mark(3, "a"), whole(4, "a")] {
        read(&mut state, Topic::InFlight, record);
    }
    assert_eq!(committed(&mut state, Topic::InFlight), Some(1));
    assert_eq!(committed(&mut state, Topic::InFlight), None, "nothing is new");
    read(&mut state, Topic::InFlight, tombstone(5, "a"));
    assert_eq!(committed(&mut state, Topic::InFlight), Some(2));
    read(&mut state, Topic::InFlight, tombstone(6, "b"));
    assert_eq!(committed(&mut state, Topic::InFlight), Some(7));
    assert_eq!(events(&mut state), ["caught up", "inflight: m a b a a a b"]);
}

#[test]
fn a_note_in_chunks_is_kept_from_its_first_one() {
    let mut state = reading(None, 0);
    let message = Some(MessageId { producer: 1, sequence: 1 });
    for index in 0..2 {
        let offset = u64::from(index);
        let part = Part { index, count: 2 };
        read(&mut state, Topic::InFlight, record(offset, "a", Some(chunk(offset, part, message))));
    }
    read(&mut state, Topic::InFlight, mark(2, "m"));
    assert_eq!(committed(&mut state, Topic::InFlight), Some(0));
    read(&mut state, Topic::InFlight, tombstone(3, "a"));
    assert_eq!(committed(&mut state, Topic::InFlight), Some(4));
}

#[test]
fn a_barrier_comes_behind_what_was_there_when_its_end_was_found() {
    let mut state = reading(None, 0);
    let (first, second) = (state.barrier(LANE), state.barrier(LANE));
    assert_eq!(state.asked(), [(LANE.0, vec![first, second])]);
    let third = state.barrier(LANE);
    state.ends(LANE.0, &[first, second], 2);
    assert_eq!(state.asked(), [(LANE.0, vec![third])], "it was asked for later");
    for offset in 0..3 {
        read(&mut state, Topic::InFlight, whole(offset, &offset.to_string()));
    }
    state.ends(LANE.0, &[third], 3);
    assert_eq!(
        events(&mut state),
        ["caught up", "inflight: 0 1", "barrier 1", "barrier 2", "inflight: 2", "barrier 3"]
    );
    let nowhere = state.barrier(Partition(9));
    assert_eq!(events(&mut state), [format!("barrier {}", nowhere.0)]);
}

#[test]
fn caught_up_comes_when_everything_that_was_there_is_handed_out() {
    let mut state = taken_up(Consuming::default(), [start(None, 2), start(None, 1), start(None, 1)]);
    read(&mut state, Topic::Activations, whole(0, "a"));
    read(&mut state, Topic::Activations, whole(1, "b"));
    read(&mut state, Topic::Activations, whole(2, "new"));
    read(&mut state, Topic::Parked, whole(0, "p"));
    let in_flight = source(&state, Topic::InFlight);
    state.begin(in_flight, None);
    assert_eq!(
        state.next(EVERYTHING, 1).unwrap().map(|event| matches!(event, LaneEvent::Messages { .. })),
        Some(true)
    );
    read(&mut state, Topic::InFlight, whole(0, "n"));
    let nothing = Wanted::default();
    assert!(matches!(state.next(nothing, 9), Ok(Some(LaneEvent::InFlight(_)))));
    assert_eq!(state.next(nothing, 9).unwrap(), None);
    // The two topics take turns.
    assert_eq!(events(&mut state), ["activations.parked: p", "activations: b new", "caught up"]);
}

#[test]
fn what_waits_of_a_lost_lane_is_dropped() {
    let mut state = taken_up(Consuming::default(), [start(None, 1), start(None, 1), start(None, 1)]);
    let stale = [source(&state, Topic::Parked), source(&state, Topic::InFlight)];
    read(&mut state, Topic::Activations, whole(0, "a"));
    read(&mut state, Topic::Parked, whole(0, "p"));
    state.begin(stale[1], None);
    read(&mut state, Topic::InFlight, whole(0, "n"));
    state.barrier(LANE);
    state.revoke(LANE.0);
    assert_eq!(events(&mut state), ["barrier 1", "revoked"]);
    assert_eq!((state.commits(), state.oldest(LANE), state.sources()), (vec![], None, vec![]));
    assert!(!state.activations.load.is_full(Consuming { pending_messages: 1, ..Consuming::default() }));

    // It comes back, while the client still reads for its earlier assignment.
    state.assign(LANE.0);
    state.take_up(LANE.0, &[start(None, 1), start(None, 1), start(None, 1)], NOW);
    for source in stale {
        state.read_from(source, whole(0, "stale"), NOW);
        state.begin(source, None);
        assert!(!state.sources().iter().any(|(known, _)| *known == source));
    }
    assert_eq!(events(&mut state), ["assigned"]);
}

#[test]
fn a_member_that_cannot_go_on_has_lost_its_lanes() {
    let mut state = reading(None, 0);
    state.fail(BusError::Unavailable("fenced".to_owned()), true);
    assert_eq!(state.next(EVERYTHING, 9).unwrap(), Some(LaneEvent::Revoked(LANE)));
    for _ in 0..2 {
        assert!(matches!(state.next(EVERYTHING, 9), Err(BusError::Unavailable(_))));
    }
}

#[test]
fn a_topic_that_waits_to_be_taken_holds_up_itself_only() {
    let bounds = Consuming { pending_messages: 4, ..Consuming::default() };
    let mut state = taken_up(bounds, [start(None, 0), start(None, 9), start(None, 0)]);
    assert_eq!(state.flow().resume, [LANE.0]);
    assert_eq!(state.reader_flow(Topic::Parked), Flow::default(), "nobody reads it yet");
    state.reads(source(&state, Topic::Parked));
    assert_eq!(state.reader_flow(Topic::Parked).resume, [LANE.0]);
    for offset in 0..4 {
        read(&mut state, Topic::Activations, whole(offset, "a"));
    }
    assert_eq!(state.flow().pause, [LANE.0]);
    assert!(state.is_held_up() && !state.is_reader_held_up());
    for offset in 0..4 {
        read(&mut state, Topic::Parked, whole(offset, "p"));
    }
    assert_eq!(state.reader_flow(Topic::Parked).pause, [LANE.0]);
    let in_flight = source(&state, Topic::InFlight);
    state.begin(in_flight, None);
    for offset in 0..3 {
        read(&mut state, Topic::InFlight, whole(offset, "n"));
    }
    assert_eq!(state.reader_flow(Topic::InFlight), Flow::default());
    events(&mut state);
    assert_eq!((state.flow().resume, state.reader_flow(Topic::Parked).resume), (vec![LANE.0], vec![LANE.0]));
}

/// `inflight` begins where the first message of each topic says, so that is read although there is no room.
#[test]
fn the_first_message_of_a_new_lane_is_read_however_full_we_are() {
    let bounds = Consuming { pending_messages: 1, ..Consuming::default() };
    let mut state = taken_up(bounds, [start(None, 1), start(None, 0), start(None, 0)]);
    read(&mut state, Topic::Activations, whole(0, "a"));
    state.assign(4);
    state.take_up(4, &[start(None, 5), start(None, 0), start(None, 0)], NOW);
    assert_eq!(state.flow().resume, [4]);
    state.read(4, whole(0, "b"), NOW);
    assert_eq!(state.flow().pause, [4]);
    assert_eq!(state.beginning().len(), 2);
}

#[test]
fn done_is_committed_by_topic() {
    let mut state = taken_up(Consuming::default(), [start(None, 3), start(Some(7), 9), start(None, 0)]);
    for offset in 0..3 {
        read(&mut state, Topic::Activations, whole(offset, "a"));
    }
    for offset in 7..9 {
        read(&mut state, Topic::Parked, whole(offset, "p"));
    }
    state.done(Topic::Activations, LANE, 0);
    state.done(Topic::Parked, LANE, 8);
    state.done(Topic::InFlight, LANE, 0);
    state.done(Topic::Activations, Partition(9), 1);
    let commits = state.commits();
    let offsets: Vec<_> =
        commits.iter().map(|commit| (commit.topic, commit.partition, commit.offset)).collect();
    assert_eq!(offsets, [(Topic::Activations, LANE.0, 1), (Topic::Parked, LANE.0, 7)]);
    assert!(commits[0].metadata.is_empty() && !commits[1].metadata.is_empty());
    assert_eq!(state.commits(), []);
    state.not_committed(&commits[1]);
    assert_eq!(state.commits(), commits[1..]);
    assert_eq!(state.oldest(LANE), Some(HOUR + 1));
}

#[test]
fn what_was_not_read_is_reckoned_with() {
    let mut state = taken_up(Consuming::default(), [start(None, 1), start(None, 0), start(None, 0)]);
    assert_eq!(state.oldest(LANE), Some(0), "anything may lie there");
    read(&mut state, Topic::Activations, whole(0, "a"));
    assert_eq!(state.oldest(LANE), Some(HOUR), "nobody reads the parked ones yet, and there were none");
    state.done(Topic::Activations, LANE, 0);
    state.reads(source(&state, Topic::Parked));
    state.flow();
    state.reader_flow(Topic::Parked);
    assert_eq!(state.oldest(LANE), None);
}

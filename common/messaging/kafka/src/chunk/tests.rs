use proptest::prelude::*;

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

fn id(producer: u64, sequence: u64) -> MessageId {
    MessageId { producer, sequence }
}

fn chunk(offset: u64, message: MessageId, index: u32, count: u32) -> Chunk {
    Chunk {
        offset,
        message: Some(message),
        part: Part { index, count },
        payload: Bytes::from(vec![b'x'; 10]),
    }
}

fn take(assembler: &mut Assembler, chunk: Chunk) -> Taken {
    assembler.take(chunk, Duration::ZERO)
}

#[test]
fn ids_and_parts_are_read_back_and_garbage_is_not() {
    let message = id(u64::MAX, 3);
    assert_eq!(MessageId::from_bytes(&message.to_bytes()), Some(message));
    assert_eq!(MessageId::from_bytes(b"short"), None);
    let part = Part { index: 3, count: 9 };
    assert_eq!(Part::from_bytes(&part.to_bytes()), Some(part));
    for garbage in [&[0; 8][..], &[0, 0, 0, 2, 0, 0, 0, 2], b"", b"123456789"] {
        assert_eq!(Part::from_bytes(garbage), None);
    }
}

#[test]
fn what_a_producer_gave_up_shows_by_what_it_sends_next() {
    let mut assembler = Assembler::default();
    take(&mut assembler, chunk(0, id(1, 1), 0, 3));
    take(&mut assembler, chunk(1, id(2, 1), 0, 2));
    take(&mut assembler, chunk(2, id(1, 1), 1, 3));
    assert_eq!(assembler.bytes(), 30);
    let taken = take(&mut assembler, chunk(3, id(1, 2), 0, 1));
    assert_eq!(taken.given_up, [0, 2]);
    assert_eq!(taken.whole.unwrap().offsets, [3]);
    let taken = take(&mut assembler, chunk(4, id(2, 1), 1, 2));
    assert_eq!((taken.whole.unwrap().offsets, taken.given_up), (vec![1, 4], vec![]));
    assert_eq!(assembler.bytes(), 0);
}

#[test]
fn chunks_without_a_beginning_are_given_up() {
    let mut assembler = Assembler::default();
    for index in 1..3 {
        let taken = take(&mut assembler, chunk(index.into(), id(1, 1), index, 3));
        assert_eq!(taken, Taken { whole: None, given_up: vec![index.into()] });
    }
    // One is missing in the middle.
    take(&mut assembler, chunk(5, id(1, 2), 0, 3));
    let taken = take(&mut assembler, chunk(6, id(1, 2), 2, 3));
    assert_eq!(taken, Taken { whole: None, given_up: vec![5, 6] });
}

#[test]
fn silence_is_given_up_only_when_the_log_has_no_more() {
    let mut assembler = Assembler::default();
    take(&mut assembler, chunk(0, id(1, 1), 0, 2));
    let later = PATIENCE + Duration::from_secs(1);
    assert!(!assembler.silent(Duration::from_secs(1), PATIENCE));
    assert!(assembler.silent(later, PATIENCE));
    assert_eq!(assembler.give_up(1), [0; 0]);
    // The rest may lie between here and 5.
    assembler.log_ends(5, later, PATIENCE);
    assert!(!assembler.silent(later, PATIENCE), "that is known");
    assert_eq!(assembler.give_up(4), [0; 0]);
    assert_eq!(assembler.give_up(5), [0]);
    assert_eq!(assembler.bytes(), 0);
}

proptest! {
    /// Producers that alternate as they like, some of whose messages end half-way: every complete message comes out whole,
    /// once, and every record is accounted for.
    #[test]
    fn whole_messages_come_out_whole(
        sent in prop::collection::vec((0_u64..3, 0_usize..95, any::<bool>()), 1..25),
        turns in prop::collection::vec(any::<prop::sample::Index>(), 0..300),
    ) {
        let mut producers = [Vec::new(), Vec::new(), Vec::new()];
        let mut expected = Vec::new();
        for (sequence, (producer, length, breaks)) in sent.into_iter().enumerate() {
            let payload: Bytes = (0..length).map(|n| (n + sequence) as u8).collect::<Vec<_>>().into();
            let message = id(producer, sequence as u64);
            let mut parts: Vec<_> = split(&payload, 10).map(|part| (message, part)).collect();
            if breaks && parts.len() > 1 {
                parts.pop();
            } else {
                expected.push(payload);
            }
            producers[producer as usize].extend(parts);
        }
        producers.iter_mut().for_each(|parts| parts.reverse());
        let (mut assembler, mut whole, mut seen) = (Assembler::default(), Vec::new(), Vec::new());
        let mut turns = turns.into_iter();
        let mut offset = 0;
        while producers.iter().any(|parts| !parts.is_empty()) {
            let waiting: Vec<usize> = (0..3).filter(|n| !producers[*n].is_empty()).collect();
            let turn = turns.next().map_or(waiting[0], |turn| *turn.get(&waiting));
            let Some((message, (part, payload))) = producers[turn].pop() else { continue };
            let taken = take(&mut assembler, Chunk { offset, message: Some(message), part, payload });
            offset += 1;
            seen.extend(taken.given_up);
            if let Some(message) = taken.whole {
                seen.extend(message.offsets);
                whole.push(message.payload);
            }
        }
        assembler.log_ends(offset, PATIENCE, PATIENCE);
        seen.extend(assembler.give_up(offset));
        prop_assert_eq!(assembler.bytes(), 0);
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..offset).collect::<Vec<_>>());
        whole.sort();
        expected.sort();
        prop_assert_eq!(whole, expected);
    }
}

//! What the model leaves out: answers that need no record, clients that go, shutting down, marks that are forgotten.

use oxwhisk_core::delivery::Delivery;
use oxwhisk_core::id::{ActivationId, InvokerId};

use super::Dispatcher;
use crate::effect::Effect;
use crate::event::Event;
use crate::guards::Guards;
use crate::names::{Incarnation, Lane, Message, Position, RecordKind, Round, Source};
use crate::wire::{Ended, Held, Order, Phase, RecordState, Refusal, Said};

const LANE: Lane = Lane(7);
const INVOKER: InvokerId = InvokerId(3);
const OWN: Incarnation = Incarnation(1);

fn id() -> ActivationId {
    "0123456789abcdef0123456789abcdef".parse().unwrap()
}

fn message(delivery: Delivery) -> Message {
    Message { id: id(), lane: LANE, delivery, attempt: 1 }
}

fn at(offset: i64) -> Position {
    Position { source: Source::Queue, lane: LANE, offset }
}

fn send(order: Order) -> Effect {
    Effect::Send { invoker: INVOKER, order }
}

fn say(dispatcher: &mut Dispatcher, said: Said) -> Vec<Effect> {
    dispatcher.handle(Event::Said { invoker: INVOKER, said })
}

/// One invoker is there, holds nothing, and the lane is ours.
fn dispatcher() -> Dispatcher {
    let mut dispatcher = Dispatcher::new(OWN, 3, Guards::default());
    assert_eq!(dispatcher.handle(Event::InvokerKnown(INVOKER)), []);
    assert_eq!(say(&mut dispatcher, Said::Welcome { resumed: false, held: vec![] }), []);
    assert_eq!(dispatcher.handle(Event::Assigned(LANE)), [send(Order::Ask(Round(1)))]);
    assert_eq!(say(&mut dispatcher, Said::Holding { round: Round(1), held: vec![] }), []);
    dispatcher
}

fn poll(dispatcher: &mut Dispatcher, delivery: Delivery) -> Vec<Effect> {
    let message = message(delivery);
    dispatcher.handle(Event::Polled { message, position: at(5), recorded: false, surplus: false })
}

/// A message that has gone to the invoker.
fn dispatched() -> Dispatcher {
    let mut dispatcher = dispatcher();
    let message = message(Delivery::AtLeastOnce);
    assert_eq!(poll(&mut dispatcher, Delivery::AtLeastOnce), [Effect::Enqueue(message)]);
    assert_eq!(dispatcher.handle(Event::Turn(id())), [Effect::Place(message)]);
    let placed = dispatcher.handle(Event::Placed { id: id(), invoker: INVOKER });
    assert_eq!(placed, [send(Order::Dispatch(message))]);
    dispatcher
}

fn settled() -> Effect {
    Effect::Settled(id())
}

fn ended(cut_off: bool, record: RecordState) -> Said {
    Said::Ended { id: id(), ended: Ended { cut_off, record } }
}

#[test]
fn a_message_is_done_when_its_record_is_durable() {
    let mut dispatcher = dispatched();
    assert_eq!(say(&mut dispatcher, Said::Started(id())), []);
    assert_eq!(say(&mut dispatcher, ended(false, RecordState::Pending)), []);
    let done = say(&mut dispatcher, Said::RecordDurable(id()));
    assert_eq!(done, [Effect::MarkDone(at(5)), send(Order::Acknowledge(id())), settled()]);
    assert!(dispatcher.is_idle());
}

#[test]
fn a_message_whose_record_nobody_wants_is_done_with_its_result() {
    let mut dispatcher = dispatched();
    let done = say(&mut dispatcher, ended(false, RecordState::Unwanted));
    assert_eq!(done, [Effect::MarkDone(at(5)), send(Order::Acknowledge(id())), settled()]);
}

#[test]
fn the_record_may_be_durable_before_the_result_is_here() {
    let mut dispatcher = dispatched();
    let done = say(&mut dispatcher, Said::RecordDurable(id()));
    assert_eq!(done, [Effect::MarkDone(at(5)), settled(), send(Order::Acknowledge(id()))]);
    let late = say(&mut dispatcher, ended(false, RecordState::Durable));
    assert_eq!(late, [send(Order::Acknowledge(id()))]);
    assert!(dispatcher.is_idle());
}

#[test]
fn what_an_invoker_refuses_goes_to_another_with_the_same_attempt() {
    let mut dispatcher = dispatched();
    let again = say(&mut dispatcher, Said::Refused { id: id(), why: Refusal::Full });
    assert_eq!(again, [Effect::Place(message(Delivery::AtLeastOnce))]);
}

#[test]
fn while_shutting_down_nothing_of_the_queue_begins() {
    let mut dispatcher = dispatcher();
    poll(&mut dispatcher, Delivery::AtLeastOnce);
    assert_eq!(dispatcher.handle(Event::Drain), []);
    assert_eq!(dispatcher.handle(Event::Turn(id())), []);
}

#[test]
fn a_mark_that_is_forgotten_no_longer_counts() {
    let mark = Event::MarkRead { lane: LANE, id: id(), by: Incarnation(9), at: 1000 };
    let mut dispatcher = dispatcher();
    dispatcher.handle(mark.clone());
    dispatcher.forget_marks(LANE, 1000);
    let check = Effect::CheckRecord(message(Delivery::AtMostOnce));
    let lost = Effect::WriteRecord { id: id(), kind: RecordKind::Lost };
    assert_eq!(poll(&mut dispatcher.clone(), Delivery::AtMostOnce), [lost]);
    dispatcher.forget_marks(LANE, 1001);
    let fresh = poll(&mut dispatcher, Delivery::AtMostOnce);
    assert_eq!(fresh, [Effect::Enqueue(message(Delivery::AtMostOnce))]);
    // One that is read later still counts, and invokers are asked once more.
    dispatcher.handle(mark);
    assert_eq!(dispatcher.handle(Event::Turn(id())), [send(Order::Ask(Round(2)))]);
    assert_eq!(say(&mut dispatcher, Said::Holding { round: Round(2), held: vec![] }), [check]);
}

#[test]
fn a_client_that_goes_is_owed_nothing() {
    let call = message(Delivery::AtLeastOnce);
    let mut dispatcher = dispatcher();
    assert_eq!(dispatcher.handle(Event::Call(call)), [Effect::Place(call)]);
    assert_eq!(dispatcher.handle(Event::CallerGone(id())), []);
    assert!(dispatcher.is_idle());
    assert_eq!(dispatcher.handle(Event::Placed { id: id(), invoker: INVOKER }), []);
}

#[test]
fn a_note_that_fails_is_no_202() {
    let call = message(Delivery::AtLeastOnce);
    let mut dispatcher = dispatcher();
    dispatcher.handle(Event::Call(call));
    dispatcher.handle(Event::Placed { id: id(), invoker: INVOKER });
    assert_eq!(dispatcher.handle(Event::WaitOver(id())), [Effect::ProduceNote(call)]);
    assert_eq!(dispatcher.handle(Event::NoteFailed(id())), [Effect::Fail(id())]);
    // It runs on, and its record is written, but it does not run again.
    assert_eq!(dispatcher.handle(Event::InvokerGone(INVOKER)), []);
    assert!(dispatcher.is_idle());
}

#[test]
fn a_result_that_comes_before_its_note_is_the_answer() {
    let call = message(Delivery::AtLeastOnce);
    let mut dispatcher = dispatcher();
    dispatcher.handle(Event::Call(call));
    dispatcher.handle(Event::Placed { id: id(), invoker: INVOKER });
    dispatcher.handle(Event::WaitOver(id()));
    let answered = say(&mut dispatcher, ended(false, RecordState::Durable));
    assert_eq!(answered, [Effect::Answer(id()), send(Order::Acknowledge(id())), settled()]);
    let position = Position { source: Source::Note, lane: LANE, offset: 0 };
    let withdrawn = dispatcher.handle(Event::NoteDurable { id: id(), position });
    assert_eq!(withdrawn, [Effect::Withdraw { id: id(), lane: LANE }]);
}

#[test]
fn a_call_that_is_cut_off_is_answered_and_recorded() {
    let call = message(Delivery::AtLeastOnce);
    let mut dispatcher = dispatcher();
    dispatcher.handle(Event::Call(call));
    dispatcher.handle(Event::Placed { id: id(), invoker: INVOKER });
    let answered = say(&mut dispatcher, ended(true, RecordState::Pending));
    let written = Effect::WriteRecord { id: id(), kind: RecordKind::Result };
    assert_eq!(answered, [Effect::Answer(id()), written]);
    assert_eq!(dispatcher.handle(Event::Recorded(id())), [send(Order::Acknowledge(id())), settled()]);
}

#[test]
fn what_an_invoker_reports_as_running_is_adopted_with_its_result() {
    let mut dispatcher = Dispatcher::new(OWN, 3, Guards::default());
    dispatcher.handle(Event::InvokerKnown(INVOKER));
    assert_eq!(dispatcher.handle(Event::Assigned(LANE)), []);
    assert_eq!(poll(&mut dispatcher, Delivery::AtLeastOnce), []);
    let held = vec![Held { id: id(), phase: Phase::Started, yours: false }];
    let asked = say(&mut dispatcher, Said::Welcome { resumed: false, held: held.clone() });
    assert_eq!(asked, [send(Order::Ask(Round(1)))]);
    let adopted = say(&mut dispatcher, Said::Holding { round: Round(1), held });
    assert_eq!(adopted, [send(Order::Attach(id()))]);
    assert_eq!(say(&mut dispatcher, ended(false, RecordState::Pending)), []);
    let done = say(&mut dispatcher, Said::RecordDurable(id()));
    assert_eq!(done, [Effect::MarkDone(at(5)), send(Order::Acknowledge(id())), settled()]);
}

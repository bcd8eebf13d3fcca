//! A state of everything.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use oxwhisk_core::delivery::Delivery;
use oxwhisk_core::id::{ActivationId, InvokerId};

use super::setting::{Faults, Setting};
use crate::dispatcher::Dispatcher;
use crate::keeper::Keeper;
use crate::names::{Incarnation, Lane, Message, Position, RecordKind, Replacement, Source};
use crate::record::{RecordOrigin, supersedes};
use crate::wire::{Order, Said};

pub(super) const LANE: Lane = Lane(0);

/// Activation `index` of the setting.
pub(super) fn id(index: usize) -> ActivationId {
    format!("{index:032x}").parse().expect("32 hexadecimal digits")
}

pub(super) fn index(id: ActivationId) -> usize {
    usize::from_str_radix(&id.to_string(), 16).expect("made by `id`")
}

pub(super) fn invoker(index: usize) -> InvokerId {
    InvokerId(u32::try_from(index).expect("few"))
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) kafka: Kafka,
    /// How much of `completed` is in the store.
    pub(super) stored: usize,
    pub(super) controllers: Vec<Controller>,
    pub(super) invokers: Vec<Invoker>,
    /// By controller, then invoker.
    pub(super) streams: Vec<Vec<Stream>>,
    pub(super) clients: Vec<Client>,
    pub(super) left: Faults,
    pub(super) history: History,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Kafka {
    pub(super) queue: Vec<Message>,
    pub(super) parked: Vec<Message>,
    pub(super) inflight: Vec<Line>,
    pub(super) dead_letters: Vec<usize>,
    pub(super) completed: Vec<(usize, RecordOrigin)>,
    /// Offsets that are committed, or in the commit's bitmap.
    pub(super) done: BTreeSet<Position>,
    /// The controller that the group gave the lane to.
    pub(super) owner: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Line {
    Note { message: Message, by: Incarnation },
    Mark { id: usize, by: Incarnation },
    Tombstone { id: usize },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Controller {
    pub(super) life: u64,
    pub(super) process: Option<Process>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Process {
    pub(super) dispatcher: Dispatcher,
    /// What it asked of Kafka and has no answer to.
    pub(super) operations: Vec<Operation>,
    pub(super) queue_read: usize,
    pub(super) parked_read: usize,
    pub(super) inflight_read: usize,
    /// It takes the lane for its own.
    pub(super) owns: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Operation {
    Produce(Message),
    /// `appended`: others may read it, and the answer is on its way.
    Replace {
        message: Message,
        by: Replacement,
        appended: bool,
    },
    DeadLetter(Message),
    Record {
        id: usize,
        kind: RecordKind,
    },
    Note(Message),
    Mark(Message),
    Done(Position),
    Withdraw {
        id: usize,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Invoker {
    pub(super) life: u64,
    pub(super) keeper: Option<Keeper>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Stream {
    pub(super) up: bool,
    /// The controller has died, and what it wrote still arrives.
    pub(super) closing: bool,
    pub(super) orders: VecDeque<Order>,
    pub(super) said: VecDeque<Said>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Client {
    Waits,
    /// 202.
    Accepted,
    /// The result.
    Answered,
    /// An error, or nothing: the controller died first.
    Refused,
}

/// What happened, as far as properties ask for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct History {
    /// How often each activation began.
    pub(super) runs: BTreeMap<usize, u8>,
    /// A run began, or was about to, of what had a record in the store when its message was read.
    pub(super) recorded_run: bool,
    /// Something was dispatched of which nothing was owed any more.
    pub(super) idle_dispatch: bool,
    /// Something was taken up that was committed as done.
    pub(super) done_run: bool,
    /// An invoker was to run what it held already.
    pub(super) beside_itself: bool,
    /// A loss was recorded of what an invoker that lives was holding.
    pub(super) false_loss: bool,
    /// A loss was recorded of what cannot have started.
    pub(super) unstarted_loss: bool,
    /// What a client could read of a record became something else.
    pub(super) changed_view: bool,
    /// Events worth having been seen; see `properties`.
    pub(super) seen: BTreeSet<Seen>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Seen {
    Retried,
    Parked,
    Adopted,
    NoteAdopted,
    Lost,
    Exhausted,
}

impl World {
    pub(super) fn new(setting: &Setting) -> Self {
        let controller = |_| Controller { life: 0, process: None };
        let invoker = |_| Invoker { life: 0, keeper: None };
        let mut world = Self {
            kafka: Kafka::default(),
            stored: 0,
            controllers: (0..setting.controllers).map(controller).collect(),
            invokers: (0..setting.invokers).map(invoker).collect(),
            streams: vec![vec![Stream::default(); setting.invokers]; setting.controllers],
            clients: vec![Client::Waits; setting.kinds.len()],
            left: setting.faults,
            history: History {
                runs: BTreeMap::new(),
                recorded_run: false,
                idle_dispatch: false,
                done_run: false,
                beside_itself: false,
                false_loss: false,
                unstarted_loss: false,
                changed_view: false,
                seen: BTreeSet::new(),
            },
        };
        world.begin(setting);
        world
    }

    pub(super) fn incarnation(&self, controller: usize) -> Incarnation {
        Incarnation(self.controllers[controller].life * 10 + controller as u64)
    }

    /// Which controller it is or was, and whether it lives.
    pub(super) fn is_alive(&self, by: Incarnation) -> bool {
        let controller = usize::try_from(by.0 % 10).expect("one digit");
        self.controllers[controller].process.is_some() && self.incarnation(controller) == by
    }

    pub(super) fn is_done(&self, source: Source, offset: usize) -> bool {
        self.kafka.done.contains(&position(source, offset))
    }

    /// Durable messages of the activation that are not done or withdrawn.
    pub(super) fn is_owed(&self, id: usize) -> bool {
        let of = |source: Source, topic: &[Message]| {
            let mut messages = topic.iter().enumerate();
            messages.any(|(offset, message)| index(message.id) == id && !self.is_done(source, offset))
        };
        of(Source::Queue, &self.kafka.queue) || of(Source::Parked, &self.kafka.parked) || self.is_noted(id)
    }

    pub(super) fn is_noted(&self, id: usize) -> bool {
        let lines = self.kafka.inflight.iter().enumerate();
        let mut notes =
            lines.filter(|(_, line)| matches!(line, Line::Note { message, .. } if index(message.id) == id));
        notes.any(|(offset, _)| !self.is_withdrawn(id, offset))
    }

    /// Whether a tombstone follows.
    pub(super) fn is_withdrawn(&self, id: usize, offset: usize) -> bool {
        self.kafka.inflight[offset..]
            .iter()
            .any(|line| matches!(line, Line::Tombstone { id: gone } if *gone == id))
    }

    pub(super) fn is_recorded(&self, id: usize) -> bool {
        self.kafka.completed.iter().any(|(of, _)| *of == id)
    }

    /// What the store has of it.
    pub(super) fn view(&self, setting: &Setting, id: usize, stored: usize) -> Option<RecordOrigin> {
        let records = self.kafka.completed[..stored].iter().filter(|(of, _)| *of == id);
        records
            .map(|(_, record)| *record)
            .reduce(|old, new| if supersedes(setting.guards, &old, &new) { new } else { old })
    }

    pub(super) fn delivery(setting: &Setting, id: usize) -> Delivery {
        setting.kinds[id].delivery
    }
}

pub(super) fn position(source: Source, offset: usize) -> Position {
    Position { source, lane: LANE, offset: i64::try_from(offset).expect("few") }
}

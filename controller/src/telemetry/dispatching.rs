//! One activation on its way to an invoker and back, and what is put on the bus to go that way later.

use std::fmt;
use std::sync::Arc;

use oxwhisk_core::entity::Status;
use oxwhisk_invoker_api::Dispatch;
use oxwhisk_trace::{Span, SpanKind};

use super::Watch;
use super::counts::Counts;
use crate::invoke::Admitted;

/// An activation that counts as dispatched, and has its span, until this is dropped.
#[derive(Debug)]
#[must_use = "what is dropped has ended"]
pub struct Dispatching {
    span: Span,
    counts: Arc<Counts>,
}

impl Watch {
    /// Begins the span of an invocation that is put on the bus.
    pub(crate) fn sending(&self, admitted: &Admitted) -> Span {
        let span = self.tracer.child("activations send", SpanKind::Producer, admitted.trace);
        span.marked("controller_kafka", admitted.received)
    }

    pub(crate) fn dispatching(&self, dispatch: &Dispatch) -> Dispatching {
        let span = self.tracer.child("dispatch", SpanKind::Client, dispatch.trace);
        // An invoker's answer ends it, and from the queue no request is around it.
        let mut span = span.marked_for("controller_loadbalancer", dispatch.received, &dispatch.transaction);
        span.set("openwhisk.activation_id", || dispatch.activation_id.to_string());
        self.counts.dispatched.add(1);
        Dispatching { span, counts: Arc::clone(&self.counts) }
    }
}

impl Dispatching {
    /// It goes to an invoker now, whose spans belong into this one.
    pub fn sent(&mut self, dispatch: &mut Dispatch) {
        self.span.set("openwhisk.attempt", || dispatch.attempt);
        dispatch.trace = self.span.context();
    }

    /// No invoker took it.
    pub fn refused(&mut self, reason: &dyn fmt::Display) {
        self.counts.refused.increment();
        self.span.fail(|| reason.to_string());
    }

    /// Nobody will tell here how it ended.
    pub fn lost(&mut self) {
        self.span.fail(|| "no end was told");
    }

    /// An invoker told how it ended.
    pub fn ended(&mut self, status: Status) {
        self.span.set("openwhisk.status", || status.word());
    }
}

impl Drop for Dispatching {
    fn drop(&mut self) {
        self.counts.dispatched.add(-1);
    }
}

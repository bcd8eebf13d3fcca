//! What tracing costs where nothing is traced.

mod counting;

use oxwhisk_core::trace::TraceContext;
use oxwhisk_trace::{SampleRate, SpanKind, Tracer};

const CLIENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The spans of one call.
fn call(tracer: &Tracer, client: Option<&str>) -> Option<TraceContext> {
    let client = client.and_then(TraceContext::parse);
    let mut request = tracer.entry("request", SpanKind::Server, client);
    request.set("url.path", || "/path".to_owned());
    let mut dispatch = tracer.child("dispatch", SpanKind::Client, request.context());
    dispatch.set("attempt", || 1_u32);
    let run = tracer.remote_child("run", SpanKind::Client, dispatch.context());
    run.context()
}

#[test]
fn what_is_not_recorded_allocates_nothing() {
    let off = Tracer::default();
    let (passed, allocations) = counting::allocations(|| call(&off, Some(CLIENT)));
    assert_eq!(passed.map(|context| context.to_string()).as_deref(), Some(CLIENT));
    assert_eq!(allocations, 0);
    let (none, allocations) = counting::allocations(|| call(&off, None));
    assert_eq!((none, allocations), (None, 0));
    // On, but this trace is not sampled. The first random number of a thread sets its generator up.
    let sink = std::sync::Arc::new(counting::Discard);
    let rare = Tracer::new(sink, SampleRate::NONE);
    call(&rare, None);
    let unsampled = CLIENT.replace("-01", "-00");
    for client in [None, Some(unsampled.as_str())] {
        assert_eq!(counting::allocations(|| call(&rare, client)).1, 0, "{client:?}");
    }
    // The counter counts.
    let sampled = counting::allocations(|| call(&rare, Some(CLIENT))).1;
    assert!(sampled > 0);
}

//! Calls of librdkafka that block.

/// Runs a call that blocks for a bounded time, off the threads that serve.
pub(crate) async fn blocking<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match tokio::task::spawn_blocking(call).await {
        Ok(value) => Some(value),
        Err(error) => {
            tracing::error!(%error, "a call of the Kafka client did not end");
            None
        }
    }
}

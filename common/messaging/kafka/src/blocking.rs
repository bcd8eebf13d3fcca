//! Calls of librdkafka that block.

use std::time::Duration;

use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use tokio::time::Instant;

const RETRY: Duration = Duration::from_millis(50);

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

/// As [`blocking`], again and again for `limit` while partitions have no leader: they are new, or one died.
pub(crate) async fn until_led<T: Send + 'static>(
    limit: Duration,
    call: impl Fn() -> KafkaResult<T> + Clone + Send + 'static,
) -> KafkaResult<T> {
    let deadline = Instant::now() + limit;
    loop {
        let outcome = blocking(call.clone()).await.unwrap_or(Err(KafkaError::Canceled));
        let leaderless = outcome.as_ref().err().and_then(KafkaError::rdkafka_error_code);
        let may_pass = matches!(
            leaderless,
            Some(RDKafkaErrorCode::NotLeaderForPartition | RDKafkaErrorCode::LeaderNotAvailable)
        );
        if !may_pass || Instant::now() >= deadline {
            return outcome;
        }
        tokio::time::sleep(RETRY).await;
    }
}

//! The first contact.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::KafkaBus;
use crate::config::Role;
use crate::error::StartError;
use crate::topics::{self, Failure};

const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LONGEST: Duration = Duration::from_secs(5);

impl KafkaBus {
    /// Waits for Kafka, creates the topics that are not there and checks those that are; an invoker only waits until they
    /// are there. While Kafka is away this goes on, and [`oxwhisk_messaging::Bus::status`] says why.
    ///
    /// # Errors
    /// What waiting does not mend: see [`StartError`].
    pub async fn ready(&self, stop: CancellationToken) -> Result<(), StartError> {
        let (config, status) = (&self.0.config, &self.0.status);
        let mut pause = RETRY_FIRST;
        loop {
            let trying = async {
                match config.role {
                    Role::Controller => topics::prepare(config, status).await,
                    Role::Invoker => topics::exist(config, status).await,
                }
            };
            let reason = match stop.run_until_cancelled(trying).await {
                None => return Err(StartError::Stopped),
                Some(Ok(warnings)) => {
                    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
                    // It may have asked for its identity before it was permitted to.
                    self.0.producer.replace_if_broken();
                    return Ok(());
                }
                Some(Err(Failure::Lasting(error))) => return Err(error),
                Some(Err(Failure::Away(reason))) => reason,
            };
            tracing::warn!(hosts = config.hosts, reason, "waiting for Kafka");
            status.away(&reason);
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return Err(StartError::Stopped);
            }
            pause = (pause * 2).min(RETRY_LONGEST);
        }
    }
}

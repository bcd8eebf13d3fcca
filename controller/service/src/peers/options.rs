//! Bounds of a controller's part in the cluster.

use std::time::Duration;

use oxwhisk_throttle::Config;

#[derive(Clone, Debug)]
pub struct PeerOptions {
    /// Time between two heartbeats.
    pub heartbeat: Duration,
    /// After this long without a word a controller is taken for gone, and a conversation for broken. Longer than a lease:
    /// whoever lives claims several times in it.
    pub silence: Duration,
    /// For a greeting and for the beginning of a conversation.
    pub greet_timeout: Duration,
    /// How long others are asked for a record before the client is told that there is none.
    pub record_timeout: Duration,
    /// Bytes of the largest record.
    pub max_record: usize,
    /// Messages that wait to be sent to one controller; with more the conversation is ended and begun again.
    pub max_unsent: usize,
    /// Pause before another attempt to connect, doubled up to the longest.
    pub retry_first: Duration,
    pub retry_longest: Duration,
    pub throttles: Config,
}

impl Default for PeerOptions {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(1),
            silence: Duration::from_secs(10),
            greet_timeout: Duration::from_secs(3),
            record_timeout: Duration::from_millis(300),
            max_record: 256 << 20,
            max_unsent: 8192,
            retry_first: Duration::from_millis(20),
            retry_longest: Duration::from_secs(1),
            throttles: Config::default(),
        }
    }
}

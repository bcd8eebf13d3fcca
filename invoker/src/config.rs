//! What an operator may set. Defaults are OpenWhisk's, where it has them.

use std::sync::Arc;
use std::time::Duration;

use oxwhisk_core::id::InvokerId;
use oxwhisk_core::image::ImageName;
use oxwhisk_core::manifest::{Manifest, RuntimeKind, StemCell};
use oxwhisk_invoker_api::{CacheTokens, EndedObserver};
use oxwhisk_trace::Tracer;

use crate::interval;
use crate::keep_alive::KeepAlive;

/// Configuration of one invoker.
#[derive(Clone, Debug)]
pub struct InvokerConfig {
    pub id: InvokerId,
    /// Megabytes that all containers together may have.
    pub user_memory: u64,
    /// Highest `concurrency` limit of the deployment. Above 1, stem cells are started ready for concurrent runs, since
    /// it is not yet known which action will take them.
    pub max_concurrency: u64,
    pub keep_alive: KeepAlive,
    /// How long a container may idle before it is removed (policies that expire containers).
    pub idle_timeout: Duration,
    /// How long a container stays ready before it is suspended.
    pub pause_grace: Duration,
    /// Longest time from the order of a container until its process runs.
    pub create_timeout: Duration,
    /// Longest wait for the code of an action.
    pub code_timeout: Duration,
    /// Longest wait for the end of a container before the attempt is repeated.
    pub destroy_timeout: Duration,
    /// Longest wait of a suspend or resume.
    pub suspend_timeout: Duration,
    /// How long an answer is waited for without letting the processor sleep, while activations come one at a time; zero
    /// never does. Only of use with a second processor for the container.
    pub spin: Duration,
    pub queue: QueueConfig,
    pub logs: LogConfig,
    /// Whether somebody else keeps an answer until its record is durable, and would write one: then a record may follow its
    /// answer, when its logs are there.
    pub records_follow: bool,
    pub prewarm: PrewarmConfig,
    /// Times an activation is put on another container because the one it had was found dead before the run.
    pub max_reschedules: u32,
    /// Environment of every container beside `__OW_API_HOST` and `__OW_ALLOW_CONCURRENT`.
    pub extra_environment: Vec<(String, String)>,
    /// Where actions reach the API; given to them as `__OW_API_HOST`.
    pub api_host: String,
    pub telemetry: InvokerTelemetry,
    /// `None`: there is no cache.
    pub cache: Option<CacheAccess>,
}

/// How activations come to the cache.
#[derive(Clone, Debug)]
pub struct CacheAccess {
    pub tokens: Arc<dyn CacheTokens>,
    /// `redis://HOST:PORT`, as containers reach it.
    pub url: String,
    /// Longest wait for a token.
    pub timeout: Duration,
}

/// Whom an invoker tells what it does. Nobody, by default.
#[derive(Clone, Debug, Default)]
pub struct InvokerTelemetry {
    pub tracer: Tracer,
    /// Told of every activation that has ended.
    pub ended: Option<Arc<dyn EndedObserver>>,
}

/// The queue of activations that wait for room.
#[derive(Clone, Debug)]
pub struct QueueConfig {
    /// Longest wait for a container.
    pub wait_limit: Duration,
    /// After this wait, a request that others overtook is served before all others.
    pub patience: Duration,
    pub max: usize,
    pub max_per_namespace: usize,
}

/// Bounds on the wait for logs that are not complete when the action has answered.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// Longest silence.
    pub idle_timeout: Duration,
    /// Longest wait for each megabyte of the action's log limit, of which at least five are counted.
    pub timeout_per_mb: Duration,
}

/// Containers started ahead of need.
#[derive(Clone, Debug)]
pub struct PrewarmConfig {
    pub stem_cells: Vec<StemCellConfig>,
    /// Time between two adjustments of the reactive ones.
    pub check_interval: Duration,
    /// Expired ones removed in one check.
    pub expiration_limit: usize,
    /// Failed starts in a row, after which there are none until the next check.
    pub max_retries: u32,
}

/// Stem cells of one kind and size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StemCellConfig {
    pub kind: String,
    pub image: ImageName,
    /// Megabytes.
    pub memory: u64,
    pub initial_count: u32,
    pub reactive: Option<ReactiveConfig>,
}

/// How a number of stem cells follows the cold starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReactiveConfig {
    pub min_count: u32,
    pub max_count: u32,
    pub ttl: Duration,
    /// Cold starts between two checks, from which on there are more than `min_count`.
    pub threshold: u32,
    pub increment: u32,
}

/// A stem cell of the manifest cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StemCellError {
    #[error("the stem cells of kind '{kind}' have ttl '{ttl}', which is not a duration such as '2 minutes'")]
    Ttl { kind: String, ttl: String },
    #[error("the stem cells of kind '{0}' have a reactive threshold of 0, which must be at least 1")]
    Threshold(String),
    #[error("the stem cells of kind '{0}' have less than 1 MB of memory")]
    Memory(String),
}

impl Default for InvokerConfig {
    fn default() -> Self {
        Self {
            id: InvokerId(0),
            user_memory: 1024,
            max_concurrency: 1,
            keep_alive: KeepAlive::Lru,
            idle_timeout: Duration::from_secs(600),
            pause_grace: Duration::from_secs(10),
            create_timeout: Duration::from_secs(60),
            code_timeout: Duration::from_secs(30),
            destroy_timeout: Duration::from_secs(30),
            suspend_timeout: Duration::from_secs(10),
            spin: default_spin(),
            queue: QueueConfig::default(),
            logs: LogConfig::default(),
            records_follow: false,
            prewarm: PrewarmConfig::default(),
            max_reschedules: 5,
            extra_environment: Vec::new(),
            api_host: "http://localhost:3233".to_owned(),
            telemetry: InvokerTelemetry::default(),
            cache: None,
        }
    }
}

/// About twice the time a processor takes to go to sleep and be woken, which is what it saves.
fn default_spin() -> Duration {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if processors > 1 { Duration::from_micros(60) } else { Duration::ZERO }
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            wait_limit: Duration::from_secs(60),
            patience: Duration::from_secs(5),
            max: 1024,
            max_per_namespace: 256,
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { idle_timeout: Duration::from_secs(2), timeout_per_mb: Duration::from_secs(2) }
    }
}

impl Default for PrewarmConfig {
    fn default() -> Self {
        Self {
            stem_cells: Vec::new(),
            check_interval: Duration::from_secs(600),
            expiration_limit: 100,
            max_retries: 5,
        }
    }
}

impl StemCellConfig {
    /// Every stem cell a manifest asks for.
    ///
    /// # Errors
    /// The first that makes no sense.
    pub fn of_manifest(manifest: &Manifest) -> Result<Vec<Self>, StemCellError> {
        manifest
            .kinds()
            .flat_map(|kind| kind.stem_cells.iter().map(move |cell| Self::new(kind, cell)))
            .collect()
    }

    fn new(kind: &RuntimeKind, cell: &StemCell) -> Result<Self, StemCellError> {
        let reactive = match &cell.reactive {
            None => None,
            Some(reactive) if reactive.threshold == 0 => {
                return Err(StemCellError::Threshold(kind.kind.clone()));
            }
            Some(reactive) => Some(ReactiveConfig {
                min_count: reactive.min_count,
                max_count: reactive.max_count,
                ttl: interval::parse(&reactive.ttl).ok_or_else(|| StemCellError::Ttl {
                    kind: kind.kind.clone(),
                    ttl: reactive.ttl.clone(),
                })?,
                threshold: reactive.threshold,
                increment: reactive.increment,
            }),
        };
        if cell.memory.as_mb() == 0 {
            return Err(StemCellError::Memory(kind.kind.clone()));
        }
        Ok(Self {
            kind: kind.kind.clone(),
            image: kind.image.clone(),
            memory: cell.memory.as_mb(),
            initial_count: cell.initial_count,
            reactive,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stem_cells(reactive: &str) -> Result<Vec<StemCellConfig>, StemCellError> {
        let text = format!(
            r#"{{"runtimes": {{"nodejs": [{{"kind": "nodejs:20", "image": {{"name": "n"}},
                "stemCells": [{{"initialCount": 2, "memory": "256 MB", "reactive": {reactive}}}]}}]}}}}"#
        );
        StemCellConfig::of_manifest(&Manifest::parse(&text).unwrap())
    }

    #[test]
    fn stem_cells_come_from_the_manifest() {
        let cells = stem_cells(
            r#"{"minCount": 1, "maxCount": 4, "ttl": "2 minutes", "threshold": 2, "increment": 1}"#,
        );
        let cell = &cells.unwrap()[0];
        assert_eq!((cell.kind.as_str(), cell.memory, cell.initial_count), ("nodejs:20", 256, 2));
        assert_eq!(cell.reactive.as_ref().unwrap().ttl, Duration::from_secs(120));
    }

    #[test]
    fn faults_name_the_kind() {
        let fault = |text| stem_cells(text).unwrap_err().to_string();
        assert!(
            fault(r#"{"minCount": 1, "maxCount": 4, "ttl": "soon", "threshold": 2, "increment": 1}"#)
                .contains("'nodejs:20' have ttl 'soon'")
        );
        assert!(
            fault(r#"{"minCount": 1, "maxCount": 4, "ttl": "1 s", "threshold": 0, "increment": 1}"#)
                .contains("threshold of 0")
        );
    }
}

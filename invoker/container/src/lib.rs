//! The border between the container pool and whatever runs the containers.
//!
//! The pool (`oxwhisk-invoker`) decides which containers exist; a [`ContainerFactory`] makes them: the process
//! sandbox of the standalone server, and later Docker and Kubernetes. The pool speaks HTTP to a container's
//! [`Endpoint`], reads its [`LogStream`], and ends it with [`Container::destroy`]; nothing else crosses this border.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;

/// What the pool asks a factory for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerSpec {
    /// Unique on this invoker while the container lives; `[a-zA-Z0-9_-]`, at most 63 characters.
    pub name: String,
    /// Runtime kind, for example `nodejs:20`, or `blackbox`.
    pub kind: String,
    /// Image as the manifest or the action names it, for example `openwhisk/action-nodejs-v20:nightly`.
    /// Factories without images choose the runtime by `kind`.
    pub image: String,
    /// The image was named by a user, so pull rules and distrust apply.
    pub user_provided_image: bool,
    /// Hard memory limit in bytes.
    pub memory: u64,
    /// Relative CPU weight as Docker's `--cpu-shares` counts it (1024 is the whole machine's default share).
    pub cpu_shares: u32,
    /// Environment of the runtime process.
    pub env: Vec<(String, String)>,
}

/// Where a container's runtime listens for `/init` and `/run`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogOrigin {
    Stdout,
    Stderr,
}

/// Bytes as the container wrote them: not cut at line ends, sentinels still inside.
#[derive(Clone, Debug)]
pub struct LogChunk {
    pub origin: LogOrigin,
    /// When the bytes were written, as closely as the factory knows.
    pub time: SystemTime,
    pub bytes: Bytes,
}

/// Everything the container writes, for as long as it lives; ends when both streams are closed.
pub type LogStream = Pin<Box<dyn Stream<Item = LogChunk> + Send>>;

/// How far a container's log stream is behind what the container has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogDelay {
    /// After a silence of this, all is there as a rule.
    pub usual: Duration,
    /// After this, what is not there is late, and nobody waits for it who could go on.
    pub longest: Duration,
}

impl LogDelay {
    /// What is written can be read at once.
    pub const NONE: Self = Self { usual: Duration::ZERO, longest: Duration::ZERO };
}

/// Why a container is no longer there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitReason {
    /// The main process ended by itself with this status.
    Exited(i32),
    /// The main process was ended by this signal.
    Signalled(i32),
    /// The kernel (or a watchdog) ended it for exceeding its memory.
    OutOfMemory,
}

#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The image cannot be had; the user's mistake.
    #[error("Failed to pull container image '{image}'.")]
    ImagePull { image: String },
    /// The image has no such entry command; the user's mistake.
    #[error("executable file not found in image {image}")]
    CommandNotFound { image: String },
    /// This factory cannot run the kind at all (for example an arbitrary image without a container engine).
    #[error("this platform cannot run '{kind}': {reason}")]
    Unsupported { kind: String, reason: String },
    /// The platform failed; the same request may succeed later.
    #[error("cannot create the container: {0}")]
    Platform(String),
}

/// A failure to act on an existing container.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ContainerError(pub String);

/// One running container. Dropping it without [`Container::destroy`] must still end its processes,
/// at the latest at the factory's next [`ContainerFactory::cleanup`].
#[async_trait]
pub trait Container: fmt::Debug + Send + Sync + 'static {
    /// The name it was created with.
    fn name(&self) -> &str;

    fn endpoint(&self) -> &Endpoint;

    /// The address that a server on the containers' gateway sees its connections come from, if they all come from one that
    /// is no other container's while this one lives. Known from its start.
    fn address(&self) -> Option<IpAddr> {
        None
    }

    /// Returns when its server may be listening: as soon as that is so where the factory can tell, at once where it
    /// cannot. The caller then tries to connect, and tries again after a pause.
    ///
    /// # Errors
    /// The container has ended: nothing will listen, and its address may not even refuse a connection.
    async fn listening(&self) -> Result<(), ExitReason> {
        Ok(())
    }

    /// The container's output. There is one stream a container: the first call takes it, later ones get `None`.
    fn take_logs(&self) -> Option<LogStream>;

    /// How long after the end of an activation its logs may still be under way.
    fn log_delay(&self) -> LogDelay {
        LogDelay::NONE
    }

    /// Stops all its processes until [`Container::resume`]; they keep their memory.
    async fn suspend(&self) -> Result<(), ContainerError>;

    async fn resume(&self) -> Result<(), ContainerError>;

    /// Why it ended, or `None` while it runs. Waits for a pending exit to be noticed, at most some 100 ms: callers
    /// ask after a broken connection, which is seen before the exit status is.
    async fn exit_reason(&self) -> Option<ExitReason>;

    /// Ends every process of the container and frees all it had. Idempotent.
    async fn destroy(&self) -> Result<(), ContainerError>;
}

/// Makes containers.
#[async_trait]
pub trait ContainerFactory: fmt::Debug + Send + Sync + 'static {
    /// Removes what an earlier process of this invoker left behind, before the first [`ContainerFactory::create`]
    /// and at shutdown.
    async fn cleanup(&self) -> Result<(), ContainerError>;

    /// Starts a container. Returns when its process runs; its server may need some more time to listen.
    async fn create(&self, spec: ContainerSpec) -> Result<std::sync::Arc<dyn Container>, CreateError>;
}

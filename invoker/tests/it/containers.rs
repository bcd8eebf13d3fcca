//! A factory of scripted containers.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use oxwhisk_container::{
    Container, ContainerError, ContainerFactory, ContainerSpec, CreateError, Endpoint, ExitReason, LogChunk,
    LogDelay, LogOrigin, LogStream,
};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::server::{Requests, serve};

/// Of every container.
pub(crate) const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 0, 2));

/// What the factory and all its containers did, in order.
pub(crate) type Events = Arc<Mutex<Vec<String>>>;

#[derive(Debug, Default)]
pub(crate) struct Together(AtomicUsize);

impl Together {
    /// How many have entered, this one included.
    pub(crate) fn enter(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }
}

/// What a container and its server share.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) name: String,
    pub(crate) ended: CancellationToken,
    pub(crate) exit: Arc<Mutex<Option<ExitReason>>>,
    pub(crate) gate: Arc<Semaphore>,
    pub(crate) together: Together,
    pub(crate) requests: Requests,
    /// Path and `traceparent` of each request.
    pub(crate) traces: Mutex<Vec<(String, Option<String>)>>,
    pub(crate) connections: AtomicUsize,
    suspended: watch::Sender<bool>,
    logs: mpsc::Sender<LogChunk>,
}

impl State {
    pub(crate) fn log(&self, origin: LogOrigin, text: &str) {
        self.clone_logs()(origin, text);
    }

    pub(crate) fn clone_logs(&self) -> impl Fn(LogOrigin, &str) + Send + 'static {
        let logs = self.logs.clone();
        move |origin, text| {
            let bytes = text.as_bytes().to_vec().into();
            let chunk = LogChunk { origin, time: SystemTime::now(), bytes };
            // Nobody reads the logs of a container that is gone.
            let full = matches!(logs.try_send(chunk), Err(mpsc::error::TrySendError::Full(_)));
            assert!(!full, "nobody reads the logs");
        }
    }

    pub(crate) fn die(&self, reason: ExitReason) {
        *self.exit.lock().unwrap() = Some(reason);
        self.ended.cancel();
    }

    /// A suspended container answers nothing.
    pub(crate) async fn awake(&self) {
        self.suspended.subscribe().wait_for(|suspended| !suspended).await.unwrap();
    }
}

#[derive(Debug)]
pub(crate) struct ScriptedContainer {
    pub(crate) state: Arc<State>,
    memory: u64,
    endpoint: Endpoint,
    logs: Mutex<Option<mpsc::Receiver<LogChunk>>>,
    events: Events,
    used: Arc<AtomicU64>,
    fail_resume: bool,
    log_delay: Option<LogDelay>,
}

#[async_trait]
impl Container for ScriptedContainer {
    fn name(&self) -> &str {
        &self.state.name
    }

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn address(&self) -> Option<IpAddr> {
        Some(ADDRESS)
    }

    fn take_logs(&self) -> Option<LogStream> {
        let mut receiver = self.logs.lock().unwrap().take()?;
        Some(Box::pin(futures_util::stream::poll_fn(move |context| receiver.poll_recv(context))))
    }

    fn log_delay(&self) -> LogDelay {
        self.log_delay.unwrap_or(LogDelay::NONE)
    }

    async fn suspend(&self) -> Result<(), ContainerError> {
        self.state.suspended.send_replace(true);
        self.events.lock().unwrap().push(format!("suspend {}", self.name()));
        Ok(())
    }

    async fn resume(&self) -> Result<(), ContainerError> {
        self.events.lock().unwrap().push(format!("resume {}", self.name()));
        if self.fail_resume {
            return Err(ContainerError("will not resume".to_owned()));
        }
        self.state.suspended.send_replace(false);
        Ok(())
    }

    async fn exit_reason(&self) -> Option<ExitReason> {
        *self.state.exit.lock().unwrap()
    }

    async fn destroy(&self) -> Result<(), ContainerError> {
        if !self.events.lock().unwrap().contains(&format!("destroy {}", self.name())) {
            self.events.lock().unwrap().push(format!("destroy {}", self.name()));
            self.used.fetch_sub(self.memory, Ordering::SeqCst);
        }
        self.state.ended.cancel();
        Ok(())
    }
}

/// Settings that tests change.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// Errors for the next creations.
    pub(crate) create_errors: VecDeque<CreateError>,
    /// Time before a server listens.
    pub(crate) listen_delay: Duration,
    /// Creations wait for a permit of the factory's gate.
    pub(crate) gated: bool,
    pub(crate) fail_resume: bool,
    /// Of a factory whose logs take a while.
    pub(crate) log_delay: Option<LogDelay>,
}

#[derive(Debug)]
pub(crate) struct ScriptedFactory {
    folder: tempfile::TempDir,
    pub(crate) script: Mutex<Script>,
    pub(crate) events: Events,
    pub(crate) create_gate: Semaphore,
    /// Lets the runs go that wait.
    pub(crate) run_gate: Arc<Semaphore>,
    pub(crate) containers: Mutex<Vec<Arc<ScriptedContainer>>>,
    pub(crate) specs: Mutex<Vec<ContainerSpec>>,
    used: Arc<AtomicU64>,
    pub(crate) most_used: AtomicU64,
}

impl ScriptedFactory {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            folder: tempfile::tempdir().unwrap(),
            script: Mutex::default(),
            events: Events::default(),
            create_gate: Semaphore::new(0),
            run_gate: Arc::new(Semaphore::new(0)),
            containers: Mutex::default(),
            specs: Mutex::default(),
            used: Arc::default(),
            most_used: AtomicU64::new(0),
        })
    }

    pub(crate) fn events(&self) -> Vec<String> {
        self.events.lock().unwrap().clone()
    }

    /// Events that start so.
    pub(crate) fn count(&self, start: &str) -> usize {
        self.events().iter().filter(|event| event.starts_with(start)).count()
    }

    pub(crate) fn container(&self, place: usize) -> Arc<ScriptedContainer> {
        Arc::clone(&self.containers.lock().unwrap()[place])
    }
}

#[async_trait]
impl ContainerFactory for ScriptedFactory {
    async fn cleanup(&self) -> Result<(), ContainerError> {
        self.events.lock().unwrap().push("cleanup".to_owned());
        Ok(())
    }

    async fn create(&self, spec: ContainerSpec) -> Result<Arc<dyn Container>, CreateError> {
        self.events.lock().unwrap().push(format!("create {}", spec.name));
        let (error, delay, gated, fail_resume, log_delay) = {
            let mut script = self.script.lock().unwrap();
            let error = script.create_errors.pop_front();
            (error, script.listen_delay, script.gated, script.fail_resume, script.log_delay)
        };
        if gated {
            self.create_gate.acquire().await.unwrap().forget();
        }
        self.specs.lock().unwrap().push(spec.clone());
        if let Some(error) = error {
            return Err(error);
        }
        let used = self.used.fetch_add(spec.memory, Ordering::SeqCst) + spec.memory;
        self.most_used.fetch_max(used, Ordering::SeqCst);
        let path = self.folder.path().join(&spec.name);
        let (logs, receiver) = mpsc::channel(4096);
        let state = Arc::new(State {
            name: spec.name.clone(),
            ended: CancellationToken::new(),
            exit: Arc::default(),
            gate: Arc::clone(&self.run_gate),
            together: Together::default(),
            requests: Requests::default(),
            traces: Mutex::default(),
            connections: AtomicUsize::new(0),
            suspended: watch::channel(false).0,
            logs,
        });
        tokio::spawn(serve(path.clone(), Arc::clone(&state), delay));
        let container = Arc::new(ScriptedContainer {
            state,
            memory: spec.memory,
            endpoint: Endpoint::Unix(path),
            logs: Mutex::new(Some(receiver)),
            events: Arc::clone(&self.events),
            used: Arc::clone(&self.used),
            fail_resume,
            log_delay,
        });
        self.containers.lock().unwrap().push(Arc::clone(&container));
        Ok(container)
    }
}

//! A factory on the daemon that the tests are given, and containers to try it on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use oxwhisk_container::{Container, ContainerFactory, ContainerSpec, Endpoint, LogOrigin, LogStream};
use oxwhisk_core::id::InvokerId;
use oxwhisk_docker::{DockerConfig, DockerFactory};

use crate::images;

/// Longest wait for anything.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// What `scripts/services/docker.sh` has started.
#[derive(Clone, Debug)]
pub(crate) struct Daemon {
    /// As DOCKER_HOST writes it.
    pub(crate) host: String,
    pub(crate) base: String,
}

impl Daemon {
    /// # Errors
    /// Why there is none.
    pub(crate) fn find() -> Result<Self, String> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        match (variable("OXWHISK_TEST_DOCKER"), variable("OXWHISK_TEST_DOCKER_BASE")) {
            (Some(host), Some(base)) => Ok(Self { host, base }),
            _ => Err(variable("OXWHISK_NO_DOCKER")
                .unwrap_or_else(|| "run through scripts/with-services.sh docker -- ...".to_owned())),
        }
    }

    /// The client's output.
    pub(crate) fn docker(&self, arguments: &[&str]) -> String {
        images::run(std::process::Command::new("docker").args(["--host", &self.host]).args(arguments))
    }
}

#[expect(clippy::print_stderr, reason = "it tells whoever runs the tests what was not tried")]
pub(crate) fn skip(test: &str, why: &str) {
    eprintln!("skipped: {test}: {why}");
}

/// A factory of a cluster of its own, so that tests side by side do not remove each other's containers.
pub(crate) struct Rig {
    pub(crate) daemon: Daemon,
    pub(crate) config: DockerConfig,
    pub(crate) factory: Arc<DockerFactory>,
}

impl Rig {
    pub(crate) async fn start(test: &str) -> Option<Self> {
        Self::with(test, |_| {}).await
    }

    /// `None` where there is no daemon.
    pub(crate) async fn with(test: &str, change: impl FnOnce(&mut DockerConfig)) -> Option<Self> {
        let daemon = match Daemon::find() {
            Ok(daemon) => daemon,
            Err(why) => {
                skip(test, &why);
                return None;
            }
        };
        images::ensure_small(&daemon).await;
        let mut config = config(&daemon.host);
        change(&mut config);
        let factory = Arc::new(DockerFactory::start(config.clone()).await.unwrap());
        Some(Self { daemon, config, factory })
    }

    pub(crate) async fn create(&self, spec: ContainerSpec) -> Arc<dyn Container> {
        self.factory.create(spec).await.unwrap()
    }

    pub(crate) async fn probe(&self, name: &str) -> Action {
        Action::new(self.create(spec(name, "probe")).await).await
    }

    /// A container that runs a shell script.
    pub(crate) async fn script(&self, name: &str, script: &str) -> Arc<dyn Container> {
        let mut spec = spec(name, "script");
        spec.env.push(("SCRIPT".to_owned(), script.to_owned()));
        self.create(spec).await
    }

    /// What the daemon calls a container.
    pub(crate) fn docker_name(&self, container: &dyn Container) -> String {
        container.name().replacen("wsk", &format!("wsk{}", self.config.unique_name), 1)
    }

    /// One line of `docker inspect`.
    pub(crate) fn inspect(&self, container: &dyn Container, format: &str) -> String {
        let name = self.docker_name(container);
        self.daemon.docker(&["inspect", "--format", format, &name]).trim().to_owned()
    }

    /// Containers of this rig's cluster, whatever their state.
    pub(crate) fn containers(&self) -> Vec<String> {
        let label = format!("label=org.oxwhisk.cluster={}", self.config.cluster);
        let names = self.daemon.docker(&["ps", "--all", "--filter", &label, "--format", "{{.Names}}"]);
        names.lines().map(str::to_owned).collect()
    }

    pub(crate) async fn end(self) {
        self.factory.shutdown().await.unwrap();
        assert_eq!(self.containers(), Vec::<String>::new());
    }
}

/// Of a new cluster.
pub(crate) fn config(host: &str) -> DockerConfig {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let unique = format!("t{}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let mut config = DockerConfig::new(host.parse().unwrap(), unique.clone(), InvokerId(0));
    config.unique_name = unique;
    config.images.local_prefix = images::REPOSITORY.to_owned();
    config
}

/// A container with 128 MiB of one of the test's images, which counts as a runtime's.
pub(crate) fn spec(name: &str, image: &str) -> ContainerSpec {
    ContainerSpec {
        name: format!("wsk0_{name}"),
        kind: "test:1".to_owned(),
        image: images::name(image),
        user_provided_image: false,
        memory: 128 << 20,
        cpu_shares: 128,
        env: vec![("__OW_API_HOST".to_owned(), "http://api.example.com".to_owned())],
    }
}

/// A container that evaluates Python.
pub(crate) struct Action {
    pub(crate) container: Arc<dyn Container>,
}

impl Action {
    pub(crate) async fn new(container: Arc<dyn Container>) -> Self {
        tokio::time::timeout(LIMIT, container.listening()).await.unwrap().unwrap();
        Self { container }
    }

    /// What `result` is after the code has run, as Python writes it, or `ERROR` and the exception.
    pub(crate) async fn run(&self, code: &str) -> String {
        self.try_run(code).await.unwrap_or_else(|error| panic!("{code}: {error}"))
    }

    pub(crate) async fn try_run(&self, code: &str) -> std::io::Result<String> {
        self.run_within(code, LIMIT).await
    }

    pub(crate) async fn run_within(&self, code: &str, limit: Duration) -> std::io::Result<String> {
        let Endpoint::Tcp(address) = *self.container.endpoint() else { panic!("not a TCP address") };
        let code = code.to_owned();
        let call = tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect_timeout(&address, limit)?;
            stream.set_read_timeout(Some(limit))?;
            stream.write_all(code.as_bytes())?;
            stream.shutdown(std::net::Shutdown::Write)?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        });
        call.await.unwrap()
    }
}

/// Everything a container writes until it ends, by stream.
pub(crate) async fn read_to_end(mut logs: LogStream) -> (String, String) {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let collect = async {
        while let Some(chunk) = logs.next().await {
            match chunk.origin {
                LogOrigin::Stdout => stdout.extend_from_slice(&chunk.bytes),
                LogOrigin::Stderr => stderr.extend_from_slice(&chunk.bytes),
            }
        }
    };
    tokio::time::timeout(LIMIT, collect).await.expect("the output did not end");
    (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// Waits until `condition` holds.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

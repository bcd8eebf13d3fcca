//! From a configuration to a factory, and to the report of what was found on the way.

use std::fs;
use std::io;
use std::net::{SocketAddrV4, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

use oxwhisk_sandbox_init::{Program, SocketKind, ZygoteSpec, can_fork_programs, seccomp};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Outbound, SandboxFactory};
use crate::cgroup::{Cgroups, Controller, Version};
use crate::config::{MAX_SANDBOXES, NetworkMode, RuntimeSpec, SandboxConfig};
use crate::error::SetupError;
use crate::instance::{Instance, Range};
use crate::interpreter::{self, Resolved};
use crate::launcher::{LaunchError, Launcher, Plan};
use crate::lazy_zygote::LazyZygote;
use crate::network::dns::{self, Forwarder};
use crate::network::{self, Network, Subnet, Tools, Where};
use crate::report::Report;
use crate::rootfs;
use crate::rootless::{IdRange, Pasta};
use crate::slots::{SlotMaker, SlotPool};
use crate::spawn::{self, Runtime, Starter};
use crate::standby::StandbyMaker;
use crate::stock::Stocks;
use crate::watchdog::Watchdog;

/// Ids a server that is not root needs: a range for each of the servers that share a machine.
const ROOTLESS_IDS: u32 = Subnet::SIZE * crate::instance::RANGES;

pub(super) async fn start(config: SandboxConfig) -> Result<SandboxFactory, SetupError> {
    check(&config)?;
    let mut report = Report::default();
    let instance = Instance::take(&config.state_dir)?;
    let ids =
        if nix::unistd::geteuid().is_root() { None } else { Some(IdRange::of_this_user(ROOTLESS_IDS)?) };
    let cgroups = Arc::new(claim_cgroups(&instance.id, config.cgroups).await?);
    let watchdog = describe_limits(&cgroups, &config, &mut report);
    let plan =
        Plan { executable: config.init_executable.clone(), ids: ids.clone(), timeout: config.step_timeout };
    let launcher = Arc::new(Launcher::start(plan).await?);
    let place = if ids.is_some() { Where::Launcher(launcher.pid()) } else { Where::Host };
    let outbound_wanted = config.network.mode == NetworkMode::Outbound;
    let tools = Tools::find(place, outbound_wanted, config.step_timeout)?;
    let range = take_range(&tools, &instance.id, &config).await?;
    describe_users(ids.as_ref(), &config, &range, &mut report);
    let pasta = match ids {
        Some(_) if outbound_wanted => Some(Pasta::start(launcher.pid()).await?),
        _ => None,
    };
    let outbound = if outbound_wanted {
        Some(set_up_network(&launcher, &tools, &instance.id, &range, &config).await?)
    } else {
        None
    };
    describe_network(outbound.as_ref(), pasta.is_some(), &mut report);
    if let Some(outbound) = &outbound
        && outbound.network.forwarding_is_dropped_elsewhere().await?
    {
        let text = "this host's own firewall drops forwarded packets by default (as Docker sets it): actions get out \
                    only if it lets their subnet through";
        report.warning("firewall", text);
    }
    let runtimes =
        prepare_root(&launcher, &instance, &config, outbound.as_ref(), ids.is_some(), &mut report).await?;
    let stop = CancellationToken::new();
    let slots = Arc::new(SlotPool::new(config.spare_slots, config.max_sandboxes));
    let offset = range.index * Subnet::SIZE;
    let maker = SlotMaker {
        launcher: Arc::clone(&launcher),
        network: outbound.as_ref().map(|outbound| Arc::clone(&outbound.network)),
        tools,
        first_uid: ids.as_ref().map_or(config.uid_base, |_| 1) + offset,
        first_host_uid: ids.as_ref().map_or(config.uid_base, |ids| ids.host_ids().0) + offset,
    };
    let tasks = TaskTracker::new();
    slots.start(maker, &tasks, stop.clone()).await?;
    if let Some(watchdog) = &watchdog {
        tasks.spawn(Arc::clone(watchdog).run(config.watchdog_interval, stop.clone()));
    }
    let maker = StandbyMaker {
        slots: Arc::clone(&slots),
        cgroups: Arc::clone(&cgroups),
        step_timeout: config.step_timeout,
        tasks: tasks.clone(),
    };
    let standbys = config.standbys as usize;
    let stocks = Stocks::new(Arc::new(maker), standbys, tasks.clone(), stop.clone());
    let starter = Arc::new(Starter {
        launcher,
        slots,
        cgroups,
        stocks: Arc::new(stocks),
        general: OnceLock::new(),
        memory_cgroup: watchdog.is_none(),
        config,
    });
    Ok(SandboxFactory {
        starter,
        runtimes,
        report,
        outbound,
        watchdog,
        live: Mutex::default(),
        stop,
        tasks,
        stopped: false.into(),
        _pasta: pasta,
        _range: range,
        _instance: instance,
    })
}

fn check(config: &SandboxConfig) -> Result<(), SetupError> {
    let refuse = |text: String| Err(SetupError::Config(text));
    if config.max_sandboxes == 0 || config.max_sandboxes > MAX_SANDBOXES {
        return refuse(format!("max_sandboxes is {}, not 1 to {MAX_SANDBOXES}", config.max_sandboxes));
    }
    if config.uid_base == 0 || config.uid_base.checked_add(ROOTLESS_IDS).is_none() {
        return refuse(format!("uid_base {} leaves no room for unprivileged uids", config.uid_base));
    }
    for runtime in &config.runtimes {
        let absolute = runtime.argv.first().is_some_and(|program| program.starts_with('/'));
        if runtime.interpreter.is_none() && !absolute {
            return refuse(format!("the runtime for {:?} names no program by its path", runtime.kinds));
        }
    }
    Ok(())
}

async fn claim_cgroups(instance: &str, wanted: bool) -> Result<Cgroups, SetupError> {
    if !wanted {
        return Ok(Cgroups::none());
    }
    let instance = instance.to_owned();
    tokio::task::spawn_blocking(move || Cgroups::claim(&instance))
        .await
        .map_err(io::Error::other)
        .and_then(|claimed| claimed)
        .map_err(SetupError::doing("cannot set up cgroups"))
}

/// Reports who holds which limit; a watchdog where no cgroup holds the memory.
fn describe_limits(cgroups: &Cgroups, config: &SandboxConfig, report: &mut Report) -> Option<Arc<Watchdog>> {
    let version = |controller| cgroups.version_of(controller).map(name_of);
    match version(Controller::Memory) {
        Some(cgroup) => report.fact("memory", format!("held by {cgroup}, /tmp included")),
        None => report.warning(
            "memory",
            format!(
                "no memory cgroup is used: each process is held by RLIMIT_DATA and all together by a look every \
                 {} ms; /tmp counts apart",
                config.watchdog_interval.as_millis()
            ),
        ),
    }
    match version(Controller::Pids) {
        Some(cgroup) => {
            report.fact("processes", format!("at most {}, held by {cgroup}", config.max_processes))
        }
        None => report.warning(
            "processes",
            format!("no pids cgroup is used: at most {}, held by RLIMIT_NPROC", config.max_processes),
        ),
    }
    match version(Controller::Cpu) {
        Some(cgroup) => report.fact("cpu", format!("shared by weight, {cgroup}")),
        None => report.warning("cpu", "no cpu cgroup is used: not shared by weight"),
    }
    match version(Controller::Freezer) {
        Some(cgroup) => report.fact("suspend", format!("freezer of {cgroup}")),
        None => report.warning("suspend", "no freezer cgroup is used: by SIGSTOP to each process"),
    }
    match seccomp::allowed_count() {
        Ok(count) => report.fact("system calls", format!("{count} allowed by seccomp, the others refused")),
        Err(error) => report.warning("system calls", error),
    }
    cgroups.version_of(Controller::Memory).is_none().then(Arc::default)
}

fn name_of(version: Version) -> &'static str {
    match version {
        Version::V1 => "cgroup v1",
        Version::V2 => "cgroup v2",
    }
}

async fn take_range(tools: &Tools, instance: &str, config: &SandboxConfig) -> Result<Range, SetupError> {
    if config.network.mode == NetworkMode::Isolated {
        return Range::take(instance, |_| true);
    }
    network::remove_leftovers(tools, instance).await?;
    let routes = network::routes(tools).await?;
    Range::take(instance, |index| Subnet::new(config.network.subnet, index).is_free(&routes))
}

fn describe_users(ids: Option<&IdRange>, config: &SandboxConfig, range: &Range, report: &mut Report) {
    let first = ids.map_or(config.uid_base, |ids| ids.host_ids().0) + range.index * Subnet::SIZE;
    let last = first + config.max_sandboxes - 1;
    let way = if ids.is_some() {
        "subordinate ids of this user"
    } else {
        "the server is root, its actions are not"
    };
    report.fact("namespaces", "user, mount, pid, ipc, uts, network and cgroup, for each sandbox");
    report.fact("users", format!("host uids {first} to {last}, one for each sandbox ({way})"));
}

async fn set_up_network(
    launcher: &Arc<Launcher>,
    tools: &Tools,
    instance: &str,
    range: &Range,
    config: &SandboxConfig,
) -> Result<Outbound, SetupError> {
    let subnet = Subnet::new(config.network.subnet, range.index);
    let network =
        Network::set_up(tools.clone(), instance, &config.network, subnet, config.max_sandboxes).await?;
    let network = Arc::new(network);
    let dns = start_dns(launcher, &network, config).await?;
    Ok(Outbound { network, dns, launcher: Arc::clone(launcher), api_port: config.network.api_port })
}

async fn start_dns(
    launcher: &Launcher,
    network: &Network,
    config: &SandboxConfig,
) -> Result<Forwarder, SetupError> {
    let gateway = network.gateway();
    let mut upstreams = config.network.dns_upstreams.clone();
    if upstreams.is_empty() {
        let path = PathBuf::from("/etc/resolv.conf");
        let text = fs::read_to_string(&path).map_err(SetupError::path("read", &path))?;
        upstreams = dns::upstreams_of(&text, gateway);
    }
    let address = SocketAddrV4::new(gateway, 53);
    let listen = async || -> io::Result<Forwarder> {
        let udp = UdpSocket::from(bind(launcher, network, address, SocketKind::Udp).await?);
        let tcp = TcpListener::from(bind(launcher, network, address, SocketKind::Tcp).await?);
        udp.set_nonblocking(true)?;
        tcp.set_nonblocking(true)?;
        let udp = tokio::net::UdpSocket::from_std(udp)?;
        let tcp = tokio::net::TcpListener::from_std(tcp)?;
        Ok(Forwarder::start(udp, tcp, dns::with_port(upstreams), config.network.dns_timeout))
    };
    listen().await.map_err(SetupError::doing(format!("cannot serve names on {address}")))
}

/// A socket on the gateway address, in whichever network namespace that is.
pub(super) async fn bind(
    launcher: &Launcher,
    network: &Network,
    address: SocketAddrV4,
    kind: SocketKind,
) -> io::Result<OwnedFd> {
    match (network.place(), kind) {
        (Where::Host, SocketKind::Tcp) => Ok(TcpListener::bind(address)?.into()),
        (Where::Host, SocketKind::Udp) => Ok(UdpSocket::bind(address)?.into()),
        (Where::Launcher(_), _) => launcher.listen(address, kind).await.map_err(io::Error::other),
    }
}

fn describe_network(outbound: Option<&Outbound>, pasta: bool, report: &mut Report) {
    let Some(outbound) = outbound else {
        report.fact("network", "none: each sandbox has its loopback device alone");
        return;
    };
    let (network, api_port) = (&outbound.network, outbound.api_port);
    let way = if pasta { "through pasta" } else { "by NAT" };
    report.fact(
        "network",
        format!("{} out {way}; no way in, to the host, to other sandboxes", network.subnet()),
    );
    report.fact("api", format!("for actions at {}:{api_port}", network.gateway()));
    report.fact("ipv6", "switched off in sandboxes");
    if network.forwarding_switched_on {
        report.fact("host", "net.ipv4.ip_forward was 0, is now 1 and stays so");
    }
    let upstreams: Vec<String> = outbound.dns.upstreams().iter().map(ToString::to_string).collect();
    if upstreams.is_empty() {
        report.warning("names", "no name server is configured on this machine: names do not resolve");
    } else {
        report.fact("names", format!("asked at {}", upstreams.join(", ")));
    }
}

/// Finds the interpreters, writes the file tree, and moves the launcher into it. A kind whose interpreter this machine
/// does not have is reported and refused when it is asked for; it does not keep the others from working.
async fn prepare_root(
    launcher: &Launcher,
    instance: &Instance,
    config: &SandboxConfig,
    outbound: Option<&Outbound>,
    keep_proc: bool,
    report: &mut Report,
) -> Result<Vec<Runtime>, SetupError> {
    let (mut runtimes, mut prefixes, mut files) = (Vec::new(), Vec::new(), Vec::new());
    for spec in &config.runtimes {
        match find_runtime(spec, config).await {
            Ok((runtime, mut found)) => {
                report.fact("runtime", describe_runtime(&runtime));
                prefixes.append(&mut found);
                files.extend(spec.files.iter().cloned());
                runtimes.push(runtime);
            }
            Err(error) => report.warning("runtime", format!("{} cannot run: {error}", spec.kinds.join(", "))),
        }
    }
    let directory = instance.directory.join("root");
    let name_server = outbound.map(|outbound| outbound.network.gateway());
    let layout = rootfs::prepare(&directory, &prefixes, &files, name_server, keep_proc)?;
    launcher.enter_root(layout).await.map_err(|error: LaunchError| SetupError::Missing(error.to_string()))?;
    Ok(runtimes)
}

fn describe_runtime(runtime: &Runtime) -> String {
    let kinds = runtime.kinds.join(", ");
    match (&runtime.program, &runtime.zygote) {
        (Program::Execute(argv), None) => format!("{kinds}: {}", argv[0]),
        (Program::Execute(argv), Some(_)) => format!("{kinds}: {}, forked once it was used", argv[0]),
        (Program::Builtin(name), _) => format!("{kinds}: {name}, part of this program"),
        (Program::Loaded, _) => kinds,
    }
}

async fn find_runtime(
    spec: &RuntimeSpec,
    config: &SandboxConfig,
) -> Result<(Runtime, Vec<PathBuf>), SetupError> {
    let mut argv = spec.argv.clone();
    let mut prefixes = Vec::new();
    if let Some(interpreter) = &spec.interpreter {
        let Resolved { program, prefixes: found } =
            interpreter::resolve(interpreter, config.step_timeout).await?;
        let program = program.into_os_string().into_string();
        argv.insert(0, program.map_err(|path| SetupError::Config(format!("{path:?} is no UTF-8")))?);
        prefixes = found;
    }
    let zygote = spec.zygote.as_ref().map(|library| {
        let library = ("OW_ZYGOTE".to_owned(), library.display().to_string());
        let own: Vec<_> = spec.env.iter().cloned().chain([library]).collect();
        let zygote = ZygoteSpec { argv: argv.clone(), env: spawn::environment(&own, &[]) };
        Arc::new(LazyZygote::new(spec.kinds.join(", "), zygote))
    });
    let builtin = spec.builtin.clone().filter(|_| can_fork_programs());
    let runtime = Runtime {
        kinds: spec.kinds.clone(),
        program: builtin.map_or(Program::Execute(argv), Program::Builtin),
        env: spec.env.clone(),
        working_dir: spec.working_dir.clone(),
        zygote,
    };
    Ok((runtime, prefixes))
}

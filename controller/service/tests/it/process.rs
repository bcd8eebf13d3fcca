//! The binary as a process, and what is heard of it.

use std::io::{BufRead as _, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::given::Given;
use crate::http;

/// Longest wait for what must come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    socket.local_addr().expect("bound").port()
}

/// A controller, killed at the end of the test.
pub(crate) struct Controller {
    pub(crate) api: u16,
    pub(crate) grpc: u16,
    pub(crate) ops: u16,
    child: Child,
    said: Arc<Mutex<String>>,
    /// Ends with the process.
    listening: Option<JoinHandle<()>>,
}

impl Controller {
    /// Starts it on free ports of loopback, with nothing of this process's environment but `PATH`.
    pub(crate) fn start(given: &Given, arguments: &[&str], more: &[(&str, &str)]) -> Self {
        let (api, grpc, ops) = (free_port(), free_port(), free_port());
        let mut command = Command::new(env!("CARGO_BIN_EXE_controller"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(given.variables());
        command.env("PORT", api.to_string()).env("CONFIG_whisk_controller_interface", "127.0.0.1");
        command.env("CONFIG_oxwhisk_grpc_listen", format!("127.0.0.1:{grpc}"));
        command.env("CONFIG_oxwhisk_ops_listen", format!("127.0.0.1:{ops}"));
        command.envs(more.iter().copied()).args(arguments);
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the controller starts");
        let said = Arc::new(Mutex::new(String::new()));
        let listening = Some(listen(child.stderr.take().expect("it is piped"), Arc::clone(&said)));
        Self { api, grpc, ops, child, said, listening }
    }

    /// What it has written to stderr so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until `condition` gives something.
    #[track_caller]
    pub(crate) fn wait_for<T>(&mut self, what: &str, mut condition: impl FnMut(&Self) -> Option<T>) -> T {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(found) = condition(self) {
                return found;
            }
            let ended = self.child.try_wait().expect("it can be asked");
            let running = ended.is_none() && Instant::now() < end;
            assert!(running, "{what} did not come ({ended:?}); the controller said:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until `/ready` answers with this status; what it says.
    #[track_caller]
    pub(crate) fn wait_ready(&mut self, status: u16) -> String {
        self.wait_for(&format!("/ready with {status}"), |controller| {
            let answer = http::get(controller.ops, "/ready")?;
            (answer.status == status).then_some(answer.body)
        })
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        let id = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM).expect("a signal is sent");
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be asked") {
                // Its last words may still be on the way.
                let listened = self.listening.take().map(JoinHandle::join);
                assert!(listened.is_none_or(|listened| listened.is_ok()), "the listener ends");
                return status;
            }
            assert!(Instant::now() < end, "it does not end; it said:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(stderr: impl Read + Send + 'static, said: Arc<Mutex<String>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines() {
            let Ok(line) = line else { return };
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            said.push_str(&line);
            said.push('\n');
        }
    })
}

//! The life of the one action this proxy holds: nothing, then an executable, then runs of it.
//!
//! | state | `/init` | `/run` |
//! |---|---|---|
//! | `Empty` | starts the action, `Ready`; on failure stays `Empty` | 500 no action defined yet |
//! | `Ready` | 403 | by protocol; a dead ActionLoop process leaves `Gone` |
//! | `Gone` | 403 | 500 no action defined yet |

use std::{io, os::fd::BorrowedFd, sync::Arc};

use crate::{
    activation::{Activation, append_as_line},
    environment::Environment,
    exchange::{Ended, Exchange, SCRATCH, Until},
    init::{self, Executable, InitRequest, Text},
    last_line::LastLine,
    logs::{self, Logs},
    process::{Process, Start},
    protocol::{Presumption, Protocol},
    reaper::Reaper,
    reply::{Reply, is_object_or_array},
    settings::Settings,
};

const MISLED: &str = "the executable read its input as a skeleton action does, before it was known to be one: declare \
                      it with the init parameter OW_ACTION_PROTOCOL=skeleton or a file exec.protocol in the archive";

/// The action, its process, and what is kept from one run to the next.
#[derive(Debug)]
pub(crate) struct Action {
    settings: Settings,
    reaper: Arc<Reaper>,
    logs: Logs,
    state: State,
    buffers: Buffers,
}

#[derive(Debug)]
enum State {
    Empty,
    Ready(Ready),
    Gone,
}

#[derive(Debug)]
struct Ready {
    executable: Executable,
    /// The live ActionLoop process; none before it is decided, and for skeletons.
    running: Option<Process>,
}

/// Kept so that a warm run allocates nothing for its input and answer.
#[derive(Debug)]
struct Buffers {
    line: Vec<u8>,
    answer: Vec<u8>,
    scratch: Box<[u8]>,
}

impl Action {
    pub(crate) fn new(settings: Settings, reaper: Arc<Reaper>) -> Self {
        let scratch = vec![0; SCRATCH].into_boxed_slice();
        let buffers = Buffers { line: Vec::new(), answer: Vec::new(), scratch };
        Self { settings, reaper, logs: Logs::default(), state: State::Empty, buffers }
    }

    /// Answers `/init`. A failure is an activation's end: the log streams get their sentinels.
    pub(crate) fn init(&mut self, body: &[u8], caller: BorrowedFd<'_>) -> Reply {
        if !matches!(self.state, State::Empty) {
            return Reply::second_init();
        }
        match self.try_init(body, caller) {
            Ok(()) => Reply::init_ok(),
            Err(reply) => {
                self.logs.end_activation();
                reply
            }
        }
    }

    fn try_init(&mut self, body: &[u8], caller: BorrowedFd<'_>) -> Result<(), Reply> {
        let request: InitRequest<'_> = serde_json::from_slice(body).map_err(Reply::bad_json)?;
        let code = request
            .value
            .code
            .as_ref()
            .map(Text::as_str)
            .filter(|code| !code.is_empty())
            .ok_or_else(Reply::no_code)?;
        let executable =
            init::prepare(&request.value, code, &self.settings).map_err(|error| self.refuse(&error))?;
        let running = match executable.presumption {
            Presumption::Declared(Protocol::ActionLoop) => Some(self.start_action_loop(&executable, caller)?),
            _ => None,
        };
        self.state = State::Ready(Ready { executable, running });
        Ok(())
    }

    fn refuse(&mut self, error: &init::InitError) -> Reply {
        if matches!(error, init::InitError::NoExec) || self.settings.log_init_error {
            self.logs.stdout(format!("{error}\n").as_bytes());
            return Reply::no_binary();
        }
        Reply::cannot_start(error)
    }

    /// Starts a declared ActionLoop process within `/init`, as OpenWhisk's own proxy does.
    fn start_action_loop(
        &mut self,
        executable: &Executable,
        caller: BorrowedFd<'_>,
    ) -> Result<Process, Reply> {
        let mut process = start(&self.reaper, executable, &executable.environment, None, true)
            .map_err(Reply::cannot_start)?;
        let until = match self.settings.wait_for_ack {
            true => Until::Answer,
            false => Until::Elapsed(self.settings.start_grace),
        };
        let mut pass_on = |piece: &[u8]| pass_on(piece, &mut self.logs);
        let ended = exchange(&mut process, &mut self.buffers, caller, &mut pass_on, b"", until);
        match ended.map_err(Reply::cannot_start)? {
            Ended::Answered if until == Until::Answer && !is_acknowledgement(&self.buffers.answer) => {
                Err(Reply::cannot_start("The action did not initialize properly."))
            }
            Ended::Answered | Ended::TimedOut => Ok(process),
            _ if until == Until::Answer => {
                Err(Reply::cannot_start("Command exited abruptly during initialization."))
            }
            _ => Err(Reply::cannot_start("command exited")),
        }
    }

    /// Answers `/run`; the log streams have got their sentinels when it returns.
    pub(crate) fn run(&mut self, body: &[u8], caller: BorrowedFd<'_>) -> Reply {
        let reply = match std::mem::replace(&mut self.state, State::Gone) {
            State::Ready(ready) => self.run_ready(ready, body, caller),
            state => {
                self.state = state;
                Reply::no_action()
            }
        };
        self.logs.end_activation();
        reply
    }

    fn run_ready(&mut self, mut ready: Ready, body: &[u8], caller: BorrowedFd<'_>) -> Reply {
        if let Some(process) = ready.running.take() {
            return self.run_action_loop(ready, process, body, caller);
        }
        let activation = match Activation::parse(body) {
            Ok(activation) => activation,
            Err(error) => {
                self.state = State::Ready(ready);
                return Reply::bad_json(error);
            }
        };
        let Some(value) = activation.value_line() else {
            self.state = State::Ready(ready);
            return Reply::bad_argument();
        };
        let mut environment = ready.executable.environment.clone();
        activation.export(&mut environment);
        let run = Run { value: &value, environment: &environment, caller };
        let reply = match ready.executable.presumption {
            Presumption::Undecided => self.decide(&mut ready, &run, body),
            Presumption::Skeleton | Presumption::Declared(_) => self.run_skeleton(&ready, &run),
        };
        self.state = State::Ready(ready);
        reply
    }

    /// A warm ActionLoop run. The body is checked, not taken apart: the process gets it as it came.
    fn run_action_loop(
        &mut self,
        mut ready: Ready,
        mut process: Process,
        body: &[u8],
        caller: BorrowedFd<'_>,
    ) -> Reply {
        if let Err(error) = check_object(body) {
            ready.running = Some(process);
            self.state = State::Ready(ready);
            return Reply::bad_json(error);
        }
        let line = self.buffers.take_line(body);
        let mut pass_on = |piece: &[u8]| pass_on(piece, &mut self.logs);
        let ended = exchange(&mut process, &mut self.buffers, caller, &mut pass_on, &line, Until::Answer);
        self.buffers.line = line;
        if matches!(ended, Ok(Ended::Answered)) {
            ready.running = Some(process);
            self.state = State::Ready(ready);
            return Reply::result(&self.buffers.answer);
        }
        // The process is ended when it is dropped here, and with it the action: its state of mind is unknown.
        Reply::command_exited()
    }

    /// The first activation of an executable whose protocol is not known: see [`crate::protocol`].
    fn decide(&mut self, ready: &mut Ready, run: &Run<'_>, body: &[u8]) -> Reply {
        let started = start(&self.reaper, &ready.executable, run.environment, Some(run.value), true);
        let mut process = match started {
            Ok(process) => process,
            Err(error) => return Reply::cannot_start(error),
        };
        let (line, mut last_line) = (self.buffers.take_line(body), LastLine::default());
        let mut hold_back = |piece: &[u8]| hold_last_line(piece, &mut last_line, &mut self.logs);
        let ended =
            exchange(&mut process, &mut self.buffers, run.caller, &mut hold_back, &line, Until::Decided);
        self.buffers.line = line;
        match ended {
            Ok(Ended::Answered) => {
                self.logs.stdout(&last_line.take());
                ready.executable.presumption = Presumption::Declared(Protocol::ActionLoop);
                ready.running = Some(process);
                Reply::result(&self.buffers.answer)
            }
            Ok(Ended::WaitsForEndOfInput) => {
                drop(process);
                ready.executable.presumption = Presumption::Declared(Protocol::Skeleton);
                self.run_skeleton(ready, run)
            }
            Ok(Ended::Exited { read_input: false }) if !last_line.is_empty() => {
                ready.executable.presumption = Presumption::Declared(Protocol::Skeleton);
                self.skeleton_result(last_line)
            }
            Ok(Ended::Exited { read_input: true }) if is_object_or_array(last_line.as_result()) => {
                ready.executable.presumption = Presumption::Declared(Protocol::Skeleton);
                self.logs.stdout(&last_line.take());
                Reply::error(502, MISLED)
            }
            _ => {
                self.logs.stdout(&last_line.take());
                Reply::command_exited()
            }
        }
    }

    fn run_skeleton(&mut self, ready: &Ready, run: &Run<'_>) -> Reply {
        let started = start(&self.reaper, &ready.executable, run.environment, Some(run.value), false);
        let mut process = match started {
            Ok(process) => process,
            Err(error) => return Reply::cannot_start(error),
        };
        let mut last_line = LastLine::default();
        let mut hold_back = |piece: &[u8]| hold_last_line(piece, &mut last_line, &mut self.logs);
        let ended =
            exchange(&mut process, &mut self.buffers, run.caller, &mut hold_back, run.value, Until::Exit);
        if let Err(error) = ended {
            return Reply::error(502, error);
        }
        let reply = self.skeleton_result(last_line);
        if reply.status != 200 && ready.executable.presumption == Presumption::Skeleton {
            logs::complain(
                "the script does not mention descriptor 3, so it ran as a skeleton action; if it is an ActionLoop, \
                 say so with OW_ACTION_PROTOCOL=actionloop",
            );
        }
        reply
    }

    /// As in OpenWhisk's skeleton proxy the exit status does not matter: the last line does, and it is log if it is no
    /// result.
    fn skeleton_result(&mut self, mut last_line: LastLine) -> Reply {
        let reply = Reply::result(last_line.as_result());
        if reply.status != 200 {
            self.logs.stdout(&last_line.take());
        }
        reply
    }
}

/// One activation, taken apart for a process of its own.
struct Run<'a> {
    value: &'a [u8],
    environment: &'a Environment,
    caller: BorrowedFd<'a>,
}

impl Buffers {
    /// The body as the line an ActionLoop process reads, in the kept buffer; the caller puts it back.
    fn take_line(&mut self, body: &[u8]) -> Vec<u8> {
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        append_as_line(body, &mut line);
        line.push(b'\n');
        line
    }
}

fn start(
    reaper: &Arc<Reaper>,
    executable: &Executable,
    environment: &Environment,
    argument: Option<&[u8]>,
    answers: bool,
) -> io::Result<Process> {
    let env = environment.to_c_strings().map_err(io::Error::other)?;
    let start = Start { exec: &executable.exec(), dir: &executable.dir(), env: &env, argument, answers };
    Process::start(reaper, &start)
}

fn exchange(
    process: &mut Process,
    buffers: &mut Buffers,
    caller: BorrowedFd<'_>,
    on_stdout: &mut dyn FnMut(&[u8]) -> usize,
    input: &[u8],
    until: Until,
) -> io::Result<Ended> {
    let Buffers { answer, scratch, .. } = buffers;
    Exchange { process, caller, answer, scratch, on_stdout }.run(input, until)
}

/// An ActionLoop process' stdout is log; nothing is held back.
fn pass_on(piece: &[u8], logs: &mut Logs) -> usize {
    logs.stdout(piece);
    0
}

/// A skeleton process' stdout is log but for its last line.
fn hold_last_line(piece: &[u8], last_line: &mut LastLine, logs: &mut Logs) -> usize {
    last_line.push(piece, |lines| logs.stdout(lines));
    last_line.len()
}

/// `{"ok":true}`, other members allowed.
fn is_acknowledgement(line: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Acknowledgement {
        ok: bool,
    }
    serde_json::from_slice::<Acknowledgement>(line).is_ok_and(|acknowledgement| acknowledgement.ok)
}

fn check_object(body: &[u8]) -> Result<(), serde_json::Error> {
    if body.trim_ascii_start().starts_with(b"{") {
        return serde_json::from_slice::<serde::de::IgnoredAny>(body).map(|_| ());
    }
    // Only for its error: whatever this is, it is no activation.
    Activation::parse(body).map(|_| ())
}

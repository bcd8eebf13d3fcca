//! One round of talk with the action's process: input goes in, an answer or the process' end comes out, and what it
//! prints meanwhile is passed on.
//!
//! All of it happens in the calling thread, in one `poll` loop over non-blocking pipes, so that neither side can block
//! the other however much each writes. The wait has no time-out of its own: it lasts as long as the caller's
//! connection, since only the invoker knows the action's time limit.

use std::{
    io,
    os::fd::BorrowedFd,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use crate::process::{Piece, Process};

/// No answer may be longer: as large as the largest request.
pub(crate) const MAX_ANSWER: usize = 64 << 20;
/// A good size for [`Exchange::scratch`]: what a pipe holds.
pub(crate) const SCRATCH: usize = 64 << 10;
/// What a process wrote before it answered or ended fits into its pipe, however far it enlarged that. Whatever else
/// holds the other end may go on for ever and is not waited for.
const LARGEST_PIPE: usize = 1 << 20;
/// The first look whether an undecided process waits for end of file; later looks are ever further apart.
const FIRST_LOOK: Duration = Duration::from_millis(5);
const RAREST_LOOK: Duration = Duration::from_millis(200);

/// How a round ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The answer holds a line, without its end.
    Answered,
    /// The process has ended without an answer; whether it had read any of its input.
    Exited { read_input: bool },
    /// The process closed descriptor 3, or answered beyond [`MAX_ANSWER`]: no answer can come any more.
    NoAnswer,
    /// It has read its input, said nothing, and sleeps until stdin ends.
    WaitsForEndOfInput,
    /// The time given for this round is over.
    TimedOut,
    /// Nobody waits for the answer any more.
    CallerGone,
}

/// What ends a round besides an answer and an exit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// A line on descriptor 3.
    Answer,
    /// Nothing else: stdin is closed after the input, and the process is to end by itself.
    Exit,
    /// As `Answer`, for a process whose protocol is not known yet.
    Decided,
    /// A time that the process is watched for.
    Elapsed(Duration),
}

/// A round with a process.
pub(crate) struct Exchange<'a> {
    pub(crate) process: &'a mut Process,
    /// The connection of whoever asked.
    pub(crate) caller: BorrowedFd<'a>,
    /// Where the answer goes.
    pub(crate) answer: &'a mut Vec<u8>,
    /// Where pieces are read to; kept by the caller, since clearing a new one would cost more than most reads.
    pub(crate) scratch: &'a mut [u8],
    /// Takes what the process prints; says how much it holds back, to bound that.
    pub(crate) on_stdout: &'a mut dyn FnMut(&[u8]) -> usize,
}

#[derive(Debug, Default)]
struct Ready {
    answers: bool,
    stdout: bool,
    exited: bool,
    caller_gone: bool,
    timed_out: bool,
}

/// What a round remembers between two waits.
struct Progress<'i> {
    rest: &'i [u8],
    written: usize,
    printed: bool,
    look: Duration,
    deadline: Option<Instant>,
}

impl Exchange<'_> {
    /// Writes the input and waits for what `until` names.
    ///
    /// # Errors
    /// `poll` failed.
    pub(crate) fn run(mut self, input: &[u8], until: Until) -> io::Result<Ended> {
        self.answer.clear();
        if until == Until::Answer && self.process.answers_fd().is_none() {
            // It gave up descriptor 3 while it was watched for an early exit.
            return Ok(Ended::NoAnswer);
        }
        if !input.is_empty() {
            self.discard_stale_answers(until);
        }
        let deadline = match until {
            Until::Elapsed(time) => Some(Instant::now() + time),
            Until::Answer | Until::Exit | Until::Decided => None,
        };
        let mut progress = Progress { rest: input, written: 0, printed: false, look: FIRST_LOOK, deadline };
        loop {
            self.write(&mut progress, until);
            let ready = self.wait(&progress, until)?;
            if ready.stdout {
                progress.printed |= self.pump_stdout(1)?;
            }
            if let Some(ended) = self.judge(&ready, &mut progress, until)? {
                return Ok(ended);
            }
        }
    }

    fn judge(
        &mut self,
        ready: &Ready,
        progress: &mut Progress<'_>,
        until: Until,
    ) -> io::Result<Option<Ended>> {
        if ready.answers {
            let ended = self.read_answers(until);
            if ended.is_some() {
                // What it printed before it answered is in the pipe already: it belongs to this activation.
                self.pump_stdout(LARGEST_PIPE)?;
                return Ok(ended);
            }
        }
        if ready.exited {
            self.process.mark_ended();
            self.pump_stdout(LARGEST_PIPE)?;
            let unread = self.process.unread_stdin().unwrap_or(0);
            return Ok(Some(Ended::Exited { read_input: progress.written > unread }));
        }
        if ready.caller_gone {
            return Ok(Some(Ended::CallerGone));
        }
        if !ready.timed_out {
            return Ok(None);
        }
        if until == Until::Decided {
            progress.look = RAREST_LOOK.min(progress.look * 2);
            return Ok(self.waits_for_end_of_input(progress)?.then_some(Ended::WaitsForEndOfInput));
        }
        Ok(Some(Ended::TimedOut))
    }

    /// A line that came after the last answer would otherwise pass for the answer to the next activation.
    fn discard_stale_answers(&mut self, until: Until) {
        while until == Until::Answer && matches!(self.process.read_answers(self.scratch), Piece::Bytes(_)) {}
    }

    fn write(&mut self, progress: &mut Progress<'_>, until: Until) {
        if !progress.rest.is_empty() {
            match self.process.write_stdin(progress.rest) {
                Some(written) => {
                    progress.written += written;
                    progress.rest = &progress.rest[written..];
                }
                // It closed its stdin; that alone is no fault.
                None => progress.rest = &[],
            }
        }
        if progress.rest.is_empty() && until == Until::Exit {
            self.process.close_stdin();
        }
    }

    fn wait(&self, progress: &Progress<'_>, until: Until) -> io::Result<Ready> {
        let process = &*self.process;
        let want_write = process.stdin_fd().filter(|_| !progress.rest.is_empty());
        let mut fds = [
            PollFd::new(process.pidfd(), PollFlags::POLLIN),
            // No flags: only a hang-up is reported.
            PollFd::new(self.caller, PollFlags::empty()),
            // The pidfd again where there is nothing to watch: an array has no holes.
            PollFd::new(process.stdout_fd().unwrap_or_else(|| process.pidfd()), PollFlags::POLLIN),
            PollFd::new(process.answers_fd().unwrap_or_else(|| process.pidfd()), PollFlags::POLLIN),
            PollFd::new(want_write.unwrap_or_else(|| process.pidfd()), PollFlags::POLLOUT),
        ];
        let timeout = poll_timeout(progress, until);
        let count = loop {
            match poll(&mut fds, timeout) {
                Err(Errno::EINTR) => {}
                done => break done?,
            }
        };
        let is_ready = |at: usize| fds[at].any().unwrap_or(false);
        Ok(Ready {
            exited: is_ready(0),
            caller_gone: is_ready(1),
            stdout: is_ready(2),
            answers: process.answers_fd().is_some() && is_ready(3),
            timed_out: count == 0,
        })
    }

    /// Passes on what was printed, until there is nothing more or `enough` bytes were read; says whether there was any.
    fn pump_stdout(&mut self, enough: usize) -> io::Result<bool> {
        let mut pumped = 0;
        while pumped < enough
            && let Piece::Bytes(read) = self.process.read_stdout(self.scratch)
        {
            pumped += read;
            if (self.on_stdout)(&self.scratch[..read]) > MAX_ANSWER {
                return Err(io::Error::other("the last line on stdout is longer than 64 MiB"));
            }
        }
        Ok(pumped > 0)
    }

    fn read_answers(&mut self, until: Until) -> Option<Ended> {
        loop {
            match self.process.read_answers(self.scratch) {
                Piece::Bytes(read) => {
                    let searched = self.answer.len();
                    self.answer.extend_from_slice(&self.scratch[..read]);
                    if let Some(newline) = memchr::memchr(b'\n', &self.answer[searched..]) {
                        self.answer.truncate(searched + newline);
                        return Some(Ended::Answered);
                    }
                    if self.answer.len() > MAX_ANSWER {
                        return Some(Ended::NoAnswer);
                    }
                }
                Piece::NothingYet => return None,
                Piece::End => {
                    self.process.close_answers();
                    // An undecided process without descriptor 3 can only be a skeleton, which ends by exiting; and any
                    // process that exits closes it, which the pidfd tells apart from giving it up.
                    return (until == Until::Answer && !self.is_ending()).then_some(Ended::NoAnswer);
                }
            }
        }
    }

    /// Whether a process that closed its last descriptors is on its way out: exiting takes the kernel a moment.
    fn is_ending(&self) -> bool {
        let mut fds = [PollFd::new(self.process.pidfd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::from(100_u8)) == Ok(1)
    }

    fn waits_for_end_of_input(&mut self, progress: &Progress<'_>) -> io::Result<bool> {
        let silent = !progress.printed && self.answer.is_empty() && progress.rest.is_empty();
        if !silent || self.process.unread_stdin() != Some(0) || !self.process.sleeps_reading_stdin() {
            return Ok(false);
        }
        // It may have answered between the last wait and falling asleep: asleep now, it cannot any more.
        let ready = self.wait(&Progress { look: Duration::ZERO, ..*progress }, Until::Decided)?;
        Ok(!ready.answers && !ready.stdout && !ready.exited)
    }
}

fn poll_timeout(progress: &Progress<'_>, until: Until) -> PollTimeout {
    match until {
        Until::Answer | Until::Exit => PollTimeout::NONE,
        Until::Decided => PollTimeout::try_from(progress.look).unwrap_or(PollTimeout::MAX),
        Until::Elapsed(_) => {
            let rest =
                progress.deadline.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()));
            // `poll` counts whole milliseconds: rounded up, so that the last part of one is no busy loop.
            PollTimeout::try_from(rest.as_micros().div_ceil(1000)).unwrap_or(PollTimeout::MAX)
        }
    }
}

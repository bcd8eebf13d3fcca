//! Lines of one container that no activation has taken yet.
//!
//! Pure. With several activations in one container their lines cannot be told apart. As in OpenWhisk, each activation
//! that ends takes what was written up to the next pair of sentinels, whoever wrote it.

use std::collections::VecDeque;
use std::time::SystemTime;

use oxwhisk_container::{LogChunk, LogOrigin};

use super::lines::{Event, Lines};
use super::timestamp::Timestamps;

/// How the collection for an activation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Everything is there, or nobody expects a mark that it is.
    Complete,
    /// The marks did not come in time.
    Incomplete,
    /// The marks did not come, and the action failed in a way that explains it.
    Failed,
}

/// The only line of a record whose logs could not be had.
const INCOMPLETE: &str = "There was an issue while collecting your logs. Data might be missing.";
const FAILED: &str = "The action did not initialize or run as expected. Log data might be missing.";
/// Bytes that lines may take in a record for each byte of the log limit. Times, stream names and escapes are not text,
/// and would make a record of short lines too large to be kept; lines of ten characters and more stay below this.
pub const RECORDED_PER_TEXT: u64 = 5;
/// A record always has room for so many bytes of lines.
const RECORDED_LEAST: u64 = 4096;
/// Sentinels of one stream that are remembered: more than activations that can end at once in a container. An action can
/// print any number of them.
const ENDS_MAX: usize = 1024;

#[derive(Debug)]
enum Item {
    Line(String),
    End(LogOrigin),
}

#[derive(Debug, Default)]
pub(super) struct LogBuffer {
    stdout: Lines,
    stderr: Lines,
    items: VecDeque<Item>,
    /// Sentinels among the items.
    stdout_ends: usize,
    stderr_ends: usize,
    /// Bytes of text that an activation may have; 0 keeps nothing.
    limit: u64,
    /// Sizes of the lines among the items. What nobody has taken counts against whoever is next: an action that misleads
    /// the collection with sentinels of its own leaves lines behind each time.
    held: Size,
    truncated: bool,
    timestamps: Timestamps,
}

/// Bytes of lines.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    /// As the container wrote them, line ends included.
    text: u64,
    /// As a record holds them.
    recorded: u64,
}

impl Size {
    fn of_text(text: &str) -> Self {
        let escapes = text.bytes().map(|byte| match byte {
            b'"' | b'\\' | b'\t' | b'\r' => 1,
            0..0x20 => 5,
            _ => 0,
        });
        let recorded = text.len() as u64 + escapes.sum::<u64>() + LINE_OVERHEAD;
        Self { text: text.len() as u64 + 1, recorded }
    }

    fn of_line(line: &str) -> Self {
        Self::of_text(line.get(PREFIX..).unwrap_or_default())
    }

    fn plus(self, other: Self) -> Self {
        Self { text: self.text + other.text, recorded: self.recorded + other.recorded }
    }
}

/// Characters of a line before its text.
const PREFIX: usize = 30 + " stdout: ".len();
/// Prefix, quotes and comma.
const LINE_OVERHEAD: u64 = PREFIX as u64 + 3;

impl LogBuffer {
    /// What an activation may have from here on, in bytes.
    pub(super) fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    pub(super) fn push(&mut self, chunk: &LogChunk) {
        let mut lines = std::mem::take(self.lines(chunk.origin));
        lines.push(&chunk.bytes, chunk.time, |event| self.accept(chunk.origin, event));
        *self.lines(chunk.origin) = lines;
    }

    /// Both streams say that an activation is over.
    pub(super) fn is_complete(&self) -> bool {
        self.stdout_ends > 0 && self.stderr_ends > 0
    }

    /// The lines of an activation that is over: up to its sentinels, or everything if they are not there.
    pub(super) fn take(&mut self, ending: Ending, now: SystemTime) -> Vec<String> {
        let complete = self.is_complete();
        if !complete {
            self.flush();
        }
        let logs = if complete { self.take_to_sentinels() } else { self.take_all() };
        self.held = self.items.iter().fold(Size::default(), |held, item| match item {
            Item::Line(line) => held.plus(Size::of_line(line)),
            Item::End(_) => held,
        });
        self.truncated = false;
        if self.limit == 0 { Vec::new() } else { self.with_warning(logs, complete, ending, now) }
    }

    fn with_warning(
        &mut self,
        mut logs: Vec<String>,
        complete: bool,
        ending: Ending,
        now: SystemTime,
    ) -> Vec<String> {
        let warning = match ending {
            _ if complete => return logs,
            Ending::Complete => return logs,
            // Nothing at all came: there is no stream to speak of.
            Ending::Incomplete if logs.is_empty() => return vec![INCOMPLETE.to_owned()],
            Ending::Incomplete => INCOMPLETE,
            Ending::Failed => FAILED,
        };
        logs.push(self.format(now, LogOrigin::Stderr, warning));
        logs
    }

    fn take_to_sentinels(&mut self) -> Vec<String> {
        let mut logs = Vec::new();
        let (mut stdout_open, mut stderr_open) = (true, true);
        let mut later = VecDeque::new();
        while (stdout_open || stderr_open)
            && let Some(item) = self.items.pop_front()
        {
            match item {
                Item::Line(line) => logs.push(line),
                Item::End(LogOrigin::Stdout) if stdout_open => stdout_open = false,
                Item::End(LogOrigin::Stderr) if stderr_open => stderr_open = false,
                // The other stream is behind by an activation; this one is for the next.
                end @ Item::End(_) => later.push_back(end),
            }
        }
        self.stdout_ends -= 1;
        self.stderr_ends -= 1;
        later.append(&mut self.items);
        self.items = later;
        logs
    }

    fn take_all(&mut self) -> Vec<String> {
        self.stdout_ends = 0;
        self.stderr_ends = 0;
        let lines = self.items.drain(..).filter_map(|item| match item {
            Item::Line(line) => Some(line),
            Item::End(_) => None,
        });
        lines.collect()
    }

    /// Ends unfinished lines.
    fn flush(&mut self) {
        for origin in [LogOrigin::Stdout, LogOrigin::Stderr] {
            let mut lines = std::mem::take(self.lines(origin));
            lines.flush(|event| self.accept(origin, event));
        }
    }

    fn lines(&mut self, origin: LogOrigin) -> &mut Lines {
        match origin {
            LogOrigin::Stdout => &mut self.stdout,
            LogOrigin::Stderr => &mut self.stderr,
        }
    }

    fn accept(&mut self, origin: LogOrigin, event: Event) {
        match event {
            Event::End => {
                let ends = match origin {
                    LogOrigin::Stdout => &mut self.stdout_ends,
                    LogOrigin::Stderr => &mut self.stderr_ends,
                };
                if *ends < ENDS_MAX {
                    *ends += 1;
                    self.items.push_back(Item::End(origin));
                }
            }
            Event::Line { time, text } => self.accept_line(time, origin, &text),
        }
    }

    fn accept_line(&mut self, time: SystemTime, origin: LogOrigin, text: &str) {
        if self.limit == 0 || self.truncated {
            return;
        }
        let held = self.held.plus(Size::of_text(text));
        let recorded_max = self.limit.saturating_mul(RECORDED_PER_TEXT).max(RECORDED_LEAST);
        if held.text <= self.limit && held.recorded <= recorded_max {
            self.held = held;
            let line = self.format(time, origin, text);
            self.items.push_back(Item::Line(line));
            return;
        }
        let room = self.limit.saturating_sub(self.held.text);
        let fitting = &text[..text.floor_char_boundary(usize::try_from(room).unwrap_or(usize::MAX))];
        if !fitting.is_empty() && held.recorded <= recorded_max {
            let line = self.format(time, origin, fitting);
            self.items.push_back(Item::Line(line));
        }
        self.truncated = true;
        let warning = format!(
            "Logs were truncated because the total bytes size exceeds the limit of {} bytes.",
            self.limit
        );
        let line = self.format(time, LogOrigin::Stderr, &warning);
        self.items.push_back(Item::Line(line));
    }

    /// `2026-01-01T00:00:00.123456789Z stdout: text`; the timestamp fills the 30 characters it is padded to.
    fn format(&mut self, time: SystemTime, origin: LogOrigin, text: &str) -> String {
        let stream = match origin {
            LogOrigin::Stdout => " stdout: ",
            LogOrigin::Stderr => " stderr: ",
        };
        let mut line = String::with_capacity(30 + stream.len() + text.len());
        self.timestamps.write(time, &mut line);
        line.push_str(stream);
        line.push_str(text);
        line
    }
}

#[cfg(test)]
mod tests;

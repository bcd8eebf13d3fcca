//! A thread of its own writes the lines, so that a slow stderr never holds up a request.
//!
//! The queue is bounded. When it is full, lines are counted instead of kept, and the writer says how many are
//! missing as soon as it gets on: a service that stops because nobody reads its log would be worse.

use std::io::Write;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;
use std::{io, thread};

/// One `write` takes at most about this much.
const BATCH_BYTES: usize = 64 * 1024;
/// Formatting and writing need little; the default of some megabytes would show in the service's size.
const STACK_BYTES: usize = 128 * 1024;

#[derive(Debug)]
pub(crate) struct LineWriter {
    /// `None` after [`LineWriter::close`].
    open: Mutex<Option<Open>>,
    lost: std::sync::Arc<AtomicU64>,
}

#[derive(Debug)]
struct Open {
    lines: SyncSender<Vec<u8>>,
    done: Receiver<()>,
}

impl LineWriter {
    /// Starts the thread. It ends with [`LineWriter::close`], or when this value is dropped.
    pub(crate) fn start(sink: impl Write + Send + 'static, queue_lines: usize) -> io::Result<Self> {
        let (lines, queue) = sync_channel(queue_lines);
        let (finished, done) = sync_channel(1);
        let lost = std::sync::Arc::new(AtomicU64::new(0));
        let counter = std::sync::Arc::clone(&lost);
        thread::Builder::new().name("log-writer".to_owned()).stack_size(STACK_BYTES).spawn(move || {
            write_lines(sink, &queue, &counter);
            // Nobody waits any more if the close gave up; then there is nobody to tell.
            let _ = finished.try_send(());
        })?;
        Ok(Self { open: Mutex::new(Some(Open { lines, done })), lost })
    }

    /// Takes a line with its newline; never waits for the sink.
    pub(crate) fn send(&self, line: Vec<u8>) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = open.as_ref().is_some_and(|open| open.lines.try_send(line).is_ok());
        if !sent {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes no more lines, and waits until all earlier ones are written, at most `limit`.
    pub(crate) fn close(&self, limit: Duration) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Open { lines, done }) = open {
            drop(lines);
            // On a time-out the sink takes nothing; there is nowhere to say so.
            let _: Result<(), RecvTimeoutError> = done.recv_timeout(limit);
        }
    }
}

fn write_lines(mut sink: impl Write, queue: &Receiver<Vec<u8>>, lost: &AtomicU64) {
    let mut batch = Vec::new();
    while let Ok(line) = queue.recv() {
        batch.extend_from_slice(&line);
        while batch.len() < BATCH_BYTES {
            match queue.try_recv() {
                Ok(line) => batch.extend_from_slice(&line),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        let missing = lost.swap(0, Ordering::Relaxed);
        if missing > 0 {
            batch
                .extend_from_slice(format!("({missing} log lines were lost: nobody read them)\n").as_bytes());
        }
        // A closed stderr must not end the service, and there is no other place to complain.
        let _ = sink.write_all(&batch).and_then(|()| sink.flush());
        batch.clear();
        batch.shrink_to(BATCH_BYTES);
    }
    let _ = sink.write_all(&notice_of_lost(lost)).and_then(|()| sink.flush());
}

/// A line about what is missing, or nothing.
fn notice_of_lost(lost: &AtomicU64) -> Vec<u8> {
    match lost.swap(0, Ordering::Relaxed) {
        0 => Vec::new(),
        missing => format!("({missing} log lines were lost: nobody read them)\n").into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc;

    use super::*;

    /// Hands every write over and takes the next one only when it is asked to.
    struct Gate {
        written: mpsc::SyncSender<Vec<u8>>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
            self.written.send(bytes.to_vec()).map_err(gone)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn everything_that_was_taken_is_written_before_the_close_returns() {
        let (written, out) = sync_channel(1000);
        let writer = LineWriter::start(Gate { written }, 1000).expect("a thread");
        for n in 0..500 {
            writer.send(format!("{n}\n").into_bytes());
        }
        writer.close(Duration::from_secs(60));
        let text = String::from_utf8(out.try_iter().flatten().collect()).expect("text");
        assert_eq!(text, (0..500).map(|n| format!("{n}\n")).collect::<String>());
    }

    #[test]
    fn a_full_queue_loses_lines_and_says_how_many() {
        // Room for no write at all: the writer stands in its first one while the queue fills.
        let (written, out) = sync_channel(0);
        let writer = Arc::new(LineWriter::start(Gate { written }, 2).expect("a thread"));
        writer.send(b"first\n".to_vec());
        let mut first = out.recv().expect("the first write");
        // The writer is past its first write or about to be; whatever it took, at most 2 more lines fit.
        for _ in 0..50 {
            writer.send(b"more\n".to_vec());
        }
        let closing = Arc::clone(&writer);
        let closer = thread::spawn(move || closing.close(Duration::from_secs(60)));
        first.extend(out.iter().flatten());
        closer.join().expect("the close returns");
        let text = String::from_utf8(first).expect("text");
        let kept = text.lines().filter(|line| *line == "more").count();
        let lost: usize = text
            .lines()
            .filter_map(|line| line.strip_prefix('(')?.split(' ').next()?.parse::<usize>().ok())
            .sum();
        assert!(lost > 0 && kept + lost == 50, "{text}");
    }

    #[test]
    fn a_sink_that_takes_nothing_cannot_hold_up_the_end() {
        let (written, out) = sync_channel(0);
        let writer = LineWriter::start(Gate { written }, 10).expect("a thread");
        writer.send(b"never read\n".to_vec());
        writer.close(Duration::from_millis(20));
        drop(out);
    }
}

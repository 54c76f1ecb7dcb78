//! Output that never makes the service wait: log lines on stderr, copies of evidence and metrics on
//! stdout. In: whole lines. Out: the lines. Each kind of line has a bounded queue, and a thread
//! that writes it. A line that finds no room in its queue is dropped and counted.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::domain::{Timestamp, is_invisible};

/// Maximum number of bytes in the queue of one kind of line.
const MAX_QUEUED_BYTES: usize = 4 * 1024 * 1024;
/// The memory that a queued line takes in addition to its text, in bytes.
const LINE_OVERHEAD: usize = 64;
/// Maximum size of several lines that are written together. A pipe accepts up to `PIPE_BUF` bytes
/// (4,096 on Linux) in one piece, so another writer of the pipe cannot write into the middle of a
/// line. A longer line is written alone.
const MAX_BATCH_BYTES: usize = 4_096;
/// How long the thread pauses after a write if the queue is empty. Lines that arrive during the
/// pause are written together, and the thread is not woken for each of them.
const GATHER: Duration = Duration::from_micros(250);
/// Maximum time that a flush waits. Without a limit, a flush to a pipe that no process reads would
/// never end.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(500);
const FLUSH_POLL: Duration = Duration::from_millis(1);

static LOG: OnceLock<Output> = OnceLock::new();
static EVIDENCE: OnceLock<Output> = OnceLock::new();
/// Lines with metrics. They go to stdout like the copies of records in `EVIDENCE`, but have a queue
/// of their own: a dropped line with metrics counts as a dropped log line, not as a dropped copy.
static METRICS: OnceLock<Output> = OnceLock::new();

/// The queue of one kind of line, its size in bytes, and the number of dropped lines.
struct Output {
    lines: Sender<Vec<u8>>,
    queued: Arc<AtomicUsize>,
    dropped: Arc<AtomicU64>,
}

impl Output {
    /// Starts the thread that writes to `stream`. If that fails, every line is dropped and counted.
    fn start(name: &str, mut stream: impl Write + Send + 'static) -> Self {
        let (sender, lines) = channel::<Vec<u8>>();
        let queued = Arc::new(AtomicUsize::new(0));
        let dropped = Arc::new(AtomicU64::new(0));
        let (waiting, lost) = (Arc::clone(&queued), Arc::clone(&dropped));
        let write = move || {
            let mut next = None;
            while let Some(mut batch) = next.take().or_else(|| lines.recv().ok()) {
                let (mut number, mut cost_of_all) = (1, cost(&batch));
                while next.is_none()
                    && let Ok(line) = lines.try_recv()
                {
                    if batch.len() + line.len() > MAX_BATCH_BYTES {
                        next = Some(line);
                    } else {
                        number += 1;
                        cost_of_all += cost(&line);
                        batch.extend(line);
                    }
                }
                // If the pipe is closed, count the lines as dropped, and let the service continue.
                if stream
                    .write_all(&batch)
                    .and_then(|()| stream.flush())
                    .is_err()
                {
                    lost.fetch_add(number, Ordering::Relaxed);
                }
                waiting.fetch_sub(cost_of_all, Ordering::Release);
                if next.is_none() {
                    std::thread::sleep(GATHER);
                }
            }
        };
        drop(
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(write),
        );
        Self {
            lines: sender,
            queued,
            dropped,
        }
    }

    fn push(&self, line: Vec<u8>) {
        let cost = cost(&line);
        let before = self.queued.fetch_add(cost, Ordering::Relaxed);
        let fits = before.saturating_add(cost) <= MAX_QUEUED_BYTES;
        if !fits || self.lines.send(line).is_err() {
            self.queued.fetch_sub(cost, Ordering::Relaxed);
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn is_written(&self) -> bool {
        self.queued.load(Ordering::Acquire) == 0
    }
}

fn cost(line: &[u8]) -> usize {
    line.len().saturating_add(LINE_OVERHEAD)
}

/// Writes a copy of a journal record to stdout, for the host's log. The line starts with a time and
/// a level, because a log service that filters by level would drop a line without a level.
pub fn copy_evidence(now: Timestamp, record: &str) {
    let line = format!("{{\"timestamp\":\"{now}\",\"level\":\"INFO\",\"record\":{record}}}\n");
    let output = EVIDENCE.get_or_init(|| Output::start("evidence", io::stdout()));
    output.push(line.into_bytes());
}

/// Writes lines with metrics to stdout, for the host's log.
pub fn write_metrics(lines: Vec<String>) {
    for line in lines {
        let output = METRICS.get_or_init(|| Output::start("metrics", io::stdout()));
        output.push((line + "\n").into_bytes());
    }
}

/// Waits until every line is written, but at most half a second. Call this before the host freezes
/// the process.
pub async fn flush() {
    let began = Instant::now();
    while !is_written() && began.elapsed() < FLUSH_TIMEOUT {
        tokio::time::sleep(FLUSH_POLL).await;
    }
}

/// Blocks until every line is written, but at most half a second. Call this at the end of the
/// process.
pub fn flush_at_exit() {
    let began = Instant::now();
    while !is_written() && began.elapsed() < FLUSH_TIMEOUT {
        std::thread::sleep(FLUSH_POLL);
    }
}

fn is_written() -> bool {
    let all = [&LOG, &EVIDENCE, &METRICS];
    all.into_iter()
        .filter_map(OnceLock::get)
        .all(Output::is_written)
}

/// Returns how many lines were dropped or could not be written: first the number of log lines and
/// lines with metrics, then the number of copies of evidence.
pub(super) fn dropped() -> (u64, u64) {
    let of = |output: &OnceLock<Output>| {
        let output = output.get();
        output.map_or(0, |output| output.dropped.load(Ordering::Relaxed))
    };
    (of(&LOG) + of(&METRICS), of(&EVIDENCE))
}

/// Writes one log event as one line. The subscriber writes each event with one call of `write`.
pub(super) struct LogLine {
    /// Whether the subscriber puts colour codes into the event.
    pub(super) ansi: bool,
}

impl Write for LogLine {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let line = one_line(&String::from_utf8_lossy(event), self.ansi);
        LOG.get_or_init(|| Output::start("log", io::stderr()))
            .push(line.into_bytes());
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns an event as one line. Characters that would start another line, or that hide or reorder
/// text, are escaped as in JSON. If `ansi` is true, colour codes are kept: the subscriber has
/// already escaped those in the values of fields.
fn one_line(event: &str, ansi: bool) -> String {
    let mut line = String::with_capacity(event.len() + 1);
    for c in event.trim_end_matches('\n').chars() {
        match c {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            '\u{1b}' if ansi => line.push(c),
            c if is_invisible(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    line.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => line.push(c),
        }
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    /// A stream whose writes block until the other end of the channel is dropped.
    struct Stuck(Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stream_that_is_not_read_costs_lines_and_no_time() {
        let (reader, unread) = channel();
        let output = Output::start("test", Stuck(unread));
        let line = vec![b'x'; 1_024];
        let began = Instant::now();
        for _ in 0..10_000 {
            output.push(line.clone());
        }
        assert!(began.elapsed() < Duration::from_secs(5));
        let fit = (MAX_QUEUED_BYTES / cost(&line)) as u64;
        assert_eq!(output.dropped.load(Ordering::Relaxed), 10_000 - fit);
        assert!(!output.is_written());
        drop(reader);
        let written = is_written_soon(&output);
        assert!(written, "what fitted is written once it is read");
    }

    fn is_written_soon(output: &Output) -> bool {
        (0..5_000).any(|_| {
            std::thread::sleep(FLUSH_POLL);
            output.is_written()
        })
    }

    /// A stream that stores the bytes of each write.
    #[derive(Clone, Default)]
    struct Pieces(Arc<parking_lot::Mutex<Vec<Vec<u8>>>>);

    impl Write for Pieces {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().push(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_come_together_are_written_together_in_their_order() {
        let pieces = Pieces::default();
        let output = Output::start("test", pieces.clone());
        let line = |number: usize| format!("{number:04} {}\n", "x".repeat(1_000)).into_bytes();
        let lines: Vec<Vec<u8>> = (0..2_000).map(line).collect();
        for line in &lines {
            output.push(line.clone());
        }
        assert!(is_written_soon(&output));
        let pieces = pieces.0.lock();
        assert_eq!(pieces.concat(), lines.concat());
        assert!(pieces.len() < lines.len(), "each line is written alone");
        let whole = |piece: &Vec<u8>| piece.ends_with(b"\n");
        assert!(pieces.iter().all(whole), "a line is split");
        assert!(pieces.iter().all(|piece| piece.len() <= MAX_BATCH_BYTES));
    }

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_line_that_cannot_be_written_is_counted() {
        let output = Output::start("test", Closed);
        for _ in 0..100 {
            output.push(b"a line\n".to_vec());
        }
        assert!(is_written_soon(&output));
        assert_eq!(output.dropped.load(Ordering::Relaxed), 100);
    }

    // The test uses lines that are longer than the queue, because those are dropped at once.
    #[test]
    fn a_dropped_line_of_metrics_is_no_lost_copy_of_a_record() {
        let long = "x".repeat(MAX_QUEUED_BYTES);
        let (lines, copies) = dropped();
        write_metrics(vec![long.clone()]);
        assert_eq!(dropped(), (lines + 1, copies));
        copy_evidence(Timestamp::UNIX_EPOCH, &long);
        assert_eq!(dropped(), (lines + 1, copies + 1));
    }

    #[test]
    fn an_event_is_one_line_whatever_its_fields_contain() {
        for (event, line) in [
            ("plain\n", "plain\n"),
            ("a\nERROR forged\r\n", "a\\nERROR forged\\r\n"),
            ("\u{1b}[2Jtab\t\u{0}", "\\u001b[2Jtab\\t\\u0000\n"),
            ("gpj.\u{202e}exe\u{2028}", "gpj.\\u202eexe\\u2028\n"),
            ("café 共享", "café 共享\n"),
            ("tag\u{e0001}", "tag\\udb40\\udc01\n"),
        ] {
            assert_eq!(one_line(event, false), line);
        }
        assert_eq!(one_line("\u{1b}[31mred\n", true), "\u{1b}[31mred\n");
    }
}

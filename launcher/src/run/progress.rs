//! Progress on the terminal: a bar where there is one, a line now and then in a log.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

/// Set by `rankzero launch` to what its own output is, since a rank behind mpirun cannot know: `bar` or `plain`.
pub const PROGRESS_VARIABLE: &str = "RANKZERO_PROGRESS";

/// Prints a line to stderr, whether or not somebody reads it: a run does not end because its log was closed.
pub fn say(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Between two lines of a log.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Whether a progress bar makes sense here.
pub fn wants_bar() -> bool {
    match std::env::var(PROGRESS_VARIABLE).as_deref() {
        Ok("bar") => true,
        Ok(_) => false,
        Err(_) => std::io::stderr().is_terminal(),
    }
}

/// Shows how far the run is.
pub enum Progress {
    /// Nothing.
    Quiet,
    /// A bar.
    Bar(ProgressBar),
    /// A line every few seconds.
    Lines {
        /// Steps of the run.
        steps: u64,
        /// Start of the run.
        start: Instant,
        /// When the last line was printed.
        last: Instant,
    },
}

impl Progress {
    /// For a run of `steps` steps on `ranks` ranks.
    pub fn new(quiet: bool, steps: u64, ranks: u32) -> Self {
        if quiet {
            return Progress::Quiet;
        }
        if wants_bar() {
            // Behind mpirun stderr is a pipe to a terminal, which only the launch could see.
            let target = if std::io::stderr().is_terminal() {
                ProgressDrawTarget::stderr()
            } else {
                ProgressDrawTarget::term_like(Box::new(FarTerminal))
            };
            let bar = ProgressBar::with_draw_target(Some(steps), target);
            let template = "{bar:40.cyan/blue} step {pos}/{len}  {per_sec}  {eta} left  {msg}";
            bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_message(format!("{ranks} ranks"));
            return Progress::Bar(bar);
        }
        let now = Instant::now();
        Progress::Lines { steps, start: now, last: now }
    }

    /// After step `done`, with so many bodies asleep.
    pub fn step(&mut self, done: u64, asleep: usize) {
        match self {
            Progress::Quiet => {}
            Progress::Bar(bar) => {
                if asleep > 0 {
                    bar.set_message(format!("{asleep} asleep"));
                }
                bar.set_position(done);
            }
            Progress::Lines { steps, start, last } => {
                if last.elapsed() >= LINE_EVERY {
                    *last = Instant::now();
                    let rate = done as f64 / start.elapsed().as_secs_f64();
                    let left = (*steps - done) as f64 / rate;
                    say(format_args!(
                        "step {done}/{steps}, {rate:.1} steps/s, {left:.0} s left, {asleep} bodies asleep"
                    ));
                }
            }
        }
    }

    /// Ends the display.
    pub fn finish(&self) {
        if let Progress::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// A terminal at the other end of a pipe: it is written to, and cannot be asked.
#[derive(Debug)]
struct FarTerminal;

/// What every terminal has.
const COLUMNS: u16 = 80;

impl FarTerminal {
    fn send(&self, text: &str) -> std::io::Result<()> {
        std::io::stderr().write_all(text.as_bytes())
    }

    fn control(&self, count: usize, letter: char) -> std::io::Result<()> {
        if count == 0 { Ok(()) } else { self.send(&format!("\x1b[{count}{letter}")) }
    }
}

impl TermLike for FarTerminal {
    fn width(&self) -> u16 {
        COLUMNS
    }
    fn move_cursor_up(&self, n: usize) -> std::io::Result<()> {
        self.control(n, 'A')
    }
    fn move_cursor_down(&self, n: usize) -> std::io::Result<()> {
        self.control(n, 'B')
    }
    fn move_cursor_right(&self, n: usize) -> std::io::Result<()> {
        self.control(n, 'C')
    }
    fn move_cursor_left(&self, n: usize) -> std::io::Result<()> {
        self.control(n, 'D')
    }
    fn write_line(&self, s: &str) -> std::io::Result<()> {
        self.send(&format!("{s}\n"))
    }
    fn write_str(&self, s: &str) -> std::io::Result<()> {
        self.send(s)
    }
    fn clear_line(&self) -> std::io::Result<()> {
        self.send("\r\x1b[2K")
    }
    fn flush(&self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

//! Progress on the terminal: a bar where there is one, a line now and then in a log.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

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
            let bar = ProgressBar::new(steps);
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

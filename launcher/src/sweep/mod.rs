//! `rankzero sweep JOB --nodes 1,2,4,8`: runs a job on several sizes, several times each, and says how it scales.
//!
//! What is run in which order, what it comes to and how that is shown is `rankzero-sweep`'s business; here it is done: [`prepare`] makes a job
//! file for each size, [`way`] says by what a point is started, [`process`] runs it, [`submit`] has Slurm do all of it later.
//!
//! A point is one run of `rankzero launch`: a process of its own, that is measured by what its `summary.json` says.

mod error;
mod machine;
mod prepare;
mod process;
mod submit;
mod way;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rankzero_job::Overrides;
use rankzero_soft::simd::Isa;
use rankzero_sweep::{
    Analysis, Digests, Manifest, Measure, Outcome, Plan, Point, Record, Results, Scaling, SweepError, report, text,
};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub use error::SweepFailure;
pub use process::SWEEP_VARIABLE;
pub use way::{Through, Way};

use crate::launch::shell;
use prepare::Prepared;
use process::{Ended, Interrupts};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// The job file.
    pub job: PathBuf,
    /// `--set` arguments.
    pub set: Vec<String>,
    /// Sizes.
    pub nodes: Vec<u32>,
    /// What stays the same.
    pub scaling: Scaling,
    /// Runs of each size.
    pub repeats: u32,
    /// Ranks of a node; as many as there is room for where absent.
    pub ranks_per_node: Option<u32>,
    /// Worker threads of each rank; its share of the cores where absent.
    pub threads: Option<usize>,
    /// Instructions; the widest where absent.
    pub isa: Option<Isa>,
    /// Seed of the order.
    pub seed: u64,
    /// Where the files go.
    pub dir: Option<PathBuf>,
    /// What runs the points.
    pub way: Way,
    /// The longest that a run may take.
    pub limit: Duration,
    /// Run this point only.
    pub point: Option<Point>,
    /// Keep frames and checkpoints of the runs.
    pub keep: bool,
    /// Print the results as JSON.
    pub json: bool,
    /// Print what would be done.
    pub dry_run: bool,
}

/// How a sweep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All that was asked for is done.
    Done,
    /// Some runs failed, or their results differ.
    Bad,
    /// A signal ended it; what is done is kept.
    Interrupted,
}

impl Ending {
    /// The exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Ending::Done => 0,
            Ending::Bad => 1,
            Ending::Interrupted => 5,
        }
    }
}

/// Runs a sweep.
///
/// # Errors
/// [`SweepFailure`] where it cannot begin, or its results cannot be kept.
pub fn sweep(options: &Options) -> Result<Ending, SweepFailure> {
    let loaded = rankzero_job::load(&options.job, &Overrides::from_process(options.set.clone()))?;
    let plan = Plan {
        name: loaded.job.name.clone(),
        scaling: options.scaling,
        unit: options.way.unit(),
        nodes: options.nodes.clone(),
        ranks_per_node: options.way.ranks_per_node(options.ranks_per_node, &loaded.job)?,
        repeats: options.repeats,
        seed: options.seed,
    };
    let plan = plan.checked()?;
    options.way.check(&plan, options.point)?;
    let prepared = Prepared::new(options, &loaded, plan)?;
    if options.dry_run {
        print!("{}", described(options, &prepared)?);
        return Ok(Ending::Done);
    }
    let mut results = Results::own(&prepared.dir)?;
    // Who runs one point of a sweep is one of many: what the sweep is stays as it was written.
    if options.point.is_none() {
        prepared.write()?;
    }
    match &options.way {
        // It lets go of the results first: the first job may begin before the last one is submitted.
        Way::Jobs => submit::submit(options, &prepared, results),
        Way::Here(_) | Way::Steps(_) => {
            let ended = Sweep { options, prepared: &prepared, results: &mut results }.run()?;
            // The last of the jobs makes the report of a sweep that is made of jobs.
            let ending = if options.point.is_none() { show(&prepared.dir, options.json)? } else { Ending::Done };
            Ok(ended.unwrap_or(ending))
        }
    }
}

/// Makes the report of a sweep again, and prints its results.
///
/// # Errors
/// [`SweepFailure::Sweep`] where the directory holds no sweep, or the disk refuses.
pub fn show(dir: &Path, json: bool) -> Result<Ending, SweepFailure> {
    let manifest = Manifest::read(dir)?;
    let results = Results::read(dir)?;
    let analysis = Analysis::of(&manifest, results.records());
    let path = report::write(dir, &analysis, results.records())?;
    let words = if json { text::json_lines(&analysis) } else { text::table(&analysis) };
    // Who has closed the pipe does not want it; the exit code still tells the outcome.
    let _ = std::io::stdout().write_all(words.as_bytes());
    let strangers = manifest.strangers(results.records());
    if strangers > 0 {
        eprintln!(
            "note: {strangers} runs of another job, build or size are kept in {}, and not counted",
            dir.display()
        );
    }
    eprintln!("report: {}", path.display());
    let differ = matches!(analysis.digests, Digests::Differ { .. });
    if differ {
        eprintln!(
            "error: the runs do not agree on the result: this is a bug in rankzero, or a broken machine; please report it with {}",
            dir.display()
        );
    }
    Ok(if differ || !analysis.failures.is_empty() { Ending::Bad } else { Ending::Done })
}

/// The plan and its commands, as `--dry-run` prints them.
fn described(options: &Options, prepared: &Prepared) -> Result<String, SweepFailure> {
    let plan = &prepared.manifest.plan;
    let mut text = format!(
        "# {}: {} scaling, {} runs, into {}\n",
        plan.name,
        plan.scaling.name(),
        plan.points().len(),
        prepared.dir.display()
    );
    if options.way == Way::Jobs {
        return Ok(text + &submit::scripts(options, prepared, &Results::read(&prepared.dir)?)?);
    }
    for point in plan.points() {
        text += &format!("{}\n", shell(&point_command(options, prepared, point)?));
    }
    Ok(text)
}

fn point_command(options: &Options, prepared: &Prepared, point: Point) -> Result<Vec<String>, SweepFailure> {
    let run_dir = prepared.run_dir(point);
    way::command(options, &prepared.manifest.plan, point, &prepared.job_file(point.nodes), &run_dir)
}

/// A sweep that is being run.
struct Sweep<'s> {
    options: &'s Options,
    prepared: &'s Prepared,
    results: &'s mut Results,
}

impl Sweep<'_> {
    /// Runs what is still to be done; an ending if that was a signal.
    fn run(&mut self) -> Result<Option<Ending>, SweepFailure> {
        let manifest = &self.prepared.manifest;
        let all = manifest.plan.points();
        let mut to_do = manifest.to_do(self.results.records());
        if let Some(point) = self.options.point {
            if !all.contains(&point) {
                return Err(SweepFailure::NoSuchPoint(point));
            }
            to_do.retain(|&one| one == point);
        } else if to_do.len() < all.len() {
            eprintln!("{} of {} runs are done already", all.len() - to_do.len(), all.len());
        }
        let mut interrupts =
            Interrupts::listen().map_err(SweepError::io("listen to signals for", &self.prepared.dir))?;
        for (at, &point) in to_do.iter().enumerate() {
            let place = format!("[{}/{}] {point}", at + 1, to_do.len());
            if interrupts.came() || self.one(point, &place, &mut interrupts)? == Ended::Interrupted {
                eprintln!("interrupted: {at} runs are kept; the same command goes on from there");
                return Ok(Some(Ending::Interrupted));
            }
        }
        Ok(None)
    }

    /// Runs a point and keeps what it came to, unless a signal ended it.
    fn one(&mut self, point: Point, place: &str, interrupts: &mut Interrupts) -> Result<Ended, SweepFailure> {
        let prepared = self.prepared;
        let run_dir = prepared.run_dir(point);
        let log = prepared.dir.join("runs").join(format!("{point}.log"));
        let words = point_command(self.options, prepared, point)?;
        // What an earlier run has left says nothing of this one.
        remove(&run_dir.join("summary.json"))?;
        let began = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
        let start = Instant::now();
        let ended = process::run(&words, &log, self.options.limit, interrupts)?;
        if ended == Ended::Interrupted {
            return Ok(ended);
        }
        let outcome = match measured(ended, &run_dir, &log, self.options.limit) {
            Ok(measure) => {
                eprintln!("{place}: {:.2} s, {:.2} CPU s", measure.wall_s, measure.cpu_steps_s);
                Outcome::Done { measure }
            }
            Err(why) => {
                eprintln!("{place}: FAILED: {why}");
                Outcome::Failed { why }
            }
        };
        if !self.options.keep {
            remove(&run_dir.join("frames"))?;
            remove(&run_dir.join("checkpoints"))?;
        }
        self.results.add(Record {
            point,
            key: prepared.manifest.keys[&point.nodes].clone(),
            began,
            took_s: start.elapsed().as_secs_f64(),
            command: shell(&words),
            outcome,
            machine: prepared.manifest.machine.clone(),
        })?;
        Ok(ended)
    }
}

/// What a run came to, or why it came to nothing.
fn measured(ended: Ended, run_dir: &Path, log: &Path, limit: Duration) -> Result<Measure, String> {
    let said = || format!("its last words, in {}: {}", log.display(), process::last_words(log));
    let code = match ended {
        Ended::Late => return Err(format!("it took longer than --limit-s {}; {}", limit.as_secs(), said())),
        Ended::Interrupted => return Err("a signal ended it".to_owned()),
        Ended::By(code) => code,
    };
    // Launchers that tolerate the death of ranks return what they like: the run says by itself how it ended.
    match std::fs::read_to_string(run_dir.join("summary.json")) {
        Ok(text) => Measure::of_summary(&text).map_err(|why| format!("{why}; {}", said())),
        Err(_) => Err(format!("it ended with exit code {code} and no summary; {}", said())),
    }
}

/// Removes a file or folder, if it is there.
fn remove(path: &Path) -> Result<(), SweepError> {
    let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(SweepError::io("remove", path)(error)),
        _ => Ok(()),
    }
}

//! A sweep as jobs of Slurm: one for each point, each after the one before has ended, however it ended, and one that makes the report.
//!
//! They run one after the other so that they do not disturb each other's network and file system, and so that one of them at a time writes the
//! results. Each of them is this program again, inside its own allocation, for one point. What is asked of Slurm stands in the job's section
//! `slurm`, all but its size.

use std::fs;
use std::time::Instant;

use rankzero_job::{Job, SlurmOptions};
use rankzero_slurm::commands::Slurm;
use rankzero_slurm::script::{Script, Word};
use rankzero_sweep::{Point, Results, Scaling, SweepError};

use super::error::SweepFailure;
use super::prepare::Prepared;
use super::{Ending, Options};
use crate::launch::this_program;
use crate::submit::{PATIENCE, SubmitError, resources, surroundings, wishes};

/// A job of Slurm: what its files are named after, and its script.
struct Batch {
    name: String,
    text: String,
}

/// Gives all jobs to sbatch, and lets go of the results before it does.
///
/// # Errors
/// [`SweepFailure::Submit`] where Slurm refuses one, [`SweepFailure::Sweep`] where a script cannot be written.
pub fn submit(options: &Options, prepared: &Prepared, results: Results) -> Result<Ending, SweepFailure> {
    let slurm = Slurm::here();
    if !slurm.has("sbatch") {
        return Err(SubmitError::NoSlurm.into());
    }
    let folder = prepared.dir.join("slurm");
    fs::create_dir_all(&folder).map_err(SweepError::io("make the directory", &folder))?;
    let batches = all(options, prepared, &results)?;
    drop(results);
    let mut numbers: Vec<u64> = Vec::new();
    for batch in batches {
        let file = folder.join(format!("{}.sbatch", batch.name));
        fs::write(&file, &batch.text).map_err(SweepError::io("write", &file))?;
        let after = match numbers.last() {
            Some(before) => Some(format!("afterany:{before}")),
            None => prepared.job.slurm.dependency.clone(),
        };
        let dependency = after.map(|after| format!("--dependency={after}"));
        let flags: Vec<&str> = dependency.as_deref().into_iter().collect();
        let number = slurm.submit(&batch.text, &flags, Instant::now() + PATIENCE);
        let number = number.map_err(|source| SweepFailure::Submit { source, submitted: numbers.clone() })?;
        numbers.push(number);
    }
    let report = prepared.dir.join("report.html");
    println!(
        "{} jobs are in the queue; {}, the last one, makes {}",
        numbers.len(),
        numbers.last().unwrap_or(&0),
        report.display()
    );
    Ok(Ending::Done)
}

/// The scripts one after the other, for people.
///
/// # Errors
/// As [`submit`], of those that come before Slurm is asked.
pub fn scripts(options: &Options, prepared: &Prepared, results: &Results) -> Result<String, SweepFailure> {
    let shown = |batch: &Batch| format!("\n# {}.sbatch\n{}", batch.name, batch.text);
    Ok(all(options, prepared, results)?.iter().map(shown).collect())
}

fn all(options: &Options, prepared: &Prepared, results: &Results) -> Result<Vec<Batch>, SweepFailure> {
    let program = this_program()?;
    let mut batches = Vec::new();
    for point in prepared.manifest.to_do(results.records()) {
        let words = point_words(options, prepared, &program, point);
        batches.push(batch(prepared, &point.to_string(), point.nodes, &words)?);
    }
    let report = vec![program, "sweep".to_owned(), "--report".to_owned(), prepared.dir.display().to_string()];
    batches.push(batch(prepared, "report", 1, &report)?);
    Ok(batches)
}

/// The same sweep for one point, from the job as it was written out.
fn point_words(options: &Options, prepared: &Prepared, program: &str, point: Point) -> Vec<String> {
    let plan = &prepared.manifest.plan;
    let mut words = vec![program.to_owned(), "sweep".to_owned(), prepared.base_file().display().to_string()];
    let nodes: Vec<String> = plan.nodes.iter().map(u32::to_string).collect();
    let mut flag = |name: &str, value: String| words.extend([name.to_owned(), value]);
    flag("--dir", prepared.dir.display().to_string());
    flag("--nodes", nodes.join(","));
    flag("--repeat", plan.repeats.to_string());
    flag("--seed", plan.seed.to_string());
    flag("--limit-s", options.limit.as_secs().to_string());
    flag("--through", "steps".to_owned());
    flag("--point", point.to_string());
    if let Some(threads) = options.threads {
        flag("--threads", threads.to_string());
    }
    if let Some(isa) = options.isa {
        flag("--isa", isa.name().to_owned());
    }
    words.push(if plan.scaling == Scaling::Weak { "--weak" } else { "--strong" }.to_owned());
    words.extend(options.keep.then(|| "--keep".to_owned()));
    words
}

/// A script that runs one command in an allocation of so many nodes.
fn batch(prepared: &Prepared, name: &str, nodes: u32, words: &[String]) -> Result<Batch, SweepFailure> {
    let plan = &prepared.manifest.plan;
    let slurm = SlurmOptions {
        nodes,
        spare_nodes: 0,
        tasks_per_node: plan.ranks_per_node,
        // Between the jobs of a sweep it is the sweep that says what comes first; it is no array; a run that is cut off is no measurement.
        dependency: None,
        array: None,
        ..prepared.job.slurm.clone()
    };
    let job = Job { name: format!("{}-{}-{name}", plan.name, plan.scaling.name()), slurm, ..prepared.job.clone() };
    let mut script = Script::new();
    script.head_comment(&format!("A part of the sweep in {}: {name}", prepared.dir.display()));
    script.head_gap();
    let directory = prepared.dir.display().to_string();
    resources(&mut script, &job, &directory)?;
    wishes(&mut script, &job.slurm)?;
    script.directive("output", &format!("slurm/{name}-%j.log")).map_err(SubmitError::from)?;
    script.flag("no-kill");
    script.flag("no-requeue");
    surroundings(&mut script, &job.slurm)?;
    script.gap();
    let mut line = vec![Word::verbatim("exec")];
    for word in words {
        line.push(Word::quoted(word).map_err(SubmitError::from)?);
    }
    script.command(&[&line], "");
    Ok(Batch { name: name.to_owned(), text: script.text() })
}

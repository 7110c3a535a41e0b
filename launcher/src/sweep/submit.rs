//! A sweep as jobs of Slurm: one for each point, each after the one before has ended, however it ended, and one that makes the report.
//!
//! They run one after the other so that they do not disturb each other's network and file system, and so that one of them at a time writes the
//! results. Each of them is this program again, inside its own allocation, for one point.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rankzero_sweep::{Point, Scaling, SweepError};

use super::error::SweepFailure;
use super::prepare::Prepared;
use super::{Ending, Options, way};
use crate::launch::{capture, shell};

/// How long sbatch may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A job of Slurm: what its files are named after, and its script.
struct Script {
    name: String,
    text: String,
}

/// Gives all jobs to sbatch.
///
/// # Errors
/// [`SweepFailure::Submit`] where Slurm refuses one, [`SweepFailure::Sweep`] where a script cannot be written.
pub fn submit(options: &Options, prepared: &Prepared) -> Result<Ending, SweepFailure> {
    let folder = prepared.dir.join("slurm");
    fs::create_dir_all(&folder).map_err(SweepError::io("make the directory", &folder))?;
    let mut before = None;
    let mut count = 0;
    for script in all(options, prepared)? {
        let file = folder.join(format!("{}.sbatch", script.name));
        fs::write(&file, &script.text).map_err(SweepError::io("write", &file))?;
        let number = sbatch(&file, before.as_deref()).map_err(|why| SweepFailure::Submit(why, job_name(prepared)))?;
        before = Some(number);
        count += 1;
    }
    println!(
        "{count} jobs named {} are in the queue; the last one, {}, makes {}",
        job_name(prepared),
        before.unwrap_or_default(),
        prepared.dir.join("report.html").display()
    );
    Ok(Ending::Done)
}

/// The scripts one after the other, for people.
///
/// # Errors
/// [`SweepFailure::Launch`] where the path of this program is unknown.
pub fn scripts(options: &Options, prepared: &Prepared) -> Result<String, SweepFailure> {
    let shown = |script: &Script| format!("\n# {}.sbatch\n{}", script.name, script.text);
    Ok(all(options, prepared)?.iter().map(shown).collect())
}

fn all(options: &Options, prepared: &Prepared) -> Result<Vec<Script>, SweepFailure> {
    let program = way::program()?;
    let to_do = match rankzero_sweep::Results::read(&prepared.dir) {
        Ok(results) => prepared.manifest.to_do(results.records()),
        Err(_) => prepared.manifest.plan.points(),
    };
    let points = to_do.into_iter().map(|point| {
        let words = point_words(options, prepared, &program, point);
        Script { name: point.to_string(), text: script(options, prepared, &point.to_string(), point.nodes, &words) }
    });
    let report = ["sweep", "--report"].map(str::to_owned).to_vec();
    let words = [vec![program.clone()], report, vec![prepared.dir.display().to_string()]].concat();
    let last = Script { name: "report".to_owned(), text: script(options, prepared, "report", 1, &words) };
    Ok(points.chain([last]).collect())
}

/// The same sweep for one point, from the job as it was written out.
fn point_words(options: &Options, prepared: &Prepared, program: &str, point: Point) -> Vec<String> {
    let plan = &prepared.manifest.plan;
    let mut words = vec![program.to_owned(), "sweep".to_owned(), prepared.base_file().display().to_string()];
    let nodes: Vec<String> = plan.nodes.iter().map(u32::to_string).collect();
    let mut flag = |name: &str, value: String| words.extend([name.to_owned(), value]);
    flag("--dir", prepared.dir.display().to_string());
    flag("--nodes", nodes.join(","));
    flag("--ranks-per-node", plan.ranks_per_node.to_string());
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

fn job_name(prepared: &Prepared) -> String {
    let plan = &prepared.manifest.plan;
    format!("{}-{}", plan.name, plan.scaling.name())
}

/// A batch script that runs one command in an allocation of so many nodes.
fn script(options: &Options, prepared: &Prepared, what: &str, nodes: u32, words: &[String]) -> String {
    let plan = &prepared.manifest.plan;
    // Half a minute for each of ours, and the limit of the run.
    let minutes = options.limit.as_secs() / 60 + 2;
    format!(
        "#!/bin/sh\n#SBATCH --job-name={}\n#SBATCH --nodes={nodes}\n#SBATCH --ntasks-per-node={}\n#SBATCH --time={minutes}\n#SBATCH --no-kill\n\
         #SBATCH --output={}/slurm/{what}.log\n\nexec {}\n",
        job_name(prepared),
        plan.ranks_per_node,
        prepared.dir.display(),
        shell(words)
    )
}

/// Gives a script to sbatch, to be begun when the job before it has ended; the job's number.
fn sbatch(file: &Path, before: Option<&str>) -> Result<String, String> {
    let mut words = vec!["sbatch".to_owned(), "--parsable".to_owned()];
    words.extend(before.map(|number| format!("--dependency=afterany:{number}")));
    words.push(file.display().to_string());
    let said = capture(&words, PATIENCE).map_err(|error| error.to_string())?;
    let number = said.stdout.trim().split(';').next().unwrap_or_default().to_owned();
    match number.parse::<u64>() {
        Ok(_) if said.in_time => Ok(number),
        _ => Err(format!("sbatch did not take {}: {}", file.display(), said.stderr.trim())),
    }
}

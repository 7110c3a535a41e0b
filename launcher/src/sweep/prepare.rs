//! From a job file to what each size runs: a job file of its own, and the key that says what it may be compared with.
//!
//! The jobs are written out whole into the directory of the sweep, so that what a sweep measures cannot change under it, and can be looked
//! at and run by hand.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rankzero_job::{Job, Loaded, SlurmOptions};
use rankzero_sweep::{Key, Manifest, Plan, Point, Scaling, SweepError};

use super::Options;
use super::error::SweepFailure;
use super::machine::machine;

/// A sweep that is ready to be run.
#[derive(Debug)]
pub struct Prepared {
    /// Where its files are; absolute.
    pub dir: PathBuf,
    /// What it is.
    pub manifest: Manifest,
    /// The job as it was read.
    pub job: Job,
    /// The text of each size's job.
    texts: BTreeMap<u32, String>,
}

impl Prepared {
    /// Works out all sizes; writes nothing.
    ///
    /// # Errors
    /// [`SweepFailure::Job`] where the job cannot grow, [`SweepFailure::Sweep`] where the current directory is unknown.
    pub fn new(options: &Options, loaded: &Loaded, plan: Plan) -> Result<Prepared, SweepFailure> {
        let whole = |path: &Path| std::path::absolute(path).map_err(SweepError::io("find", path));
        let dir = options
            .dir
            .clone()
            .unwrap_or_else(|| Path::new("sweeps").join(format!("{}-{}", plan.name, plan.scaling.name())));
        let dir = whole(&dir)?;
        let job = loaded.job.with_files_from(&whole(loaded.directory())?);
        let meshes = meshes(&job);
        let machine = machine();
        let mut texts = BTreeMap::new();
        let mut keys = BTreeMap::new();
        for &nodes in &plan.nodes {
            let factor = if plan.scaling == Scaling::Weak { nodes } else { 1 };
            let grown = job.grown(factor, &loaded.file)?;
            let text = grown.resolved_yaml();
            let compared = comparable(grown).resolved_yaml();
            let parts = [
                "rankzero sweep 1",
                &compared,
                &meshes,
                &plan.ranks(nodes).to_string(),
                &plan.ranks_per_node.to_string(),
                &options.threads.map_or_else(|| "auto".to_owned(), |threads| threads.to_string()),
                options.isa.map_or("auto", |isa| isa.name()),
                &options.way.key(),
                &machine.build,
            ];
            keys.insert(nodes, Key::of(&parts));
            texts.insert(nodes, text);
        }
        Ok(Prepared { dir, manifest: Manifest { plan, keys, machine }, job, texts })
    }

    /// The run directory of a point.
    pub fn run_dir(&self, point: Point) -> PathBuf {
        self.dir.join("runs").join(point.to_string())
    }

    /// The job file of a size.
    pub fn job_file(&self, nodes: u32) -> PathBuf {
        self.dir.join("jobs").join(match self.manifest.plan.scaling {
            Scaling::Strong => "job.yaml".to_owned(),
            Scaling::Weak => format!("n{nodes}.yaml"),
        })
    }

    /// The job that the sweep was given, with its overrides: what jobs of Slurm that run single points are given.
    pub fn base_file(&self) -> PathBuf {
        self.dir.join("jobs/job.yaml")
    }

    /// Writes `sweep.json` and the job files.
    ///
    /// # Errors
    /// [`SweepFailure::Sweep`] where the disk refuses.
    pub fn write(&self) -> Result<(), SweepFailure> {
        for folder in ["jobs", "runs"].map(|name| self.dir.join(name)) {
            fs::create_dir_all(&folder).map_err(SweepError::io("make the directory", &folder))?;
        }
        let write = |file: &Path, text: &str| fs::write(file, text).map_err(SweepError::io("write", file));
        write(&self.base_file(), &self.job.resolved_yaml())?;
        for (&nodes, text) in &self.texts {
            write(&self.job_file(nodes), text)?;
        }
        Ok(self.manifest.write(&self.dir)?)
    }
}

/// The job without what neither its result nor its speed depends on, so that a run that needs more time does not make all others worthless.
fn comparable(job: Job) -> Job {
    let slurm = SlurmOptions {
        nodes: 1,
        spare_nodes: 0,
        time_limit: None,
        dependency: None,
        array: None,
        mail: None,
        account: None,
        qos: None,
        ..job.slurm
    };
    Job { slurm, ..job }
}

/// A hash of what the mesh files of a job hold. One that cannot be read is told by the run, which needs it.
fn meshes(job: &Job) -> String {
    let mut hasher = blake3::Hasher::new();
    for (_, file) in job.mesh_files() {
        if let Ok(mut file) = fs::File::open(file)
            && let Err(error) = std::io::copy(&mut file, &mut hasher)
        {
            tracing::debug!(%error, "a mesh file cannot be read to its end");
        }
    }
    hasher.finalize().to_hex().to_string()
}

//! `rankzero explain`: which rung serves each pair of ranks, by which device, and why not a better one.
//!
//! Every rank opens the fabric as a run would, with a segment that carries nothing, and says what it found (`station`); rank 0
//! puts that together (`report`), equal explanations once (`groups`), and prints it (`text`). What a run said of its paths is read
//! from its journal (`past`).

mod groups;
mod past;
mod report;
mod station;
mod text;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rankzero_comm::local;
use rankzero_comm::world::{self, Wish};
use rankzero_comm::{Bootstrap, CommError, Endpoint, Fabric, Rank, RunKey, Segment};
use rankzero_job::{Fabric as Choice, Network, Overrides};
use rankzero_slurm::launch::Launch;
use serde::{Deserialize, Serialize};

pub use past::{PastError, past};
pub use report::Report;

use crate::launch::report_outcome;
use crate::run::{RunError, paths, world_fabric};
use station::Station;

/// How long the ranks may take to come together; the paths' own tests are short.
const LIMIT: Duration = Duration::from_secs(60);
/// Words of the segment with which the fabric is opened.
const WORDS: usize = 16;

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A job whose `network` section decides.
    pub job: Option<PathBuf>,
    /// Overrides of the job.
    pub set: Vec<String>,
    /// Goes before the job's `network.fabric`.
    pub fabric: Option<Choice>,
    /// Asks for RDMA between nodes whatever the job says.
    pub require_rdma: bool,
}

/// What all ranks must know to open the same fabric.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Wanted {
    network: Network,
    threads: Option<usize>,
}

impl Options {
    /// Whether the job can be read, before ranks are started for it.
    ///
    /// # Errors
    /// [`RunError::Job`].
    pub fn check(&self) -> Result<(), RunError> {
        self.wanted().map(drop)
    }

    fn wanted(&self) -> Result<Wanted, RunError> {
        let mut wanted = Wanted::default();
        if let Some(job) = &self.job {
            let job = rankzero_job::load(job, &Overrides::from_process(self.set.clone()))?.job;
            wanted = Wanted { threads: job.threads_per_rank.fixed().map(|n| n as usize), network: job.network };
        }
        wanted.network.fabric = self.fabric.unwrap_or(wanted.network.fabric);
        wanted.network.require_rdma |= self.require_rdma;
        Ok(wanted)
    }
}

/// Explains a fabric that consists of this process alone.
///
/// # Errors
/// [`RunError`] for a job that cannot be read.
pub fn alone(options: &Options, launch: &Launch) -> Result<Report, RunError> {
    let wanted = options.wanted()?;
    let station = Station::here(launch, wanted.threads, &local::hub(1)?.remove(0).picks())?;
    Ok(Report::new(launch.launcher.name(), &wanted.network, vec![station], None))
}

/// This process's part, under a launcher; the report on rank 0.
///
/// # Errors
/// [`RunError`]; the caller must then leave by [`crate::run::leave_after_failure`]. That a pair has no path is no error, but part
/// of the report.
pub fn among_ranks(options: &Options, launch: &Launch) -> Result<Option<Report>, RunError> {
    let deadline = Instant::now() + LIMIT;
    let mut fabric = world_fabric(launch, None, &Wish::default(), LIMIT)?;
    let wanted = agree(options, &mut fabric, deadline)?;
    if wanted.network.fabric == Choice::Local {
        let (asked, why) = ("local".to_owned(), "that is for a single rank: use `auto`".to_owned());
        return Err(RunError::Fabric { asked, why });
    }
    let key = RunKey::agree(&mut fabric, deadline)?;
    world::equip(&mut fabric, &paths::wish(&wanted.network), &key, deadline)?;
    fabric.register(Segment::new(WORDS)?)?;
    let failure = match fabric.open(deadline) {
        Ok(()) => None,
        // All ranks know of it, and what carries their messages still stands.
        Err(error @ CommError::NoPath { .. }) => Some(error.to_string()),
        Err(error) => return Err(error.into()),
    };
    let mine = Station::here(launch, wanted.threads, &fabric.picks())?;
    let all = fabric.all_gather(&serde_json::to_vec(&mine).unwrap_or_default(), deadline)?;
    let code = i32::from(Report::code_of(failure.as_ref()));
    if let Err(error) = report_outcome(code) {
        tracing::warn!("cannot tell the launch how it ended: {error}");
    }
    let me = fabric.rank();
    if let Err(error) = world::shutdown(fabric, true, deadline) {
        tracing::warn!("the ranks did not part cleanly: {error}");
    }
    Ok((me == Rank(0)).then(|| {
        let stations = all.iter().filter_map(|bytes| serde_json::from_slice(bytes).ok()).collect();
        Report::new(launch.launcher.name(), &wanted.network, stations, failure)
    }))
}

/// What rank 0 wants, on all ranks.
fn agree(options: &Options, fabric: &mut impl Bootstrap, deadline: Instant) -> Result<Wanted, RunError> {
    let mut bytes = Vec::new();
    let mut refused = None;
    if fabric.rank() == Rank(0) {
        match options.wanted() {
            Ok(wanted) => bytes = serde_json::to_vec(&wanted).unwrap_or_default(),
            Err(error) => refused = Some(error),
        }
    }
    fabric.broadcast(Rank(0), &mut bytes, deadline)?;
    match refused {
        Some(error) => Err(error),
        None => serde_json::from_slice(&bytes).map_err(|_| RunError::MasterRefused),
    }
}

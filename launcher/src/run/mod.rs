//! `rankzero run`: one rank of a run, from start to summary.
//!
//! Rank 0 reads the job and cooks its meshes; all ranks get the same bytes, build the same scene and check that they did
//! (`start`). Then they step together (`drive`); the master, rank 0 at first, keeps the journal and tells the others, one header a
//! step, when an epoch (`epochs`) or the end is due. When a rank is lost, the others go on (`recover`). At the end everybody's
//! figures are gathered into `summary.json` (`finish`).

mod checkpoints;
mod control;
mod crossing;
mod device;
mod direct;
mod door;
mod doorway;
mod drive;
mod epochs;
mod error;
mod faults;
mod fence;
mod figures;
mod finish;
mod frames;
mod hang;
mod introduce;
mod join;
mod journal;
mod meeting;
mod orphan;
mod over;
pub(crate) mod paths;
mod progress;
mod rates;
mod recover;
mod recovered;
mod restore;
mod start;
mod summary;
mod watch;
mod witness;
mod words;

pub(crate) use crossing::Crossing;
pub use device::Device;
pub use error::RunError;
pub use join::join;
pub(crate) use journal::NAME as JOURNAL;
pub(crate) use meeting::{PREFIX as MEETING, forget_stale};
pub(crate) use progress::say;
pub use progress::{PROGRESS_VARIABLE, wants_bar};
pub(crate) use start::host;
pub use start::{Options, RankInfo, new_run_dir, resolve};

use std::time::{Duration, Instant};

use rankzero_comm::mpi::Patience;
use rankzero_comm::rendezvous::Rendezvous;
use rankzero_comm::world::{self, Options as FabricOptions, Wish, WorldFabric};
use rankzero_comm::{Rank, local};
use rankzero_job::Overrides;
use rankzero_slurm::launch::Launch;
use serde::{Deserialize, Serialize};

use self::paths::wish;
use crate::binding;
use crate::launch::{end_with_launch, report_outcome};

/// How long the ranks wait for one another at the end, where one of them writes the last files.
const END_TIMEOUT: Duration = Duration::from_secs(60);
/// Says how long ranks without MPI wait for each other, in seconds.
pub(crate) const MEETING_TIME_VARIABLE: &str = "RANKZERO_RENDEZVOUS_TIMEOUT_S";
/// How long they do where it says nothing.
const MEETING_TIME: Duration = Duration::from_secs(120);

/// How a run ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// All steps are done.
    Finished,
    /// A signal asked for the end before the last step.
    Stopped,
    /// This rank was asked to leave; the others go on.
    Left,
}

impl Ending {
    /// How the run itself has ended by a word of the journal or of the summary.
    pub(crate) fn of(word: &str) -> Option<Ending> {
        [Ending::Finished, Ending::Stopped].into_iter().find(|ending| ending.word() == Some(word))
    }

    /// The word for it in the journal and in the summary, where the run itself has ended.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Ending::Finished => Some("finished"),
            Ending::Stopped => Some("stopped"),
            Ending::Left => None,
        }
    }

    /// The exit code that tells it.
    pub fn exit_code(self) -> u8 {
        match self {
            Ending::Finished | Ending::Left => 0,
            Ending::Stopped => 5,
        }
    }
}

/// Runs this process's part of the run.
///
/// # Errors
/// [`RunError`]: the environment, the job, a peer, the disk. Where the fabric is MPI the caller must then leave by
/// [`leave_after_failure`].
pub fn run(options: &Options) -> Result<Ending, RunError> {
    let launch = meeting::detect(options)?;
    direct::look_at_srun(&launch, options.quiet);
    if !launch.launcher.offers_peers() || launch.size == 1 {
        let fabric = local::hub(1)?.remove(0);
        return Ok(drive::drive(options, &launch, fabric, |_, _, _| Ok(()))?.ending);
    }
    let fabric = world_fabric(&launch, options.threads, &first_wish(options), start::START_TIMEOUT)?;
    let drive::Ended { ending, fabric, complete, leads } = drive::drive(options, &launch, fabric, paths::equip)?;
    if ending != Ending::Left
        && let Err(error) = report_outcome(i32::from(ending.exit_code()))
    {
        tracing::warn!("cannot tell the launch how the run ended: {error}");
    }
    if let Some(lead) = leads {
        orphan::end_job_without_script(&lead);
    }
    if !complete {
        leave_after_failure(i32::from(ending.exit_code()));
    }
    let end = Instant::now() + END_TIMEOUT;
    if let Err(error) = world::shutdown(fabric, true, end) {
        tracing::warn!("the ranks did not part cleanly: {error}");
    }
    Ok(ending)
}

/// Asks a rank of the run in `run_dir` to leave; the others take over what it has.
///
/// # Errors
/// [`RunError::NoDoor`].
pub fn drain(run_dir: &std::path::Path, rank: u32) -> Result<(), RunError> {
    door::Door::of(run_dir).ask_to_leave(rankzero_comm::Rank(rank))
}

/// What the job asks of the first connections of ranks without MPI: the ports, and whether they are encrypted. Every rank looks by itself, as it
/// cannot ask before it is connected; one that cannot read the job takes any port in the clear, and rank 0 says what is wrong with it, unless
/// it asks for encryption and refuses that rank.
fn first_wish(options: &Options) -> Wish {
    let job = rankzero_job::load(&options.job, &Overrides::from_process(options.set.clone()));
    job.map_or_else(|_| Wish::default(), |loaded| wish(&loaded.job.network))
}

/// Connects the ranks that the launcher has started, by MPI or without, then as `wish` says ([`world::start_bare`]); `threads` is what each rank
/// computes with.
///
/// # Errors
/// [`RunError`] where not all ranks come in time, or MPI knows of other ranks than the launcher.
pub(crate) fn world_fabric(
    launch: &Launch,
    threads: Option<usize>,
    wish: &Wish,
    limit: Duration,
) -> Result<WorldFabric, RunError> {
    let binding = binding::plan(launch.local_rank, launch.local_size, threads)?;
    let patience = if binding.oversubscribed { Patience::SHARED_CORE } else { Patience::OWN_CORE };
    let options = FabricOptions { patience, ..FabricOptions::default() };
    if let Some(dir) = &launch.rendezvous {
        end_with_launch();
        let deadline = Instant::now() + limit.min(meeting_time()?);
        let at = || Rendezvous::open(dir, Rank(launch.rank), launch.size, deadline);
        let fabric = world::start_bare(at, &options, wish, deadline)
            .inspect_err(|error| meeting::give_up(dir, launch.rank, error))?;
        if launch.rank == 0 {
            meeting::leave(dir);
        }
        return Ok(fabric);
    }
    let fabric = world::start(&options, Instant::now() + limit)?;
    if fabric.at_start() != launch.size {
        return Err(RunError::OtherWorld { told: launch.size, found: fabric.at_start() });
    }
    Ok(fabric)
}

/// How long ranks without MPI wait for each other: those of a machine come within a second, by hand it takes a while.
fn meeting_time() -> Result<Duration, RunError> {
    let Ok(text) = std::env::var(MEETING_TIME_VARIABLE) else { return Ok(MEETING_TIME) };
    let seconds = text.parse().ok().filter(|seconds| (1..=meeting::TIME_MAX.as_secs()).contains(seconds));
    seconds.map(Duration::from_secs).ok_or(RunError::MeetingTime { text })
}

/// Ends the process after a failure without a word to MPI, whose clean-up may hang or take the survivors down.
pub fn leave_after_failure(code: i32) -> ! {
    use std::io::Write;
    // Nothing can be done about a closed pipe here.
    let _ = std::io::stdout().flush();
    let _ = std::io::stderr().flush();
    rankzero_comm::mpi::exit_now(code)
}

//! Who started this process: mpirun, mpiexec, srun with or without PMI, nobody, or somebody who names a directory where the ranks meet.
//!
//! A directory to meet in counts before all: it is given on purpose.
//! The innermost launcher counts. An mpirun inside a Slurm allocation leaves both sets of variables, and Slurm's then
//! describe the daemon of mpirun, not this rank; so Open MPI's are asked first, then Hydra's, then Slurm's.

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use crate::allocation::Allocation;
use crate::allocation::task_list;
use crate::env::Env;
pub use crate::env::{EnvError, environment};

/// Names the directory where ranks meet that are started without MPI.
pub const RENDEZVOUS_VARIABLE: &str = "RANKZERO_RENDEZVOUS";
/// The rank of a process that is started without MPI.
pub const RANK_VARIABLE: &str = "RANKZERO_RANK";
/// Ranks of a run that is started without MPI.
pub const SIZE_VARIABLE: &str = "RANKZERO_SIZE";
/// The rank of the first task of a step, where each node has a step of its own: the task's number within the step is added to it.
pub const FIRST_RANK_VARIABLE: &str = "RANKZERO_FIRST_RANK";
/// The place among the ranks of the node, where MPI does not tell.
pub const LOCAL_RANK_VARIABLE: &str = "RANKZERO_LOCAL_RANK";
/// Ranks of the node, where MPI does not tell.
pub const LOCAL_SIZE_VARIABLE: &str = "RANKZERO_LOCAL_SIZE";

/// What started the ranks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Launcher {
    /// Nothing: this process is the whole run.
    None,
    /// Anybody, without MPI: the ranks meet in a directory.
    Bare,
    /// `mpirun` of Open MPI, with the major version where it tells.
    OpenMpi {
        /// 4, 5, …
        major: Option<u32>,
    },
    /// `mpiexec` of MPICH or a descendant of it.
    Hydra,
    /// `srun --mpi=pmix`.
    SlurmPmix,
    /// `srun --mpi=pmi2`.
    SlurmPmi2,
    /// `srun` of one task, without PMI.
    Slurm,
}

impl Launcher {
    /// Whether MPI can be started: the launcher tells the library who its peers are.
    pub fn offers_mpi(self) -> bool {
        match self {
            Launcher::None | Launcher::Bare | Launcher::Slurm => false,
            Launcher::OpenMpi { .. } | Launcher::Hydra | Launcher::SlurmPmix | Launcher::SlurmPmi2 => true,
        }
    }

    /// Whether it starts ranks that can find each other.
    pub fn offers_peers(self) -> bool {
        self == Launcher::Bare || self.offers_mpi()
    }

    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            Launcher::None => "none",
            Launcher::Bare => "no MPI launcher",
            Launcher::OpenMpi { major: Some(4) } => "Open MPI 4 mpirun",
            Launcher::OpenMpi { major: Some(5) } => "Open MPI 5 mpirun",
            Launcher::OpenMpi { .. } => "Open MPI mpirun",
            Launcher::Hydra => "MPICH mpiexec",
            Launcher::SlurmPmix => "srun --mpi=pmix",
            Launcher::SlurmPmi2 => "srun --mpi=pmi2",
            Launcher::Slurm => "srun without PMI",
        }
    }
}

/// What the environment says about this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// What started it.
    pub launcher: Launcher,
    /// Its rank.
    pub rank: u32,
    /// Ranks of the run.
    pub size: u32,
    /// Its place among the ranks of its node, from 0.
    pub local_rank: u32,
    /// Ranks of its node.
    pub local_size: u32,
    /// Where the ranks meet, if they are started without MPI.
    pub rendezvous: Option<PathBuf>,
    /// The Slurm allocation, if it is in one.
    pub allocation: Option<Allocation>,
}

impl Launch {
    /// Reads who this process is.
    ///
    /// # Errors
    /// [`EnvError`] naming the variable.
    pub fn detect(env: &BTreeMap<String, String>) -> Result<Launch, EnvError> {
        let env = Env(env);
        let allocation = Allocation::read(&env)?;
        let launch = if let Some(dir) = env.get(RENDEZVOUS_VARIABLE) {
            Launch { rendezvous: Some(PathBuf::from(dir)), ..bare(&env)? }
        } else if env.has("OMPI_COMM_WORLD_RANK") {
            open_mpi(&env)?
        } else if env.has("PMI_RANK") && (env.has("MPI_LOCALRANKID") || env.has("HYDI_CONTROL_FD")) {
            hydra(&env)?
        } else if allocation.as_ref().is_some_and(|allocation| allocation.step.is_some()) {
            slurm(&env)?
        } else {
            placed(Launcher::None, ("", 0), ("", 1), ("", 0), ("", 1))?
        };
        Ok(Launch { allocation, ..launch })
    }
}

/// By our own variables, or by those of srun where ours does not give the rank.
fn bare(env: &Env) -> Result<Launch, EnvError> {
    let first = |names: &[&'static str]| {
        let name = names.iter().find(|name| env.has(name)).or(names.first()).copied().unwrap_or_default();
        env.required::<u32>(name, RENDEZVOUS_VARIABLE).map(|number| (name, number))
    };
    let rank = match env.number::<u32>(FIRST_RANK_VARIABLE)? {
        Some(first) if !env.has(RANK_VARIABLE) => {
            let place: u32 = env.required("SLURM_PROCID", FIRST_RANK_VARIABLE)?;
            (FIRST_RANK_VARIABLE, first.saturating_add(place))
        }
        _ => first(&[RANK_VARIABLE, "SLURM_PROCID"])?,
    };
    let size = first(&[SIZE_VARIABLE, "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"])?;
    // Where ranks are numbered by hand, Slurm's variables are about something else.
    let by_hand = rank.0 == RANK_VARIABLE;
    let local_rank: (_, u32) = match env.number(LOCAL_RANK_VARIABLE)? {
        Some(place) => (LOCAL_RANK_VARIABLE, place),
        None if by_hand => (LOCAL_RANK_VARIABLE, 0),
        None => ("SLURM_LOCALID", env.required("SLURM_LOCALID", "SLURM_PROCID")?),
    };
    let known = match env.number(LOCAL_SIZE_VARIABLE)? {
        Some(count) => Some((LOCAL_SIZE_VARIABLE, count)),
        None if by_hand => None,
        None => tasks_here(env)?,
    };
    let local_size = known.unwrap_or((LOCAL_SIZE_VARIABLE, local_rank.1.saturating_add(1)));
    placed(Launcher::Bare, rank, size, local_rank, local_size)
}

fn open_mpi(env: &Env) -> Result<Launch, EnvError> {
    const RANK: &str = "OMPI_COMM_WORLD_RANK";
    let major = if env.has("PRTE_LAUNCHED") {
        Some(5)
    } else if env.has("OMPI_MCA_orte_hnp_uri") || env.has("OMPI_MCA_orte_local_daemon_uri") {
        Some(4)
    } else {
        None
    };
    let rank = env.required(RANK, RANK)?;
    if let Some(pmix) = env.number::<u32>("PMIX_RANK")?.filter(|&pmix| pmix != rank) {
        return Err(EnvError::Contradiction {
            left: RANK,
            right: "PMIX_RANK",
            why: format!("rank {rank} and rank {pmix}"),
        });
    }
    placed(
        Launcher::OpenMpi { major },
        (RANK, rank),
        ("OMPI_COMM_WORLD_SIZE", env.required("OMPI_COMM_WORLD_SIZE", RANK)?),
        ("OMPI_COMM_WORLD_LOCAL_RANK", env.required("OMPI_COMM_WORLD_LOCAL_RANK", RANK)?),
        ("OMPI_COMM_WORLD_LOCAL_SIZE", env.required("OMPI_COMM_WORLD_LOCAL_SIZE", RANK)?),
    )
}

fn hydra(env: &Env) -> Result<Launch, EnvError> {
    const RANK: &str = "PMI_RANK";
    placed(
        Launcher::Hydra,
        (RANK, env.required(RANK, RANK)?),
        ("PMI_SIZE", env.required("PMI_SIZE", RANK)?),
        ("MPI_LOCALRANKID", env.number("MPI_LOCALRANKID")?.unwrap_or(0)),
        ("MPI_LOCALNRANKS", env.number("MPI_LOCALNRANKS")?.unwrap_or(1)),
    )
}

fn slurm(env: &Env) -> Result<Launch, EnvError> {
    const RANK: &str = "SLURM_PROCID";
    let rank: u32 = env.required(RANK, "SLURM_STEP_ID")?;
    let (size_name, size): (_, u32) = match env.number("SLURM_STEP_NUM_TASKS")? {
        Some(size) => ("SLURM_STEP_NUM_TASKS", size),
        None => ("SLURM_NTASKS", env.required("SLURM_NTASKS", "SLURM_STEP_ID")?),
    };
    let launcher = if env.has("PMIX_RANK") {
        Launcher::SlurmPmix
    } else if env.has("PMI_FD") || env.has("PMI_RANK") {
        Launcher::SlurmPmi2
    } else if size > 1 {
        return Err(EnvError::NoPmi { size });
    } else {
        Launcher::Slurm
    };
    for other in ["PMIX_RANK", "PMI_RANK"] {
        if let Some(value) = env.number::<u32>(other)?.filter(|&value| value != rank) {
            let why = format!("rank {rank} and rank {value}");
            return Err(EnvError::Contradiction { left: RANK, right: other, why });
        }
    }
    let local_rank = env.required("SLURM_LOCALID", "SLURM_STEP_ID")?;
    let local_size = tasks_here(env)?.unwrap_or(("SLURM_TASKS_PER_NODE", size));
    placed(launcher, (RANK, rank), (size_name, size), ("SLURM_LOCALID", local_rank), local_size)
}

/// The tasks of this node, where Slurm tells, and the variable that does.
fn tasks_here(env: &Env) -> Result<Option<(&'static str, u32)>, EnvError> {
    let names = ["SLURM_STEP_TASKS_PER_NODE", "SLURM_TASKS_PER_NODE"];
    let Some((variable, list)) = names.into_iter().find_map(|name| Some((name, env.get(name)?))) else {
        return Ok(None);
    };
    let node = env.number("SLURM_NODEID")?.unwrap_or(0);
    let tasks = task_list(list).and_then(|tasks| tasks.get(node as usize).copied());
    let tasks = tasks.ok_or_else(|| EnvError::TaskList { variable, value: list.to_owned() })?;
    Ok(Some((variable, tasks)))
}

/// A launch whose numbers agree.
fn placed(
    launcher: Launcher,
    rank: (&'static str, u32),
    size: (&'static str, u32),
    local_rank: (&'static str, u32),
    local_size: (&'static str, u32),
) -> Result<Launch, EnvError> {
    let below = |(left, place): (&'static str, u32), (right, count): (&'static str, u32)| {
        if place < count {
            return Ok(());
        }
        Err(EnvError::Contradiction { left, right, why: format!("number {place} of {count}, counted from 0") })
    };
    below(rank, size)?;
    below(local_rank, local_size)?;
    if local_size.1 > size.1 {
        let why = format!("{} ranks on this node, {} in all", local_size.1, size.1);
        return Err(EnvError::Contradiction { left: local_size.0, right: size.0, why });
    }
    Ok(Launch {
        launcher,
        rank: rank.1,
        size: size.1,
        local_rank: local_rank.1,
        local_size: local_size.1,
        rendezvous: None,
        allocation: None,
    })
}

//! The command line that starts the ranks, for each family of launchers.

use std::path::Path;

use rankzero_slurm::launch::{Launch, environment};
use rankzero_slurm::{Allocation, EnvError};

use super::find::{Kind, Mpi};
use super::outcome::OUTCOME_VARIABLE;

/// What is to be started, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// This program, as each rank starts it.
    pub program: String,
    /// Its arguments: `run JOB …`.
    pub arguments: Vec<String>,
    /// Ranks.
    pub ranks: u32,
    /// Cores that this process may use on this machine.
    pub cores: usize,
    /// Whether the user is root, which Open MPI refuses unless told.
    pub root: bool,
    /// Whether this is a container, where a process may not read another's memory, on which MPI's large messages rely.
    pub container: bool,
    /// The Slurm allocation that this is in.
    pub allocation: Option<Allocation>,
}

impl Request {
    /// A request for ranks of this very program, on the machine as it is: so many, else as many as the allocation has room for, else one.
    ///
    /// # Errors
    /// [`super::LaunchError::System`] or [`super::LaunchError::NotUnicode`] when this program's path is unknown or unusable,
    /// [`super::LaunchError::Environment`] when Slurm's variables make no sense, [`super::LaunchError::LaunchedTwice`].
    pub fn here(arguments: Vec<String>, ranks: Option<u32>) -> Result<Request, super::LaunchError> {
        let launch = Launch::detect(&environment());
        if let Ok(Launch { size: 2.., .. }) | Err(EnvError::NoPmi { .. }) = &launch {
            return Err(super::LaunchError::LaunchedTwice);
        }
        let allocation = launch?.allocation;
        let room = allocation.as_ref().map_or(1, Allocation::tasks);
        let ranks = ranks.unwrap_or(room.max(1));
        Ok(Request {
            program: this_program()?,
            arguments,
            ranks,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            root: nix::unistd::geteuid().is_root(),
            container: ["/.dockerenv", "/run/.containerenv"].iter().any(|file| Path::new(file).exists()),
            allocation,
        })
    }

    /// A request on some machine with two cores.
    #[cfg(test)]
    pub(super) fn for_test(program: &str, arguments: &[&str], ranks: u32) -> Request {
        Request {
            program: program.to_owned(),
            arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
            ranks,
            cores: 2,
            root: false,
            container: false,
            allocation: None,
        }
    }

    fn oversubscribed(&self) -> bool {
        self.ranks as usize > self.cores
    }
}

/// The path of this program.
///
/// # Errors
/// [`super::LaunchError::System`] or [`super::LaunchError::NotUnicode`] where it is unknown or unusable.
pub fn this_program() -> Result<String, super::LaunchError> {
    let program = std::env::current_exe().map_err(super::system("find the path of this program"))?;
    program.into_os_string().into_string().map_err(|path| super::LaunchError::NotUnicode(path.into()))
}

/// The words of the command. Binding is always left to the program, which knows its threads.
pub fn command_line(mpi: &Mpi, request: &Request) -> Vec<String> {
    let mut words = vec![mpi.program.display().to_string()];
    let options = match mpi.kind {
        Kind::OpenMpi { major: ..=4 } => open_mpi_4(request),
        Kind::OpenMpi { .. } => open_mpi_5(request),
        Kind::Hydra => hydra(),
    };
    words.extend(options.into_iter().map(str::to_owned));
    words.extend(["-n".to_owned(), request.ranks.to_string(), request.program.clone()]);
    words.extend(request.arguments.iter().cloned());
    words
}

/// `--enable-recovery`: the death of a rank does not end the others. The plain message layer `ob1` over shared memory and TCP: its
/// behaviour after a death is known, and RDMA is the business of our own rung.
fn open_mpi_4(request: &Request) -> Vec<&str> {
    let mut options = vec!["--enable-recovery", "--bind-to", "none", "-x", OUTCOME_VARIABLE];
    options.extend(["--mca", "pml", "ob1", "--mca", "btl", "self,vader,tcp"]);
    if request.container {
        options.extend(["--mca", "btl_vader_single_copy_mechanism", "none"]);
    }
    if request.allocation.is_some() {
        options.extend(["--mca", "plm_slurm_args", "--no-kill --kill-on-bad-exit=0"]);
    } else if request.oversubscribed() {
        options.push("--oversubscribe");
    }
    if request.root {
        options.push("--allow-run-as-root");
    }
    options
}

/// `--with-ft ulfm`: `--enable-recovery` alone loses everybody when traffic goes over TCP.
fn open_mpi_5(request: &Request) -> Vec<&str> {
    let mut options = vec!["--with-ft", "ulfm", "--bind-to", "none", "-x", OUTCOME_VARIABLE];
    options.extend(["--mca", "pml", "ob1", "--mca", "btl", "self,sm,tcp"]);
    if request.container {
        options.extend(["--mca", "smsc", "^cma"]);
    }
    if request.allocation.is_some() {
        options.extend(["--prtemca", "plm_slurm_args", "--no-kill --kill-on-bad-exit=0"]);
    } else if request.oversubscribed() {
        options.extend(["--map-by", ":OVERSUBSCRIBE"]);
    }
    if request.root {
        options.push("--allow-run-as-root");
    }
    options
}

/// Hydra passes the environment on, binds nothing and shares cores by itself.
fn hydra() -> Vec<&'static str> {
    vec!["-disable-auto-cleanup"]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mpi(kind: Kind) -> Mpi {
        Mpi { program: "/usr/bin/mpirun".into(), kind, version: String::new() }
    }

    fn request() -> Request {
        Request { cores: 8, ..Request::for_test("/bin/rankzero", &["run", "jobs/demo.yaml", "--set", "seed=3"], 4) }
    }

    fn text(kind: Kind, request: &Request) -> String {
        command_line(&mpi(kind), request).join(" ")
    }

    const ALL: [Kind; 3] = [Kind::OpenMpi { major: 4 }, Kind::OpenMpi { major: 5 }, Kind::Hydra];

    #[test]
    fn every_launcher_starts_the_ranks_of_the_program_with_its_arguments() {
        for kind in ALL {
            let line = text(kind, &request());
            assert!(line.starts_with("/usr/bin/mpirun "), "{line}");
            assert!(line.ends_with(" -n 4 /bin/rankzero run jobs/demo.yaml --set seed=3"), "{line}");
        }
    }

    #[test]
    fn every_launcher_is_told_to_tolerate_a_death() {
        let tolerance = ["--enable-recovery", "--with-ft ulfm", "-disable-auto-cleanup"];
        for (kind, option) in ALL.into_iter().zip(tolerance) {
            assert!(text(kind, &request()).contains(option), "{kind}");
        }
    }

    #[test]
    fn more_ranks_than_cores_are_announced() {
        let crowded = Request { cores: 2, ..request() };
        assert!(text(ALL[0], &crowded).contains(" --oversubscribe "));
        assert!(text(ALL[1], &crowded).contains(" --map-by :OVERSUBSCRIBE "));
        for kind in ALL {
            assert!(!text(kind, &request()).to_lowercase().contains("oversubscribe"), "{kind}");
        }
    }

    #[test]
    fn root_and_containers_get_what_they_need() {
        let special = Request { root: true, container: true, ..request() };
        for kind in &ALL[..2] {
            assert!(text(*kind, &special).contains("--allow-run-as-root"));
            assert!(!text(*kind, &request()).contains("root"));
        }
        assert!(text(ALL[0], &special).contains("btl_vader_single_copy_mechanism none"));
        assert!(text(ALL[1], &special).contains("smsc ^cma"));
    }

    #[test]
    fn inside_an_allocation_slurm_is_told_to_keep_the_survivors() {
        let inside = Request { allocation: Some(super::super::steps::test_allocation(&[2, 2])), cores: 2, ..request() };
        let words = command_line(&mpi(ALL[0]), &inside);
        assert!(words.windows(2).any(|pair| pair == ["plm_slurm_args", "--no-kill --kill-on-bad-exit=0"]), "{words:?}");
        assert!(
            !words.contains(&"--oversubscribe".to_owned()),
            "the cores of this node are not those of the allocation"
        );
    }
}

//! `rankzero launch JOB -n N`: starts the ranks on this machine, or on the nodes of the allocation that it is in, with what a run needs that
//! outlives its ranks.
//!
//! - In a Slurm allocation: one step for each node (`steps`), or, by `--via mpi`, one srun for all through the MPI that is linked.
//! - Else: through the MPI that is installed (`command`); without MPI the ranks are children of the launch (`bare`).
//!
//! **The exit code.** A launcher told to tolerate the death of ranks returns 0 whatever they return. So the run
//! says by itself how it ended, in a file that the launch names by [`OUTCOME_VARIABLE`] ([`report_outcome`]).

mod bare;
mod capture;
mod command;
mod find;
mod outcome;
mod plan;
mod steps;

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use nix::sys::signal::kill;
use nix::unistd::Pid;
use signal_hook::iterator::Signals;

pub use bare::{bare_script, end_with, end_with_launch, run_bare};
pub use capture::{Captured, capture};
pub use command::{Request, command_line, this_program};
pub(crate) use find::on_path;
pub use find::{Kind, Mpi, find, linked};
pub use outcome::{OUTCOME_VARIABLE, code_of, report_outcome};
pub use plan::{Plan, Via, Wishes, plan};
pub use steps::{BATCH_NODE_VARIABLE, Steps, run_steps};

use crate::signals::{self, Passing};

/// Why ranks cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// No mpirun and no mpiexec.
    #[error(
        "no mpirun or mpiexec on PATH: \
         `make deps` or `apt-get install openmpi-bin` installs one, on a cluster `module load openmpi` or the like; \
         `--via bare` starts the ranks of one machine without MPI"
    )]
    NoMpi,
    /// A program of that name that says nothing that we know.
    #[error("{} is no launcher that rankzero knows (Open MPI 4 or 5, MPICH and its kin): it says `{says}`", .program.display())]
    UnknownMpi {
        /// The program.
        program: PathBuf,
        /// First line of its version.
        says: String,
    },
    /// The program speaks to another library than the launcher starts.
    #[error(
        "{} starts {launcher}, but this rankzero is linked to {linked}: each rank would believe it is alone; \
         put the launcher of the linked MPI first on PATH, or rebuild with MPICC set to the wanted MPI's mpicc",
        .program.display()
    )]
    OtherMpi {
        /// The launcher.
        program: PathBuf,
        /// What it belongs to.
        launcher: String,
        /// The linked library.
        linked: String,
    },
    /// Slurm's variables, or those of another launcher, make no sense.
    #[error(transparent)]
    Environment(#[from] rankzero_slurm::EnvError),
    /// The launch was itself started as several tasks.
    #[error(
        "this launch was started several times at once, by srun or mpirun: say `srun rankzero run …`, or `rankzero launch …` without srun"
    )]
    LaunchedTwice,
    /// Steps want an allocation.
    #[error(
        "--via steps: this is no Slurm allocation; `rankzero submit JOB --nodes N` submits a job, `salloc --no-kill --nodes=N` gives a shell in one"
    )]
    NoAllocation,
    /// Slurm does not answer, or has no way to start this MPI.
    #[error("{0}")]
    Slurm(#[from] rankzero_slurm::commands::SlurmError),
    /// 0 ranks.
    #[error("-n 0: at least 1 rank is needed")]
    NoRanks,
    /// A word that the launcher's command line cannot carry.
    #[error("argument `{}` is not Unicode", .0.display())]
    NotUnicode(PathBuf),
    /// There is no place for the ranks to meet.
    #[error(transparent)]
    Rendezvous(#[from] rankzero_comm::rendezvous::RendezvousError),
    /// The system refused.
    #[error("cannot {what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// Its words.
        source: std::io::Error,
    },
    /// The run ended without a word.
    #[error("the ranks ended without saying how ({0}); the log of the run directory and the lines above tell more")]
    NoOutcome(String),
}

fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> LaunchError {
    let what = what.into();
    move |source| LaunchError::System { what, source }
}

/// A command line as a shell takes it.
pub fn shell(words: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%^".contains(c);
    let quote = |word: &String| {
        if !word.is_empty() && word.chars().all(plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    words.iter().map(quote).collect::<Vec<_>>().join(" ")
}

/// Runs the command of a [`Plan`] to its end, passes SIGINT, SIGTERM and SIGHUP on to it, and returns the exit code of
/// the run.
///
/// # Errors
/// [`LaunchError::System`], and [`LaunchError::NoOutcome`] when the ranks did not say how they ended.
pub fn run(words: &[String]) -> Result<i32, LaunchError> {
    let [program, arguments @ ..] = words else { return Err(LaunchError::NoMpi) };
    let outcome = outcome::OutcomeFile::create().map_err(system("create a temporary file"))?;
    let signals = signals::to_pass_on().map_err(system("listen to signals"))?;
    let mut child = Command::new(program)
        .args(arguments)
        .env(OUTCOME_VARIABLE, outcome.path())
        .stdin(Stdio::null())
        // A group of its own: Ctrl-C reaches it once, through us, and not twice, which mpirun takes for "at once".
        .process_group(0)
        .spawn()
        .map_err(system(format!("start {program}")))?;
    let status = wait(&mut child, signals).map_err(system(format!("wait for {program}")))?;
    if let Some(code) = outcome.read() {
        return Ok(code);
    }
    match code_of(status) {
        0 => Err(LaunchError::NoOutcome(format!("{program}: {status}"))),
        code => Ok(code),
    }
}

/// Waits for the child while signals are passed on to it: the first as SIGUSR1, further ones as they are.
fn wait(child: &mut Child, mut signals: Signals) -> std::io::Result<ExitStatus> {
    let handle = signals.handle();
    let pid = i32::try_from(child.id()).map(Pid::from_raw).map_err(std::io::Error::other)?;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut passing = Passing::default();
            for signal in signals.forever() {
                if let Some(passed) = passing.on(signal, Instant::now()) {
                    // It may have ended just now: then there is nobody to tell.
                    let _ = kill(pid, passed);
                }
            }
        });
        let status = child.wait();
        handle.close();
        status
    })
}

/// A signal to this process reaches the children of every test, so one test at a time has some.
#[cfg(test)]
pub(crate) static CHILDREN: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Result<i32, LaunchError> {
        let _alone = CHILDREN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        run(&["sh".to_owned(), "-c".to_owned(), script.to_owned()])
    }

    #[test]
    fn the_code_of_the_run_counts_and_not_that_of_the_launcher() {
        assert_eq!(sh("echo 3 > $RANKZERO_OUTCOME; exit 0").expect("a code"), 3);
        assert_eq!(sh("echo 0 > $RANKZERO_OUTCOME; exit 137").expect("a code"), 0);
        assert_eq!(sh("exit 7").expect("the launcher's code"), 7);
        assert_eq!(sh("kill -9 $$").expect("the launcher's signal"), 137);
        assert!(matches!(sh("exit 0"), Err(LaunchError::NoOutcome(_))));
        assert!(matches!(sh("echo nonsense > $RANKZERO_OUTCOME"), Err(LaunchError::NoOutcome(_))));
    }

    #[test]
    fn a_signal_is_passed_on_and_the_run_says_how_it_ended() {
        let script = "trap 'echo 42 > $RANKZERO_OUTCOME; exit 1' USR1; kill -TERM $PPID; \
                      for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.5; done";
        assert_eq!(sh(script).expect("a code"), 42);
    }

    #[test]
    fn a_launcher_that_is_not_there_is_named() {
        let error = run(&["/no/such/mpirun".to_owned()]).expect_err("missing");
        assert!(error.to_string().starts_with("cannot start /no/such/mpirun: "), "{error}");
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        let words = ["mpirun", "-n", "2", "my job.yaml", "it's", ""].map(str::to_owned);
        assert_eq!(shell(&words), r"mpirun -n 2 'my job.yaml' 'it'\''s' ''");
    }
}

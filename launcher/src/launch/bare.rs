//! Ranks without MPI: children of the launch, which meet in a directory that it makes for them.
//!
//! The launch waits for all of them, whatever becomes of any, tells those that are still to meet who has ended, and passes signals on. Ranks
//! end in order when the launch is killed.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use rankzero_comm::Rank;
use rankzero_comm::rendezvous::{RendezvousError, forget_ended, make_private, tell_ended};
use rankzero_slurm::launch::{
    LOCAL_RANK_VARIABLE, LOCAL_SIZE_VARIABLE, RANK_VARIABLE, RENDEZVOUS_VARIABLE, SIZE_VARIABLE,
};
use signal_hook::iterator::Signals;

use super::outcome::OutcomeFile;
use super::{LaunchError, OUTCOME_VARIABLE, Request, shell, system};
use crate::signals::{self, Passing};

/// Names the process that has started a rank and waits for its end.
pub const LAUNCH_VARIABLE: &str = "RANKZERO_LAUNCH_PID";
/// Between two looks at children and signals.
const PAUSE: Duration = Duration::from_millis(10);

/// Runs the ranks of a request to their end, with more variables in their environment, and returns the exit code of the run.
///
/// # Errors
/// [`LaunchError::System`], [`LaunchError::Rendezvous`], and [`LaunchError::NoOutcome`] when the ranks did not say how they ended.
pub fn run_bare(request: &Request, environment: &[(&str, &str)]) -> Result<i32, LaunchError> {
    let outcome = OutcomeFile::create().map_err(system("create a temporary file"))?;
    let place = Place::create()?;
    let mut listener = signals::to_pass_on().map_err(system("listen to signals"))?;
    let mut family = Family { children: Vec::new() };
    for rank in 0..request.ranks {
        let mut command = rank_command(request, rank, &place.dir);
        command.envs(environment.iter().copied()).env(OUTCOME_VARIABLE, outcome.path());
        // A group of its own: Ctrl-C reaches it once, through us, and not twice.
        let child = command.stdin(Stdio::null()).process_group(0).spawn();
        family.children.push(Some(child.map_err(system(format!("start {}", request.program)))?));
    }
    let bad = family.wait(&mut listener, &place.dir)?;
    outcome.conclude(bad, &format!("{} processes", request.ranks))
}

fn rank_command(request: &Request, rank: u32, dir: &Path) -> Command {
    let mut command = Command::new(&request.program);
    command.args(&request.arguments).env(RENDEZVOUS_VARIABLE, dir);
    command.envs(places(rank, request.ranks).map(|(name, number)| (name, number.to_string())));
    command.env(LAUNCH_VARIABLE, std::process::id().to_string());
    command
}

/// What one of `ranks` ranks of one machine is told of its place.
fn places(rank: u32, ranks: u32) -> [(&'static str, u32); 4] {
    [(RANK_VARIABLE, rank), (SIZE_VARIABLE, ranks), (LOCAL_RANK_VARIABLE, rank), (LOCAL_SIZE_VARIABLE, ranks)]
}

/// The lines of a shell that do the same, but for the exit code.
pub fn bare_script(request: &Request) -> String {
    let program = shell(&[vec![request.program.clone()], request.arguments.clone()].concat());
    let mut lines = vec![format!("export {RENDEZVOUS_VARIABLE}=\"$(mktemp -d)\"")];
    for rank in 0..request.ranks {
        let places = places(rank, request.ranks).map(|(name, number)| format!("{name}={number}"));
        lines.push(format!("{} {program} &", places.join(" ")));
    }
    lines.push("wait".to_owned());
    lines.join("\n")
}

/// Lets a rank end in order when the launch that has started it is killed; for the rank itself to call as it begins.
pub fn end_with_launch() {
    end_with(LAUNCH_VARIABLE);
}

/// Lets this process get SIGTERM when the one whose number the variable holds, and which has started it, is killed.
pub fn end_with(variable: &str) {
    let parent = std::env::var(variable).ok().and_then(|text| text.parse::<i32>().ok());
    let Some(parent) = parent else { return };
    let wished = nix::sys::prctl::set_pdeathsig(Signal::SIGTERM);
    if wished.is_ok() && nix::unistd::getppid() != Pid::from_raw(parent) {
        // It was killed before the system knew of the wish, or something stands between the two.
        tracing::debug!(variable, parent, "the process that the variable names is not the parent of this one");
    }
}

/// The directory in which the ranks meet: ours alone, unless the user has named one.
struct Place {
    dir: PathBuf,
    made: bool,
}

impl Place {
    fn create() -> Result<Place, LaunchError> {
        if let Some(dir) = std::env::var_os(RENDEZVOUS_VARIABLE).filter(|dir| !dir.is_empty()) {
            let dir = std::path::absolute(dir).map_err(system("find the current directory"))?;
            let place = Place { made: make_private(&dir)?, dir };
            forget_ended(&place.dir)?;
            return Ok(place);
        }
        for attempt in 0..100u32 {
            let dir = std::env::temp_dir().join(format!("rankzero-meet-{}-{attempt}", std::process::id()));
            match make_private(&dir) {
                Ok(true) => return Ok(Place { dir, made: true }),
                // Left by an earlier process of this number, or by somebody else.
                Ok(false) | Err(RendezvousError::NotPrivate { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let taken = std::io::Error::new(std::io::ErrorKind::AlreadyExists, "rankzero-meet-*, a hundred times");
        Err(system("make a directory for the ranks to meet in")(taken))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What remains is a directory that holds nothing of worth.
        let _ = if self.made {
            std::fs::remove_dir_all(&self.dir).map_err(drop)
        } else {
            forget_ended(&self.dir).map_err(drop)
        };
    }
}

/// The ranks; dropping it kills those that are left.
struct Family {
    children: Vec<Option<Child>>,
}

impl Family {
    /// Waits for the end of all; how the first one ended that did not end well.
    fn wait(&mut self, listener: &mut Signals, dir: &Path) -> Result<Option<ExitStatus>, LaunchError> {
        let mut first_bad = None;
        let mut passing = Passing::default();
        while self.children.iter().any(Option::is_some) {
            for signal in listener.pending() {
                if let Some(passed) = passing.on(signal, Instant::now()) {
                    self.children.iter().flatten().for_each(|child| signals::send(child, passed));
                }
            }
            for (rank, place) in self.children.iter_mut().enumerate() {
                let Some(child) = place else { continue };
                let Some(status) = child.try_wait().map_err(system(format!("wait for rank {rank}")))? else { continue };
                *place = None;
                tracing::debug!(rank, %status, "a rank has ended");
                if !status.success() {
                    first_bad.get_or_insert(status);
                }
                if let Err(error) = tell_ended(dir, Rank(rank as u32)) {
                    tracing::debug!(%error, "nobody is told of the end of a rank");
                }
            }
            std::thread::sleep(PAUSE);
        }
        Ok(first_bad)
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        for child in self.children.iter_mut().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::CHILDREN;

    /// `script` as each of `ranks` ranks.
    fn sh(ranks: u32, script: &str) -> Result<i32, LaunchError> {
        let _alone = CHILDREN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let request = Request::for_test("sh", &["-c", script], ranks);
        run_bare(&request, &[("MORE", "words")])
    }

    #[test]
    fn every_rank_knows_its_place_and_the_directory_is_private_and_gone_at_the_end() {
        let out = std::env::temp_dir().join(format!("rankzero-bare-test-{}", std::process::id()));
        let script = format!(
            "echo $RANKZERO_RANK/$RANKZERO_SIZE $RANKZERO_LOCAL_RANK/$RANKZERO_LOCAL_SIZE $MORE \
             $(stat -c %a $RANKZERO_RENDEZVOUS) $RANKZERO_RENDEZVOUS >> {0}; echo 0 > $RANKZERO_OUTCOME",
            out.display()
        );
        let code = sh(3, &script);
        let text = std::fs::read_to_string(&out).unwrap_or_default();
        let _ = std::fs::remove_file(&out);
        assert_eq!(code.expect("a code"), 0);
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        let dir = lines[0].rsplit(' ').next().expect("a directory");
        let expected: Vec<String> = (0..3).map(|rank| format!("{rank}/3 {rank}/3 words 700 {dir}")).collect();
        assert_eq!(lines, expected);
        assert!(!Path::new(dir).exists(), "{dir}");
    }

    #[test]
    fn the_death_of_a_rank_leaves_the_others_and_the_word_of_the_run_counts() {
        let dies = "[ $RANKZERO_RANK = 1 ] && kill -9 $$; ";
        let waits = "until [ -e $RANKZERO_RENDEZVOUS/ended-1 ]; do sleep 0.05; done; ";
        assert_eq!(sh(3, &format!("{dies}{waits}echo 4 > $RANKZERO_OUTCOME")).expect("a code"), 4);
        assert_eq!(sh(3, &format!("{dies}{waits}exit 0")).expect("the signal"), 137);
        assert_eq!(sh(2, "exit $((7 * RANKZERO_RANK))").expect("the code of a rank"), 7);
        assert!(matches!(sh(2, "exit 0"), Err(LaunchError::NoOutcome(_))));
    }

    #[test]
    fn a_signal_reaches_every_rank() {
        let script = "trap 'echo 5 > $RANKZERO_OUTCOME; exit 0' USR1; [ $RANKZERO_RANK = 0 ] && kill -TERM $PPID; \
                      for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.5; done; exit 1";
        assert_eq!(sh(3, script).expect("a code"), 5);
    }

    #[test]
    fn a_shell_can_do_the_same() {
        let request = Request::for_test("/bin/rankzero", &["run", "my job.yaml"], 2);
        let place =
            |rank| format!("RANKZERO_RANK={rank} RANKZERO_SIZE=2 RANKZERO_LOCAL_RANK={rank} RANKZERO_LOCAL_SIZE=2");
        let [zero, one] = [place(0), place(1)];
        let expected = format!(
            "export RANKZERO_RENDEZVOUS=\"$(mktemp -d)\"\n{zero} /bin/rankzero run 'my job.yaml' &\n\
             {one} /bin/rankzero run 'my job.yaml' &\nwait"
        );
        assert_eq!(bare_script(&request), expected);
    }
}

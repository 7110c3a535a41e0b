//! The program as a process of its own: no launcher's variables around it, a time limit, and nothing left behind, whether the
//! test holds or not.
#![allow(dead_code)]

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The longest that one process may take on a slow machine.
pub const LIMIT: Duration = Duration::from_secs(120);
/// Between two looks at something that is about to happen.
const PAUSE: Duration = Duration::from_millis(20);

/// The program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_rankzero");

/// A folder for temporary files that ends with its test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("rankzero-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).expect("a folder for temporary files");
        Folder(folder)
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a process said and how it ended.
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// The exit code, or minus the signal that ended the process.
    pub fn code(&self) -> i32 {
        self.status.code().or(self.status.signal().map(|signal| -signal)).unwrap_or(i32::MIN)
    }

    /// Everything that it said.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// The program, in an environment without launchers and without overrides.
pub fn rankzero() -> Command {
    clean(Command::new(PROGRAM))
}

/// Takes launchers and overrides out of the environment of a command.
pub fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let ours = ["RANKZERO_", "OMPI_", "PMIX_", "PMI_", "PRTE_", "SLURM_", "MPI_LOCAL", "HYDI_"];
        if ours.iter().any(|prefix| text.starts_with(prefix)) && text != "RANKZERO_CACHE_DIR" {
            command.env_remove(&name);
        }
    }
    command
}

/// The examples of job files.
pub fn jobs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../jobs").canonicalize().expect("jobs/ beside launcher/")
}

/// A process that is running; dropping it ends it and all that it has started.
pub struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
    _files: Folder,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let files = Folder::new();
        let [stdout, stderr] = ["stdout", "stderr"].map(|name| files.join(name));
        let file = |path: &PathBuf| fs::File::create(path).expect("a temporary file");
        let child = command.stdin(Stdio::null()).stdout(file(&stdout)).stderr(file(&stderr)).spawn();
        Running { child: child.expect("the program starts"), stdout, stderr, _files: files }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        let read = |path: &PathBuf| fs::read_to_string(path).unwrap_or_default();
        format!("{}{}", read(&self.stdout), read(&self.stderr))
    }

    /// Waits for the end.
    pub fn end(mut self) -> Ended {
        let status = until("the process to end", LIMIT, || self.child.try_wait().expect("own child"));
        let read = |path: &PathBuf| String::from_utf8_lossy(&fs::read(path).expect("a temporary file")).into_owned();
        Ended { status, stdout: read(&self.stdout), stderr: read(&self.stderr) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // The family is listed while its head still lives: orphans could no longer be found.
            let family = descendants(self.pid());
            let _ = self.child.kill();
            let _ = self.child.wait();
            family.into_iter().for_each(|pid| signal(pid, Signal::SIGKILL));
        }
    }
}

/// Runs a command to its end.
pub fn finish(command: &mut Command) -> Ended {
    Running::start(command).end()
}

/// Sends a signal to a process that this test has started; it may be gone already.
pub fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).expect("a process number");
    let _ = kill(Pid::from_raw(pid), signal);
}

/// Whether a process with this number runs.
pub fn alive(pid: u32) -> bool {
    // What has ended and is not yet waited for is listed as a zombie.
    let state =
        |status: String| status.lines().any(|l| l.starts_with("State:") && !l.contains('Z') && !l.contains('X'));
    fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(state)
}

/// All processes that descend from `pid`.
fn descendants(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let children: Vec<u32> =
        lists.flat_map(|l| l.split(' ').filter_map(|n| n.parse().ok()).collect::<Vec<_>>()).collect();
    children.into_iter().flat_map(|child| [vec![child], descendants(child)].concat()).collect()
}

/// Looks again and again until there is something.
///
/// # Panics
/// When there is still nothing after `limit`.
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {limit:?} for {what}");
        sleep(PAUSE);
    }
}

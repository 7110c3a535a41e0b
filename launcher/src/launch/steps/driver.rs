//! The processes of a launch inside an allocation: one srun for each node, watched until the run is over.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rankzero_comm::Rank;
use rankzero_comm::rendezvous::{make_private, tell_ended};
use rankzero_slurm::commands::{NodeState, Slurm};
use rankzero_slurm::launch::{FIRST_RANK_VARIABLE, RENDEZVOUS_VARIABLE, SIZE_VARIABLE};
use signal_hook::iterator::Signals;

use super::super::outcome::OutcomeFile;
use super::super::{LaunchError, OUTCOME_VARIABLE, Request, system};
use super::command::Manner;
use super::layout::{Layout, Share};
use super::story::{Story, Told};
use super::supervisor::{Action, Event, Supervisor};
use crate::run::{MEETING, forget_stale, say};
use crate::signals::{self, Passing};

/// Tells ranks on which node the batch script runs that they belong to.
pub const BATCH_NODE_VARIABLE: &str = "RANKZERO_BATCH_NODE";
/// Between two looks at processes and signals.
const PAUSE: Duration = Duration::from_millis(20);
/// Between two looks at files, which lie on a file system that many share.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long Slurm may take to tell of a node.
const ANSWER_TIME: Duration = Duration::from_secs(20);
/// How long srun may take to end once it is told to.
const MERCY: Duration = Duration::from_secs(10);
/// What srun hands on to its tasks as if they were its own options.
const MISLEADING: [&str; 3] = ["SLURM_NTASKS_PER_NODE", "SLURM_NTASKS", "SLURM_NPROCS"];

/// A launch by steps, decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steps {
    /// Which ranks go where.
    pub layout: Layout,
    /// How srun is told.
    pub manner: Manner,
    /// The node of the batch script that this is called from, if it is.
    pub batch_node: Option<String>,
    /// A word for this start of the job, which no other start of it has.
    pub tag: String,
}

/// Runs the ranks of a request as steps until the run is over; the exit code of the run. `run_dir` lies on a file system that all nodes share.
///
/// # Errors
/// [`LaunchError::System`], [`LaunchError::Rendezvous`], and [`LaunchError::NoOutcome`] when the ranks did not say how they ended.
pub fn run_steps(
    steps: &Steps,
    request: &Request,
    run_dir: &Path,
    environment: &[(&str, &str)],
) -> Result<i32, LaunchError> {
    std::fs::create_dir_all(run_dir).map_err(system(format!("create {}", run_dir.display())))?;
    let run_dir = run_dir.canonicalize().map_err(system(format!("find {}", run_dir.display())))?;
    let name = format!("{MEETING}{}", steps.tag);
    forget_stale(&run_dir, &name);
    let meeting = Meeting::create(run_dir.join(name))?;
    let outcome = OutcomeFile::within(&meeting.0).map_err(system("create a file"))?;
    let mut listener = signals::to_pass_on().map_err(system("listen to signals"))?;
    let mut driver = Driver {
        steps,
        request,
        story: Story::from_now(&run_dir),
        run_dir,
        core: Supervisor::new(&steps.layout),
        began: Instant::now(),
        children: Vec::new(),
        bad: None,
        gone: 0,
        passing: Passing::default(),
        answers: channel(),
        variables: environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    };
    if let Some(node) = &steps.batch_node {
        driver.variables.push((BATCH_NODE_VARIABLE.to_owned(), node.clone()));
    }
    driver.variables.push((OUTCOME_VARIABLE.to_owned(), outcome.path().display().to_string()));
    for share in &steps.layout.shares {
        driver.start_ranks(share, &meeting.0)?;
    }
    driver.watch(&mut listener, &meeting.0, &outcome)?;
    outcome.conclude(driver.bad, &format!("{} steps", steps.layout.shares.len()))
}

/// The directory where ranks meet, gone at the end.
struct Meeting(PathBuf);

impl Meeting {
    fn create(dir: PathBuf) -> Result<Meeting, LaunchError> {
        // What is there is of an earlier launch in the same start of the job: it is worthless to this one.
        if make_private(&dir)? {
            return Ok(Meeting(dir));
        }
        std::fs::remove_dir_all(&dir).map_err(system(format!("remove {}", dir.display())))?;
        make_private(&dir)?;
        Ok(Meeting(dir))
    }
}

impl Drop for Meeting {
    fn drop(&mut self) {
        // What remains is a directory that holds nothing of worth.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What an srun is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task<'a> {
    Ranks(&'a Share),
    Replacement(u64),
}

struct Srun<'a> {
    task: Task<'a>,
    node: String,
    child: Child,
    /// When it is killed, once it was told to end.
    doomed: Option<Instant>,
}

/// A node, and what Slurm says of it.
type Answer = (String, Option<NodeState>);

struct Driver<'a> {
    steps: &'a Steps,
    request: &'a Request,
    run_dir: PathBuf,
    story: Story,
    core: Supervisor,
    began: Instant,
    children: Vec<Srun<'a>>,
    /// How the first step ended that did not end well.
    bad: Option<ExitStatus>,
    /// Steps with ranks that have ended.
    gone: usize,
    passing: Passing,
    /// From threads that ask Slurm.
    answers: (Sender<Answer>, Receiver<Answer>),
    variables: Vec<(String, String)>,
}

impl<'a> Driver<'a> {
    fn start_ranks(&mut self, share: &'a Share, meeting: &Path) -> Result<(), LaunchError> {
        let words = self.steps.manner.ranks(share, self.request);
        let numbers = [
            (RENDEZVOUS_VARIABLE, meeting.display().to_string()),
            (SIZE_VARIABLE, self.steps.layout.size().to_string()),
            (FIRST_RANK_VARIABLE, share.first.to_string()),
        ];
        self.start(&words, &numbers, Task::Ranks(share), &share.node)
    }

    fn start(
        &mut self,
        words: &[String],
        more: &[(&str, String)],
        task: Task<'a>,
        node: &str,
    ) -> Result<(), LaunchError> {
        let [program, arguments @ ..] = words else { return Err(LaunchError::NoMpi) };
        tracing::info!(%node, command = super::super::shell(words), "starts a step");
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null());
        for name in MISLEADING {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().cloned()).envs(more.iter().cloned());
        // A group of its own: Ctrl-C reaches it once, through us.
        let child = command.process_group(0).spawn().map_err(system(format!("start {program}")))?;
        self.children.push(Srun { task, node: node.to_owned(), child, doomed: None });
        Ok(())
    }

    /// Until all steps have ended.
    fn watch(&mut self, listener: &mut Signals, meeting: &Path, outcome: &OutcomeFile) -> Result<(), LaunchError> {
        let mut looked = Instant::now();
        while !self.children.is_empty() {
            for signal in listener.pending() {
                self.pass_on(signal);
            }
            self.bury(meeting)?;
            while let Ok((node, state)) = self.answers.1.try_recv() {
                self.feed(Event::Node(node, state));
            }
            if looked.elapsed() >= LOOK_EVERY {
                looked = Instant::now();
                self.look(outcome);
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// To what else than SIGUSR1 srun answers by killing its tasks.
    fn pass_on(&mut self, signal: i32) {
        let Some(passed) = self.passing.on(signal, Instant::now()) else { return };
        let passed = if passed == Signal::SIGUSR1 { passed } else { Signal::SIGTERM };
        self.children.iter().for_each(|srun| signals::send(&srun.child, passed));
    }

    /// Takes note of steps that have ended, and kills what was to end and did not.
    fn bury(&mut self, meeting: &Path) -> Result<(), LaunchError> {
        let mut left = Vec::new();
        for mut srun in std::mem::take(&mut self.children) {
            if srun.doomed.is_some_and(|until| Instant::now() >= until) {
                // All its tasks die with it. It may have ended just now.
                let _ = srun.child.kill();
            }
            match srun.child.try_wait().map_err(system("wait for srun"))? {
                None => left.push(srun),
                Some(status) => self.ended(&srun, status, meeting),
            }
        }
        // Replacements may have been started meanwhile.
        self.children.splice(0..0, left);
        Ok(())
    }

    fn ended(&mut self, srun: &Srun<'a>, status: ExitStatus, meeting: &Path) {
        tracing::debug!(node = %srun.node, %status, "a step has ended");
        match srun.task {
            Task::Ranks(share) => {
                self.gone += 1;
                if !status.success() {
                    self.bad.get_or_insert(status);
                }
                for rank in share.first..share.first + share.ranks {
                    if let Err(error) = tell_ended(meeting, Rank(rank)) {
                        tracing::debug!(%error, "nobody is told of the end of a rank");
                    }
                }
            }
            Task::Replacement(number) => self.feed(Event::Failed(number)),
        }
    }

    /// Looks at what the run says of itself.
    fn look(&mut self, outcome: &OutcomeFile) {
        for told in self.story.read_on() {
            match told {
                Told::Lost(ranks) => self.feed(Event::Lost(ranks)),
                Told::Joined(rank, host) => self.feed(Event::Joined(rank, host)),
                Told::Over => self.feed(Event::Over),
            }
        }
        match outcome.read() {
            // Only who has done its part to the end says so.
            Some(0 | 5) => self.feed(Event::Over),
            // One rank may have failed while the others go on; where most are gone nobody does.
            Some(_) if 2 * self.gone > self.steps.layout.shares.len() => self.feed(Event::Over),
            _ => {}
        }
        self.feed(Event::Tick);
    }

    fn feed(&mut self, event: Event) {
        if self.passing.asked() && matches!(event, Event::Lost(_)) {
            // The run is about to end: nobody is to join it.
            return;
        }
        for action in self.core.on(event, self.began.elapsed()) {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Ask(node) => self.ask(node),
            Action::Replace { number, rank, node } => self.replace(number, rank, &node),
            Action::GiveUp(number) => {
                let late = self.children.iter_mut().filter(|srun| srun.task == Task::Replacement(number));
                late.for_each(doom);
            }
            Action::Forgo(rank, why) => say(format_args!("rank {rank} is not replaced: {why}; the others go on")),
            Action::EndAll => {
                for srun in &mut self.children {
                    say(format_args!(
                        "the run is over; ending the step on {}, which has not ended by itself",
                        srun.node
                    ));
                    doom(srun);
                }
            }
        }
    }

    /// Asks Slurm about a node; by a thread, as it may take its time.
    fn ask(&self, node: String) {
        let sender = self.answers.0.clone();
        std::thread::spawn(move || {
            let states = Slurm::here().nodes(&[&node], Instant::now() + ANSWER_TIME);
            let states = states.inspect_err(|error| tracing::warn!("{error}")).unwrap_or_default();
            // Nobody listens any more where the launch has ended.
            let _ = sender.send((node.clone(), states.get(&node).copied()));
        });
    }

    fn replace(&mut self, number: u64, rank: u32, node: &str) {
        if !self.run_dir.join("door").exists() {
            // Nobody can join this run.
            return self.feed(Event::Failed(number));
        }
        say(format_args!("starts a replacement for rank {rank} on {node}"));
        let arguments = ["join".to_owned(), self.run_dir.display().to_string()];
        let words = self.steps.manner.newcomer(node, &self.request.program, &arguments);
        if let Err(error) = self.start(&words, &[], Task::Replacement(number), node) {
            tracing::warn!("{error}");
            self.feed(Event::Failed(number));
        }
    }
}

/// Tells srun to kill its tasks and end, and sets the time at which it is killed itself.
fn doom(srun: &mut Srun) {
    signals::send(&srun.child, Signal::SIGTERM);
    srun.doomed = Some(Instant::now() + MERCY);
}

impl Drop for Driver<'_> {
    fn drop(&mut self) {
        for srun in &mut self.children {
            let _ = srun.child.kill();
            let _ = srun.child.wait();
        }
    }
}

impl Steps {
    /// The lines of a shell that start the same ranks; lost ones are not replaced then.
    pub fn script(&self, request: &Request) -> String {
        let mut lines = vec![
            format!(
                "export {RENDEZVOUS_VARIABLE}=\"$PWD/{MEETING}{}\" {SIZE_VARIABLE}={}",
                self.tag,
                self.layout.size()
            ),
            format!("unset {}", MISLEADING.join(" ")),
        ];
        for share in &self.layout.shares {
            let words = super::super::shell(&self.manner.ranks(share, request));
            lines.push(format!("{FIRST_RANK_VARIABLE}={} {words} &", share.first));
        }
        lines.push("wait".to_owned());
        lines.join("\n")
    }
}

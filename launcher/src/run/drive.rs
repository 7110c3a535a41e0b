//! The loop of a rank: step after step, with what has to happen between steps.
//!
//! What concerns epochs is in `epochs`, the end in `finish`, and what happens when the view changes in `recover`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use rankzero_comm::control::Control;
use rankzero_comm::member::View;
use rankzero_comm::{Bootstrap, CommError, Fabric, Rank, RunKey};
use rankzero_epoch::Ledger;
use rankzero_job::{Job, OnLostQuorum};
use rankzero_slurm::launch::{Launch, Launcher, environment};
use serde_json::json;

use super::Ending;
use super::checkpoints::Checkpoints;
use super::control::{Decision, Heard, Own, decode, encode};
use super::device;
use super::door::Notice;
use super::doorway::Doorway;
use super::epochs::Epochs;
use super::error::RunError;
use super::faults::{Act, Faults, Point};
use super::fence::Fence;
use super::figures::{Figures, usage};
use super::frames::Frames;
use super::journal::Journal;
use super::orphan::{Clock, Lead};
use super::over;
use super::progress::Progress;
use super::rates;
use super::recover::Losses;
use super::start::{self, Options, RankInfo, Start};
use super::watch;
use super::witness::Witness;
use crate::assign::{Balancer, Capability, Demand, Rule, assign};
use crate::engine::epoch::Replication;
use crate::engine::migrate::Move;
use crate::engine::{Engine, EngineError};
use crate::scene::Scene;
use crate::signals::Stop;

/// A rank in the middle of its run.
pub(super) struct Drive<'a, F> {
    pub options: &'a Options,
    pub start: Start,
    pub began: Instant,
    pub faults: Faults,
    pub engine: Engine<F>,
    /// The watch over the others; none where there never are any.
    pub control: Option<Control>,
    /// The view that this rank computes in.
    pub view: View,
    pub losses: Losses,
    /// The master's.
    pub journal: Option<Journal>,
    pub frames: Option<Frames>,
    pub progress: Progress,
    pub balancer: Option<Balancer>,
    pub epochs: Epochs,
    pub checkpoints: Checkpoints,
    /// Where newcomers come in.
    pub doorway: Option<Doorway>,
    /// Whether this rank may still write in the run directory.
    pub fence: Fence,
    /// Slurm's word on silent ranks.
    pub witness: Option<Witness>,
    /// The time limit of a job whose batch script is lost.
    pub clock: Clock,
    /// On the master at the end: what ranks have said of themselves.
    pub handed_in: BTreeMap<Rank, Figures>,
    pub pending: Vec<Move>,
    pub heard: Heard,
    pub migrations: u64,
    pub output: Duration,
    pub warnings: Vec<String>,
    pub first_step: Instant,
    pub cpu_before: f64,
    pub stop: Stop,
}

/// How a rank's part of a run has ended.
pub struct Ended<F> {
    /// How the run ended.
    pub ending: Ending,
    /// The fabric, for its own end.
    pub fabric: F,
    /// Whether all ranks that the run started with are still there.
    pub complete: bool,
    /// Where this rank was rank 0 at the end of the run.
    pub leads: Option<Lead>,
}

/// Runs a rank on a fabric from start to summary; gives the fabric back. `equip` gives the fabric what the job asks of it.
///
/// # Errors
/// [`RunError`].
pub fn drive<F: Fabric + Bootstrap>(
    options: &Options,
    launch: &Launch,
    mut fabric: F,
    equip: impl FnOnce(&mut F, &Job, &RunKey) -> Result<(), CommError>,
) -> Result<Ended<F>, RunError> {
    let began = Instant::now();
    let mut faults = Faults::from_environment().map_err(RunError::Faults)?;
    let mut start = start::together(options, launch, &mut fabric)?;
    faults.begin(start.scene.steps, &start.run_dir);
    let key = RunKey::agree(&mut fabric, Instant::now() + start::START_TIMEOUT)?;
    equip(&mut fabric, &start.job, &key)?;
    let me = fabric.rank();
    let opened = device::open(options.device, launch, options.threads);
    let kernels = rates::exchange(&mut start, opened, &mut fabric)?;
    let owners = first_owners(&start);
    let timeout = Duration::from_millis(start.job.network.result_timeout_ms);
    let engine = Engine::new(start.scene.clone(), fabric, owners, timeout);
    let mut engine = engine.map_err(|error| match error {
        // All ranks know the same; it is said once.
        EngineError::Comm(CommError::NoPath { .. }) if me != Rank(0) => RunError::MasterRefused,
        error => error.into(),
    })?;
    if let Some(isa) = options.isa {
        engine.use_isa(isa);
    }
    if let Some(kernels) = kernels {
        device::equip(&mut engine, kernels, options.device)?;
    }
    let view = View::first(start.founders);
    let journal = if me == Rank(0) { Some(Journal::begin(&start)?) } else { None };
    let mut drive = Drive::new(options, start, engine, view, began)?;
    drive.faults = faults;
    drive.journal = journal;
    drive.introduce(launch)?;
    drive.watch_over(&key)?;
    drive.begin_at_checkpoint()?;
    drive.become_what_the_view_says();
    (drive.first_step, drive.cpu_before) = (Instant::now(), usage().0);
    drive.run_on()
}

/// Whether what has started this rank tells it of deaths by SIGUSR1.
fn tells_deaths() -> bool {
    Launch::detect(&environment()).is_ok_and(|launch| launch.launcher == Launcher::Hydra)
}

/// Where the checkpoints of a run go, and when.
fn open_checkpoints(start: &Start) -> Result<Checkpoints, RunError> {
    let rule = &start.job.fault_tolerance.checkpoint;
    let every = rule.interval_steps(start.job.time.step_s);
    let store = start.store();
    if every.is_some() && start.ranks.len() == 1 {
        store.prepare()?;
    }
    let last = start.restore.as_ref().map_or(0, |restore| restore.step);
    Checkpoints::new(store, every, rule.keep, last).map_err(|error| RunError::Threads(error.to_string()))
}

/// The first assignment, the same on every rank: from the scene, the strategy and the ranks' rates, where these were measured.
fn first_owners(start: &Start) -> Vec<Rank> {
    let scene: &Scene = &start.scene;
    let batches: Vec<Demand> = (0..scene.batches.len())
        .map(|b| Demand {
            weight: scene.batch_weight(b),
            priority: scene.batches[b].iter().map(|&body| scene.bodies[body as usize].priority).max().unwrap_or(0),
        })
        .collect();
    let rate = |info: &RankInfo| Capability { rate: info.tet_substeps_per_s.unwrap_or(0.0) };
    let ranks: Vec<Capability> = start.ranks.iter().map(rate).collect();
    assign(start.job.balance.strategy, &batches, &ranks)
}

impl<'a, F: Fabric + Bootstrap> Drive<'a, F> {
    /// A rank before its first step.
    fn new(
        options: &'a Options,
        start: Start,
        engine: Engine<F>,
        view: View,
        began: Instant,
    ) -> Result<Self, RunError> {
        let me = engine.rank();
        let frames = Frames::new(&start.job, &start.scene, &start.run_dir, me)?;
        let quiet = options.quiet || !engine.is_master();
        Ok(Drive {
            options,
            began,
            faults: Faults::default(),
            control: None,
            losses: Losses::default(),
            journal: None,
            frames,
            progress: Progress::new(quiet, start.scene.steps, view.members.len() as u32),
            balancer: None,
            epochs: Epochs::new(Ledger::resume(engine.epoch())),
            checkpoints: open_checkpoints(&start)?,
            doorway: None,
            fence: Fence::new(start.claim, &start.run_dir, me.0),
            witness: None,
            clock: Clock::here(),
            handed_in: BTreeMap::new(),
            pending: Vec::new(),
            heard: Heard::default(),
            migrations: 0,
            output: Duration::ZERO,
            warnings: Vec::new(),
            first_step: began,
            cpu_before: 0.0,
            stop: Stop::listen(tells_deaths()),
            view,
            engine,
            start,
        })
    }

    /// A rank that comes later, before the first view with it.
    ///
    /// # Errors
    /// As [`drive`].
    pub(super) fn later(
        options: &'a Options,
        start: Start,
        mut engine: Engine<F>,
        view: View,
    ) -> Result<Self, RunError> {
        if let Some(isa) = options.isa {
            engine.use_isa(isa);
        }
        let mut drive = Drive::new(options, start, engine, view, Instant::now())?;
        drive.faults = Faults::from_environment().map_err(RunError::Faults)?;
        drive.faults.begin(drive.start.scene.steps, &drive.start.run_dir);
        Ok(drive)
    }

    /// Starts the watch over the other ranks and the copies that make a loss good, where there are other ranks; opens the door.
    fn watch_over(&mut self, key: &RunKey) -> Result<(), RunError> {
        if self.view.members.len() < 2 {
            return Ok(());
        }
        let (control, founders) = watch::start(&mut self.engine, &self.start, key)?;
        self.attend(control);
        let capacity = self.engine.capacity();
        if capacity > self.view.members.len() as u32 {
            let doorway = Doorway::new(&self.start.run_dir, key.clone(), founders.len() as u32);
            if self.engine.is_master() {
                let (job, began_unix_s, claim) = (self.start.job.clone(), self.start.began_unix_s, self.start.claim);
                let assets = std::mem::take(&mut self.start.assets);
                doorway.door.open(key, &Notice { job, capacity, began_unix_s, claim, founders }, &assets)?;
            }
            self.doorway = Some(doorway);
        }
        Ok(())
    }

    /// Puts this rank under the watch.
    pub(super) fn attend(&mut self, control: Control) {
        control.desk().stop_without_quorum(self.start.job.fault_tolerance.on_lost_quorum == OnLostQuorum::Stop);
        let run_dir = self.start.run_dir.clone();
        control.desk().call_off_when(move || over::ended(&run_dir).is_some());
        self.engine.attend(control.desk().clone());
        if self.start.ranks.iter().any(|info| info.slurm.is_some()) {
            let (me, claim) = (self.engine.rank(), self.start.claim);
            self.witness = Some(Witness::start(me, control.desk(), claim, &self.start.run_dir));
            self.tell_the_witness();
        }
        self.control = Some(control);
        self.keep_copies();
    }

    /// Tells those who ask Slurm who takes part now.
    pub(super) fn tell_the_witness(&mut self) {
        if let Some(witness) = &self.witness {
            witness.tell(&self.view.members, &self.start.ranks);
        }
        let nodes: Vec<String> = self.view.members.iter().map(|&rank| self.start.node_of(rank)).collect();
        self.clock.tell(self.engine.is_master(), &nodes);
    }

    /// Has copies kept as the job wishes, among the ranks that are known.
    pub(super) fn keep_copies(&mut self) {
        let replicas = usize::from(self.start.job.fault_tolerance.replicas);
        if replicas > 0 {
            let (delta, nodes) = (self.start.job.network.delta_sync, self.start.nodes(self.engine.capacity()));
            self.engine.keep_copies(Replication { replicas, delta, nodes });
        }
    }

    /// What only the master has and does.
    pub(super) fn become_what_the_view_says(&mut self) {
        let migration = &self.start.job.balance.migration;
        let balances = migration.enabled && self.engine.is_master() && self.view.members.len() > 1;
        self.balancer = balances.then(|| {
            Balancer::new(Rule { threshold: f64::from(migration.threshold), cooldown_steps: migration.cooldown_steps })
        });
    }

    pub(super) fn run_on(mut self) -> Result<Ended<F>, RunError> {
        loop {
            let outcome = self.steps().and_then(|ending| self.finish(ending).map(|()| ending));
            match outcome {
                Ok(ending) => return Ok(self.leave(ending, true)),
                Err(RunError::Engine(EngineError::Disturbed { .. })) if self.control.is_some() => {
                    match self.recover() {
                        Err(RunError::Excluded { .. }) if self.is_asked_to_leave() => {
                            return Ok(self.leave(Ending::Left, false));
                        }
                        Ok(Some(ending)) => return Ok(self.leave(ending, false)),
                        Ok(None) => {}
                        Err(error) => return Err(error),
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// `together`: with the other members, at the end that they have all come to.
    fn leave(self, ending: Ending, together: bool) -> Ended<F> {
        if self.engine.is_master() && ending != Ending::Left {
            if let Some(doorway) = &self.doorway {
                doorway.door.shut();
            }
            self.start.claim.release(&self.start.run_dir);
        }
        let complete = together && self.view == View::first(self.start.founders);
        let lead = || Lead {
            nodes: self.engine.members().into_iter().map(|rank| self.start.node_of(rank)).collect(),
            time_is_up: ending == Ending::Stopped && self.clock.time_is_up(),
        };
        let leads = (together && self.engine.is_master()).then(lead);
        if let Some(control) = self.control {
            control.finish();
        }
        Ended { ending, fabric: self.engine.into_fabric(), complete, leads }
    }

    fn steps(&mut self) -> Result<Ending, RunError> {
        self.frame()?;
        while self.engine.steps_done() < self.start.scene.steps {
            self.inject_faults()?;
            self.fence.look()?;
            self.look_at_the_door()?;
            self.migrate()?;
            self.read_mail()?;
            let decision = if self.engine.is_master() { Some(self.decide()?) } else { None };
            let own = Own {
                wishes_stop: self.stop.asked() || self.clock.time_is_up(),
                wishes_to_leave: self.is_asked_to_leave(),
                replicated: self.engine.replicated()?,
            };
            let members = self.engine.members();
            let master = self.engine.master();
            let headers = self.engine.step(&encode(own, decision.as_ref()))?;
            self.heard = decode(headers, &members, master, self.start.scene.batches.len());
            self.after()?;
            if self.heard.decision.stop {
                return Ok(Ending::Stopped);
            }
        }
        Ok(Ending::Finished)
    }

    /// Does what a test asks for before this step.
    fn inject_faults(&mut self) -> Result<(), RunError> {
        let step = self.engine.steps_done();
        self.faults.pass(Point::Step(step), self.engine.rank());
        let rungs: Vec<_> = self.faults.rungs(step).collect();
        for (act, rung) in rungs {
            tracing::warn!(?act, %rung, "injects");
            self.engine.inject(rung, act == Act::Break)?;
        }
        Ok(())
    }

    /// The master's decision about the step to come.
    fn decide(&mut self) -> Result<Decision, RunError> {
        self.commit()?;
        let step = self.engine.steps_done();
        let mut members = self.engine.members();
        members.retain(|member| !self.heard.leaving.contains(member));
        let moves = match &mut self.balancer {
            _ if !self.heard.leaving.is_empty() => self.clear_out(&members),
            Some(balancer) => {
                for (body, &cost) in self.engine.costs_us().iter().enumerate() {
                    balancer.spent(self.engine.batch_of()[body], f64::from(cost) * 1e-6);
                }
                balancer.step(self.engine.ownership().batches(), &members)
            }
            None => Vec::new(),
        };
        let epoch = self.epoch_is_due(step);
        Ok(Decision {
            epoch,
            checkpoint: epoch && self.checkpoints.is_due(step + 1),
            // Where a checkpoint can be left.
            stop: self.heard.wishes_stop && self.says_all(step + 1),
            committed: self.epochs.ledger.committed().index,
            moves,
        })
    }

    /// Carries out the moves that the job names for this step and those that the master has decided.
    fn migrate(&mut self) -> Result<(), RunError> {
        let step = self.engine.steps_done();
        let members = self.engine.members();
        let by_hand = self.start.job.balance.moves.iter().filter(|m| m.step == step);
        let mut moves: Vec<Move> = by_hand.map(|m| Move { batch: m.batch, to: Rank(m.to_rank) }).collect();
        // By hand goes before: a batch that is moved by hand is not moved by the balancer in the same step.
        let decided = std::mem::take(&mut self.pending);
        let free: Vec<Move> = decided.into_iter().filter(|d| !moves.iter().any(|m| m.batch == d.batch)).collect();
        moves.extend(free);
        moves.retain(|m| self.engine.ownership().batches()[m.batch as usize] != m.to && members.contains(&m.to));
        if moves.is_empty() {
            return Ok(());
        }
        let from: Vec<u32> = moves.iter().map(|m| self.engine.ownership().batches()[m.batch as usize].0).collect();
        self.engine.migrate(&moves)?;
        self.migrations += moves.len() as u64;
        if let Some(journal) = &mut self.journal {
            for (m, from) in moves.iter().zip(from) {
                journal.write("migrated", step, json!({ "batch": m.batch, "from": from, "to": m.to.0 }))?;
            }
        }
        Ok(())
    }

    /// What happens after a step.
    fn after(&mut self) -> Result<(), RunError> {
        let step = self.engine.steps_done();
        self.pending.clone_from(&self.heard.decision.moves);
        self.resumed()?;
        let changes = self.engine.take_rung_changes();
        if let Some(journal) = &mut self.journal {
            for change in changes {
                let cause = change.cause.map(|cause| cause.to_string());
                let (from, to) = (change.from.name(), change.to.name());
                journal.write(
                    "rung_changed",
                    step,
                    json!({ "peer": change.peer.0, "from": from, "to": to, "cause": cause }),
                )?;
            }
        }
        self.engine.committed(self.heard.decision.committed);
        self.tend_checkpoints()?;
        if self.heard.decision.epoch {
            self.epoch()?;
        }
        self.frame()?;
        self.progress.step(step, self.engine.asleep());
        Ok(())
    }

    pub(super) fn frame(&mut self) -> Result<(), RunError> {
        let due = self.frames.as_ref().is_some_and(|frames| frames.due(self.engine.steps_done()));
        if due { self.write_frame() } else { Ok(()) }
    }

    pub(super) fn write_frame(&mut self) -> Result<(), RunError> {
        self.fence.look()?;
        let start = Instant::now();
        self.outside(true);
        let outcome = self.frames.as_mut().map_or(Ok(()), |frames| frames.write(&self.engine));
        self.outside(false);
        self.output += start.elapsed();
        self.faults.pass(Point::Frame, self.engine.rank());
        outcome
    }

    /// Tells the watch that this rank is in a file system, which may take its time.
    pub(super) fn outside(&self, outside: bool) {
        if let Some(control) = &self.control {
            control.desk().outside(outside);
        }
    }

    /// The run directory.
    pub(super) fn run_dir(&self) -> &Path {
        &self.start.run_dir
    }
}

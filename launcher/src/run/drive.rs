//! The loop of a rank: step after step, with what has to happen between steps.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rankzero_comm::{Bootstrap, CommError, Fabric, Rank};
use rankzero_job::Network;
use rankzero_slurm::launch::Launch;
use serde_json::json;

use super::Ending;
use super::control::{Decision, decode, encode};
use super::crossing::Crossing;
use super::error::RunError;
use super::faults::{Act, Faults};
use super::figures::{Figures, Split, usage};
use super::frames::Frames;
use super::journal::Journal;
use super::paths::{self, Way};
use super::progress::{Progress, say};
use super::start::{self, Options, Start};
use super::summary::Summary;
use crate::assign::{Balancer, Capability, Demand, Rule, assign};
use crate::engine::migrate::Move;
use crate::engine::{Engine, EngineError};
use crate::scene::Scene;

/// A rank in the middle of its run.
struct Drive<'a, F> {
    options: &'a Options,
    start: Start,
    began: Instant,
    faults: Faults,
    engine: Engine<F>,
    journal: Option<Journal>,
    frames: Option<Frames>,
    progress: Progress,
    balancer: Option<Balancer>,
    batch_of: Vec<u32>,
    pending: Vec<Move>,
    migrations: u64,
    last_epoch: Instant,
    output: Duration,
    warnings: Vec<String>,
}

/// Runs a rank on a fabric from start to summary; gives the fabric back. `equip` gives the fabric what the job asks of it.
///
/// # Errors
/// [`RunError`].
pub fn drive<F: Fabric + Bootstrap>(
    options: &Options,
    launch: &Launch,
    mut fabric: F,
    equip: impl FnOnce(&mut F, &Network) -> Result<(), CommError>,
) -> Result<(Ending, F), RunError> {
    let began = Instant::now();
    let faults = Faults::from_environment().map_err(RunError::Faults)?;
    let start = start::together(options, launch, &mut fabric)?;
    equip(&mut fabric, &start.job.network)?;
    let me = fabric.rank();
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
    let journal = if me == Rank(0) { Some(Journal::create(&start.run_dir, began)?) } else { None };
    let frames = Frames::new(&start.job, &start.scene, &start.run_dir, me)?;
    let mut batch_of = vec![0; start.scene.bodies.len()];
    for (batch, members) in start.scene.batches.iter().enumerate() {
        members.iter().for_each(|&b| batch_of[b as usize] = batch as u32);
    }
    let migration = &start.job.balance.migration;
    let balancer = (migration.enabled && me == Rank(0) && engine_size(&start) > 1).then(|| {
        Balancer::new(Rule { threshold: f64::from(migration.threshold), cooldown_steps: migration.cooldown_steps })
    });
    let quiet = options.quiet || me != Rank(0);
    let mut drive = Drive {
        options,
        progress: Progress::new(quiet, start.scene.steps, engine_size(&start)),
        began,
        faults,
        engine,
        journal,
        frames,
        balancer,
        batch_of,
        pending: Vec::new(),
        migrations: 0,
        last_epoch: Instant::now(),
        output: Duration::ZERO,
        warnings: Vec::new(),
        start,
    };
    drive.introduce(launch)?;
    let first_step = Instant::now();
    let cpu_before = usage().0;
    let ending = drive.steps()?;
    drive.finish(ending, first_step, cpu_before)
}

fn engine_size(start: &Start) -> u32 {
    start.ranks.len() as u32
}

/// The first assignment, the same on every rank: from the scene, the strategy and the ranks' threads.
fn first_owners(start: &Start) -> Vec<Rank> {
    let scene: &Scene = &start.scene;
    let batches: Vec<Demand> = (0..scene.batches.len())
        .map(|b| Demand {
            weight: scene.batch_weight(b),
            priority: scene.batches[b].iter().map(|&body| scene.bodies[body as usize].priority).max().unwrap_or(0),
        })
        .collect();
    let ranks: Vec<Capability> = start.ranks.iter().map(|r| Capability { rate: r.threads as f64 }).collect();
    assign(start.job.balance.strategy, &batches, &ranks)
}

impl<F: Fabric + Bootstrap> Drive<'_, F> {
    /// The journal's first lines: who takes part, and who computes what.
    fn introduce(&mut self, launch: &Launch) -> Result<(), RunError> {
        let picks = self.engine.picks();
        for pick in &picks {
            tracing::info!("{} reaches {}", self.engine.rank(), paths::line(pick));
        }
        let ways: Vec<Way> = picks.iter().map(Way::from).collect();
        self.warnings = self.fallback(&ways)?.into_iter().collect();
        let Some(journal) = &mut self.journal else { return Ok(()) };
        for rank in &self.start.ranks {
            let fields = json!({
                "rank": rank.rank, "pid": rank.pid, "host": rank.host, "threads": rank.threads, "binding": rank.binding,
            });
            journal.write("rank_started", 0, fields)?;
        }
        let scene = &self.start.scene;
        let fabric = paths::in_short(&picks);
        journal.write("fabric", 0, json!({ "fabric": fabric, "launcher": launch.launcher.name(), "paths": ways }))?;
        for warning in &self.warnings {
            journal.write("warning", 0, json!({ "warning": warning }))?;
            // Even of a quiet run: what it costs is noticed only later.
            say(format_args!("warning: {warning}"));
        }
        for note in &self.start.notes {
            journal.write("mesh_mended", 0, json!({ "note": note }))?;
        }
        let owners: Vec<u32> = self.engine.ownership().batches().iter().map(|r| r.0).collect();
        let strategy = serde_json::to_value(self.start.job.balance.strategy).unwrap_or_default();
        journal.write("assigned", 0, json!({ "strategy": strategy, "batch_to_rank": owners }))?;
        if !self.options.quiet {
            for note in &self.start.notes {
                say(format_args!("note: {note}"));
            }
            say(format_args!(
                "{}: {} soft bodies ({} tets) in {} batches, {} rigid bodies, {} steps of {} substeps; {} ranks over {} ({}), {}, {}",
                self.start.job.name,
                scene.bodies.len(),
                scene.tets(),
                scene.batches.len(),
                scene.rigids.len(),
                scene.steps,
                scene.rule.substeps,
                self.start.ranks.len(),
                fabric,
                launch.launcher.name(),
                self.start.binding.description,
                self.engine.isa().name(),
            ));
        }
        Ok(())
    }

    /// What is to be said where nodes do not reach each other by RDMA; the same on all ranks.
    fn fallback(&mut self, ways: &[Way]) -> Result<Option<String>, RunError> {
        let hosts: Vec<&str> = self.start.ranks.iter().map(|rank| rank.host.as_str()).collect();
        if hosts.windows(2).all(|pair| pair[0] == pair[1]) {
            return Ok(None);
        }
        let mine = Crossing::of(self.engine.rank().0, ways, &hosts);
        let deadline = Instant::now() + start::START_TIMEOUT;
        let mut sum = Crossing::default();
        for bytes in self.engine.all_gather(&serde_json::to_vec(&mine).unwrap_or_default(), deadline)? {
            sum.add(serde_json::from_slice(&bytes).unwrap_or_default());
        }
        Ok(sum.warning())
    }

    fn steps(&mut self) -> Result<Ending, RunError> {
        let stop = stop_flag();
        let mut wished = false;
        self.frame()?;
        while self.engine.steps_done() < self.start.scene.steps {
            self.inject_faults()?;
            self.migrate()?;
            let decision = self.decide(wished);
            let headers = self.engine.step(&encode(stop.load(Ordering::Relaxed), decision.as_ref()))?;
            let (wish, decision) = decode(headers, self.start.scene.batches.len());
            wished = wish;
            self.after(&decision)?;
            if decision.stop {
                return Ok(Ending::Stopped);
            }
        }
        Ok(Ending::Finished)
    }

    /// Breaks and mends the rungs that a test names for this step.
    fn inject_faults(&mut self) -> Result<(), RunError> {
        for fault in self.faults.before(self.engine.steps_done()) {
            tracing::warn!(?fault, "injects");
            self.engine.inject(fault.rung, fault.act == Act::Break)?;
        }
        Ok(())
    }

    /// Rank 0's decision about the step to come.
    fn decide(&mut self, wished: bool) -> Option<Decision> {
        if self.engine.rank() != Rank(0) {
            return None;
        }
        let next = self.engine.steps_done() + 1;
        let interval = Duration::from_millis(self.start.job.network.sync_interval_ms);
        let epoch_steps = self.start.job.fault_tolerance.epoch_steps.fixed();
        // Epochs lie where the rigid scene is rebuilt: there, and only there, the state says all.
        let possible = next.is_multiple_of(self.start.scene.rebuild_steps);
        let due =
            epoch_steps.map_or(self.last_epoch.elapsed() >= interval, |n| next % n < self.start.scene.rebuild_steps);
        let moves = match &mut self.balancer {
            Some(balancer) => {
                for (body, &cost) in self.engine.costs_us().iter().enumerate() {
                    balancer.spent(self.batch_of[body], f64::from(cost) * 1e-6);
                }
                balancer.step(self.engine.ownership().batches(), engine_size(&self.start))
            }
            None => Vec::new(),
        };
        Some(Decision { epoch: possible && due, stop: wished, moves })
    }

    /// Carries out the moves that the job names for this step and those that rank 0 has decided.
    fn migrate(&mut self) -> Result<(), RunError> {
        let step = self.engine.steps_done();
        let by_hand = self.start.job.balance.moves.iter().filter(|m| m.step == step);
        let mut moves: Vec<Move> = by_hand.map(|m| Move { batch: m.batch, to: Rank(m.to_rank) }).collect();
        // By hand goes before: a batch that is moved by hand is not moved by the balancer in the same step.
        let decided = std::mem::take(&mut self.pending);
        let free: Vec<Move> = decided.into_iter().filter(|d| !moves.iter().any(|m| m.batch == d.batch)).collect();
        moves.extend(free);
        moves.retain(|m| self.engine.ownership().batches()[m.batch as usize] != m.to);
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
    fn after(&mut self, decision: &Decision) -> Result<(), RunError> {
        let step = self.engine.steps_done();
        self.pending.clone_from(&decision.moves);
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
        if decision.epoch {
            let start = Instant::now();
            let digest = self.engine.digest()?;
            if let (Some(journal), Some(digest)) = (&mut self.journal, digest) {
                journal.write("epoch", step, json!({ "digest": digest, "asleep": self.engine.asleep() }))?;
            }
            self.last_epoch = Instant::now();
            self.output += start.elapsed();
        }
        self.frame()?;
        self.progress.step(step, self.engine.asleep());
        Ok(())
    }

    fn frame(&mut self) -> Result<(), RunError> {
        let start = Instant::now();
        if let Some(frames) = &mut self.frames
            && frames.due(self.engine.steps_done())
        {
            frames.write(&self.engine, &self.batch_of)?;
        }
        self.output += start.elapsed();
        Ok(())
    }

    /// The last frame, the digest, everybody's figures.
    fn finish(mut self, ending: Ending, first_step: Instant, cpu_before: f64) -> Result<(Ending, F), RunError> {
        let step = self.engine.steps_done();
        let start = Instant::now();
        if let Some(frames) = &mut self.frames
            && !frames.due(step)
        {
            frames.write(&self.engine, &self.batch_of)?;
        }
        let digest = self.engine.digest()?;
        self.output += start.elapsed();
        self.progress.finish();
        let (cpu_s, resident_bytes) = usage();
        let me = self.engine.rank();
        let mine = Figures {
            rank: me.0,
            host: self.start.ranks[me.index()].host.clone(),
            cpu_s,
            cpu_steps_s: cpu_s - cpu_before,
            resident_bytes,
            bodies: self.engine.own_ids().count() as u64,
            traffic: self.engine.traffic().iter().filter(|t| t.sent_messages > 0).map(Into::into).collect(),
            paths: paths::in_short(&self.engine.picks()),
            rung_changes: self.engine.rung_changes(),
            split: Split::new(&self.engine.time, self.output),
        };
        let wall_s = first_step.elapsed().as_secs_f64();
        let mut fabric = self.engine.into_fabric();
        let deadline = Instant::now() + super::END_TIMEOUT;
        let all = fabric.all_gather(&serde_json::to_vec(&mine).unwrap_or_default(), deadline)?;
        let per_rank: Vec<Figures> = all.iter().filter_map(|bytes| serde_json::from_slice(bytes).ok()).collect();
        if let (Some(mut journal), Some(digest)) = (self.journal, digest) {
            let word = if ending == Ending::Finished { "finished" } else { "stopped" };
            let summary = Summary {
                name: self.start.job.name.clone(),
                ending: word.to_owned(),
                digest: digest.clone(),
                steps: step,
                ranks: per_rank.len() as u32,
                threads_per_rank: self.start.ranks[0].threads,
                migrations: self.migrations,
                start_s: (first_step - self.began).as_secs_f64(),
                wall_s,
                frames: self.frames.map_or(0, |f| f.count),
                warnings: self.warnings,
                ..Default::default()
            }
            .gather(&self.start.scene, per_rank);
            journal.write(word, step, json!({ "digest": digest }))?;
            summary.write(&self.start.run_dir)?;
            self.options.show(&summary, &self.start.run_dir);
        }
        Ok((ending, fabric))
    }
}

impl Options {
    /// Prints the summary: JSON where asked for, else the lines for people and where the files are.
    fn show(&self, summary: &Summary, run_dir: &Path) {
        let text = if self.json {
            serde_json::to_string_pretty(summary).unwrap_or_default()
        } else if !self.quiet {
            format!("{}run      {}", summary.text(), run_dir.display())
        } else {
            return;
        };
        // It is in summary.json as well: a closed stdout is no failure of the run.
        let _ = writeln!(std::io::stdout(), "{text}");
    }
}

/// Set by SIGINT, SIGTERM and SIGUSR1: the run ends after a step, with all its files whole.
fn stop_flag() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGUSR1] {
        // A second signal ends the process at once, as a user who presses Ctrl-C twice expects.
        let second = signal_hook::flag::register_conditional_shutdown(signal, 130, flag.clone());
        if let Err(error) = second.and_then(|_| signal_hook::flag::register(signal, flag.clone())) {
            tracing::warn!("signal {signal} will end the run at once: {error}");
        }
    }
    flag
}

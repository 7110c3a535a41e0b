//! When the view changes: who is gone is fenced off, the members agree on what is restored, and the run goes on from there.
//!
//! Every member does the same: it leaves its step where it is, waits for the next view that is in force, enters it together with the
//! others, tells the master what copies it holds, and restores what the master's plan says. The master may be a new one; then it takes
//! over the journal, the list of frames and the display. Whatever happens meanwhile leads to yet another view, and to the beginning
//! of this.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use rankzero_checkpoint::Loaded;
use rankzero_comm::control::Desk;
use rankzero_comm::member::{Notice, Status, View};
use rankzero_comm::{Bootstrap, Fabric, Left, Rank};
use rankzero_epoch::{Epoch, Inventory, Ledger, Lost, Plan, plan};
use serde_json::json;

use super::Ending;
use super::control::Heard;
use super::drive::Drive;
use super::epochs::Epochs;
use super::error::RunError;
use super::faults::{Point, last_kill};
use super::journal::Journal;
use super::over;
use super::progress::{Progress, say};
use super::recovered::Recovered;
use super::words::{Recovery, What, Word};
use crate::engine::EngineError;

/// What a run has lost so far.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// What was made good.
    pub recoveries: Vec<Recovered>,
    /// Who is fenced off.
    fenced: BTreeSet<Rank>,
    /// Newcomers of which the journal does not know yet.
    pub arrived: BTreeSet<Rank>,
    /// Why peers count as gone, and since when.
    signs: BTreeMap<Rank, (Instant, String)>,
    /// Who has gone on purpose, of which the journal does not know yet.
    left: BTreeSet<Rank>,
    /// The recovery whose first step is being computed.
    running: Option<(Instant, Recovered)>,
}

/// How a wait for a view ends.
enum Next {
    /// It is in force since then.
    View(View, Instant),
    /// None will come.
    Over(Ending),
}

/// What a view is to do.
enum Course {
    /// Go on from there.
    On(Box<Recovery>),
    /// Nothing: others have ended the run, while those of this view were cut off from them.
    Over(Ending),
}

impl<F: Fabric + Bootstrap> Drive<'_, F> {
    /// Goes on in the next view; `Some`: the run is over, and this is how it ended.
    pub(super) fn recover(&mut self) -> Result<Option<Ending>, RunError> {
        let at_step = self.engine.steps_done();
        let noticed = Instant::now();
        loop {
            let (view, elected) = match self.next_view()? {
                Next::View(view, elected) => (view, elected),
                Next::Over(ending) => return Ok(Some(ending)),
            };
            match self.enter(view, elected, noticed, at_step) {
                Err(RunError::Engine(EngineError::Disturbed { .. })) => {}
                outcome => return outcome,
            }
        }
    }

    /// Waits until a view is in force again.
    fn next_view(&mut self) -> Result<Next, RunError> {
        loop {
            self.read_notices();
            self.fence.look()?;
            let Some(desk) = self.desk() else { return Err(RunError::MasterRefused) };
            match desk.status() {
                Status::Steady(view) => return Ok(Next::View(view, desk.since())),
                Status::Excluded { by } => {
                    let me = self.engine.rank();
                    return Err(RunError::Excluded { me, term: by.to_string() });
                }
                Status::NoQuorum if desk.stops_without_quorum() => {
                    return Err(RunError::NoQuorum { me: self.engine.rank(), dir: self.start.run_dir.clone() });
                }
                Status::NoQuorum if desk.disturbed() => match self.over() {
                    Some(ending) => return Ok(Next::Over(ending)),
                    None => self.keep_moving()?,
                },
                Status::NoQuorum | Status::Changing => self.keep_moving()?,
            }
        }
    }

    /// Takes note of why peers count as gone.
    fn read_notices(&mut self) {
        for (at, notice) in self.desk().map(Desk::take_notices).unwrap_or_default() {
            let (peer, how) = match notice {
                Notice::ProvenDead { peer } => (peer, "its process has ended".to_owned()),
                Notice::Suspected { peer, silent_ms } => (peer, format!("silent for {silent_ms} ms")),
                Notice::Hung { peer } => (peer, "its heart beats, but its steps do not move".to_owned()),
                Notice::Cut { a, b } => (a, format!("no data path between it and {b}")),
                Notice::Trusted { peer } => {
                    self.losses.signs.remove(&peer);
                    continue;
                }
                Notice::Standing { .. } | Notice::Proposing { .. } | Notice::NotAdmitted { .. } => continue,
            };
            self.losses.signs.entry(peer).or_insert((at, how));
        }
    }

    fn enter(
        &mut self,
        view: View,
        elected: Instant,
        noticed: Instant,
        at_step: u64,
    ) -> Result<Option<Ending>, RunError> {
        let me = self.engine.rank();
        let Some(desk) = self.desk().cloned() else { return Ok(None) };
        desk.attend(view.term);
        self.faults.pass(Point::View, me);
        self.fence(&view, &desk)?;
        self.admit(&view)?;
        self.engine.enter(&view)?;
        self.faults.pass(Point::Entered, me);
        let mut record = Recovered {
            term: view.term.to_string(),
            master: view.master().0,
            members: view.members.len(),
            at_step,
            ..Recovered::default()
        };
        let mut first = noticed;
        for rank in self.view.members.iter().filter(|&&rank| !view.contains(rank)) {
            // Who was asked to leave goes once it has nothing any more; its end is no loss, however it is noticed.
            if self.heard.leaving.contains(rank) && !self.engine.ownership().batches().contains(rank) {
                self.losses.left.insert(*rank);
            }
            if self.losses.left.contains(rank) {
                continue;
            }
            let (at, how) = self.losses.signs.get(rank).cloned().unwrap_or((noticed, "it does not answer".to_owned()));
            let how = self.witness.as_ref().and_then(|witness| witness.word_on(*rank)).unwrap_or(how);
            record.lost.push(rank.0);
            record.how.push(how);
            first = first.min(at);
        }
        let course = if self.engine.is_master() { self.lead(&view)? } else { self.follow(&view)? };
        let recovery = match course {
            Course::On(recovery) => recovery,
            Course::Over(ending) => return Ok(Some(ending)),
        };
        self.faults.pass(Point::Planned, me);
        record.from_step = self.restore(&view, &recovery)?;
        let ms = |at: Instant| at.saturating_duration_since(first).as_secs_f64() * 1e3;
        (record.elected_ms, record.restored_ms) = (ms(elected), ms(Instant::now()));
        record.detected_ms = last_kill(&self.start.run_dir, &record.lost, first);
        if let Some((began, earlier)) = self.losses.running.take() {
            // Nobody was told of that one: not a step was done after it.
            first = first.min(began);
            record.at_step = record.at_step.max(earlier.at_step);
            record.lost.splice(0..0, earlier.lost);
            record.how.splice(0..0, earlier.how);
        }
        self.losses.signs.clear();
        self.losses.running = Some((first, record));
        self.view = view;
        self.tell_the_witness();
        self.become_what_the_view_says();
        Ok(None)
    }

    /// Ends all paths by which somebody who is not in the view could still write here.
    fn fence(&mut self, view: &View, desk: &Desk) -> Result<(), RunError> {
        let dead = desk.dead();
        let me = self.engine.rank();
        let new = |rank: &Rank| *rank != me && !view.contains(*rank) && !self.losses.fenced.contains(rank);
        // Of all who have ever taken part: a newcomer may have died before the view that let it in was entered.
        let left: Vec<Left> = self
            .engine
            .present()
            .into_iter()
            .filter(new)
            .map(|rank| Left { rank, dead: dead.contains(&rank) })
            .collect();
        if !left.is_empty() {
            self.stop.has_lost();
        }
        self.engine.exclude(&left)?;
        self.losses.fenced.extend(left.iter().map(|left| left.rank));
        Ok(())
    }

    /// How the run has ended, if it has: without this rank, or before all members could be told.
    fn over(&self) -> Option<Ending> {
        let dir = &self.start.run_dir;
        let ending = over::ended(dir)?;
        say(format_args!("rank {}: the run has ended already, see {}", self.engine.rank().0, dir.display()));
        Some(ending)
    }

    /// The master's part: from everybody's copies to a plan.
    fn lead(&mut self, view: &View) -> Result<Course, RunError> {
        let me = self.engine.rank();
        if let Some(ending) = self.over() {
            self.tell_all(view, &What::Over(ending));
            return Ok(Course::Over(ending));
        }
        if self.journal.is_none() {
            let journal = Journal::take_over(&self.start.run_dir, self.start.began_unix_s)?;
            self.journal = Some(journal);
        }
        let mut inventories = BTreeMap::from([(me, self.engine.inventory())]);
        while inventories.len() < view.members.len() {
            self.undisturbed()?;
            while let Some(mail) = self.desk().and_then(Desk::take_mail) {
                if let Some(What::Inventory(inventory)) = Word::decode(&mail.bytes, view.term)
                    && view.contains(mail.from)
                {
                    inventories.insert(mail.from, inventory);
                }
            }
            if inventories.len() < view.members.len() {
                self.keep_moving()?;
            }
        }
        self.faults.pass(Point::Gathered, me);
        let mut recovery = self.plan(view, &inventories)?;
        // Who came later may not have entered the view that let it in, whatever this rank has.
        let newcomers = view.members.iter().any(|member| member.0 >= self.start.founders);
        if newcomers && recovery.checkpoint.is_none() {
            recovery.rigids = Some(self.engine.rigids_at(recovery.plan.epoch));
        }
        self.tell_all(view, &What::Plan(recovery.clone()));
        Ok(Course::On(Box::new(recovery)))
    }

    /// Leaves a word for all others of a view.
    fn tell_all(&self, view: &View, what: &What) {
        let me = self.engine.rank();
        for &peer in view.members.iter().filter(|&&peer| peer != me) {
            if let Some(desk) = self.desk() {
                desk.post(peer, Word::encode(view.term, what.clone()));
            }
        }
    }

    /// What is restored: the newest epoch in memory, else the newest checkpoint, else the start.
    fn plan(&mut self, view: &View, inventories: &BTreeMap<Rank, Inventory>) -> Result<Recovery, RunError> {
        let owners = self.engine.ownership().batches().to_vec();
        let newest = match plan(&owners, inventories) {
            Ok(plan) => return Ok(Recovery { plan, checkpoint: None, rigids: None }),
            Err(Lost { newest }) => newest,
        };
        if let Some((epoch, batches)) = newest {
            let lost = batches.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
            say(format_args!(
                "the copies of batches {lost} at step {} are lost with their owners; going back further",
                epoch.step
            ));
            self.note("copies_lost", json!({ "epoch_step": epoch.step, "batches": batches }))?;
        }
        let plan = heirs(&owners, view);
        let checkpoint = self.newest_checkpoint();
        Ok(Recovery { plan, checkpoint: checkpoint.map(|found| found.folder), rigids: None })
    }

    fn note(&mut self, event: &str, fields: serde_json::Value) -> Result<(), RunError> {
        let step = self.engine.steps_done();
        self.journal.as_mut().map_or(Ok(()), |journal| journal.write(event, step, fields))
    }

    /// Everybody else's part: tells what it holds and waits for the plan.
    fn follow(&mut self, view: &View) -> Result<Course, RunError> {
        self.journal = None;
        let inventory = self.engine.inventory();
        let master = view.master();
        if let Some(desk) = self.desk() {
            desk.post(master, Word::encode(view.term, What::Inventory(inventory)));
        }
        loop {
            while let Some(mail) = self.desk().and_then(Desk::take_mail) {
                if mail.from != master {
                    continue;
                }
                match Word::decode(&mail.bytes, view.term) {
                    Some(What::Plan(recovery)) if recovery.plan.owners.len() == self.start.scene.batches.len() => {
                        return Ok(Course::On(Box::new(recovery)));
                    }
                    Some(What::Over(ending)) => return Ok(Course::Over(ending)),
                    _ => {}
                }
            }
            self.undisturbed()?;
            self.keep_moving()?;
        }
    }

    /// Goes back to the state of the plan; returns its step.
    fn restore(&mut self, view: &View, recovery: &Recovery) -> Result<u64, RunError> {
        let Recovery { plan, checkpoint, rigids } = recovery;
        let me = self.engine.rank();
        if let Some(words) = rigids.as_ref().filter(|_| !self.view.contains(me)) {
            self.engine.take_rigids(plan.epoch, words);
        }
        let step = match checkpoint {
            Some(folder) => {
                let loaded = Loaded::open(folder)?;
                self.engine.resume_owners(&plan.owners);
                self.load(&loaded)?;
                loaded.manifest.step
            }
            None => {
                self.engine.restore(plan)?;
                plan.epoch.step
            }
        };
        self.rewind_frames(step)?;
        self.faults.pass(Point::Restored, me);
        self.epochs = Epochs::new(Ledger::resume(plan.epoch));
        self.heard = Heard::default();
        self.pending.clear();
        self.handed_in.clear();
        self.forget_checkpoint();
        if self.engine.is_master() && self.view.master() != me {
            let ranks = view.members.len() as u32;
            self.progress = Progress::new(self.options.quiet, self.start.scene.steps, ranks);
        }
        Ok(step)
    }

    /// The first step after a recovery is done: says what happened.
    pub(super) fn resumed(&mut self) -> Result<(), RunError> {
        let Some((first, mut record)) = self.losses.running.take() else { return Ok(()) };
        record.resumed_ms = first.elapsed().as_secs_f64() * 1e3;
        self.faults.pass(Point::Resumed, self.engine.rank());
        let (arrived, left) = (std::mem::take(&mut self.losses.arrived), std::mem::take(&mut self.losses.left));
        self.tell_of(&arrived, &left)?;
        let nodes: Vec<String> = record.lost.iter().map(|rank| self.start.node_of(Rank(*rank))).collect();
        if let Some(journal) = &mut self.journal {
            if !record.lost.is_empty() {
                let fields = json!({ "ranks": record.lost, "how": record.how, "nodes": nodes });
                journal.write_at(first, "lost", record.at_step, fields)?;
            }
            let members: Vec<u32> = self.view.members.iter().map(|rank| rank.0).collect();
            let fields = json!({ "term": record.term, "master": record.master, "members": members });
            journal.write("view", record.from_step, fields)?;
            let owners: Vec<u32> = self.engine.ownership().batches().iter().map(|r| r.0).collect();
            journal.write(
                "recovered",
                record.from_step,
                json!({
                    "at_step": record.at_step, "elected_ms": record.elected_ms, "restored_ms": record.restored_ms,
                    "resumed_ms": record.resumed_ms, "detected_ms": record.detected_ms, "batch_to_rank": owners,
                }),
            )?;
            if !self.options.quiet && !record.lost.is_empty() {
                record.lines().iter().for_each(|line| say(format_args!("{line}")));
            }
        }
        if !record.lost.is_empty() {
            self.losses.recoveries.push(record);
        }
        Ok(())
    }

    /// On the master: tells of those who have come and gone on purpose.
    fn tell_of(&mut self, arrived: &BTreeSet<Rank>, left: &BTreeSet<Rank>) -> Result<(), RunError> {
        let step = self.engine.steps_done();
        let Some(journal) = &mut self.journal else { return Ok(()) };
        for info in arrived.iter().filter_map(|rank| self.start.info(*rank)) {
            let fields = json!({ "rank": info.rank, "pid": info.pid, "host": info.host, "threads": info.threads });
            journal.write("rank_joined", step, fields)?;
            if !self.options.quiet {
                say(format_args!("rank {} joins: process {} on {}", info.rank, info.pid, info.host));
            }
        }
        for rank in left {
            journal.write("rank_left", step, json!({ "rank": rank.0 }))?;
            if !self.options.quiet {
                say(format_args!("{rank} leaves, as it was asked to"));
            }
        }
        Ok(())
    }

    /// Refuses an epoch whose digest differs from that of an earlier try at the same step.
    pub(super) fn compare_with_the_journal(&self, step: u64, digest: &str) -> Result<(), RunError> {
        let before = self.journal.as_ref().and_then(|journal| journal.digest_at(step));
        match before {
            Some(before) if before != digest => {
                Err(RunError::LawBroken { step, before: before.to_owned(), now: digest.to_owned() })
            }
            _ => Ok(()),
        }
    }
}

/// Batches without an owner go to who has the fewest: for a state of which nobody needs a copy in memory.
fn heirs(owners: &[Rank], view: &View) -> Plan {
    let mut load: BTreeMap<Rank, usize> = view.members.iter().map(|&member| (member, 0)).collect();
    for owner in owners {
        load.entry(*owner).and_modify(|load| *load += 1);
    }
    let mut settled = Vec::with_capacity(owners.len());
    for &owner in owners {
        let heir = if view.contains(owner) {
            owner
        } else {
            let heir = load.iter().min_by_key(|&(rank, load)| (*load, *rank)).map_or(owner, |(rank, _)| *rank);
            load.entry(heir).and_modify(|load| *load += 1);
            heir
        };
        settled.push(heir.0);
    }
    Plan { epoch: Epoch::START, owners: settled }
}

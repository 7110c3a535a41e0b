//! Checkpoints of a run: every rank hands the bodies that it owns to a thread that writes them, and the master makes them count once
//! all parts are on disk. The run does not wait for that, but at its end. What goes wrong costs that checkpoint, never the run.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::Instant;

use rankzero_checkpoint::{CheckpointError, Manifest, PartInfo, Store, View as Seen};
use rankzero_comm::{Bootstrap, Fabric, Rank};
use serde_json::json;

use super::drive::Drive;
use super::error::RunError;
use super::faults::Point;
use super::progress::say;
use super::words::{What, Word};

/// Work for the thread that writes.
enum Order {
    Part { step: u64, writer: u32, bodies: Vec<(u32, Vec<u32>)> },
    Commit(Box<Manifest>, u32),
    Abandon(u64),
}

/// What it has done.
enum Done {
    Part(u64, Result<PartInfo, CheckpointError>),
    Commit(u64, Result<Vec<u64>, CheckpointError>),
}

/// A checkpoint under way, on the master.
struct UnderWay {
    step: u64,
    began: Instant,
    rigids: Vec<u32>,
    batch_to_rank: Vec<u32>,
    /// Who writes a part.
    writers: Vec<Rank>,
    parts: BTreeMap<Rank, PartInfo>,
    digest: Option<String>,
    /// All parts are there, and the manifest is being written.
    committing: bool,
}

/// The checkpoints of a run.
pub(super) struct Checkpoints {
    orders: Sender<Order>,
    done: Receiver<Done>,
    under_way: Option<UnderWay>,
    every: Option<u64>,
    keep: u32,
    /// The step of the last one that was begun.
    last: u64,
}

impl Checkpoints {
    /// In `store`; one every so many steps, if that is wished for. `last`: the step of the newest one already there.
    pub fn new(store: Store, every: Option<u64>, keep: u32, last: u64) -> std::io::Result<Self> {
        let (orders, inbox) = channel();
        let (outbox, done) = channel();
        std::thread::Builder::new().name("checkpoint".to_owned()).spawn(move || write(&store, &inbox, &outbox))?;
        Ok(Self { orders, done, under_way: None, every, keep, last })
    }

    /// Whether one is due at the end of `step` steps; never while one is under way.
    pub fn is_due(&self, step: u64) -> bool {
        self.under_way.is_none() && self.every.is_some_and(|every| step / every > self.last / every)
    }

    /// Whether one is under way, as far as the master knows.
    pub fn is_busy(&self) -> bool {
        self.under_way.is_some()
    }

    fn order(&self, order: Order) {
        // The thread ends with this handle and not before.
        let _ = self.orders.send(order);
    }
}

fn write(store: &Store, inbox: &Receiver<Order>, outbox: &Sender<Done>) {
    for order in inbox {
        let done = match order {
            Order::Part { step, writer, bodies } => {
                let bodies: Vec<(u32, &[u32])> = bodies.iter().map(|(id, words)| (*id, &words[..])).collect();
                Done::Part(step, store.write_part(step, writer, &bodies))
            }
            Order::Commit(manifest, keep) => {
                let step = manifest.step;
                Done::Commit(step, store.commit(&manifest).and_then(|()| store.retain(keep)))
            }
            Order::Abandon(step) => {
                if let Err(error) = store.abandon(step) {
                    tracing::warn!(%error, "what an unfinished checkpoint left stays");
                }
                continue;
            }
        };
        if outbox.send(done).is_err() {
            return;
        }
    }
}

impl<F: Fabric + Bootstrap> Drive<'_, F> {
    /// Begins a checkpoint of the state as it is; all members call it at the same step.
    pub(super) fn begin_checkpoint(&mut self) {
        let step = self.engine.steps_done();
        let owners = self.engine.ownership().batches().to_vec();
        let (me, master) = (self.engine.rank(), self.engine.is_master());
        self.checkpoints.last = step;
        if master {
            let mut writers = owners.clone();
            writers.sort_unstable();
            writers.dedup();
            let states = self.engine.rigids().states();
            self.checkpoints.under_way = Some(UnderWay {
                step,
                began: Instant::now(),
                rigids: states.iter().flat_map(|state| state.to_words()).collect(),
                batch_to_rank: owners.iter().map(|owner| owner.0).collect(),
                writers,
                parts: BTreeMap::new(),
                digest: None,
                committing: false,
            });
        }
        let bodies: Vec<(u32, Vec<u32>)> = self.engine.own_ids().map(|id| (id, self.engine.state(id))).collect();
        if !bodies.is_empty() {
            self.checkpoints.order(Order::Part { step, writer: me.0, bodies });
        }
    }

    /// Takes note of what the writing thread and, on the master, the other ranks have to say; makes the checkpoint count when all of it
    /// is there.
    pub(super) fn tend_checkpoints(&mut self) -> Result<(), RunError> {
        loop {
            match self.checkpoints.done.try_recv() {
                Ok(Done::Part(step, outcome)) => self.part_written(step, outcome)?,
                Ok(Done::Commit(step, outcome)) => self.committed_checkpoint(step, outcome)?,
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return self.give_checkpoint_up("its thread has ended"),
            }
        }
        let me = self.engine.rank();
        let Some(under_way) = &mut self.checkpoints.under_way else { return Ok(()) };
        let whole = under_way.writers.iter().all(|writer| under_way.parts.contains_key(writer));
        if under_way.committing || !whole || under_way.digest.is_none() {
            return Ok(());
        }
        self.fence.look_now()?;
        under_way.committing = true;
        let parts = under_way.parts.values().cloned().collect();
        let term = self.view.term;
        let manifest = Manifest {
            job: self.start.job.name.clone(),
            fingerprint: self.start.course.clone(),
            digest: under_way.digest.clone(),
            rigids: under_way.rigids.clone(),
            batch_to_rank: under_way.batch_to_rank.clone(),
            view: Seen {
                term: [u64::from(term.round), u64::from(term.candidate.0)],
                members: self.view.members.iter().map(|member| member.0).collect(),
            },
            program: env!("CARGO_PKG_VERSION").to_owned(),
            ..Manifest::of_parts(under_way.step, parts)
        };
        self.faults.pass(Point::Manifest, me);
        self.checkpoints.order(Order::Commit(Box::new(manifest), self.checkpoints.keep));
        Ok(())
    }

    fn part_written(&mut self, step: u64, outcome: Result<PartInfo, CheckpointError>) -> Result<(), RunError> {
        let me = self.engine.rank();
        self.faults.pass(Point::Part, me);
        let outcome = outcome.map_err(|error| error.to_string());
        if self.engine.is_master() {
            return self.part_of(me, step, outcome);
        }
        if let Some(desk) = self.desk() {
            desk.post(self.engine.master(), Word::encode(self.view.term, What::Part(step, outcome)));
        }
        Ok(())
    }

    /// On the master: `writer` has written its part, or has not.
    pub(super) fn part_of(
        &mut self,
        writer: Rank,
        step: u64,
        outcome: Result<PartInfo, String>,
    ) -> Result<(), RunError> {
        let Some(under_way) = self.checkpoints.under_way.as_mut().filter(|under_way| under_way.step == step) else {
            return Ok(());
        };
        match outcome {
            Ok(part) => {
                under_way.parts.insert(writer, part);
                Ok(())
            }
            Err(why) => self.give_checkpoint_up(&format!("{writer}: {why}")),
        }
    }

    /// On the master: the digest of the state after `step` steps is known.
    pub(super) fn digest_of_checkpoint(&mut self, step: u64, digest: &str) {
        if let Some(under_way) = self.checkpoints.under_way.as_mut().filter(|under_way| under_way.step == step) {
            under_way.digest = Some(digest.to_owned());
        }
    }

    fn committed_checkpoint(&mut self, step: u64, outcome: Result<Vec<u64>, CheckpointError>) -> Result<(), RunError> {
        let Some(under_way) = self.checkpoints.under_way.take_if(|under_way| under_way.step == step) else {
            return Ok(());
        };
        let removed = match outcome {
            Ok(removed) => removed,
            Err(error) => {
                self.checkpoints.under_way = Some(under_way);
                return self.give_checkpoint_up(&error.to_string());
            }
        };
        let bytes: u64 = under_way.parts.values().map(|part| part.bytes).sum();
        let seconds = under_way.began.elapsed().as_secs_f64();
        self.journal.as_mut().map_or(Ok(()), |journal| {
            journal.write("checkpoint", step, json!({ "bytes": bytes, "seconds": seconds, "removed": removed }))
        })
    }

    /// The checkpoint under way does not come about; the run goes on.
    fn give_checkpoint_up(&mut self, why: &str) -> Result<(), RunError> {
        let Some(under_way) = self.checkpoints.under_way.take() else { return Ok(()) };
        let step = under_way.step;
        say(format_args!("warning: the checkpoint at step {step} failed, the run goes on: {why}"));
        self.warnings.push(format!("the checkpoint at step {step} failed: {why}"));
        self.checkpoints.order(Order::Abandon(step));
        self.journal.as_mut().map_or(Ok(()), |journal| journal.write("checkpoint_failed", step, json!({ "why": why })))
    }

    /// On the master at the end: the epoch of the checkpoint under way may not be committed any more, but its digest is on its way.
    pub(super) fn await_digest_of_checkpoint(&mut self) -> Result<(), RunError> {
        while self.checkpoints.under_way.as_ref().is_some_and(|under_way| under_way.digest.is_none()) {
            match self.engine.epoch_digest() {
                Some(digest) => self.digest_of_checkpoint(self.engine.epoch().step, &digest),
                None => self.attend_to_checkpoint()?,
            }
        }
        Ok(())
    }

    /// A recovery: whoever is gone will not finish its part.
    pub(super) fn forget_checkpoint(&mut self) {
        self.checkpoints.under_way = None;
    }

    /// On all members at the end of a run that was stopped: a checkpoint of the last state, for which the run waits.
    pub(super) fn last_checkpoint(&mut self, digest: Option<&str>) -> Result<(), RunError> {
        let step = self.engine.steps_done();
        while self.checkpoints.under_way.is_some() {
            self.attend_to_checkpoint()?;
        }
        self.begin_checkpoint();
        if let Some(digest) = digest {
            self.digest_of_checkpoint(step, digest);
            while self.checkpoints.under_way.is_some() {
                self.attend_to_checkpoint()?;
            }
        }
        Ok(())
    }

    /// Waits a little for the checkpoint under way.
    pub(super) fn attend_to_checkpoint(&mut self) -> Result<(), RunError> {
        self.undisturbed()?;
        self.read_mail()?;
        self.tend_checkpoints()?;
        self.keep_moving()
    }

    /// On the master, between steps: mail that has come.
    pub(super) fn read_mail(&mut self) -> Result<(), RunError> {
        while let Some(mail) = self.desk().and_then(rankzero_comm::control::Desk::take_mail) {
            match Word::decode(&mail.bytes, self.view.term) {
                Some(What::Part(step, outcome)) => self.part_of(mail.from, step, outcome)?,
                Some(What::Figures(figures)) => drop(self.handed_in.insert(mail.from, *figures)),
                _ => {}
            }
        }
        Ok(())
    }
}

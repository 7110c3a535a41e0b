//! The end of a run: the last frame, the digest, everybody's figures, the summary, and the word that all may leave.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use rankzero_comm::control::Desk;
use rankzero_comm::{Bootstrap, Fabric, Rank};
use serde_json::json;

use super::Ending;
use super::drive::Drive;
use super::error::RunError;
use super::faults::Point;
use super::figures::{Figures, Split, usage};
use super::paths;
use super::start::Options;
use super::summary::Summary;
use super::words::{What, Word};
use crate::engine::EngineError;

/// How long a wait for a word lasts before the fabric is looked at.
const TURN: Duration = Duration::from_millis(2);

impl<F: Fabric + Bootstrap> Drive<'_, F> {
    /// Ends the run together with all members. What the view interrupts is done again in the next one.
    pub(super) fn finish(&mut self, ending: Ending) -> Result<(), RunError> {
        self.faults.pass(Point::End, self.engine.rank());
        if self.frames.as_ref().is_some_and(|frames| !frames.due(self.engine.steps_done())) {
            self.write_frame()?;
        }
        let start = Instant::now();
        self.await_digest_of_checkpoint()?;
        let digest = self.engine.digest()?;
        self.output += start.elapsed();
        if ending == Ending::Stopped {
            self.last_checkpoint(digest.as_deref())?;
        }
        self.progress.finish();
        let mine = self.figures();
        let Some(digest) = digest else { return self.hand_in(mine) };
        let figures = self.collect(mine)?;
        self.conclude(ending, &digest, figures)?;
        self.faults.pass(Point::Summary, self.engine.rank());
        for peer in self.engine.members() {
            if let Some(desk) = self.desk().filter(|_| peer != self.engine.rank()) {
                desk.post(peer, Word::encode(self.view.term, What::Done));
            }
        }
        Ok(())
    }

    pub(super) fn desk(&self) -> Option<&Desk> {
        self.control.as_ref().map(|control| control.desk())
    }

    /// Ends what cannot be done in this view.
    pub(super) fn undisturbed(&self) -> Result<(), RunError> {
        match self.desk() {
            Some(desk) if desk.disturbed() => Err(EngineError::Disturbed { step: self.engine.steps_done() }.into()),
            _ => Ok(()),
        }
    }

    fn figures(&self) -> Figures {
        let (cpu_s, resident_bytes) = usage();
        let me = self.engine.rank();
        let (copied_words, epochs) = self.engine.replication();
        Figures {
            rank: me.0,
            host: self.start.host_of(me),
            cpu_s,
            cpu_steps_s: cpu_s - self.cpu_before,
            resident_bytes,
            bodies: self.engine.own_ids().count() as u64,
            traffic: self.engine.traffic().iter().filter(|t| t.sent_messages > 0).map(Into::into).collect(),
            paths: paths::in_short(&self.engine.picks()),
            rung_changes: self.engine.rung_changes(),
            copied_bytes: 4 * copied_words,
            epochs,
            split: Split::new(&self.engine.time, self.output),
        }
    }

    /// Gives the master its figures and waits until it has written everything.
    fn hand_in(&mut self, mine: Figures) -> Result<(), RunError> {
        let master = self.engine.master();
        let Some(desk) = self.desk().cloned() else { return Ok(()) };
        desk.post(master, Word::encode(self.view.term, What::Figures(Box::new(mine))));
        loop {
            // What has come counts before the end of who sent it.
            while let Some(mail) = desk.take_mail() {
                if matches!(Word::decode(&mail.bytes, self.view.term), Some(What::Done)) && mail.from == master {
                    return Ok(());
                }
            }
            self.undisturbed()?;
            self.tend_checkpoints()?;
            self.keep_moving()?;
        }
    }

    /// Everybody's figures.
    fn collect(&mut self, mine: Figures) -> Result<Vec<Figures>, RunError> {
        self.handed_in.insert(self.engine.rank(), mine);
        let members = self.engine.members();
        // A checkpoint under way is worth the wait.
        while !members.iter().all(|member| self.handed_in.contains_key(member)) || self.checkpoints.is_busy() {
            self.attend_to_checkpoint()?;
        }
        Ok(std::mem::take(&mut self.handed_in).into_values().collect())
    }

    /// Waits for a word, while the fabric goes on: a peer may still wait for an acknowledgement of this rank.
    pub(super) fn keep_moving(&mut self) -> Result<(), RunError> {
        self.engine.idle()?;
        if let Some(desk) = self.desk() {
            // Who waits for a word lives: else it would be taken for hung, by itself too.
            desk.working();
            desk.wait(Instant::now() + TURN);
        }
        Ok(())
    }

    /// Writes the last line of the journal and the summary.
    fn conclude(&mut self, ending: Ending, digest: &str, per_rank: Vec<Figures>) -> Result<(), RunError> {
        let step = self.engine.steps_done();
        let word = if ending == Ending::Finished { "finished" } else { "stopped" };
        let summary = Summary {
            name: self.start.job.name.clone(),
            ending: word.to_owned(),
            digest: digest.to_owned(),
            steps: step,
            ranks: per_rank.len() as u32,
            threads_per_rank: self.start.threads_of(Rank(per_rank.first().map_or(0, |figures| figures.rank))),
            migrations: self.migrations,
            start_s: (self.first_step - self.began).as_secs_f64(),
            wall_s: self.first_step.elapsed().as_secs_f64(),
            frames: self.frames.as_ref().map_or(0, |f| f.count),
            warnings: self.warnings.clone(),
            recoveries: self.losses.recoveries.clone(),
            ranks_started: self.start.founders,
            ..Default::default()
        }
        .gather(&self.start.scene, per_rank);
        self.fence.look_now()?;
        self.outside(true);
        if let Some(journal) = &mut self.journal {
            journal.write(word, step, json!({ "digest": digest }))?;
        }
        summary.write(self.run_dir())?;
        self.outside(false);
        self.options.show(&summary, self.run_dir());
        Ok(())
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

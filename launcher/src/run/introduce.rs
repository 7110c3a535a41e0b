//! What is said of a run at its start: to the journal, and to whoever looks on.

use std::time::Instant;

use rankzero_comm::{Bootstrap, Fabric};
use rankzero_slurm::launch::Launch;
use serde_json::json;

use super::crossing::Crossing;
use super::drive::Drive;
use super::error::RunError;
use super::paths::{self, Way};
use super::progress::say;
use super::start;

impl<F: Fabric + Bootstrap> Drive<'_, F> {
    /// The journal's first lines: who takes part, and who computes what.
    pub(super) fn introduce(&mut self, launch: &Launch) -> Result<(), RunError> {
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
        let rates: Option<Vec<f64>> = self.start.ranks.iter().map(|rank| rank.tet_substeps_per_s).collect();
        let fields = json!({ "strategy": strategy, "batch_to_rank": owners, "tet_substeps_per_s": rates });
        journal.write("assigned", 0, fields)?;
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
                self.computes_on(),
            ));
        }
        Ok(())
    }

    /// What this rank computes on, for people.
    fn computes_on(&self) -> String {
        let isa = self.engine.isa().name();
        match self.engine.card() {
            Some(card) => format!("on {} and the CPU ({isa})", card.name()),
            None => format!("on the CPU ({isa})"),
        }
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
}

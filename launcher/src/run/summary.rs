//! `summary.json`: what a run was and what it came to.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::RunError;
use super::figures::{Figures, Split, Traffic};
use super::recovered::Recovered;
use crate::scene::Scene;

/// Its name in the run directory.
const NAME: &str = "summary.json";

/// The summary of a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Summary {
    /// The job's name.
    pub name: String,
    /// `finished` or `stopped`.
    pub ending: String,
    /// BLAKE3 of the final state, hexadecimal.
    pub digest: String,
    /// Steps done.
    pub steps: u64,
    /// Steps asked for.
    pub steps_planned: u64,
    /// Substeps of each step.
    pub substeps: u32,
    /// Exchanges of surfaces in each step.
    pub exchanges: u32,
    /// Ranks at the end.
    pub ranks: u32,
    /// Ranks at the start.
    #[serde(default)]
    pub ranks_started: u32,
    /// Worker threads of rank 0.
    pub threads_per_rank: usize,
    /// Soft bodies.
    pub bodies: u64,
    /// Rigid bodies.
    pub rigid_bodies: u64,
    /// Tetrahedra of all bodies.
    pub tets: u64,
    /// Nodes of all bodies.
    pub nodes: u64,
    /// Batches.
    pub batches: u64,
    /// Batches that were moved from rank to rank.
    pub migrations: u64,
    /// Bytes of canonical state.
    pub state_bytes: u64,
    /// Seconds from the start of rank 0 to the first step.
    pub start_s: f64,
    /// Seconds from the first step to the end.
    pub wall_s: f64,
    /// CPU seconds of all ranks.
    pub cpu_s: f64,
    /// CPU seconds of all ranks from the first step on.
    pub cpu_steps_s: f64,
    /// Tetrahedron substeps done per CPU second of stepping; sleeping bodies count as if they had been computed.
    pub tet_substeps_per_cpu_s: f64,
    /// Sum over ranks, by fabric.
    pub bytes_by_fabric: Vec<Traffic>,
    /// Seconds of the ranks' main threads, summed.
    pub time_split: Split,
    /// Frames written.
    pub frames: u64,
    /// What a person should know of the run.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Losses that were made good.
    #[serde(default)]
    pub recoveries: Vec<Recovered>,
    /// Each rank's own figures.
    pub per_rank: Vec<Figures>,
}

impl Summary {
    /// Fills in what the scene and the ranks' figures say; the rest is the caller's.
    pub fn gather(mut self, scene: &Scene, per_rank: Vec<Figures>) -> Self {
        self.bodies = scene.bodies.len() as u64;
        self.rigid_bodies = scene.rigids.len() as u64;
        self.tets = scene.tets();
        self.nodes = scene.nodes();
        self.batches = scene.batches.len() as u64;
        self.state_bytes = scene.state_bytes();
        self.substeps = scene.rule.substeps;
        self.exchanges = scene.rule.intervals();
        self.steps_planned = scene.steps;
        for figures in &per_rank {
            self.cpu_s += figures.cpu_s;
            self.cpu_steps_s += figures.cpu_steps_s;
            self.time_split = self.time_split.plus(figures.split);
            for t in &figures.traffic {
                match self.bytes_by_fabric.iter_mut().find(|sum| sum.fabric == t.fabric) {
                    Some(sum) => {
                        sum.sent_bytes += t.sent_bytes;
                        sum.sent_messages += t.sent_messages;
                    }
                    None => self.bytes_by_fabric.push(t.clone()),
                }
            }
        }
        let work = self.tets as f64 * f64::from(self.substeps) * self.steps as f64;
        self.tet_substeps_per_cpu_s = if self.cpu_steps_s > 0.0 { work / self.cpu_steps_s } else { 0.0 };
        self.per_rank = per_rank;
        self
    }

    /// That of a run directory, if there is one that is whole.
    pub fn read(run_dir: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(run_dir.join(NAME)).ok()?).ok()
    }

    /// Writes `summary.json`.
    ///
    /// # Errors
    /// [`RunError::Io`] where the disk refuses.
    pub fn write(&self, run_dir: &Path) -> Result<(), RunError> {
        let path = run_dir.join(NAME);
        let text = serde_json::to_string_pretty(self).unwrap_or_default() + "\n";
        let temporary = run_dir.join(".summary.json.new");
        std::fs::write(&temporary, text).map_err(RunError::io("write", &temporary))?;
        std::fs::rename(&temporary, &path).map_err(RunError::io("rename a file to", &path))
    }

    /// The few lines that a person wants to see.
    pub fn text(&self) -> String {
        let bytes: u64 = self.bytes_by_fabric.iter().map(|t| t.sent_bytes).sum();
        let fabrics: Vec<&str> = self.bytes_by_fabric.iter().map(|t| t.fabric.as_str()).collect();
        let s = &self.time_split;
        let all = (s.solve_s + s.contact_s + s.halo_s + s.wait_s + s.rigid_s + s.output_s).max(1e-9);
        let share = |x: f64| 100.0 * x / all;
        let losses: String =
            self.recoveries.iter().flat_map(Recovered::lines).map(|line| format!("loss     {line}\n")).collect();
        format!(
            "{}: {} of {} steps, {} substeps each, {} bodies ({} tets), {} rigid bodies, {} ranks × {} threads\n\
             digest   {}\n\
             time     {:.2} s for the steps, {:.2} s to start; {:.2} CPU s, {:.2e} tet·substeps per CPU s\n\
             split    solve {:.0} %, contact {:.0} %, halo {:.0} %, wait {:.0} %, rigid {:.0} %, output {:.0} %\n\
             traffic  {:.1} MB over {}\n{losses}",
            self.name,
            self.steps,
            self.steps_planned,
            self.substeps,
            self.bodies,
            self.tets,
            self.rigid_bodies,
            self.ranks,
            self.threads_per_rank,
            self.digest,
            self.wall_s,
            self.start_s,
            self.cpu_s,
            self.tet_substeps_per_cpu_s,
            share(s.solve_s),
            share(s.contact_s),
            share(s.halo_s),
            share(s.wait_s),
            share(s.rigid_s),
            share(s.output_s),
            bytes as f64 / 1e6,
            if fabrics.is_empty() { "nothing".to_owned() } else { fabrics.join(", ") },
        )
    }
}

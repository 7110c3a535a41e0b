//! How a run is balanced, protected, measured, written and paid for. Nothing here changes the result.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AutoOr;
use super::job::steps_in;

/// Which rank owns which batch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Balance {
    /// How batches are given to ranks. Default `least-loaded`.
    pub strategy: Strategy,
    /// Moving batches while the job runs.
    pub migration: Migration,
    /// Moves made by hand, by rising step. Default none.
    pub moves: Vec<Move>,
}

/// How batches are given to ranks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Each batch to the rank with the least work so far. The default: it needs nothing to be measured first.
    #[default]
    LeastLoaded,
    /// Batch i to rank i modulo the number of ranks.
    RoundRobin,
    /// In proportion to the ranks' measured speed.
    Capability,
    /// Bodies of high priority first, to the fastest ranks.
    Priority,
}

/// Moving batches between ranks while the job runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Migration {
    /// Whether batches move by themselves. Default yes.
    pub enabled: bool,
    /// Ratio of the greatest to the mean load from which they move; at least 1. Default 1.1.
    pub threshold: f32,
    /// Least number of steps between two rounds of moves; at least 1. Default 60.
    pub cooldown_steps: u64,
}

impl Default for Migration {
    fn default() -> Self {
        Self { enabled: true, threshold: 1.1, cooldown_steps: 60 }
    }
}

/// A move of one batch, by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Move {
    /// The step before which the batch moves; below the job's number of steps.
    pub step: u64,
    /// The batch's number.
    pub batch: u32,
    /// The rank that owns it from then on. Refused at start where the run has no such rank.
    pub to_rank: u32,
}

/// What is kept for the case that ranks die.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FaultTolerance {
    /// Copies of each batch in the memory of other ranks, 0 to 3; as many deaths at once are survived. Default 1.
    pub replicas: u8,
    /// Steps between two epochs, at whose end the copies are brought up to date; at least 1. `auto`: as `network.sync_interval_ms` allows.
    pub epoch_steps: AutoOr<u64>,
    /// Ranks that may join while the job runs (`rankzero join`), 0 to 1024, each of which counts once. `auto`: as many as the run starts with, at
    /// least 4 and at most 64.
    pub newcomers: AutoOr<u32>,
    /// What a part of the job does that lost sight of the majority. Default `wait`.
    pub on_lost_quorum: OnLostQuorum,
    /// Copies on disk.
    pub checkpoint: Checkpoint,
}

impl Default for FaultTolerance {
    fn default() -> Self {
        Self {
            replicas: 1,
            epoch_steps: AutoOr::Auto,
            newcomers: AutoOr::Auto,
            on_lost_quorum: OnLostQuorum::Wait,
            checkpoint: Checkpoint::default(),
        }
    }
}

/// What a part of the job does that lost sight of the majority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnLostQuorum {
    /// Keep the state and wait for the others. The default: nothing is lost, and nothing is computed twice.
    #[default]
    Wait,
    /// Write a checkpoint where possible, and exit.
    Stop,
    /// Go on with what is left. Only for runs where somebody else makes sure that the other part is dead.
    Continue,
}

/// Copies of the state on disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Checkpoint {
    /// Steps between two checkpoints; at least 1. Default none: only on request.
    pub every_steps: Option<u64>,
    /// Simulated seconds between two checkpoints, instead of `every_steps`; above 0.
    pub every_s: Option<f32>,
    /// How many checkpoints are kept; at least 1. Default 2, so that one is whole while the next is written.
    pub keep: u32,
    /// Where they go, relative to the run directory. Default `checkpoints`.
    pub directory: PathBuf,
}

impl Default for Checkpoint {
    fn default() -> Self {
        Self { every_steps: None, every_s: None, keep: 2, directory: "checkpoints".into() }
    }
}

impl Checkpoint {
    /// Steps between two checkpoints, for steps of `step_s` seconds; `None` where none are written by themselves.
    pub fn interval_steps(&self, step_s: f32) -> Option<u64> {
        self.every_steps.or_else(|| self.every_s.map(|s| steps_in(f64::from(s), step_s)))
    }
}

/// Measurement and alerts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// Seconds between two samples; above 0. Default 1.
    pub every_s: f32,
    /// When to raise the alarm.
    pub alerts: Alerts,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { every_s: 1.0, alerts: Alerts::default() }
    }
}

/// When to raise the alarm. A threshold of `null` turns that alarm off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Alerts {
    /// When a rank fails. Default yes.
    pub worker_failure: bool,
    /// When a round trip between ranks takes longer than this, ms; above 0. Default 100.
    pub latency_ms: Option<f32>,
    /// When a greater share of operations fails, 0 to 1. Default 0.1.
    pub failure_rate: Option<f32>,
    /// When the run passes `cost.threshold`. Default yes.
    pub cost: bool,
    /// When fewer ranks are alive than this; at least 1. `auto`: than the run started with.
    pub min_workers: Option<AutoOr<u32>>,
}

impl Default for Alerts {
    fn default() -> Self {
        Self {
            worker_failure: true,
            latency_ms: Some(100.0),
            failure_rate: Some(0.1),
            cost: true,
            min_workers: Some(AutoOr::Auto),
        }
    }
}

/// What is written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Output {
    /// Pictures of the state over time, as VTK files.
    pub frames: Frames,
    /// The run directory, relative to where the program runs. Default `runs/<name>-<time>`; `--run-dir` goes before it.
    pub directory: Option<PathBuf>,
}

/// Which states are written as frames. The last state always is, unless `geometry` is `none`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Frames {
    /// Steps between two frames; at least 1. Give this or `every_s`; default 1/30 s.
    pub every_steps: Option<u64>,
    /// Simulated seconds between two frames, rounded to whole steps; above 0.
    pub every_s: Option<f32>,
    /// What a frame holds. Default `surface`.
    pub geometry: FrameGeometry,
}

impl Frames {
    /// Steps between two frames, for steps of `step_s` seconds; `None` where none are written.
    pub fn interval_steps(&self, step_s: f32) -> Option<u64> {
        if self.geometry == FrameGeometry::None {
            return None;
        }
        let seconds = self.every_s.map_or(1.0 / 30.0, f64::from);
        Some(self.every_steps.unwrap_or_else(|| steps_in(seconds, step_s)))
    }
}

/// What a frame holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FrameGeometry {
    /// Triangles of the surfaces: small, and enough for pictures. The default.
    #[default]
    Surface,
    /// All tetrahedra, with their strain.
    Volume,
    /// Nothing is written.
    None,
}

/// What the machine costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cost {
    /// Price of one node for one hour; 0 or more. Default 0: unknown.
    pub per_node_hour: f32,
    /// Currency of the price, for reports. Default USD.
    pub currency: String,
    /// Cost of the run from which `metrics.alerts.cost` warns; above 0. Default none.
    pub threshold: Option<f32>,
}

impl Default for Cost {
    fn default() -> Self {
        Self { per_node_hour: 0.0, currency: "USD".into(), threshold: None }
    }
}

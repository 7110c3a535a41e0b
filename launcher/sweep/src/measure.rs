//! What one run came to: the part of its `summary.json` that says how it scales.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// What one run came to. Times are those of the steps, without the start, unless named otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// BLAKE3 of the final state, hexadecimal.
    pub digest: String,
    /// Steps.
    pub steps: u64,
    /// Ranks.
    pub ranks: u32,
    /// Worker threads of each rank.
    pub threads_per_rank: u32,
    /// Hosts that had ranks.
    pub hosts: u32,
    /// Ranks of the host that had most.
    pub ranks_on_a_host: u32,
    /// Soft bodies.
    pub bodies: u64,
    /// Tetrahedra of all bodies.
    pub tets: u64,
    /// Seconds from the start of rank 0 to the first step.
    pub start_s: f64,
    /// Seconds from the first step to the end.
    pub wall_s: f64,
    /// CPU seconds of all ranks, start included.
    pub cpu_s: f64,
    /// CPU seconds of all ranks from the first step on.
    pub cpu_steps_s: f64,
    /// Largest resident size of a rank, bytes.
    pub resident_bytes: u64,
    /// Seconds of the ranks' main threads by kind of work, summed over ranks.
    pub time_split: BTreeMap<String, f64>,
    /// What was sent, by fabric, summed over ranks.
    pub bytes_by_fabric: Vec<Traffic>,
}

/// Bytes and messages over one fabric.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// The fabric.
    pub fabric: String,
    /// Bytes sent, headers included.
    pub sent_bytes: u64,
    /// Messages sent.
    pub sent_messages: u64,
}

/// `summary.json`, as far as it matters here.
#[derive(Deserialize)]
struct Summary {
    ending: String,
    digest: String,
    steps: u64,
    ranks: u32,
    threads_per_rank: u32,
    bodies: u64,
    tets: u64,
    start_s: f64,
    wall_s: f64,
    cpu_s: f64,
    cpu_steps_s: f64,
    bytes_by_fabric: Vec<Traffic>,
    time_split: BTreeMap<String, f64>,
    per_rank: Vec<OfRank>,
    #[serde(default)]
    recoveries: Vec<serde_json::Value>,
}

/// A rank in it.
#[derive(Deserialize)]
struct OfRank {
    host: String,
    resident_bytes: u64,
}

impl Measure {
    /// From the text of a `summary.json`.
    ///
    /// # Errors
    /// Says why the run is no measurement: the text makes no sense, or the run was stopped, lost ranks, or took no time.
    pub fn of_summary(text: &str) -> Result<Measure, String> {
        let summary: Summary =
            serde_json::from_str(text).map_err(|error| format!("its summary makes no sense: {error}"))?;
        if summary.ending != "finished" {
            return Err(format!("it was {} after {} steps", summary.ending, summary.steps));
        }
        if !summary.recoveries.is_empty() {
            return Err("it lost ranks on the way, so that its times say nothing of its size".to_owned());
        }
        let times = [summary.wall_s, summary.cpu_steps_s];
        if summary.steps == 0 || times.iter().any(|&time| !(time > 0.0) || !time.is_finite()) {
            return Err(format!("{} steps in {} s and {} CPU s are no measurement", summary.steps, times[0], times[1]));
        }
        let hosts: BTreeSet<&str> = summary.per_rank.iter().map(|rank| rank.host.as_str()).collect();
        let on = |host: &str| summary.per_rank.iter().filter(|rank| rank.host == host).count() as u32;
        Ok(Measure {
            hosts: hosts.len() as u32,
            ranks_on_a_host: hosts.iter().map(|host| on(host)).max().unwrap_or(summary.ranks),
            resident_bytes: summary.per_rank.iter().map(|rank| rank.resident_bytes).max().unwrap_or(0),
            digest: summary.digest,
            steps: summary.steps,
            ranks: summary.ranks,
            threads_per_rank: summary.threads_per_rank,
            bodies: summary.bodies,
            tets: summary.tets,
            start_s: summary.start_s,
            wall_s: summary.wall_s,
            cpu_s: summary.cpu_s,
            cpu_steps_s: summary.cpu_steps_s,
            time_split: summary.time_split,
            bytes_by_fabric: summary.bytes_by_fabric,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn summary() -> serde_json::Value {
        json!({
            "name": "demo", "ending": "finished", "digest": "ab", "steps": 60, "ranks": 3, "threads_per_rank": 2,
            "bodies": 240, "tets": 9000, "start_s": 0.5, "wall_s": 2.0, "cpu_s": 9.0, "cpu_steps_s": 8.0,
            "bytes_by_fabric": [{ "fabric": "shm", "sent_bytes": 1000, "sent_messages": 10 }],
            "time_split": { "solve_s": 3.0, "wait_s": 1.0 }, "recoveries": [],
            "per_rank": [
                { "host": "a", "resident_bytes": 7 }, { "host": "b", "resident_bytes": 9 }, { "host": "a", "resident_bytes": 8 },
            ],
        })
    }

    #[test]
    fn a_summary_is_a_measure_and_hosts_are_counted() {
        let measure = Measure::of_summary(&summary().to_string()).expect("a measure");
        assert_eq!((measure.hosts, measure.ranks_on_a_host, measure.resident_bytes), (2, 2, 9));
        assert_eq!((measure.wall_s, measure.cpu_steps_s, measure.steps), (2.0, 8.0, 60));
        assert_eq!(measure.time_split["solve_s"], 3.0);
        assert_eq!(measure.bytes_by_fabric[0].sent_bytes, 1000);
    }

    #[test]
    fn a_run_that_measures_nothing_is_refused_with_the_reason() {
        let refused = |field: &str, value: serde_json::Value| {
            let mut summary = summary();
            summary[field] = value;
            Measure::of_summary(&summary.to_string()).expect_err("refused")
        };
        assert_eq!(refused("ending", json!("stopped")), "it was stopped after 60 steps");
        assert!(refused("recoveries", json!([{ "step": 3 }])).contains("lost ranks"));
        assert!(refused("wall_s", json!(0.0)).contains("no measurement"));
        assert!(refused("steps", json!(0)).contains("no measurement"));
        assert!(Measure::of_summary("{").expect_err("torn").contains("makes no sense"));
    }
}

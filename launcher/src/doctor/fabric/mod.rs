//! `rankzero doctor --fabric`: what each rung is worth here, measured between two ranks.
//!
//! MPI starts once a process, so outside of a launcher each rung gets a pair of processes of its own, with a deadline (`pairs`).
//! Under a launcher the ranks that are there measure together (`ranks`): rank 0 with each other one, on the best rung, then
//! without it on the next one. `measure` is the stop watch.

mod measure;
mod pairs;
mod ranks;

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use self::measure::{Figures, LARGE, MIDDLE};

pub use pairs::of_this_machine;
pub use ranks::among_ranks;

/// One rung between rank 0 and another rank.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The other rank.
    peer: u32,
    /// Its host.
    host: String,
    /// Whether rank 0 runs on the same host.
    same_host: bool,
    /// The rung.
    rung: String,
    /// The connection, in words.
    detail: String,
    /// What was measured.
    figures: Option<Figures>,
    /// Copying within the memory of rank 0 in the same run, MB/s: what shared memory cannot exceed.
    memcpy: Option<Rates>,
    /// Why nothing was measured.
    reason: Option<String>,
}

/// MB/s at the two sizes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Rates {
    /// 64 KiB.
    mb_s_64k: f64,
    /// 8 MiB.
    mb_s_8m: f64,
}

impl Rates {
    /// Of this machine's memory, now.
    fn of_memcpy() -> Self {
        Rates { mb_s_64k: measure::memcpy_mb_s(MIDDLE), mb_s_8m: measure::memcpy_mb_s(LARGE) }
    }
}

/// Why nothing was measured of a rung.
fn lacking(peer: u32, rung: &str, reason: String) -> Row {
    let (host, detail) = (String::new(), String::new());
    Row {
        peer,
        host,
        same_host: true,
        rung: rung.to_owned(),
        detail,
        figures: None,
        memcpy: None,
        reason: Some(reason),
    }
}

/// 0, or 4 where no rung at all works.
pub fn exit_code(rows: &[Row]) -> u8 {
    if rows.iter().any(|row| row.figures.is_some()) { 0 } else { 4 }
}

/// The rows as a table for people.
pub fn to_text(rows: &[Row]) -> String {
    let mut out = String::new();
    let mut peer = None;
    for row in rows {
        if peer != Some(row.peer) {
            peer = Some(row.peer);
            let place = match (row.host.as_str(), row.same_host) {
                ("", _) => String::new(),
                (host, true) => format!(" on the same node, {host}"),
                (host, false) => format!(" on {host}"),
            };
            let _ = writeln!(out, "rank 0 with rank {}{place}", row.peer);
            let _ = writeln!(out, "  {:6}{:>12}{:>16}{:>16}", "", "8 B", "64 KiB", "8 MiB");
        }
        match (&row.figures, &row.reason) {
            (Some(f), _) => {
                let _ = writeln!(
                    out,
                    "  {:6}{:>9.2} us{:>11.0} MB/s{:>11.0} MB/s   {}",
                    row.rung, f.latency_us, f.rates.mb_s_64k, f.rates.mb_s_8m, row.detail
                );
                // A copy within memory bounds a rung that stays within memory, and says how busy the machine is.
                if let Some(copy) = row.memcpy.filter(|_| row.same_host) {
                    let _ = writeln!(
                        out,
                        "  {:6}{:>12}{:>11.0} MB/s{:>11.0} MB/s   memcpy in the same run",
                        "", "", copy.mb_s_64k, copy.mb_s_8m
                    );
                }
            }
            (None, reason) => {
                let _ = writeln!(out, "  {:6}not to be had: {}", row.rung, reason.as_deref().unwrap_or("unknown"));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_and_what_is_not_are_told() {
        let rates = Rates { mb_s_64k: 5000.4, mb_s_8m: 7000.0 };
        let measured = Row {
            host: "node1".to_owned(),
            detail: "map".to_owned(),
            figures: Some(Figures { latency_us: 0.456, rates }),
            memcpy: Some(rates),
            reason: None,
            ..lacking(1, "shm", String::new())
        };
        let rows = [measured.clone(), lacking(1, "verbs", "no device".to_owned())];
        let text = to_text(&rows);
        for told in [
            "rank 0 with rank 1 on the same node, node1\n",
            "  shm        0.46 us       5000 MB/s       7000 MB/s   map\n",
            "memcpy in the same run\n  verbs not to be had: no device\n",
        ] {
            assert!(text.contains(told), "`{told}` in\n{text}");
        }
        assert_eq!((exit_code(&rows), exit_code(&rows[1..])), (0, 4));
        let far = Row { same_host: false, ..measured };
        assert!(!to_text(&[far]).contains("memcpy"), "memory bounds nothing between nodes");
    }
}

//! `rankzero doctor`: what this machine offers, what each lack means, and what to do about it.
//!
//! Every check is bounded, needs no privilege, changes nothing, and yields a [`Check`] on any machine.

mod compute;
pub mod fabric;
mod network;
mod system;

use std::fmt::Write;

use serde::Serialize;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All there.
    Ok,
    /// Works, with a limit.
    Warn,
    /// Not there; runs do without it.
    Missing,
    /// Nothing runs without it.
    Fatal,
}

/// One thing looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it came out.
    pub status: Status,
    /// What is there.
    pub found: String,
    /// What the lack means for a run; empty if nothing is lacking.
    pub means: String,
    /// What to do about it; empty if nothing is lacking.
    pub remedy: String,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Check {
        Check { name, status: Status::Ok, found: found.into(), means: String::new(), remedy: String::new() }
    }

    fn lack(name: &'static str, status: Status, found: impl Into<String>, means: &str, remedy: &str) -> Check {
        Check { name, status, found: found.into(), means: means.to_owned(), remedy: remedy.to_owned() }
    }
}

/// All checks of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Version of this program.
    pub rankzero: &'static str,
    /// In the order in which they are shown.
    pub checks: Vec<Check>,
}

/// Looks at this machine. Takes well under a second, more where a GPU driver has to wake up.
pub fn report() -> Report {
    let mut checks = vec![
        compute::cpu_features(),
        compute::topology(),
        compute::gpus(),
        network::mpi(),
        network::rdma(),
        network::ports(),
        system::locked_memory(),
        system::open_files(),
        system::shared_memory(),
        system::cache_folder(),
        system::slurm(),
    ];
    checks.extend(network::device_memory());
    Report { rankzero: env!("CARGO_PKG_VERSION"), checks }
}

impl Report {
    /// 0 unless something makes every run impossible.
    pub fn exit_code(&self) -> i32 {
        i32::from(self.checks.iter().any(|check| check.status == Status::Fatal))
    }

    /// The report for people.
    pub fn to_text(&self) -> String {
        let width = self.checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
        let mut out = String::new();
        for Check { name, status, found, means, remedy } in &self.checks {
            let mark = match status {
                Status::Ok => "ok     ",
                Status::Warn => "warn   ",
                Status::Missing => "missing",
                Status::Fatal => "FATAL  ",
            };
            let _ = writeln!(out, "{mark}  {name:width$}  {found}");
            for line in [means, remedy].into_iter().filter(|line| !line.is_empty()) {
                let _ = writeln!(out, "{:9}{:width$}  {line}", "", "");
            }
        }
        out
    }

    /// The report for programs, as JSON.
    ///
    /// # Errors
    /// None that this type can cause.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }
}

/// Bytes for people.
fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = UNITS.len().min(1 + count.max(1).ilog2() as usize / 10) - 1;
    match unit {
        0 => format!("{count} B"),
        _ => format!("{:.1} {}", count as f64 / (1u64 << (10 * unit)) as f64, UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lack_says_what_it_means_and_what_to_do() {
        let report = report();
        assert_eq!(report.checks.len(), 11);
        for check in &report.checks {
            let lacking = check.status != Status::Ok;
            assert!(!check.found.is_empty(), "{check:?}");
            assert_eq!((!check.means.is_empty(), !check.remedy.is_empty()), (lacking, lacking), "{check:?}");
        }
        assert_eq!(report.to_text().lines().filter(|line| !line.starts_with(' ')).count(), 11);
    }

    #[test]
    fn the_report_is_json_with_a_status_each() {
        let text = report().to_json().expect("plain data");
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let checks = value["checks"].as_array().expect("checks");
        assert!(
            checks.iter().all(|check| ["ok", "warn", "missing"].contains(&check["status"].as_str().expect("status")))
        );
    }

    #[test]
    fn only_a_fatal_lack_is_an_exit_code() {
        let with = |status| Report { rankzero: "", checks: vec![Check::lack("x", status, "y", "z", "w")] }.exit_code();
        assert_eq!([Status::Ok, Status::Warn, Status::Missing, Status::Fatal].map(with), [0, 0, 0, 1]);
    }

    #[test]
    fn bytes_read_well() {
        let shown = [0, 1023, 1024, 64 << 20, 3 << 39].map(bytes);
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "64.0 MiB", "1.5 TiB"]);
    }
}

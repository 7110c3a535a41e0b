//! Two ranks of this machine for each rung, one rung after the other.

use std::time::Duration;

use rankzero_comm::Rung;

use super::{Row, lacking, ranks};
use crate::launch::{self, Captured, LaunchError, Plan, Request, Via, Wishes};

/// How much longer than the ranks give themselves their launcher may take.
const GRACE: Duration = Duration::from_secs(15);

/// Measures every rung between two ranks of this machine.
///
/// # Errors
/// [`LaunchError`] where ranks cannot be started at all.
pub fn of_this_machine() -> Result<Vec<Row>, LaunchError> {
    let mut rows = Vec::new();
    for rung in Rung::ALL.into_iter().filter(|&rung| rung != Rung::Local) {
        let arguments = ["doctor", "--fabric", "--json", "--measure", rung.name()].map(str::to_owned).to_vec();
        let request = Request::here(arguments, Some(2))?;
        let Plan::Command(words, _) = launch::plan(&request, Via::Mpi, &Wishes::default())? else {
            return Err(LaunchError::NoRanks);
        };
        let ended = launch::capture(&words, ranks::LIMIT + GRACE)?;
        rows.extend(rows_of(rung, &ended));
    }
    Ok(rows)
}

/// What the two ranks have said.
fn rows_of(rung: Rung, ended: &Captured) -> Vec<Row> {
    if let Ok(rows) = serde_json::from_str::<Vec<Row>>(&ended.stdout)
        && !rows.is_empty()
    {
        return rows;
    }
    let said = ended.stderr.lines().find_map(|line| line.strip_prefix("error: "));
    let reason = match (ended.in_time, said) {
        (false, _) => "the measurement did not end in time and was stopped".to_owned(),
        (true, Some(error)) => format!("the measurement failed: {error}"),
        (true, None) => "the measurement ended without a word".to_owned(),
    };
    vec![lacking(1, rung.name(), reason)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(stdout: &str, stderr: &str, in_time: bool) -> Row {
        let ended = Captured { stdout: stdout.to_owned(), stderr: stderr.to_owned(), in_time };
        rows_of(Rung::Verbs, &ended).remove(0)
    }

    #[test]
    fn what_ranks_say_is_taken_and_silence_is_explained() {
        let row = lacking(1, "verbs", "no device".to_owned());
        let json = serde_json::to_string(&[&row]).expect("plain data");
        assert_eq!(said(&json, "", true), row);
        let reason = |stdout, stderr, in_time| said(stdout, stderr, in_time).reason.expect("a reason");
        assert!(reason("[]", "error: MPI is broken\n", true).ends_with("failed: MPI is broken"));
        assert!(reason("half of", "", false).contains("in time"));
        assert!(reason("", "", true).contains("without a word"));
    }
}

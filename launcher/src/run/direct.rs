//! A run that a user has started by srun: whether srun was told what lets the ranks outlive each other, and what it costs where it was not.
//!
//! Slurm does not tell a task how its srun was called. Where srun runs on the node of rank 0, as in most batch scripts, its command line and its
//! environment are read from /proc; else the site's defaults are all that is known. Whether sbatch was told `--no-kill` is told by nobody.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rankzero_slurm::commands::{Site, Slurm, StepId};
use rankzero_slurm::launch::Launch;

use super::progress::say;
use crate::launch::OUTCOME_VARIABLE;

/// How long Slurm may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(15);

/// How srun was called, as far as it can be known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Called {
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
}

impl Called {
    /// Of a process of this node.
    fn of_process(pid: u32) -> Option<Called> {
        let read = |file: &str| {
            let bytes = std::fs::read(format!("/proc/{pid}/{file}")).ok()?;
            let texts = bytes.split(|byte| *byte == 0).map(|part| String::from_utf8_lossy(part).into_owned());
            Some(texts.filter(|text| !text.is_empty()).collect::<Vec<_>>())
        };
        let arguments = read("cmdline")?;
        let is_srun = arguments.first().is_some_and(|name| name.rsplit('/').next() == Some("srun"));
        let environment = read("environ").unwrap_or_default();
        let pair = |text: String| text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        is_srun.then(|| Called { arguments, environment: environment.into_iter().filter_map(pair).collect() })
    }

    fn has(&self, long: &str, short: &str, variable: &str) -> bool {
        let own = self.arguments.iter().skip(1).take_while(|word| *word != "--");
        own.into_iter().any(|word| word == long || word == short) || self.environment.contains_key(variable)
    }

    /// The value of an option, of its variable otherwise.
    fn value(&self, long: &str, short: &str, variable: &str) -> Option<&str> {
        let mut words = self.arguments.iter().skip(1);
        while let Some(word) = words.next() {
            if let Some(value) = word.strip_prefix(long).and_then(|rest| rest.strip_prefix('=')) {
                return Some(value);
            }
            if let Some(value) = word.strip_prefix(short).filter(|_| !word.starts_with("--")) {
                return if value.is_empty() { words.next().map(String::as_str) } else { Some(value) };
            }
            if word == long {
                return words.next().map(String::as_str);
            }
        }
        self.environment.get(variable).map(String::as_str)
    }
}

/// What a run on `nodes` nodes lacks, and what each lack costs.
fn lacks(called: Option<&Called>, site: Option<Site>, nodes: usize) -> Vec<String> {
    let mut lacks = Vec::new();
    if nodes > 1 && called.is_some_and(|called| !called.has("--no-kill", "-k", "SLURM_NO_KILL")) {
        lacks.push("srun without --no-kill: once Slurm counts a node as lost, it ends all ranks".to_owned());
    }
    let asked = called.and_then(|called| called.value("--kill-on-bad-exit", "-K", "SLURM_KILL_BAD_EXIT"));
    let kills = match asked {
        Some(value) => value != "0",
        None => site.is_some_and(|site| site.kill_on_bad_exit),
    };
    if kills {
        lacks.push(
            "srun without --kill-on-bad-exit=0: once one rank is killed, Slurm ends all (so this site is set up)"
                .to_owned(),
        );
    }
    let asked = called.and_then(|called| called.value("--wait", "-W", "SLURM_WAIT"));
    let wait_s = match asked {
        Some(value) => value.parse().unwrap_or(0),
        None => site.map_or(0, |site| site.wait_time_s),
    };
    if wait_s > 0 {
        lacks.push(format!("srun without --wait=0: {wait_s} s after one rank has ended, Slurm ends all"));
    }
    lacks
}

/// On rank 0 of a run that srun has started by a user's hand: warns, by a thread, of what is missing.
pub(super) fn look_at_srun(launch: &Launch, quiet: bool) {
    let Some(allocation) = launch.allocation.clone() else { return };
    let Some(step) = allocation.step else { return };
    let by_launch = std::env::var_os(OUTCOME_VARIABLE).is_some();
    if launch.rank != 0 || launch.size < 2 || by_launch || quiet {
        return;
    }
    let look = move || {
        let slurm = Slurm::here();
        let deadline = Instant::now() + ANSWER_TIME;
        let site = slurm.site(deadline).inspect_err(|error| tracing::info!("{error}")).ok();
        let srun = slurm.srun_of(StepId { job: allocation.job, step }, deadline);
        let srun = srun.inspect_err(|error| tracing::info!("{error}")).ok();
        let called = srun.filter(|(host, _)| Some(host) == allocation.here.as_ref());
        let called = called.and_then(|(_, pid)| Called::of_process(pid));
        let lacks = lacks(called.as_ref(), site, allocation.nodes.len());
        for lack in &lacks {
            say(format_args!("warning: {lack}"));
        }
        if !lacks.is_empty() {
            say(format_args!("warning: `rankzero launch` inside the allocation calls srun with all of these"));
        }
    };
    if let Err(error) = std::thread::Builder::new().name("srun-flags".to_owned()).spawn(look) {
        tracing::info!(%error, "srun's flags are not looked at");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(words: &str) -> Called {
        let arguments = words.split(' ').map(str::to_owned).collect();
        Called { arguments, environment: BTreeMap::new() }
    }

    const STRICT: Option<Site> = Some(Site { kill_on_bad_exit: true, wait_time_s: 30 });
    const MILD: Option<Site> = Some(Site { kill_on_bad_exit: false, wait_time_s: 0 });

    #[test]
    fn nothing_is_missing_where_all_was_said() {
        for words in [
            "srun --no-kill --kill-on-bad-exit=0 --wait=0 rankzero run a",
            "srun -k -K0 -W0 rankzero run a",
            "srun -k -K 0 -W 0 rankzero run a",
        ] {
            assert_eq!(lacks(Some(&called(words)), STRICT, 4), Vec::<String>::new(), "{words}");
        }
    }

    #[test]
    fn each_lack_is_told_with_its_cost_where_it_has_one() {
        assert_eq!(lacks(Some(&called("srun rankzero run a")), STRICT, 4).len(), 3);
        let mild = lacks(Some(&called("srun rankzero run a")), MILD, 4);
        assert!(mild.len() == 1 && mild[0].contains("--no-kill"), "{mild:?}");
        assert!(lacks(Some(&called("srun rankzero run a")), MILD, 1).is_empty(), "one node is lost as a whole");
        assert_eq!(lacks(Some(&called("srun -k --kill-on-bad-exit=1 --wait=5 a")), MILD, 4).len(), 2);
    }

    #[test]
    fn variables_count_and_of_an_unknown_srun_only_the_site_is_known() {
        let mut by_variables = called("srun a");
        for (name, value) in [("SLURM_NO_KILL", "1"), ("SLURM_KILL_BAD_EXIT", "0"), ("SLURM_WAIT", "0")] {
            by_variables.environment.insert(name.to_owned(), value.to_owned());
        }
        assert!(lacks(Some(&by_variables), STRICT, 4).is_empty());
        assert_eq!(lacks(None, STRICT, 4).len(), 2);
        assert!(lacks(None, None, 4).is_empty());
    }
}

//! Nodes, and whether they live in Slurm's eyes.

use std::collections::BTreeMap;
use std::time::Instant;

use super::Slurm;
use super::error::SlurmError;
use crate::hostlist;

/// What Slurm thinks of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeState {
    /// slurmd answers there.
    Up,
    /// slurmd has not answered of late; Slurm has not given it up.
    Silent,
    /// It is DOWN or failed: Slurm has given it up. Its processes may still run if only its network is cut.
    Down,
    /// Slurm has no slurmd there that could answer: powered off, booting, unknown.
    Absent,
}

impl NodeState {
    const WORDS: [(&'static str, NodeState); 27] = [
        ("idle", NodeState::Up),
        ("allocated", NodeState::Up),
        ("mixed", NodeState::Up),
        ("completing", NodeState::Up),
        ("draining", NodeState::Up),
        ("drained", NodeState::Up),
        ("failing", NodeState::Up),
        ("reserved", NodeState::Up),
        ("maint", NodeState::Up),
        ("blocked", NodeState::Up),
        ("planned", NodeState::Up),
        ("perfctrs", NodeState::Up),
        ("inval", NodeState::Absent),
        ("down", NodeState::Down),
        ("fail", NodeState::Down),
        ("error", NodeState::Down),
        ("no_respond", NodeState::Silent),
        ("future", NodeState::Absent),
        ("unknown", NodeState::Absent),
        ("powered_down", NodeState::Absent),
        ("powering_down", NodeState::Absent),
        ("power_down", NodeState::Absent),
        ("powering_up", NodeState::Absent),
        ("power_up", NodeState::Absent),
        ("reboot", NodeState::Absent),
        ("reboot_issued", NodeState::Absent),
        ("reboot_requested", NodeState::Up),
    ];

    /// From a state of `sinfo`'s `%T`: a word, and one sign for what is special about it.
    fn read(text: &str) -> Option<NodeState> {
        let word = text.trim_end_matches(['*', '~', '#', '!', '%', '$', '@', '^', '-', '+']).to_ascii_lowercase();
        let state = Self::WORDS.iter().find(|(known, _)| *known == word).map(|&(_, state)| state)?;
        Some(match (state, text.as_bytes().last()) {
            (NodeState::Up, Some(b'*')) => NodeState::Silent,
            (NodeState::Up, Some(b'~' | b'#' | b'!' | b'%' | b'^')) => NodeState::Absent,
            (state, _) => state,
        })
    }
}

impl Slurm {
    /// The states of these nodes; what Slurm does not know is left out. Of a node in several partitions the worst counts.
    ///
    /// # Errors
    /// [`SlurmError`].
    pub fn nodes<S: AsRef<str>>(
        &self,
        names: &[S],
        deadline: Instant,
    ) -> Result<BTreeMap<String, NodeState>, SlurmError> {
        let mut states = BTreeMap::new();
        if names.is_empty() {
            return Ok(states);
        }
        let list = hostlist::compress(names);
        let answer = self.ask("sinfo", &["--noheader", "--Node", "--nodes", &list, "-o", "%N|%T"], deadline)?;
        let read = |line: &str| {
            let (name, state) = line.split_once('|')?;
            Some((name.to_owned(), NodeState::read(state)?))
        };
        for (name, state) in answer.read_lines("a line `node|state`", read)? {
            states.entry(name).and_modify(|known: &mut NodeState| *known = state.max(*known)).or_insert(state);
        }
        Ok(states)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_with_their_signs() {
        let cases = [
            ("idle", NodeState::Up),
            ("mixed", NodeState::Up),
            ("allocated*", NodeState::Silent),
            ("down", NodeState::Down),
            ("down*", NodeState::Down),
            ("DOWN*", NodeState::Down),
            ("idle~", NodeState::Absent),
            ("mixed-", NodeState::Up),
            ("draining@", NodeState::Up),
            ("powering_up", NodeState::Absent),
        ];
        for (text, state) in cases {
            assert_eq!(NodeState::read(text), Some(state), "{text}");
        }
        for other in ["", "*", "asleep", "down?", "idle down"] {
            assert_eq!(NodeState::read(other), None, "{other}");
        }
    }
}

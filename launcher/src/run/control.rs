//! What ranks tell each other in the header of a step, besides bounds.

use rankzero_comm::Rank;

use crate::engine::Header;
use crate::engine::migrate::Move;

/// A rank's wish: end the run early.
const WISH: usize = 0;
/// The master's decision about the step that the header belongs to.
const DECISION: usize = 1;
const MOVE_COUNT: usize = 2;
const MOVES: usize = 3;
const MOVES_MAX: usize = crate::assign::MOVES_MAX;
/// A rank's word: the index of the newest epoch whose copies it has delivered.
const REPLICATED: usize = MOVES + 2 * MOVES_MAX;
/// The master's word: the index of the newest epoch that is committed.
const COMMITTED: usize = REPLICATED + 1;
/// A rank's word: it wishes to leave the run, which goes on without it.
const LEAVE: usize = COMMITTED + 1;

const EPOCH: u32 = 1;
const STOP: u32 = 2;
const CHECKPOINT: u32 = 4;

/// The master's word on a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// The state after the step is an epoch: all ranks hash it and send copies.
    pub epoch: bool,
    /// The epoch also goes to disk.
    pub checkpoint: bool,
    /// The step is the last one.
    pub stop: bool,
    /// The index of the newest committed epoch.
    pub committed: u32,
    /// Batches to be moved after the step.
    pub moves: Vec<Move>,
}

/// What a rank says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// It has been asked to end the run.
    pub wishes_stop: bool,
    /// It has been asked to leave the run.
    pub wishes_to_leave: bool,
    /// The index of the newest epoch whose copies it has delivered.
    pub replicated: u32,
}

/// What all members have said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Whether any of them has been asked to end the run.
    pub wishes_stop: bool,
    /// Who has been asked to leave.
    pub leaving: Vec<Rank>,
    /// The least index that anybody has delivered.
    pub replicated: u32,
    /// The master's word.
    pub decision: Decision,
}

/// The header of a rank; only the master decides.
pub fn encode(own: Own, decision: Option<&Decision>) -> Header {
    let mut header: Header = [0; _];
    header[WISH] = u32::from(own.wishes_stop);
    header[LEAVE] = u32::from(own.wishes_to_leave);
    header[REPLICATED] = own.replicated;
    if let Some(decision) = decision {
        let flags = [(decision.epoch, EPOCH), (decision.stop, STOP), (decision.checkpoint, CHECKPOINT)];
        header[DECISION] = flags.iter().filter(|(set, _)| *set).map(|(_, flag)| flag).sum();
        header[COMMITTED] = decision.committed;
        let moves = &decision.moves[..decision.moves.len().min(MOVES_MAX)];
        header[MOVE_COUNT] = moves.len() as u32;
        for (pair, m) in header[MOVES..REPLICATED].chunks_exact_mut(2).zip(moves) {
            pair.copy_from_slice(&[m.batch, m.to.0]);
        }
    }
    header
}

/// What the members, `members`, have said in `headers`, by rank. Moves of batches or to ranks that do not exist are dropped.
pub fn decode(headers: &[Header], members: &[Rank], master: Rank, batches: usize) -> Heard {
    let said = || members.iter().map(|member| (*member, &headers[member.index()]));
    let word = &headers[master.index()];
    let count = (word[MOVE_COUNT] as usize).min(MOVES_MAX);
    let moves = word[MOVES..MOVES + 2 * count]
        .chunks_exact(2)
        .map(|pair| Move { batch: pair[0], to: Rank(pair[1]) })
        .filter(|m| (m.batch as usize) < batches && members.contains(&m.to))
        .collect();
    let has = |flag: u32| word[DECISION] & flag != 0;
    Heard {
        wishes_stop: said().any(|(_, header)| header[WISH] != 0),
        leaving: said().filter(|(_, header)| header[LEAVE] != 0).map(|(member, _)| member).collect(),
        replicated: said().map(|(_, header)| header[REPLICATED]).min().unwrap_or(0),
        decision: Decision {
            epoch: has(EPOCH),
            checkpoint: has(CHECKPOINT),
            stop: has(STOP),
            committed: word[COMMITTED],
            moves,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_carry_wishes_copies_and_the_decision() {
        let moves: Vec<Move> = (0..16).map(|b| Move { batch: b, to: Rank(b % 2) }).collect();
        let decision = Decision { epoch: true, checkpoint: true, stop: false, committed: 7, moves };
        let own = |replicated| Own { replicated, ..Own::default() };
        let leaver = Own { wishes_stop: true, wishes_to_leave: true, replicated: 8 };
        let headers = [encode(own(9), Some(&decision)), encode(leaver, None), encode(own(1), None)];
        let members = [Rank(0), Rank(1)];
        let heard = decode(&headers, &members, Rank(0), 100);
        assert_eq!(heard, Heard { wishes_stop: true, leaving: vec![Rank(1)], replicated: 8, decision });
    }

    #[test]
    fn nonsense_moves_are_dropped() {
        let mut header = encode(Own::default(), Some(&Decision::default()));
        header[MOVE_COUNT] = 99;
        header[MOVES] = 7;
        header[MOVES + 1] = 5;
        let moves = decode(&[header], &[Rank(0)], Rank(0), 3).decision.moves;
        assert!(moves.iter().all(|m| m.batch == 0 && m.to == Rank(0)));
    }
}

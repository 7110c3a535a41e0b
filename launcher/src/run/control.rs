//! What ranks tell each other in the header of a step, besides bounds.

use rankzero_comm::Rank;

use crate::engine::Header;
use crate::engine::migrate::Move;

/// A rank's wish: end the run early.
const WISH: usize = 0;
/// Rank 0's decision about the step that the header belongs to.
const DECISION: usize = 1;
const MOVE_COUNT: usize = 2;
const MOVES: usize = 3;
const MOVES_MAX: usize = crate::assign::MOVES_MAX;

const EPOCH: u32 = 1;
const STOP: u32 = 2;

/// Rank 0's word on a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// The state after the step is an epoch: all ranks hash it.
    pub epoch: bool,
    /// The step is the last one.
    pub stop: bool,
    /// Batches to be moved after the step.
    pub moves: Vec<Move>,
}

/// The header of a rank; only rank 0 decides.
pub fn encode(wish_to_stop: bool, decision: Option<&Decision>) -> Header {
    let mut header: Header = [0; _];
    header[WISH] = u32::from(wish_to_stop);
    if let Some(decision) = decision {
        header[DECISION] = if decision.epoch { EPOCH } else { 0 } | if decision.stop { STOP } else { 0 };
        let moves = &decision.moves[..decision.moves.len().min(MOVES_MAX)];
        header[MOVE_COUNT] = moves.len() as u32;
        for (pair, m) in header[MOVES..].chunks_exact_mut(2).zip(moves) {
            pair.copy_from_slice(&[m.batch, m.to.0]);
        }
    }
    header
}

/// Whether any rank wishes to stop, and rank 0's decision. Moves of batches or to ranks that do not exist are dropped.
pub fn decode(headers: &[Header], batches: usize) -> (bool, Decision) {
    let wish = headers.iter().any(|h| h[WISH] != 0);
    let word = &headers[0];
    let count = (word[MOVE_COUNT] as usize).min(MOVES_MAX);
    let moves = word[MOVES..MOVES + 2 * count]
        .chunks_exact(2)
        .map(|pair| Move { batch: pair[0], to: Rank(pair[1]) })
        .filter(|m| (m.batch as usize) < batches && m.to.index() < headers.len())
        .collect();
    (wish, Decision { epoch: word[DECISION] & EPOCH != 0, stop: word[DECISION] & STOP != 0, moves })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_carries_wish_and_decision() {
        let moves: Vec<Move> = (0..16).map(|b| Move { batch: b, to: Rank(b % 2) }).collect();
        let decision = Decision { epoch: true, stop: false, moves };
        let headers = [encode(false, Some(&decision)), encode(true, None)];
        assert_eq!(decode(&headers, 100), (true, decision));
    }

    #[test]
    fn nonsense_moves_are_dropped() {
        let mut header = encode(false, Some(&Decision::default()));
        header[MOVE_COUNT] = 99;
        header[MOVES] = 7;
        header[MOVES + 1] = 5;
        assert!(decode(&[header], 3).1.moves.iter().all(|m| m.batch == 0 && m.to == Rank(0)));
    }
}

//! What goes wrong in a run, and when.

use std::time::Duration;

use rankzero_comm::Rank;

use crate::Random;

/// How the end of a process becomes known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// All who have a connection see its end.
    Seen,
    /// Some learn of it from elsewhere.
    Heard,
    /// Nobody is ever told, as if its node had lost power.
    Silent,
}

/// One fault. Those with a time `lasts` end by themselves.
#[derive(Clone, Debug)]
pub enum Fault<O> {
    /// The process ends.
    Kill {
        /// Whose.
        rank: Rank,
        /// How that becomes known.
        how: Death,
    },
    /// The process does not run, as after SIGSTOP; what arrives waits.
    Pause {
        /// Whose.
        rank: Rank,
        /// For how long.
        lasts: Duration,
    },
    /// The process does everything late.
    Slow {
        /// Whose.
        rank: Rank,
        /// For how long.
        lasts: Duration,
        /// By up to this.
        late: Duration,
    },
    /// The connection of a pair breaks and is made anew after some time.
    Break {
        /// One rank.
        a: Rank,
        /// The other.
        b: Rank,
        /// For how long.
        lasts: Duration,
    },
    /// Nothing gets from any of `from` to any of `to`, nor back if `both`.
    Cut {
        /// Senders.
        from: Vec<Rank>,
        /// Receivers.
        to: Vec<Rank>,
        /// For how long.
        lasts: Duration,
        /// Whether it cuts the other direction, too.
        both: bool,
        /// Whether connections break when it ends.
        breaks: bool,
    },
    /// Something raises doubts about a rank at another.
    Doubt {
        /// Who doubts.
        at: Rank,
        /// Of whom.
        of: Rank,
    },
    /// Something is asked of a node: of this one, or of the one that leads.
    Order {
        /// Of whom.
        at: Option<Rank>,
        /// What.
        order: O,
    },
}

/// All faults of a run.
#[derive(Clone, Debug)]
pub struct Plan<O> {
    /// When each of them happens.
    pub faults: Vec<(Duration, Fault<O>)>,
    /// When all of them are over.
    pub healed: Duration,
}

fn some(ranks: u32, random: &mut Random) -> Vec<Rank> {
    let mask = random.number();
    Rank::all(ranks).filter(|rank| mask >> (rank.0 % 64) & 1 == 1).collect()
}

/// Another rank, or the same one where there is no other.
fn other(rank: Rank, ranks: u32, random: &mut Random) -> Rank {
    let further = 1 + random.below(u64::from(ranks.saturating_sub(1))) as u32;
    Rank((rank.0 + further) % ranks)
}

impl<O> Plan<O> {
    /// Up to `most` faults among `ranks` ranks, the last of which is over after `span` at the latest.
    pub fn any(ranks: u32, most: u64, span: Duration, random: &mut Random) -> Plan<O> {
        let micros = span.as_micros() as u64;
        let mut faults = Vec::new();
        for _ in 0..random.below(most + 1) {
            let at = random.micros(micros / 50..micros * 3 / 4);
            let longest = (micros - at.as_micros() as u64).min(micros / 2);
            // Half of the faults are short against the time-outs.
            let longest = if random.one_in(2) { longest / 10 } else { longest };
            let lasts = random.micros(0..longest);
            faults.push((at, Plan::one(ranks, lasts, random)));
        }
        faults.sort_by_key(|(at, _)| *at);
        Plan { faults, healed: span }
    }

    fn one(ranks: u32, lasts: Duration, random: &mut Random) -> Fault<O> {
        let rank = Rank(random.below(u64::from(ranks)) as u32);
        let peer = other(rank, ranks, random);
        match random.below(20) {
            0..=3 => {
                let how = [Death::Seen, Death::Seen, Death::Heard, Death::Silent][random.below(4) as usize];
                Fault::Kill { rank, how }
            }
            4..=6 => Fault::Pause { rank, lasts },
            7 | 8 => Fault::Slow { rank, lasts, late: random.millis(1..1500) },
            9..=11 => Fault::Break { a: rank, b: peer, lasts },
            12 | 13 => Fault::Cut { from: vec![rank], to: vec![peer], lasts, both: false, breaks: random.one_in(2) },
            14 => {
                let (from, to) = (some(ranks, random), some(ranks, random));
                Fault::Cut { from, to, lasts, both: false, breaks: random.one_in(2) }
            }
            15 => Fault::Doubt { at: rank, of: peer },
            _ => {
                let side = some(ranks, random);
                let rest = Rank::all(ranks).filter(|rank| !side.contains(rank)).collect();
                Fault::Cut { from: side, to: rest, lasts, both: true, breaks: random.one_in(2) }
            }
        }
    }
}

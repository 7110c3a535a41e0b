//! What lies between the ranks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::time::Duration;

use rankzero_comm::Rank;

use crate::Random;

/// One direction of a connection.
#[derive(Debug)]
struct Way<M> {
    /// Nothing overtakes what was sent before.
    last: Duration,
    /// What waits for the end of a cut.
    held: VecDeque<M>,
}

/// All connections: their delays, and which of them are broken or cut.
///
/// A *broken* connection is known to be so at both ends, and what was under way is lost. A *cut* direction is silent: what is
/// sent waits until the cut is over, as TCP would repeat it.
#[derive(Debug)]
pub struct Links<M> {
    ways: BTreeMap<(Rank, Rank), Way<M>>,
    /// How often a pair has been broken, the lower rank first.
    breaks: BTreeMap<(Rank, Rank), u32>,
    down: BTreeSet<(Rank, Rank)>,
    /// How many cuts lie on a direction.
    cuts: BTreeMap<(Rank, Rank), u32>,
    /// Usual delay, in microseconds.
    delay: Range<u64>,
    /// Every how many messages one takes up to 60 ms longer.
    hiccups: Option<u64>,
}

fn pair(a: Rank, b: Rank) -> (Rank, Rank) {
    (a.min(b), a.max(b))
}

impl<M> Links<M> {
    /// Everybody is connected with everybody, with delays of `delay` microseconds; one of so many messages as `hiccups` says
    /// takes up to 60 ms longer, and what follows it, too.
    pub fn new(delay: Range<u64>, hiccups: Option<u64>) -> Links<M> {
        let (ways, breaks, down, cuts) = Default::default();
        Links { ways, breaks, down, cuts, delay, hiccups }
    }

    /// Which connection of the pair is the present one.
    pub fn number(&self, a: Rank, b: Rank) -> u32 {
        self.breaks.get(&pair(a, b)).copied().unwrap_or(0)
    }

    /// Whether there is no connection.
    pub fn is_down(&self, a: Rank, b: Rank) -> bool {
        self.down.contains(&pair(a, b))
    }

    /// Whether nothing gets from `from` to `to`.
    pub fn is_cut(&self, from: Rank, to: Rank) -> bool {
        self.cuts.contains_key(&(from, to))
    }

    /// When something that `from` sends now arrives.
    pub fn arrival(&mut self, from: Rank, to: Rank, now: Duration, random: &mut Random) -> Duration {
        let mut delay = random.micros(self.delay.clone());
        if self.hiccups.is_some_and(|every| random.one_in(every)) {
            delay += random.millis(0..60);
        }
        let way = self.way(from, to);
        way.last = way.last.max(now + delay);
        way.last
    }

    fn way(&mut self, from: Rank, to: Rank) -> &mut Way<M> {
        self.ways.entry((from, to)).or_insert_with(|| Way { last: Duration::ZERO, held: VecDeque::new() })
    }

    /// Keeps what would have arrived.
    pub fn hold(&mut self, from: Rank, to: Rank, message: M) {
        self.way(from, to).held.push_back(message);
    }

    /// Cuts one direction, perhaps once more.
    pub fn cut(&mut self, from: Rank, to: Rank) {
        *self.cuts.entry((from, to)).or_insert(0) += 1;
    }

    /// Ends one cut. What is released by that is returned.
    pub fn mend(&mut self, from: Rank, to: Rank) -> VecDeque<M> {
        match self.cuts.get_mut(&(from, to)) {
            Some(count) if *count > 1 => {
                *count -= 1;
                VecDeque::new()
            }
            Some(_) => {
                self.cuts.remove(&(from, to));
                std::mem::take(&mut self.way(from, to).held)
            }
            None => VecDeque::new(),
        }
    }

    /// Breaks the connection. Returns whether there was one.
    pub fn tear(&mut self, a: Rank, b: Rank) -> bool {
        let torn = self.down.insert(pair(a, b));
        if torn {
            *self.breaks.entry(pair(a, b)).or_insert(0) += 1;
            self.way(a, b).held.clear();
            self.way(b, a).held.clear();
        }
        torn
    }

    /// Connects again, if the network lets it. Returns whether there is a new connection.
    pub fn connect(&mut self, a: Rank, b: Rank) -> bool {
        !self.is_cut(a, b) && !self.is_cut(b, a) && self.down.remove(&pair(a, b))
    }
}

//! Who takes part in a step by intervals, as the host tells it.

use std::ops::Range;

use rankzero_soft::reach::Reach;

use crate::resident::Home;

/// A body.
#[derive(Clone, Debug)]
pub struct Actor {
    /// Its form, by number.
    pub form: usize,
    /// Its reach at the step's start.
    pub reach: Reach,
    /// Where its state is; nowhere where it is a guest.
    pub home: Home,
    /// Who pushes it, in [`Cast::pushers`]; nobody where it is a guest.
    pub pushed_by: Range<usize>,
}

/// Two bodies that may touch in the step. Seats count the movers, then the guests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meeting {
    /// The seat of the body with the lower id.
    pub a: usize,
    /// That of the other.
    pub b: usize,
}

/// A pair that pushes a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PushedBy {
    /// Its number among the pairs.
    pub pair: usize,
    /// The body's side there: 0 or 1.
    pub side: usize,
}

/// The bodies of a step that touch others.
#[derive(Clone, Debug, Default)]
pub struct Cast {
    /// Bodies that the card computes.
    pub movers: Vec<Actor>,
    /// For the first of them, where their surfaces go that others look at: words in the memory that is lent for it, of even and of odd exchanges.
    pub halos: Vec<[usize; 2]>,
    /// Whether the exchange of the first interval is odd.
    pub odd: bool,
    /// Bodies that are computed elsewhere, of which the host brings the surfaces.
    pub guests: Vec<Actor>,
    /// Who may touch whom.
    pub pairs: Vec<Meeting>,
    /// For each mover those who push it, in the order in which they do.
    pub pushers: Vec<PushedBy>,
}

impl Cast {
    /// Empties it.
    pub fn clear(&mut self) {
        self.movers.clear();
        self.guests.clear();
        self.pairs.clear();
        self.pushers.clear();
        self.halos.clear();
        self.odd = false;
    }

    /// Panics where it names what it has not: kernels would follow.
    pub(super) fn check(&self) {
        let seats = self.movers.len() + self.guests.len();
        assert!(self.halos.len() <= self.movers.len(), "more shown than there are");
        assert!(self.pairs.iter().all(|pair| pair.a < seats && pair.b < seats), "a pair of nobody");
        let known = |by: &PushedBy| by.pair < self.pairs.len() && by.side < 2;
        assert!(self.pushers.iter().all(known), "pushed by no pair");
        let listed =
            |body: &Actor| body.pushed_by.start <= body.pushed_by.end && body.pushed_by.end <= self.pushers.len();
        assert!(self.movers.iter().all(listed), "pushers that are not listed");
    }

    /// The body in a seat.
    pub(super) fn seat(&self, seat: usize) -> &Actor {
        self.movers.get(seat).unwrap_or_else(|| &self.guests[seat - self.movers.len()])
    }

    /// All bodies by seat.
    pub(super) fn seats(&self) -> impl Iterator<Item = &Actor> {
        self.movers.iter().chain(&self.guests)
    }
}

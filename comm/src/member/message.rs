//! What ranks tell each other about the membership.

use std::collections::BTreeSet;

use super::{Doing, Term, View};
use crate::Rank;

/// Ranks in one list of a message, at most.
pub const RANKS_MAX: usize = 65536;
/// Accepted views in one vote, at most.
pub const VIEWS_MAX: usize = 64;

/// A message of the membership. `dead` lists are proofs of death, merged by every receiver.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// A sign of life: of the master to all members, and of each of them to the master.
    Heartbeat {
        /// Of the sender's view in force.
        term: Term,
        /// The sender's counter of work.
        steps: u64,
        /// What its computing thread does.
        doing: Doing,
    },
    /// Would you agree to a change? Promises nothing and asks for no promise.
    Ask {
        /// Of the sender's view in force.
        base: Term,
        /// The highest term that the sender has promised.
        promised: Term,
        /// Proven dead.
        dead: BTreeSet<Rank>,
    },
    /// Answers `Ask`. Unasked for, with proofs that the receiver should know.
    Would {
        /// Of the asker's view in force.
        base: Term,
        /// Whether the sender sees a reason, too.
        yes: bool,
        /// Proven dead.
        dead: BTreeSet<Rank>,
    },
    /// The sender stands for master.
    Stand {
        /// With which term; its candidate is the sender.
        term: Term,
        /// Of the sender's view in force.
        base: Term,
        /// Proven dead.
        dead: BTreeSet<Rank>,
    },
    /// The sender will follow no term below this.
    Vote {
        /// The candidate's.
        term: Term,
        /// The sender's view in force.
        confirmed: View,
        /// What it has accepted since, ascending.
        accepted: Vec<View>,
        /// Proven dead.
        dead: BTreeSet<Rank>,
        /// Left out of a view, but perhaps not aware of it.
        estranged: BTreeSet<Rank>,
    },
    /// The sender has promised a higher term.
    Refuse {
        /// The one refused.
        term: Term,
        /// The one promised.
        promised: Term,
    },
    /// The next view, which the sender has the votes for.
    Propose {
        /// The view; its term is the one stood with.
        view: View,
        /// Proven dead.
        dead: BTreeSet<Rank>,
        /// Left out of a view, but perhaps not aware of it.
        estranged: BTreeSet<Rank>,
    },
    /// The sender has accepted the proposal.
    Accept {
        /// Of the proposal.
        term: Term,
    },
    /// This view, which the receiver is a member of, is in force.
    Confirm {
        /// The view.
        view: View,
    },
    /// This view is in force, and either the receiver is not in it, or the sender is not and knows it.
    Excluded {
        /// The view.
        view: View,
    },
}

impl Message {
    /// The highest term that this message speaks of.
    pub(super) fn highest(&self) -> Term {
        match self {
            Message::Heartbeat { term, .. } | Message::Would { base: term, .. } | Message::Accept { term } => *term,
            Message::Ask { base, promised, .. } => (*base).max(*promised),
            Message::Stand { term, base, .. } => (*term).max(*base),
            Message::Vote { term, confirmed, accepted, .. } => {
                accepted.iter().fold((*term).max(confirmed.term), |highest, view| highest.max(view.term))
            }
            Message::Refuse { term, promised } => (*term).max(*promised),
            Message::Propose { view, .. } | Message::Confirm { view } | Message::Excluded { view } => view.term,
        }
    }

    /// The term of the view in force for the sender, where the message tells it.
    pub(super) fn base(&self) -> Option<Term> {
        match self {
            Message::Heartbeat { term, .. } => Some(*term),
            Message::Ask { base, .. } | Message::Stand { base, .. } => Some(*base),
            Message::Vote { confirmed, .. } => Some(confirmed.term),
            _ => None,
        }
    }

    /// Whom the message proves dead.
    pub(super) fn dead(&self) -> Option<&BTreeSet<Rank>> {
        match self {
            Message::Ask { dead, .. }
            | Message::Would { dead, .. }
            | Message::Stand { dead, .. }
            | Message::Vote { dead, .. }
            | Message::Propose { dead, .. } => Some(dead),
            _ => None,
        }
    }
}

//! What goes into a [`super::Membership`] and what comes out.

use super::{Message, Term, View};
use crate::Rank;

/// What the computing thread of a rank does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Doing {
    /// It computes: its steps are expected to move.
    Computing,
    /// It waits for data of another rank.
    Waiting {
        /// Whose data.
        on: Rank,
        /// For how long already, in milliseconds.
        for_ms: u32,
    },
}

/// What happens to a rank.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Time passes. To be told by [`super::Membership::deadline`] at the latest.
    Tick,
    /// A message has come.
    Message {
        /// Its sender, which the connection vouches for.
        from: Rank,
        /// The message.
        message: Message,
    },
    /// A control connection is there, or there again.
    Connected {
        /// To whom.
        peer: Rank,
    },
    /// A control connection is gone. Without a proof this is no suspicion; silence is.
    Lost {
        /// To whom.
        peer: Rank,
        /// Whether its process has ended for certain.
        proof: bool,
    },
    /// Something else tells of a peer: a data path, Slurm, the MPI library.
    Evidence {
        /// Of whom.
        peer: Rank,
        /// Whether its process has ended for certain. Otherwise two heartbeats are left to it for a sign of life.
        proof: bool,
    },
    /// Something else shows that a peer lives, though it says nothing: its thread waits for a core of this very node.
    Alive {
        /// Who lives.
        peer: Rank,
    },
    /// How this rank's computing thread gets on.
    Progress {
        /// Its counter of work done: any change means life.
        steps: u64,
        /// What it does now.
        doing: Doing,
    },
    /// At the master: a newcomer is connected and wants in. Forgotten when the master changes.
    Admit {
        /// A rank that has never been a member.
        rank: Rank,
    },
    /// At the master: a member, which may be the master itself, leaves on purpose. Forgotten when the master changes.
    Dismiss {
        /// Who leaves.
        rank: Rank,
    },
}

/// What a rank is to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Send this over the control connection, or drop it where there is none: what matters is repeated.
    Send {
        /// To whom.
        to: Rank,
        /// The message.
        message: Message,
    },
    /// The status has changed.
    Status(Status),
    /// For the journal.
    Notice(Notice),
}

/// Where a rank stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// The view is in force: compute.
    Steady(View),
    /// A change has begun (or this newcomer is not yet in): stop computing, keep the state.
    Changing,
    /// This rank wants a new view and finds no quorum for it: stop, keep the state. It goes on trying.
    NoQuorum,
    /// A view without this rank is in force: end.
    Excluded {
        /// The term of that view.
        by: Term,
    },
}

/// What is worth a line in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Notice {
    /// Nothing has come from this rank for too long.
    Suspected {
        /// Who is silent.
        peer: Rank,
        /// For how long, in milliseconds.
        silent_ms: u64,
    },
    /// A suspected rank has spoken again.
    Trusted {
        /// Who has.
        peer: Rank,
    },
    /// This rank takes no part any more, for certain: its process has ended, or it has said that it is excluded.
    ProvenDead {
        /// Who is dead.
        peer: Rank,
    },
    /// Heartbeats come, but no step has been made for too long.
    Hung {
        /// Who is stuck.
        peer: Rank,
    },
    /// Two ranks that live get no data from each other: `a` is to be left out.
    Cut {
        /// Who is to be left out.
        a: Rank,
        /// Whom it waits for.
        b: Rank,
    },
    /// This rank stands.
    Standing {
        /// With which term.
        term: Term,
    },
    /// This rank has the votes for a view and proposes it.
    Proposing {
        /// The view.
        view: View,
        /// The terms of the views, of each of which a quorum has voted: the one in force, and those that may be.
        after: Vec<Term>,
    },
    /// A newcomer has not accepted in time and is forgotten.
    NotAdmitted {
        /// Who has not.
        rank: Rank,
    },
}

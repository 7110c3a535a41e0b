//! What votes allow: whose count, and which view they can lead to.

use std::collections::BTreeSet;

use super::candidate::Role;
use super::{Membership, View};
use crate::Rank;

/// A view that may be proposed.
pub struct Next {
    pub view: View,
    /// All who have to accept it: its members, and the voters that it leaves out.
    pub acceptors: BTreeSet<Rank>,
    pub estranged: BTreeSet<Rank>,
}

impl Membership {
    /// The views that must agree: the one in force, and each that may be in force by now.
    pub(super) fn deciding(&self) -> Vec<&View> {
        let found = match &self.role {
            Role::Standing { found, .. } => found,
            _ => &self.accepted,
        };
        let later = found.values().filter(|view| view.term > self.confirmed.term);
        std::iter::once(&self.confirmed).chain(later).collect()
    }

    /// All who may vote: members of the deciding views that are not proven dead.
    pub(super) fn electorate(&self) -> BTreeSet<Rank> {
        let all = self.deciding().into_iter().flat_map(|view| view.members.iter().copied());
        all.filter(|rank| !self.dead.contains(rank)).collect()
    }

    /// Voters that are not proven dead. A vote of the dead is none, as it cannot become an acceptance (M-2).
    fn living_voters(&self) -> BTreeSet<Rank> {
        match &self.role {
            Role::Standing { voters, .. } => voters.difference(&self.dead).copied().collect(),
            _ => BTreeSet::new(),
        }
    }

    fn has_votes(&self) -> bool {
        let voters = self.living_voters();
        self.deciding().into_iter().all(|view| self.rule.holds(view, &self.dead, &voters))
    }

    /// The view that this candidate may propose with the votes that it has.
    ///
    /// Its members are voters that belong to *every* deciding view. Each of those may be in force, and whoever it left out may
    /// have been left behind for good: were such a rank to go on with others that die, a member of the older view, seeing all
    /// its fellows proven dead, would rightly go on without it (M-2). Only with the votes of all who may still believe to be
    /// members can others be let in, newcomers too.
    pub(super) fn next_view(&self) -> Option<Next> {
        let term = self.role.term().filter(|_| self.has_votes())?;
        let deciding = self.deciding();
        let concerned: BTreeSet<Rank> =
            self.electorate().into_iter().chain(self.estranged.difference(&self.dead).copied()).collect();
        let voters = self.living_voters();
        let all_agree = concerned.is_subset(&voters);
        let voters: BTreeSet<Rank> = voters.intersection(&concerned).copied().collect();
        let known = |rank: &Rank| all_agree || deciding.iter().all(|view| view.contains(*rank));
        let useful = |rank: &Rank| !self.dismissed.contains(rank) && !self.detector.is_useless(*rank);
        let mut members: BTreeSet<Rank> = voters.iter().copied().filter(known).filter(useful).collect();
        if known(&self.me) && (members.is_empty() || !self.dismissed.contains(&self.me)) {
            members.insert(self.me);
        }
        if all_agree {
            members.extend(self.admits.iter());
        }
        let master = if members.contains(&self.me) { Some(self.me) } else { members.first().copied() };
        let view = View::of(term, master?, members);
        let estranged = concerned.into_iter().filter(|rank| !view.contains(*rank)).collect();
        let acceptors = voters.into_iter().chain(view.members.iter().copied()).collect();
        Some(Next { view, acceptors, estranged })
    }
}

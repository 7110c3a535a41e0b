//! What must hold after every step of the membership, and at the end.

use std::collections::{BTreeMap, BTreeSet};

use rankzero_comm::Rank;
use rankzero_comm::member::{Membership, Quorum, Status, Term, View};

use crate::{MemberNode, World};

/// The history of a run, as far as the invariants of [`rankzero_comm::member`] need it.
#[derive(Clone, Debug)]
pub struct Checks {
    /// Of each proposed view: the view, and the terms it descends from.
    proposed: BTreeMap<Term, (View, BTreeSet<Term>)>,
    /// Terms of views that are or were in force for somebody.
    confirmed: BTreeSet<Term>,
    excluded: BTreeSet<Rank>,
}

fn takes_part(world: &World<MemberNode>, rank: Rank) -> Option<&Membership> {
    let membership = &world.node(rank)?.membership;
    (!matches!(membership.status(), Status::Excluded { .. })).then_some(membership)
}

impl Checks {
    /// For a run that begins with `view`.
    pub fn new(view: &View) -> Checks {
        Checks {
            proposed: BTreeMap::from([(view.term, (view.clone(), BTreeSet::new()))]),
            confirmed: BTreeSet::from([view.term]),
            excluded: BTreeSet::new(),
        }
    }

    /// Views in force so far, the first one included.
    pub fn views(&self) -> usize {
        self.confirmed.len()
    }

    /// Looks at `rank`, to which something has happened.
    ///
    /// # Errors
    /// What does not hold.
    pub fn after(&mut self, world: &mut World<MemberNode>, rank: Rank) -> Result<(), String> {
        let Some(node) = world.node_mut(rank) else { return Ok(()) };
        for (view, after) in std::mem::take(&mut node.proposed) {
            self.propose(rank, view, &after)?;
        }
        let membership = &node.membership;
        let term = membership.view().term;
        match membership.status() {
            Status::Excluded { .. } => {
                self.excluded.insert(rank);
            }
            status if self.excluded.contains(&rank) => {
                return Err(format!("M-4: {rank} was excluded and is now {status:?}"));
            }
            Status::Steady(view) if membership.promised() > view.term || !view.contains(rank) => {
                let promised = membership.promised();
                return Err(format!("M-3: {rank} is steady in {view:?} and has promised {promised}"));
            }
            Status::Steady(_) | Status::Changing | Status::NoQuorum => {}
        }
        if self.confirmed.insert(term) {
            self.chain(world)?;
        }
        Ok(())
    }

    fn propose(&mut self, by: Rank, view: View, after: &[Term]) -> Result<(), String> {
        let older = after.iter().filter_map(|term| self.proposed.get(term)).flat_map(|(_, ancestors)| ancestors);
        let ancestors: BTreeSet<Term> = older.chain(after).copied().collect();
        let term = view.term;
        if term.candidate != by || self.proposed.insert(term, (view, ancestors)).is_some() {
            return Err(format!("M-1: {by} proposes with {term}, which is not its own, or used"));
        }
        Ok(())
    }

    /// M-2: of views in force with a living member each, each descends from the one before.
    fn chain(&self, world: &World<MemberNode>) -> Result<(), String> {
        let mut before: Option<Term> = None;
        for term in &self.confirmed {
            let (view, ancestors) = self.proposed.get(term).ok_or(format!("{term} was never proposed"))?;
            if !view.members.iter().any(|rank| takes_part(world, *rank).is_some()) {
                continue;
            }
            if let Some(before) = before.filter(|before| !ancestors.contains(before)) {
                return Err(format!("M-2: {:?} does not descend from {:?}", view, self.proposed[&before].0));
            }
            before = Some(*term);
        }
        Ok(())
    }
}

/// Whether the run has come to rest: all that live and are not excluded are steady in one view, and are its members.
pub fn is_settled(world: &World<MemberNode>) -> bool {
    let mut members = BTreeSet::new();
    let mut view = None;
    for (rank, node) in world.alive() {
        let hung_and_out = matches!(node.membership.status(), Status::Excluded { .. });
        let waits_outside = !node.membership.view().contains(rank) && node.membership.status() == Status::Changing;
        if hung_and_out || waits_outside {
            continue;
        }
        match node.membership.status() {
            Status::Steady(own) if !node.hung => {
                if *view.get_or_insert(own.clone()) != own {
                    return false;
                }
                members.insert(rank);
            }
            _ => return false,
        }
    }
    view.is_some_and(|view| view.members.iter().copied().collect::<BTreeSet<_>>() == members)
}

/// Whether the run can come to rest now that all faults are over: whether a quorum lives, of the newest view in force and of
/// each that may be, and somebody may be a member of the next one.
pub fn can_settle(world: &World<MemberNode>) -> bool {
    let living: Vec<(Rank, &MemberNode)> =
        world.alive().filter(|(rank, _)| takes_part(world, *rank).is_some()).collect();
    // What only a newcomer knows may not reach those whom it has never heard of.
    let members = living.iter().filter(|(rank, node)| node.membership.view().contains(*rank));
    let dead: BTreeSet<Rank> = members.flat_map(|(_, node)| node.membership.dead()).copied().collect();
    let ranks: BTreeSet<Rank> = living.iter().map(|(rank, _)| *rank).collect();
    let Some(newest) = living.iter().map(|(_, node)| node.membership.view()).max_by_key(|view| view.term) else {
        return false;
    };
    let accepted = living.iter().flat_map(|(_, node)| node.membership.accepted());
    let deciding: Vec<&View> = accepted.filter(|view| view.term > newest.term).chain([newest]).collect();
    let hung = |rank: Rank| world.node(rank).is_none_or(|node| node.hung);
    let next = |rank: &&Rank| !hung(**rank) && deciding.iter().all(|view| view.contains(**rank));
    deciding.iter().all(|view| Quorum::Sound.holds(view, &dead, &ranks)) && ranks.iter().any(|rank| next(&rank))
}

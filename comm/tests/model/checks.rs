//! What must hold in every state, and what must happen in some, so that the former says something.

use rankzero_comm::Rank;
use rankzero_comm::member::{Membership, Status};
use stateright::Property;

use super::{Setup, World};

fn takes_part(world: &World, rank: Rank) -> Option<&Membership> {
    let rank = world.ranks.get(rank.index())?.as_ref()?;
    (!matches!(rank.status(), Status::Excluded { .. })).then_some(rank)
}

/// M-2: of two views in force with a living member each, the later one descends from the other.
pub fn is_chain(world: &World) -> bool {
    let lives = |term| {
        let (view, _) = &world.proposed[term];
        view.members.iter().any(|rank| takes_part(world, *rank).is_some())
    };
    let living: Vec<_> = world.confirmed.iter().filter(|term| lives(term)).collect();
    let descends = |pair: &[_]| world.proposed[pair[1]].1.contains(pair[0]);
    living.windows(2).all(descends)
}

/// M-3: nobody computes in a view after the promise of a higher term.
fn no_steady_after_promise(world: &World) -> bool {
    world.ranks.iter().flatten().all(|rank| match rank.status() {
        Status::Steady(view) => rank.promised() <= view.term && view.contains(rank.me()) && *rank.view() == view,
        _ => true,
    })
}

/// At most one view has all its living members steady in it, of those that take part at all.
fn one_whole_view(world: &World) -> bool {
    let mut whole = world.confirmed.iter().map(|term| &world.proposed[term].0).filter(|view| {
        let mut members = view.members.iter().filter_map(|rank| takes_part(world, *rank)).peekable();
        members.peek().is_some() && members.all(|rank| rank.status() == Status::Steady((*view).clone()))
    });
    whole.next().is_none() || whole.next().is_none()
}

/// Somebody's view in force has changed.
fn some_change(world: &World) -> bool {
    world.ranks.iter().flatten().any(|rank| rank.view().term.round > 0)
}

pub fn properties() -> Vec<Property<Setup>> {
    vec![
        Property::always("M-1 and M-4: nobody uses a term twice, or votes once excluded", |_, world: &World| {
            world.broken.is_none()
        }),
        Property::always("M-2: views in force form a chain", |_, world| is_chain(world)),
        Property::always("M-2: one run", |_, world| one_whole_view(world)),
        Property::always("M-3: nobody is steady after a higher promise", |_, world| no_steady_after_promise(world)),
        Property::sometimes("a change comes to an end", |_, world| some_change(world)),
        Property::sometimes("somebody is excluded", |_, world: &World| {
            world.ranks.iter().flatten().any(|rank| matches!(rank.status(), Status::Excluded { .. }))
        }),
        Property::sometimes("somebody finds no quorum", |_, world: &World| {
            world.ranks.iter().flatten().any(|rank| rank.status() == Status::NoQuorum)
        }),
    ]
}

//! How many must agree before a view may give way to another.

use std::collections::BTreeSet;

use super::View;
use crate::Rank;

/// A rule that says which members of a view may decide about the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Quorum {
    /// All members that are not proven dead; or more than half of all; or half of all, with the master.
    #[default]
    Sound,
    /// More than half of those not proven dead, or half of them with the lowest. Not safe; only to show why.
    OfTheLiving,
    /// Anybody. Not safe in a partition: for runs where something else makes sure that the other part is dead.
    Anybody,
}

impl Quorum {
    /// Whether `agreeing` may decide for `view`, of whose members those in `dead` are proven dead.
    pub fn holds(self, view: &View, dead: &BTreeSet<Rank>, agreeing: &BTreeSet<Rank>) -> bool {
        let all = view.members.len();
        let agree = view.members.iter().filter(|rank| agreeing.contains(rank)).count();
        let living = || view.members.iter().filter(|rank| !dead.contains(rank));
        match self {
            Quorum::Anybody => true,
            Quorum::Sound => {
                let half = 2 * agree == all && agreeing.contains(&view.master());
                2 * agree > all || half || living().all(|rank| agreeing.contains(rank))
            }
            Quorum::OfTheLiving => {
                let agree = living().filter(|rank| agreeing.contains(rank)).count();
                let half =
                    2 * agree == living().count() && living().min().is_none_or(|lowest| agreeing.contains(lowest));
                2 * agree > living().count() || half
            }
        }
    }
}

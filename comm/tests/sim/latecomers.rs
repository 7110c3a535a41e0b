//! Ranks that come while the others write, and ranks that end: when that is, and who takes note of it when.

use std::time::Duration;

use rankzero_comm::packets::Compression;
use rankzero_comm::{Fabric, Rank, Resident, Rung};

use super::Choices;
use super::world::{Setup, World};

/// Steps within which a member admits who has come.
const ADMITTED_WITHIN: u64 = 60;

#[derive(Debug)]
pub struct Latecomers {
    /// What all ladders are asked for.
    pub wish: (Compression, Duration),
    /// By newcomer, the step at which it comes.
    arrivals: Vec<u32>,
    /// Whether each rank has come.
    come: Vec<bool>,
    /// Who is to admit whom, and from which step on.
    admissions: Vec<(u32, usize, Rank)>,
    /// The step from which on the one that is to die does.
    death: Option<u32>,
}

impl Latecomers {
    pub fn new(setup: &Setup, choices: &mut Choices, wish: (Compression, Duration)) -> Latecomers {
        let mut arrivals: Vec<u32> = Vec::new();
        for _ in 0..setup.newcomers {
            let together = arrivals.last().copied().filter(|_| choices.below(2) == 0);
            arrivals.push(together.unwrap_or(choices.below(u64::from(setup.steps)) as u32));
        }
        let death = setup.killed.map(|killed| match arrivals.get(killed.0.wrapping_sub(setup.size) as usize) {
            // Half of them in the middle of their tests.
            Some(arrival) if choices.below(2) == 0 => arrival + choices.below(ADMITTED_WITHIN) as u32,
            Some(arrival) => arrival + choices.below(u64::from(setup.steps - arrival)) as u32,
            None => choices.below(u64::from(setup.steps)) as u32,
        });
        let come = Rank::all(setup.capacity()).map(|rank| rank.0 < setup.size).collect();
        Latecomers { wish, arrivals, come, admissions: Vec::new(), death }
    }

    pub fn has_come(&self, rank: Rank) -> bool {
        self.come[rank.index()]
    }
}

impl World {
    /// Who comes, who is admitted and who dies at this step.
    pub fn come_and_go(&mut self, step: u32) {
        for nth in 0..self.late.arrivals.len() {
            if self.late.arrivals[nth] == step {
                self.arrive(Rank(self.setup.size + nth as u32), step);
            }
        }
        for (due, at, rank) in std::mem::take(&mut self.late.admissions) {
            if step < due || self.is_asleep(at) {
                self.late.admissions.push((due, at, rank));
            } else {
                self.admit(at, &[rank]);
            }
        }
        if self.late.death.is_some_and(|death| step >= death) {
            self.late.death = None;
            self.kill();
        }
    }

    /// Everybody admits whom it has not admitted yet, dead or alive.
    pub fn admit_the_rest(&mut self) {
        for (_, at, rank) in std::mem::take(&mut self.late.admissions) {
            self.admit(at, &[rank]);
        }
    }

    fn arrive(&mut self, rank: Rank, step: u32) {
        self.trace(|| format!("{rank} comes"));
        let live = self.live();
        self.members[rank.index()] = Some(self.begin(rank));
        self.late.come[rank.index()] = true;
        let members: Vec<Rank> = live.iter().map(|&at| Rank(at as u32)).collect();
        self.admit(rank.index(), &members);
        for at in live {
            let due = step + self.below(ADMITTED_WITHIN) as u32;
            self.late.admissions.push((due, at, rank));
        }
    }

    fn admit(&mut self, at: usize, ranks: &[Rank]) {
        if self.members[at].is_none() {
            return;
        }
        self.trace(|| format!("rank {at} admits {ranks:?}"));
        let newcomers: Vec<Resident> = ranks.iter().map(|&rank| Resident { rank, node: self.node(rank) }).collect();
        self.member(at).ladder.admit(&newcomers).expect("admitted");
    }

    /// Whether two ranks never lose each other while both live.
    pub fn is_steady(&self, a: Rank, b: Rank) -> bool {
        let late = |rank: Rank| rank.0 >= self.setup.size;
        match self.setup.stable {
            // Of MPI those who come later know nothing.
            Some(Rung::Mpi) => !late(a) && !late(b),
            stable => stable.is_some(),
        }
    }

    /// Whether `a` must notice the end of `b`, which has ended: a later rank may wait in vain for an earlier one to begin.
    pub fn must_notice(&self, a: Rank, b: Rank) -> bool {
        let knows = self.members[a.index()].as_ref().is_some_and(|member| member.ladder.present().contains(&b));
        knows && (a.0 < self.setup.size || a < b)
    }
}

//! The crew: which bodies of this rank share a pack in a step, and the packs of those that are computed interval by interval.
//!
//! Bodies of one form go together, as many as the registers have lanes; few that are left over go alone, with lanes across their
//! constraints. Who shares a pack with whom changes no result.

use std::sync::Arc;
use std::time::Instant;

use rankzero_soft::collider::Collider;
use rankzero_soft::reach::Reach;
use rankzero_soft::rule::StepRule;
use rankzero_soft::shell::Shell;
use rankzero_soft::simd::{Isa, MAX_LANES};
use rankzero_soft::{Pack, Topology};
use rayon::prelude::*;

use super::board::Board;
use super::contacts::Contacts;
use super::own::{Own, Part, Pusher};
use super::threads::PerThread;
use crate::scene::Scene;

/// Bodies that are computed together.
#[derive(Clone, Copy, Debug)]
pub struct Team {
    slots: [u32; MAX_LANES],
    count: usize,
    /// Lanes of the pack: 1, or all that the instructions have.
    width: usize,
    form: u32,
}

impl Team {
    /// Places of its bodies among this rank's.
    pub fn slots(&self) -> &[u32] {
        &self.slots[..self.count]
    }
}

/// A share of lanes from which on a pack pays: bodies alone take about three times as long each as in a full pack.
const FILL: usize = 3;

/// Puts the bodies of one part into teams. `order` is scratch memory; both are cleared first.
pub fn muster(own: &[Own], of: impl Fn(Part) -> bool, lanes: usize, order: &mut Vec<u32>, teams: &mut Vec<Team>) {
    teams.clear();
    order.clear();
    order.extend((0..own.len() as u32).filter(|&i| of(own[i as usize].part)));
    order.sort_unstable_by_key(|&i| (own[i as usize].form, i));
    let mut rest = &order[..];
    while let Some(&first) = rest.first() {
        let form = own[first as usize].form;
        let same = rest.iter().take(lanes).take_while(|&&i| own[i as usize].form == form).count();
        let (count, width) = if same * FILL >= lanes { (same, lanes) } else { (1, 1) };
        let mut team = Team { slots: [u32::MAX; MAX_LANES], count, width, form };
        team.slots[..count].copy_from_slice(&rest[..count]);
        teams.push(team);
        rest = &rest[count..];
    }
}

/// What every member of the crew needs to know of the step.
#[derive(Clone, Copy, Debug)]
pub struct Orders<'a> {
    /// The scene.
    pub scene: &'a Scene,
    /// Where states are kept.
    pub board: &'a Board,
    /// This rank's bodies.
    pub own: &'a [Own],
    /// What each body may reach.
    pub reaches: &'a [Reach],
    /// What stands in the way.
    pub colliders: &'a [Collider],
}

impl Orders<'_> {
    fn rule(&self) -> &StepRule {
        &self.scene.rule
    }
}

/// A pack, and the bodies in it.
#[derive(Debug)]
pub struct Member {
    /// The working copies.
    pack: Pack,
    /// What contact works out about their surfaces, by lane.
    shells: Vec<Shell>,
    isa: Isa,
    team: Team,
    state: Vec<u32>,
    began: Instant,
    spent_ns: u64,
}

impl Member {
    fn new(topology: Arc<Topology>, team: &Team, isa: Isa) -> Self {
        let pack = Pack::new(topology, team.width, isa);
        Self { pack, shells: Vec::new(), isa, team: *team, state: Vec::new(), began: Instant::now(), spent_ns: 0 }
    }

    /// Takes up the states of a team.
    pub fn begin(&mut self, team: &Team, orders: &Orders<'_>) {
        self.start_clock();
        self.spent_ns = 0;
        self.team = *team;
        let topology = &orders.scene.forms[team.form as usize].topology;
        self.pack.reset(topology, team.width);
        for &slot in team.slots() {
            let id = orders.own[slot as usize].id;
            orders.board.states.load(id, &mut self.state);
            self.pack.join(&self.state, &orders.reaches[id as usize], orders.rule(), orders.colliders);
        }
        self.stop_clock();
    }

    /// Runs an interval up to its contacts.
    pub fn advance(&mut self, interval: u32, orders: &Orders<'_>) {
        self.start_clock();
        self.pack.advance(interval, orders.rule(), orders.colliders);
        if self.shells.len() < self.team.count {
            self.shells.resize_with(self.team.count, Shell::default);
        }
        for (lane, shell) in self.shells[..self.team.count].iter_mut().enumerate() {
            shell.update(interval == 0, self.pack.surface(lane), self.pack.topology(), self.isa);
        }
        self.stop_clock();
    }

    /// The surface of a body as others see it, and what contact works out about it.
    pub fn surface(&self, lane: usize) -> (&[f32], &Shell) {
        (self.pack.surface(lane), &self.shells[lane])
    }

    /// Ends an interval with what contacts do to the bodies.
    pub fn settle(&mut self, interval: u32, contacts: &Contacts, orders: &Orders<'_>) {
        self.start_clock();
        self.pack.clear_corrections();
        for (lane, &slot) in self.team.slots().iter().enumerate() {
            for pusher in &orders.own[slot as usize].pushed_by {
                let pushes = match *pusher {
                    Pusher::Soft(pair, side) => &contacts.pairs[pair as usize].pair.pushes[side as usize],
                    Pusher::Rigid(contact) => &contacts.rigids[contact as usize].contact.pushes,
                };
                self.pack.correct(lane, pushes);
            }
        }
        self.pack.settle(interval, orders.rule(), orders.colliders);
        self.stop_clock();
    }

    /// Runs a whole step of a team of free bodies. Returns the first body that blew up.
    pub fn whole_step(&mut self, team: &Team, orders: &Orders<'_>) -> Option<u32> {
        self.begin(team, orders);
        self.start_clock();
        self.pack.whole_step(orders.rule(), orders.colliders);
        self.stop_clock();
        self.end(orders)
    }

    /// Ends a step: the states go to the board. Returns the first body that blew up.
    pub fn end(&mut self, orders: &Orders<'_>) -> Option<u32> {
        self.start_clock();
        self.pack.end(orders.rule());
        self.state.resize(self.pack.topology().layout.words(), 0);
        let mut blown = None;
        for (lane, &slot) in self.team.slots().iter().enumerate() {
            let own = &orders.own[slot as usize];
            self.pack.state(lane, &mut self.state);
            orders.board.states.store(own.id, &self.state);
            own.set_reach(self.pack.reach(lane));
            if !self.pack.is_finite(lane) {
                blown = blown.or(Some(own.id));
            }
        }
        self.stop_clock();
        for &slot in self.team.slots() {
            orders.own[slot as usize].spend(self.spent_ns / self.team.count as u64);
        }
        blown
    }

    fn start_clock(&mut self) {
        self.began = Instant::now();
    }

    fn stop_clock(&mut self) {
        self.spent_ns += self.began.elapsed().as_nanos() as u64;
    }
}

/// Members without a fixed team, one a thread, for bodies that take the whole step at once.
#[derive(Debug, Default)]
pub struct Floaters {
    members: PerThread<Option<Member>>,
}

impl Floaters {
    /// Makes room for the threads of the pool at hand.
    pub fn prepare(&mut self) {
        self.members.prepare();
    }

    /// Runs a whole step of a team on the calling thread's member.
    pub fn whole_step(&self, team: &Team, isa: Isa, orders: &Orders<'_>) -> Option<u32> {
        let topology = &orders.scene.forms[team.form as usize].topology;
        let mut place = self.members.own();
        place.get_or_insert_with(|| Member::new(topology.clone(), team, isa)).whole_step(team, orders)
    }
}

/// The members that compute coupled bodies. Members past `used` are kept for their memory.
#[derive(Debug, Default)]
pub struct Crew {
    members: Vec<Member>,
    used: usize,
}

impl Crew {
    /// Assigns a member to each team.
    pub fn assign(&mut self, scene: &Scene, teams: &[Team], isa: Isa) {
        self.used = teams.len();
        // Made by the worker threads, so that their memory lies near a core that computes.
        let more = teams[self.members.len().min(self.used)..].par_iter();
        let member = |team: &Team| Member::new(scene.forms[team.form as usize].topology.clone(), team, isa);
        self.members.par_extend(more.map(member));
    }

    /// Forgets all members, for another width of lanes.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The members at work.
    pub fn members(&self) -> &[Member] {
        &self.members[..self.used]
    }

    /// The members at work, to be changed.
    pub fn members_mut(&mut self) -> &mut [Member] {
        &mut self.members[..self.used]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(forms: &[u32]) -> Vec<Own> {
        let job = "name: one\ntime: { steps: 1 }\nmaterials: { jelly: { density_kg_m3: 1000, young_pa: 1.0e5 } }\n\
                   soft_bodies: [{ name: a, shape: { box: { size_m: [1, 1, 1], cells: [1, 1, 1] } }, material: jelly }]\n";
        let loaded = rankzero_job::parse(job, "test.yaml", &rankzero_job::Overrides::none()).unwrap();
        let assets = crate::scene::Assets::load(&loaded.job, &rankzero_physx::cook::Cache::disabled()).unwrap();
        let scene = crate::scene::build(&loaded.job, &assets).unwrap();
        let state = scene.initial_state(0);
        let mut own: Vec<Own> = forms.iter().map(|_| Own::new(&scene, 0, &state)).collect();
        for (own, &form) in own.iter_mut().zip(forms) {
            (own.form, own.part) = (form, Part::Free);
        }
        own
    }

    #[test]
    fn bodies_of_a_form_share_packs_and_the_rest_goes_alone() {
        let mut forms = vec![1; 9];
        forms.extend([0, 0, 0, 2]);
        let own = own(&forms);
        let (mut order, mut teams) = (Vec::new(), Vec::new());
        muster(&own, |_| true, 8, &mut order, &mut teams);
        let sizes: Vec<(usize, usize, u32)> = teams.iter().map(|t| (t.count, t.width, t.form)).collect();
        assert_eq!(sizes, [(3, 8, 0), (8, 8, 1), (1, 1, 1), (1, 1, 2)]);
        let mut all: Vec<u32> = teams.iter().flat_map(|t| t.slots().to_vec()).collect();
        all.sort_unstable();
        assert_eq!(all, (0..13).collect::<Vec<_>>());
        muster(&own, |_| false, 8, &mut order, &mut teams);
        assert!(teams.is_empty());
    }
}

//! Ranks that come and go on purpose while the run goes on: what each rank does about the door, and the master about who stands in it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use rankzero_comm::control::Request;
use rankzero_comm::member::View;
use rankzero_comm::{Bootstrap, Fabric, Rank, Resident, RunKey};

use super::door::{Door, Party};
use super::drive::Drive;
use super::error::RunError;
use crate::assign::MOVES_MAX;
use crate::engine::migrate::Move;

/// Between two looks at the door.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long after a newcomer was first seen the master asks for a view with it: by then all others have seen it, too.
const SETTLE: Duration = Duration::from_millis(1200);
/// How long a newcomer has to be let in before it is asked for again.
const AGAIN: Duration = Duration::from_secs(10);

/// What a rank knows of the door.
pub(super) struct Doorway {
    pub door: Door,
    pub key: RunKey,
    /// Numbers from here on are newcomers'.
    first: u32,
    looked: Instant,
    /// Newcomers that have announced themselves, and since when that is known.
    seen: BTreeMap<Rank, (Instant, Party)>,
    /// When the master has asked for a view with, or without, a rank.
    asked: BTreeMap<Rank, Instant>,
    leaving: bool,
    /// The step by which a rank that leaves had nothing any more.
    empty_since: BTreeMap<Rank, u64>,
}

impl Doorway {
    /// Of a run that started with `founders` ranks.
    pub fn new(run_dir: &Path, key: RunKey, founders: u32) -> Self {
        Self {
            door: Door::of(run_dir),
            key,
            first: founders,
            looked: Instant::now(),
            seen: BTreeMap::new(),
            asked: BTreeMap::new(),
            leaving: false,
            empty_since: BTreeMap::new(),
        }
    }

    fn asks_now(&mut self, rank: Rank) -> bool {
        let now = Instant::now();
        let due = self.asked.get(&rank).is_none_or(|asked| now.duration_since(*asked) >= AGAIN);
        if due {
            self.asked.insert(rank, now);
        }
        due
    }
}

impl<F: Fabric + Bootstrap> Drive<'_, F> {
    /// Whether this rank is asked to leave.
    pub(super) fn is_asked_to_leave(&self) -> bool {
        self.doorway.as_ref().is_some_and(|doorway| doorway.leaving)
    }

    /// Looks now and then who stands at the door.
    pub(super) fn look_at_the_door(&mut self) -> Result<(), RunError> {
        let me = self.engine.rank();
        match &mut self.doorway {
            Some(doorway) if doorway.looked.elapsed() >= LOOK_EVERY => {
                doorway.looked = Instant::now();
                doorway.leaving = doorway.leaving || doorway.door.is_asked_to_leave(me);
            }
            _ => return Ok(()),
        }
        self.greet_newcomers();
        if self.engine.is_master() { self.let_in_and_out() } else { Ok(()) }
    }

    /// Links this rank to newcomers that it has not seen before.
    fn greet_newcomers(&mut self) {
        let capacity = self.engine.capacity();
        let Some(doorway) = &mut self.doorway else { return };
        for rank in (doorway.first..capacity).map(Rank) {
            if doorway.seen.contains_key(&rank) || rank == self.engine.rank() {
                continue;
            }
            let Some(party) = doorway.door.newcomer(&doorway.key, rank) else { continue };
            if let Some(control) = &self.control {
                control.desk().request(Request::Connect(rank, party.offer.clone()));
            }
            self.start.ranks.push(party.info.clone());
            doorway.seen.insert(rank, (Instant::now(), party));
        }
    }

    /// On the master: asks for views with who has come and without who wants to go.
    fn let_in_and_out(&mut self) -> Result<(), RunError> {
        let copies = self.start.job.fault_tolerance.replicas > 0;
        let owners = self.engine.ownership().batches().to_vec();
        let (step, committed) = (self.engine.steps_done(), self.epochs.ledger.committed().step);
        let (Some(doorway), Some(control)) = (&mut self.doorway, &self.control) else { return Ok(()) };
        let desk = control.desk();
        let linked = desk.linked();
        let dead = desk.dead();
        let settled: Vec<Rank> = doorway
            .seen
            .iter()
            .filter(|(rank, (since, _))| {
                since.elapsed() >= SETTLE
                    && linked.contains(rank)
                    && !self.view.contains(**rank)
                    && !dead.contains(rank)
            })
            .map(|(rank, _)| *rank)
            .collect();
        for rank in settled.into_iter().filter(|_| copies) {
            if doorway.asks_now(rank) {
                desk.request(Request::Admit(rank));
            }
        }
        for &rank in &self.heard.leaving {
            if !copies || owners.contains(&rank) {
                doorway.empty_since.remove(&rank);
                continue;
            }
            // What it had must be among the copies of others before it goes.
            let since = *doorway.empty_since.entry(rank).or_insert(step);
            if committed > since && doorway.asks_now(rank) {
                desk.request(Request::Dismiss(rank));
            }
        }
        Ok(())
    }

    /// On the master: moves that take all batches from those who leave, some at a time; `members` are those who stay.
    pub(super) fn clear_out(&mut self, members: &[Rank]) -> Vec<Move> {
        let owners = self.engine.ownership().batches();
        let mut load: BTreeMap<Rank, usize> = members.iter().map(|&member| (member, 0)).collect();
        for owner in owners {
            load.entry(*owner).and_modify(|load| *load += 1);
        }
        let leaving = |batch: &usize| self.heard.leaving.contains(&owners[*batch]);
        let mut moves = Vec::new();
        for batch in (0..owners.len()).filter(leaving).take(MOVES_MAX) {
            let Some((&to, _)) = load.iter().min_by_key(|&(rank, load)| (*load, *rank)) else { break };
            load.entry(to).and_modify(|load| *load += 1);
            moves.push(Move { batch: batch as u32, to });
        }
        moves
    }

    /// Makes those present in the fabric who are new in a view; the others do the same.
    pub(super) fn admit(&mut self, view: &View) -> Result<(), RunError> {
        let me = self.engine.rank();
        let present = self.engine.present();
        let new: Vec<Rank> =
            view.members.iter().copied().filter(|rank| *rank != me && !present.contains(rank)).collect();
        let mut residents = Vec::new();
        for rank in new {
            loop {
                self.greet_newcomers();
                let known = self.doorway.as_ref().and_then(|doorway| doorway.seen.get(&rank));
                if let Some((_, party)) = known {
                    residents.push(Resident { rank, node: party.node.clone() });
                    break;
                }
                // Its file may be on its way through the file system.
                self.undisturbed()?;
                self.keep_moving()?;
            }
        }
        if !residents.is_empty() {
            self.engine.admit(&residents)?;
            // Told once a step is done with them, by who is the master then.
            self.losses.arrived.extend(residents.into_iter().map(|resident| resident.rank));
            self.keep_copies();
        }
        // Also where the view before, which let them in, has ended during this.
        while !self.engine.is_ready()? {
            self.undisturbed()?;
            self.keep_moving()?;
        }
        Ok(())
    }

    /// What a newcomer knows of the founders before it has looked at the door.
    pub(super) fn know_founders(&mut self, founders: Vec<Party>) {
        if let Some(doorway) = &mut self.doorway {
            let known = founders.into_iter().map(|party| (Rank(party.info.rank), (Instant::now(), party)));
            doorway.seen.extend(known);
        }
    }
}

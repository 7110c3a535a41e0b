//! What must be, and what was seen: shared by the ranks of one run, which know nothing of it themselves.

use std::collections::{BTreeMap, BTreeSet};

use rankzero_comm::Rank;
use rankzero_comm::member::{Term, View};
use rankzero_epoch::{Batch, Epoch, buddies};

use crate::Random;

/// Words of a batch.
pub const WORDS: usize = 4;
/// The state of a batch.
pub type State = [u64; WORDS];

/// A mistake in the protocol, on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// A commit is announced and the next epoch declared in the same header.
    CommitAndBegin,
    /// An inventory claims the copies that are being overwritten, too.
    OldHalfClaimed,
    /// Nobody waits for markers, and what comes before them counts.
    NoMarkers,
    /// An epoch is committed before all copies have arrived.
    CommitEarly,
    /// Who waits for a view, for mail or for the end gives no sign of life.
    MuteWaiting,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Mutation; 5] = [
        Mutation::CommitAndBegin,
        Mutation::OldHalfClaimed,
        Mutation::NoMarkers,
        Mutation::CommitEarly,
        Mutation::MuteWaiting,
    ];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Mutation::CommitAndBegin => "commit-and-begin",
            Mutation::OldHalfClaimed => "old-half-claimed",
            Mutation::NoMarkers => "no-markers",
            Mutation::CommitEarly => "commit-early",
            Mutation::MuteWaiting => "mute-waiting",
        }
    }
}

/// How a run is set up.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Ranks there is room for.
    pub capacity: u32,
    /// Copies beside the owner's.
    pub replicas: usize,
    /// Whether only what changed is sent.
    pub delta: bool,
    /// Ranks of a node.
    pub per_node: u32,
    /// Steps between epochs.
    pub epoch_steps: u64,
    /// Steps between checkpoints, if there are any.
    pub checkpoint_steps: Option<u64>,
    /// How long a step takes at most, in microseconds.
    pub step_us: u64,
    /// How long a piece of a copy takes at most, in microseconds.
    pub piece_us: u64,
    /// One write to disk in so many goes wrong; never, if 0.
    pub disk_faults: u64,
    /// One step in so many moves a batch.
    pub moves: u64,
    /// A mistake on purpose.
    pub mutation: Option<Mutation>,
}

/// A committed epoch.
#[derive(Clone, Debug)]
pub struct Commit {
    /// In which view.
    pub term: Term,
    /// Which.
    pub epoch: Epoch,
    /// By batch, who holds a copy.
    pub holders: Vec<Vec<Rank>>,
}

/// A checkpoint that counts.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// By batch.
    pub states: Vec<State>,
    /// Its checksum is wrong.
    pub torn: bool,
}

/// What must be, and what was seen.
#[derive(Debug)]
pub struct Truth {
    /// How the run is set up.
    pub rules: Rules,
    /// By step and batch.
    expected: Vec<Vec<State>>,
    /// The first thing that did not hold.
    pub failure: Option<String>,
    /// Parts of checkpoints.
    pub parts: BTreeMap<(u64, Rank), Vec<(Batch, State)>>,
    /// Checkpoints.
    pub manifests: BTreeMap<u64, Manifest>,
    /// Commits that have not been looked at.
    pub fresh_commits: Vec<Commit>,
    holders: BTreeMap<Epoch, Vec<Vec<Rank>>>,
    /// The newest commit that each rank knows of, and the view in which it learnt that.
    pub known: BTreeMap<Rank, (Term, Epoch)>,
    late: BTreeMap<Term, BTreeSet<u64>>,
    /// Steps that were begun and have not been looked at.
    pub fresh_passes: Vec<(Rank, Term, u64)>,
    /// What happened how often.
    pub counts: BTreeMap<&'static str, u64>,
}

fn mix(parts: &[u64]) -> u64 {
    parts.iter().fold(0x9e37_79b9_7f4a_7c15, |hash: u64, part| {
        let z = (hash ^ part).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z ^ (z >> 29)
    })
}

/// The state of `batch` after the step that begins with `states`.
pub fn advance(batch: Batch, states: &[State], step: u64) -> State {
    let (count, own) = (states.len(), batch as usize);
    let (left, right) = (states[(own + 1) % count], states[(own + 1 + step as usize % count) % count]);
    let mut next = states[own];
    // Some words rest for some steps, so that there are differences to send.
    for (at, word) in next.iter_mut().enumerate().filter(|(at, _)| *at == 0 || (step + *at as u64).is_multiple_of(5)) {
        *word = mix(&[*word, left[at], right[(at + 1) % WORDS], step]);
    }
    next
}

/// The hash of a batch.
pub fn leaf(state: &State) -> u64 {
    mix(state)
}

impl Truth {
    /// For `batches` batches and `steps` steps.
    pub fn new(rules: Rules, batches: u32, steps: u64, random: &mut Random) -> Truth {
        let first: Vec<State> = (0..batches).map(|_| std::array::from_fn(|_| random.number())).collect();
        let mut expected = vec![first];
        for step in 0..steps {
            let now = &expected[step as usize];
            let next = (0..batches).map(|batch| advance(batch, now, step)).collect();
            expected.push(next);
        }
        Truth {
            rules,
            expected,
            failure: None,
            parts: BTreeMap::new(),
            manifests: BTreeMap::new(),
            fresh_commits: Vec::new(),
            holders: BTreeMap::new(),
            known: BTreeMap::new(),
            late: BTreeMap::new(),
            fresh_passes: Vec::new(),
            counts: BTreeMap::new(),
        }
    }

    /// Batches.
    pub fn batches(&self) -> u32 {
        self.expected[0].len() as u32
    }

    /// Steps of the run.
    pub fn steps(&self) -> u64 {
        self.expected.len() as u64 - 1
    }

    /// What `batch` must be after `step` steps.
    pub fn state(&self, step: u64, batch: Batch) -> State {
        self.expected[step as usize][batch as usize]
    }

    /// Something did not hold.
    pub fn fail(&mut self, what: impl FnOnce() -> String) {
        if self.failure.is_none() {
            self.failure = Some(what());
        }
    }

    /// Counts.
    pub fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// `rank` has this state of `batch` after `step` steps; `how` it came to it.
    pub fn check_state(&mut self, rank: Rank, how: &str, step: u64, batch: Batch, state: &State) {
        if self.state(step, batch) != *state {
            self.fail(|| format!("{rank} has {how} a wrong state of batch {batch} after {step} steps"));
        }
    }

    /// The master has combined these hashes.
    pub fn check_digest(&mut self, rank: Rank, how: &str, step: u64, leaves: &[u64]) {
        let right = self.expected[step as usize].iter().map(leaf).eq(leaves.iter().copied());
        if !right {
            self.fail(|| format!("{rank} has {how} a wrong digest at step {step}"));
        }
    }

    /// A rank that owns `owner`'s batches keeps copies at these.
    pub fn buddies(&self, owner: Rank, members: &[Rank]) -> Vec<Rank> {
        buddies(owner, members, |rank| rank.0 / self.rules.per_node, self.rules.replicas)
    }

    /// The master has committed `epoch`.
    pub fn committed(&mut self, term: Term, epoch: Epoch, owners: &[Rank], members: &[Rank]) {
        let holders: Vec<Vec<Rank>> = owners
            .iter()
            .map(|owner| {
                let mut holders = self.buddies(*owner, members);
                holders.push(*owner);
                holders
            })
            .collect();
        self.holders.insert(epoch, holders.clone());
        self.fresh_commits.push(Commit { term, epoch, holders });
        self.count("commits");
    }

    /// The master of `view` is about to tell all members to go back to `step`. What one of them knows to be committed may be
    /// given up by others only for something newer that is lost with all its holders.
    pub fn planned(&mut self, view: &View, step: u64) {
        // A master that was away may plan for members that are in a newer view by now; nobody hears it.
        let known = view.members.iter().filter_map(|rank| self.known.get(rank));
        if known.clone().any(|(term, _)| *term >= view.term) {
            return;
        }
        let known = known.map(|(_, known)| *known).max_by_key(|known| known.step);
        let Some(known) = known.filter(|known| step < known.step) else { return };
        let Some(holders) = self.holders.get(&known) else { return };
        if holders.iter().all(|holders| holders.iter().any(|rank| view.contains(*rank))) {
            self.fail(|| format!("{view:?} goes back to step {step}, though {known:?} was committed and is held"));
        } else {
            self.count("commits lost with all holders");
        }
    }

    /// A rank has everybody's header of `step` in the view of `term`.
    pub fn passed(&mut self, rank: Rank, term: Term, step: u64) {
        self.fresh_passes.push((rank, term, step));
    }

    /// It has, though somebody who lives computes in `newer`.
    pub fn passed_late(&mut self, rank: Rank, term: Term, step: u64, newer: Term) {
        // Headers that were on their way when the view changed let who is left behind do two steps more.
        let late = self.late.entry(term).or_default();
        late.insert(step);
        if late.len() > 2 {
            self.fail(|| format!("{rank} goes on in the view {term} at step {step}, though {newer} computes"));
        }
    }
}

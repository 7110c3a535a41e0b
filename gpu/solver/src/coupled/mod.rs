//! Bodies that touch each other, on a card, interval by interval.
//!
//! The card computes bodies and the contacts between them. Bodies that are computed elsewhere, by the host or by other ranks, are guests:
//! the host brings their surfaces in each interval, and takes those that it needs itself. Between two such exchanges the card goes on by
//! itself, so that where nobody else takes part a step is one piece of work.
//!
//! Canonical states are with the host, as in [`Troop`](crate::Troop): where the card fails, those of the step's start are still there.

mod cast;
mod layout;
mod places;

use std::ops::Range;
use std::sync::Arc;

use bytemuck::Pod;
use rankzero_gpu::{ArenaId, BufferId, GpuError, Lane, Memory, Shape};
use rankzero_soft::Topology;
use rankzero_soft::pair::Pushes;
use rankzero_soft::reach::REACH_WORDS;
use rankzero_soft::rule::StepRule;

pub use cast::{Actor, Cast, Meeting, PushedBy};

use crate::collider::Colliders;
use crate::ended::{Ended, lay_out};
use crate::form::Form;
use crate::kernels::Kernels;
use crate::pool::Pool;
use crate::resident::Residents;
use crate::rule::Rule;
use crate::step::NEXT_REACH_WORDS;
use layout::{Contacts, Guests, Interval, Mover, Pair, Seat, surface_words, words_of};
use places::{Stage, Tables};

/// Threads of the blocks of pairs and of guests.
const THREADS: u32 = 128;

/// A form on the card.
#[derive(Debug)]
struct OnCard {
    form: Form,
    buffer: BufferId,
    state_words: usize,
}

/// Movers of one form: a launch in each interval.
#[derive(Clone, Copy, Debug)]
struct Group {
    form: usize,
    first: usize,
    count: usize,
}

/// A step that the card is at.
#[derive(Debug)]
struct Running {
    tables: Tables,
    stage: Stage,
    groups: Vec<Group>,
    rule: Rule,
    intervals: u32,
    collider_count: u64,
    /// Words of the surfaces that are shown; where each mover's state lies in the tables, and each guest's surface begins.
    shown_words: usize,
    states: Vec<Range<usize>>,
    guests: Vec<usize>,
    pairs: u32,
}

/// The bodies of a rank that touch others, on a card.
#[derive(Debug)]
pub struct Coupled {
    kernels: Arc<Kernels>,
    /// Owns all that the card works on.
    lane: Lane,
    /// By form; `None` where it has no bodies.
    forms: Vec<Option<OnCard>>,
    arena: ArenaId,
    tables: BufferId,
    stage: BufferId,
    workspace: BufferId,
    pool: Pool,
    /// Surfaces of guests, by interval; on the card those of the last one.
    guest_arena: ArenaId,
    guests: BufferId,
    shown: ArenaId,
    /// What the host has movers pushed by.
    given_arena: ArenaId,
    given: BufferId,
    running: Option<Running>,
}

impl Coupled {
    /// Puts forms on the card of `kernels`; `None` stands for one that has no bodies.
    ///
    /// # Errors
    /// [`GpuError::Driver`].
    pub fn new<'a>(
        kernels: &Arc<Kernels>,
        topologies: impl IntoIterator<Item = Option<&'a Topology>>,
    ) -> Result<Self, GpuError> {
        let card = kernels.card();
        let mut lane = Lane::new(card)?;
        let mut forms = Vec::new();
        for topology in topologies {
            let Some(topology) = topology else {
                forms.push(None);
                continue;
            };
            let form = Form::new(topology);
            let buffer = lane.add_memory(Memory::holding(card, form.words())?);
            forms.push(Some(OnCard { form, buffer, state_words: topology.layout.words() }));
        }
        Ok(Self {
            kernels: kernels.clone(),
            forms,
            arena: lane.add_arena(0)?,
            tables: lane.add_buffer(0)?,
            stage: lane.add_buffer(0)?,
            workspace: lane.add_buffer(0)?,
            pool: Pool::new(&mut lane)?,
            guest_arena: lane.add_arena(0)?,
            guests: lane.add_buffer(0)?,
            shown: lane.add_arena(0)?,
            given_arena: lane.add_arena(0)?,
            given: lane.add_buffer(0)?,
            lane,
            running: None,
        })
    }

    /// Bytes of device memory that have to be reserved before a step of `cast` among so many colliders.
    pub fn more_bytes(&self, cast: &Cast, colliders: usize) -> u64 {
        let stage = Stage::new(cast, |form| &self.form(form).form).end;
        let tables = Tables::new(cast, colliders, self.state_words(cast)).end;
        let workspace = self.workspace_words(&groups(cast), colliders);
        let needed = [(self.stage, stage), (self.tables, tables), (self.workspace, workspace)];
        let more = |&(buffer, words): &(BufferId, usize)| if words > self.lane.size(buffer) { words } else { 0 };
        4 * needed.iter().map(more).sum::<usize>() as u64
    }

    /// Begins a step. Movers whose states are not on the card yet are written down by `give` (the mover's number, words to be filled in). The
    /// first interval goes as far as its contacts. Returns while the card computes.
    ///
    /// # Errors
    /// [`GpuError::Driver`], [`GpuError::Deadline`]; nothing is lost then but this step.
    ///
    /// # Panics
    /// If `cast` is not what it says it is.
    pub fn start(
        &mut self,
        rule: &StepRule,
        colliders: &Colliders,
        cast: &Cast,
        mut give: impl FnMut(usize, &mut [u32]),
    ) -> Result<(), GpuError> {
        self.running = None;
        let tables = Tables::new(cast, colliders.len(), self.state_words(cast));
        let words = cast.movers.iter().map(|body| (self.form(body.form).state_words, body.home.is_stale()));
        let (states, stale) = lay_out(tables.states, words);
        let stage = Stage::new(cast, |form| &self.form(form).form);
        let groups = groups(cast);
        self.lane.grow_arena(self.arena, tables.end)?;
        self.lane.grow_buffer(self.tables, tables.end)?;
        self.lane.grow_buffer(self.stage, stage.end)?;
        self.lane.grow_buffer(self.workspace, self.workspace_words(&groups, colliders.len()))?;
        self.pool.share(&mut self.lane, colliders)?;
        self.write_tables(rule, cast, &tables, &stage, &states)?;
        let arena = self.lane.words(self.arena)?;
        arena[tables.records..tables.near].copy_from_slice(bytemuck::cast_slice(colliders.records()));
        let mut numbers: Vec<u32> = (0..cast.movers.len() as u32).collect();
        numbers.sort_by_key(|&mover| cast.movers[mover as usize].form);
        arena[tables.blocks..tables.records].copy_from_slice(&numbers);
        for (mover, body) in cast.movers.iter().enumerate() {
            if body.home.is_stale() {
                give(mover, &mut arena[states[mover].clone()]);
            }
            arena[tables.reaches + mover * NEXT_REACH_WORDS..][..REACH_WORDS].copy_from_slice(&body.reach.to_words());
        }
        self.lane.upload(self.arena, 0..tables.states + stale, self.tables, 0)?;
        let mut guest_words = 0;
        let guests = cast.guests.iter().map(|guest| {
            guest_words += surface_words(&self.form(guest.form).form);
            guest_words
        });
        let guests: Vec<usize> = [0].into_iter().chain(guests).collect();
        let shown_words = cast.movers[..cast.shown].iter().map(|body| surface_words(&self.form(body.form).form)).sum();
        self.lane.grow_arena(self.shown, shown_words)?;
        let region = 2 * cast.guests.len() + guest_words;
        self.lane.grow_arena(self.guest_arena, region * rule.intervals() as usize)?;
        self.lane.grow_buffer(self.guests, region)?;
        self.running = Some(Running {
            tables,
            stage,
            groups,
            rule: Rule::new(rule),
            intervals: rule.intervals(),
            collider_count: colliders.len() as u64,
            shown_words,
            states,
            guests,
            pairs: cast.pairs.len() as u32,
        });
        self.advance(0, false)
    }

    /// The surfaces of the movers that are shown, in the running interval: each one's number, positions and displacements. Waits for them.
    ///
    /// # Errors
    /// As [`Coupled::start`].
    pub fn surfaces(&mut self, mut take: impl FnMut(usize, &[f32])) -> Result<(), GpuError> {
        let Some(running) = &self.running else { return Ok(()) };
        if running.shown_words == 0 {
            return Ok(());
        }
        let words: &[f32] = bytemuck::cast_slice(&self.lane.words(self.shown)?[..running.shown_words]);
        for (mover, &at) in running.stage.surfaces.iter().enumerate().take_while(|(_, at)| **at < running.shown_words) {
            let end = running.stage.surfaces.get(mover + 1).copied().unwrap_or(running.shown_words);
            take(mover, &words[at..end.min(running.shown_words)]);
        }
        Ok(())
    }

    /// Works out what pairs do in the running interval. `given` are the guests whose surfaces are new, all of them in the first interval;
    /// `give` writes them down (the guest's number, words to be filled in). [`Coupled::go_on`] comes next.
    ///
    /// # Errors
    /// As [`Coupled::start`].
    pub fn contacts(
        &mut self,
        interval: u32,
        given: &[u32],
        mut give: impl FnMut(usize, &mut [f32]),
    ) -> Result<(), GpuError> {
        let Some(running) = &self.running else { return Ok(()) };
        let (pairs, tables) = (running.pairs, running.tables);
        let contacts = Contacts {
            pairs: self.table(tables.pairs),
            seats: self.table(tables.seats),
            near: self.table(tables.near),
            rule: running.rule,
        };
        if !given.is_empty() {
            let region = 2 * (running.guests.len() - 1) + running.guests[running.guests.len() - 1];
            let (first, count) = (region * interval as usize, given.len());
            let arena = &mut self.lane.words(self.guest_arena)?[first..first + region];
            let (lists, words) = arena.split_at_mut(2 * count);
            let mut at = 0;
            for (place, &guest) in given.iter().enumerate() {
                let len = running.guests[guest as usize + 1] - running.guests[guest as usize];
                lists[place] = (running.stage.surfaces.len() - (running.guests.len() - 1)) as u32 + guest;
                lists[count + place] = at as u32;
                give(guest as usize, bytemuck::cast_slice_mut(&mut words[at..at + len]));
                at += len;
            }
            self.lane.upload(self.guest_arena, first..first + 2 * count + at, self.guests, 0)?;
            let buffer = self.lane.address(self.guests);
            let guests = Guests {
                blocks: buffer,
                places: buffer + 4 * count as u64,
                seats: contacts.seats,
                words: buffer + 8 * count as u64,
                first: u32::from(interval == 0),
                padding: 0,
            };
            let kernels = self.kernels.clone();
            self.launch(&kernels.contact().take_guests, count as u32, &guests)?;
        }
        let kernels = self.kernels.clone();
        if pairs > 0 && interval == 0 {
            self.launch(&kernels.contact().find, pairs, &contacts)?;
            self.lane.download(self.tables, tables.near..tables.reaches, self.arena, tables.near)?;
        }
        if pairs > 0 {
            self.launch(&kernels.contact().push, pairs, &contacts)?;
        }
        Ok(())
    }

    /// Ends the running interval with what the pairs do to the movers, and then `pushes`, by mover; goes on to the contacts of the next, or to
    /// the step's end.
    ///
    /// # Errors
    /// As [`Coupled::start`].
    pub fn go_on(&mut self, interval: u32, pushes: &[(usize, &Pushes)]) -> Result<(), GpuError> {
        let Some(running) = &self.running else { return Ok(()) };
        let pushed = pushes.iter().any(|(_, pushes)| !pushes.is_empty());
        if pushed {
            let movers = running.states.len();
            let words = 2 * movers + 4 * pushes.iter().map(|(_, pushes)| pushes.len()).sum::<usize>();
            self.lane.grow_arena(self.given_arena, words)?;
            self.lane.grow_buffer(self.given, words)?;
            write_given(&mut self.lane.words(self.given_arena)?[..words], movers, pushes);
            self.lane.upload(self.given_arena, 0..words, self.given, 0)?;
        }
        self.advance(interval + 1, pushed)
    }

    /// Which pairs may touch in the step, once the first interval's contacts were begun. Waits.
    ///
    /// # Errors
    /// As [`Coupled::start`].
    pub fn near(&mut self, mut take: impl FnMut(usize, bool)) -> Result<(), GpuError> {
        let Some(running) = &self.running else { return Ok(()) };
        let words = &self.lane.words(self.arena)?[running.tables.near..running.tables.reaches];
        words.iter().enumerate().for_each(|(pair, &near)| take(pair, near != 0));
        Ok(())
    }

    /// Waits for what the card has been given, and changes nothing.
    ///
    /// # Errors
    /// As [`Coupled::start`].
    pub fn wait(&mut self) -> Result<(), GpuError> {
        self.lane.wait()
    }

    /// Waits for the step's end, and shows what the movers have come to.
    ///
    /// # Errors
    /// As [`Coupled::start`].
    pub fn finish(&mut self) -> Result<Ended<'_>, GpuError> {
        let Some(running) = &self.running else { return Ok(Ended::new(&[], &[], 0)) };
        Ok(Ended::new(self.lane.words(self.arena)?, &running.states, running.tables.reaches))
    }

    /// Has homes of these in the steps to come.
    ///
    /// # Errors
    /// As [`Coupled::start`].
    pub fn share(&mut self, residents: &Residents) -> Result<(), GpuError> {
        self.lane.share(residents.memory())
    }

    /// Runs interval `interval` up to its contacts, after ending the one before; past the last one, ends the step. `pushed` tells whether the
    /// host has anybody pushed.
    fn advance(&mut self, interval: u32, pushed: bool) -> Result<(), GpuError> {
        let Some(running) = &self.running else { return Ok(()) };
        let (tables, shown_words, intervals) = (running.tables, running.shown_words, running.intervals);
        let kernels = self.kernels.clone();
        let block_max = kernels.card().block_bytes_max();
        let launches: Vec<_> = running
            .groups
            .iter()
            .map(|group| {
                let OnCard { form, buffer, .. } = self.form(group.form);
                let block = form.block_bytes(running.collider_count as usize);
                let large = block > block_max;
                let step = Interval {
                    form: self.lane.address(*buffer),
                    blocks: self.table(tables.blocks + group.first),
                    movers: self.table(tables.movers),
                    seats: self.table(tables.seats),
                    pairs: self.table(tables.pairs),
                    pushers: self.table(tables.pushers),
                    given: if pushed { self.lane.address(self.given) } else { 0 },
                    colliders: self.table(tables.records),
                    collider_count: running.collider_count,
                    pool: self.pool.address(&self.lane),
                    workspace: self.lane.address(self.workspace),
                    workspace_words: workspace_words(block) as u64,
                    rule: running.rule,
                    interval,
                    padding: 0,
                };
                let block_bytes = if large { 0 } else { block as u32 };
                let shape = Shape { blocks: group.count as u32, threads: form.threads(), block_bytes };
                (kernels.interval(form.is_implicit(), large), shape, step)
            })
            .collect();
        for (kernel, shape, step) in launches {
            // SAFETY: `Interval` is what the kernel takes. Its addresses are those of buffers of the lane, in which `start` laid out all
            // that the kernel reads and writes, and of homes in memory that the lane shares.
            unsafe { self.lane.launch(kernel, shape, &step)? };
        }
        if interval == intervals {
            self.lane.download(self.tables, tables.reaches..tables.end, self.arena, tables.reaches)
        } else if shown_words > 0 {
            self.lane.download(self.stage, 0..shown_words, self.shown, 0)
        } else {
            Ok(())
        }
    }

    /// Launches a kernel of contacts.
    fn launch<P: Pod>(&mut self, kernel: &rankzero_gpu::Kernel, blocks: u32, parameter: &P) -> Result<(), GpuError> {
        let shape = Shape { blocks, threads: THREADS, block_bytes: 4 * THREADS };
        // SAFETY: callers give each kernel the parameter that it takes. Its addresses are those of buffers of the lane, in which `start`
        // laid out all that the kernels of contacts read and write.
        unsafe { self.lane.launch(kernel, shape, parameter) }
    }

    fn write_tables(
        &mut self,
        rule: &StepRule,
        cast: &Cast,
        tables: &Tables,
        stage: &Stage,
        states: &[Range<usize>],
    ) -> Result<(), GpuError> {
        let [table, memory] = [self.tables, self.stage].map(|buffer| self.lane.address(buffer));
        let at = |base: u64, place: usize| base + 4 * place as u64;
        let forms: Vec<u64> = cast.seats().map(|body| self.lane.address(self.form(body.form).buffer)).collect();
        let arena = self.lane.words(self.arena)?;
        for (seat, body) in cast.seats().enumerate() {
            let record = Seat {
                form: forms[seat],
                surface: at(memory, stage.surfaces[seat]),
                shell: at(memory, stage.shells[seat]),
                velocity: body.reach.velocity,
                spread: body.reach.spread,
            };
            write(arena, tables.seats, seat, record);
        }
        for (index, pair) in cast.pairs.iter().enumerate() {
            let [a, b] = [pair.a, pair.b].map(|seat| &cast.seat(seat).reach);
            let record = Pair {
                seats: [pair.a as u32, pair.b as u32],
                margin: a.approach(b.velocity, b.spread, rule.step),
                padding: 0,
                memory: at(memory, stage.pairs[index]),
            };
            write(arena, tables.pairs, index, record);
        }
        for (mover, body) in cast.movers.iter().enumerate() {
            let record = Mover {
                place: body
                    .home
                    .place(at(table, states[mover].start), at(table, tables.reaches + mover * NEXT_REACH_WORDS)),
                kept: at(memory, stage.kept[mover]),
                seat: mover as u32,
                pushers: body.pushed_by.start as u32,
                pusher_count: body.pushed_by.len() as u32,
                padding: 0,
            };
            write(arena, tables.movers, mover, record);
        }
        for (place, pusher) in cast.pushers.iter().enumerate() {
            arena[tables.pushers + place] = (2 * pusher.pair + pusher.side) as u32;
        }
        Ok(())
    }

    fn form(&self, form: usize) -> &OnCard {
        self.forms[form].as_ref().expect("a form with bodies is on the card")
    }

    /// The address of a place in the tables.
    fn table(&self, place: usize) -> u64 {
        self.lane.address(self.tables) + 4 * place as u64
    }

    /// Words of the movers' states.
    fn state_words(&self, cast: &Cast) -> usize {
        cast.movers.iter().map(|body| self.form(body.form).state_words).sum()
    }

    /// Words of memory for bodies that are too large for a block; groups take turns.
    fn workspace_words(&self, groups: &[Group], colliders: usize) -> usize {
        let most = self.kernels.card().block_bytes_max();
        let blocks = groups.iter().map(|group| (self.form(group.form).form.block_bytes(colliders), group.count));
        blocks
            .filter(|(block, _)| *block > most)
            .map(|(block, count)| workspace_words(block) * count)
            .max()
            .unwrap_or(0)
    }
}

/// Words of a body that is too large for a block, a multiple of four.
fn workspace_words(block_bytes: usize) -> usize {
    block_bytes.div_ceil(16) * 4
}

/// The movers by form, in the order of forms.
fn groups(cast: &Cast) -> Vec<Group> {
    let mut counts = std::collections::BTreeMap::<usize, usize>::new();
    for body in &cast.movers {
        *counts.entry(body.form).or_default() += 1;
    }
    let mut first = 0;
    let group = |(form, count)| {
        first += count;
        Group { form, first: first - count, count }
    };
    counts.into_iter().map(group).collect()
}

/// Writes down what the host has each of `movers` pushed by: where each one's entries begin and end, then the entries.
fn write_given(words: &mut [u32], movers: usize, pushes: &[(usize, &Pushes)]) {
    let mut at = 2 * movers;
    words[..at].fill(at as u32);
    let mut sorted: Vec<_> = pushes.iter().collect();
    // Those of one mover stay in their order.
    sorted.sort_by_key(|(mover, _)| *mover);
    let mut last = None;
    for (mover, pushes) in sorted {
        if last != Some(*mover) {
            words[2 * mover] = at as u32;
            last = Some(*mover);
        }
        for (node, push) in *pushes {
            words[at] = *node;
            words[at + 1..at + 4].copy_from_slice(&push.map(f32::to_bits));
            at += 4;
        }
        words[2 * mover + 1] = at as u32;
    }
}

fn write<T: Pod>(arena: &mut [u32], table: usize, index: usize, record: T) {
    let words = words_of::<T>();
    arena[table + index * words..][..words].copy_from_slice(bytemuck::cast_slice(&[record]));
}

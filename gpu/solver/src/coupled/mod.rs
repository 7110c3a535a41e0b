//! Bodies that touch each other, on a card, interval by interval.
//!
//! The card computes bodies and the contacts between them. Bodies that are computed elsewhere, by the host or by other ranks, are guests:
//! the host brings their surfaces in each interval, and takes those that it needs itself. Between two such exchanges the card goes on by
//! itself, so that where nobody else takes part a step is one piece of work.
//!
//! Canonical states are with the host as well, as in [`Troop`](crate::Troop): where the card fails, those of the step's start are still there.

mod cast;
mod layout;
mod places;
mod work;
mod write;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rankzero_gpu::{ArenaId, Beat, BufferId, GpuError, Lane, Lent, Memory, Region};
use rankzero_soft::Topology;
use rankzero_soft::pair::Pushes;
use rankzero_soft::reach::REACH_WORDS;
use rankzero_soft::rule::StepRule;

pub use cast::{Actor, Cast, Meeting, PushedBy};

use crate::collider::{ColliderTable, Colliders};
use crate::ended::Ended;
use crate::form::Form;
use crate::kernels::Kernels;
use crate::meshes::{Meshes, most_surface};
use crate::pool::Pool;
use crate::resident::Residents;
use crate::rule::Rule;
use crate::step::NEXT_REACH_WORDS;
use layout::{Guests, surface_words};
use places::{Stage, Tables};
use work::{Group, Note, groups};
use write::Addresses;

/// A form on the card.
#[derive(Debug)]
struct OnCard {
    form: Form,
    buffer: BufferId,
    state_words: usize,
}

/// A step that the card is at.
#[derive(Debug)]
struct Running {
    tables: Tables,
    stage: Stage,
    groups: Vec<Group>,
    rule: Rule,
    intervals: u32,
    colliders: ColliderTable,
    movers: usize,
    /// Where each guest's surface begins.
    guests: Vec<usize>,
    /// Whether the exchange of the first interval is odd; of no meaning where nobody looks.
    odd: u32,
    pairs: u32,
    /// Nobody but the card takes part, which has been given the whole step.
    is_alone: bool,
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
    meshes: Meshes,
    /// Surfaces of guests.
    guest_arena: ArenaId,
    guests: BufferId,
    /// What the host has movers pushed by.
    given_arena: ArenaId,
    given: BufferId,
    running: Option<Running>,
    noted: Option<Note>,
    /// Where surfaces go that others look at.
    halo: Option<Arc<Lent>>,
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
            meshes: Meshes::new(&mut lane)?,
            guest_arena: lane.add_arena(0)?,
            guests: lane.add_buffer(0)?,
            given_arena: lane.add_arena(0)?,
            given: lane.add_buffer(0)?,
            lane,
            running: None,
            noted: None,
            halo: None,
        })
    }

    /// Bytes of device memory that have to be reserved before a step of `cast` among colliders.
    pub fn more_bytes(&self, cast: &Cast, colliders: &Colliders) -> u64 {
        let stage = Stage::new(cast, |form| &self.form(form).form).end;
        let tables = Tables::new(cast, colliders.len()).end;
        let workspace = self.workspace_words(&groups(cast), colliders.len());
        let guests = self.guest_places(cast).1;
        let found = self.found_words(cast, colliders) * cast.movers.len();
        let needed = [
            (self.stage, stage),
            (self.tables, tables),
            (self.workspace, workspace),
            (self.guests, guests),
            (self.meshes.buffer(), found),
        ];
        let more: usize = needed.iter().map(|&(buffer, words)| self.lane.more_words(buffer, words)).sum();
        4 * (more + self.pool.more_words(&self.lane, colliders)) as u64
    }

    /// Begins a step. The first interval goes as far as its contacts. Returns while the card computes.
    ///
    /// # Errors
    /// [`GpuError::Driver`], [`GpuError::Deadline`]; nothing is lost then but this step.
    ///
    /// # Panics
    /// If `cast` names what it has not, or a place that is none of those that were [shared](Coupled::share).
    pub fn start(&mut self, rule: &StepRule, colliders: &Colliders, cast: &Cast) -> Result<(), GpuError> {
        self.running = None;
        let tables = Tables::new(cast, colliders.len());
        cast.check();
        for body in &cast.movers {
            assert!(body.home.is_in(&self.lane, self.form(body.form).state_words), "a home that is not shared");
        }
        let stage = Stage::new(cast, |form| &self.form(form).form);
        let groups = groups(cast);
        self.lane.grow_arena(self.arena, tables.end)?;
        self.lane.grow_buffer(self.tables, tables.end)?;
        self.lane.grow_buffer(self.stage, stage.end)?;
        self.lane.grow_buffer(self.workspace, self.workspace_words(&groups, colliders.len()))?;
        self.pool.share(&mut self.lane, colliders)?;
        let found_words = self.found_words(cast, colliders);
        self.lane.grow_buffer(self.meshes.buffer(), found_words * cast.movers.len())?;
        let records = (self.table(tables.records), self.pool.address(&self.lane));
        let table = self.meshes.table(&self.lane, colliders, records, found_words);
        let addresses = Addresses {
            tables: self.lane.address(self.tables),
            stage: self.lane.address(self.stage),
            forms: cast.seats().map(|body| self.lane.address(self.form(body.form).buffer)).collect(),
            halos: self.halos(cast),
        };
        let arena = self.lane.words(self.arena)?;
        write::tables(arena, rule, cast, (&tables, &stage), &addresses);
        arena[tables.records..tables.near].copy_from_slice(bytemuck::cast_slice(colliders.records()));
        let mut numbers: Vec<u32> = (0..cast.movers.len() as u32).collect();
        numbers.sort_by_key(|&mover| cast.movers[mover as usize].form);
        arena[tables.blocks..tables.records].copy_from_slice(&numbers);
        for (mover, body) in cast.movers.iter().enumerate() {
            arena[tables.reaches + mover * NEXT_REACH_WORDS..][..REACH_WORDS].copy_from_slice(&body.reach.to_words());
        }
        let (guests, region) = self.guest_places(cast);
        self.lane.grow_arena(self.guest_arena, region)?;
        self.lane.grow_buffer(self.guests, region)?;
        self.running = Some(Running {
            tables,
            stage,
            groups,
            rule: Rule::new(rule),
            intervals: rule.intervals(),
            colliders: table,
            movers: cast.movers.len(),
            guests,
            pairs: cast.pairs.len() as u32,
            is_alone: cast.guests.is_empty() && cast.halos.is_empty(),
            odd: u32::from(cast.odd && !cast.halos.is_empty()),
        });
        self.begin()
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
        let Some(running) = self.running.as_ref().filter(|running| !running.is_alone) else { return Ok(()) };
        if !given.is_empty() {
            let count = given.len();
            let (lists, words) = self.lane.words(self.guest_arena)?.split_at_mut(2 * count);
            let mut at = 0;
            for (place, &guest) in given.iter().enumerate() {
                let len = running.guests[guest as usize + 1] - running.guests[guest as usize];
                lists[place] = (running.stage.surfaces.len() - (running.guests.len() - 1)) as u32 + guest;
                lists[count + place] = at as u32;
                give(guest as usize, bytemuck::cast_slice_mut(&mut words[at..at + len]));
                at += len;
            }
            self.lane.upload(self.guest_arena, 0..2 * count + at, self.guests, 0)?;
            let buffer = self.lane.address(self.guests);
            let guests = Guests {
                blocks: buffer,
                places: buffer + 4 * count as u64,
                seats: self.table(running.tables.seats),
                words: buffer + 8 * count as u64,
                first: u32::from(interval == 0),
                padding: 0,
            };
            self.take_guests(count as u32, &guests)?;
        }
        self.work_out_pairs(interval)
    }

    /// Ends the running interval with what the pairs do to the movers, and then `pushes`, by mover, which have to be shown; goes on to the contacts of the next, or to
    /// the step's end.
    ///
    /// # Errors
    /// As [`Coupled::start`].
    pub fn go_on(&mut self, interval: u32, pushes: &[(usize, &Pushes)]) -> Result<(), GpuError> {
        let Some(running) = self.running.as_ref().filter(|running| !running.is_alone) else { return Ok(()) };
        let pushed = pushes.iter().any(|(_, pushes)| !pushes.is_empty());
        if pushed {
            let movers = running.movers;
            let words = 2 * movers + 4 * pushes.iter().map(|(_, pushes)| pushes.len()).sum::<usize>();
            self.lane.grow_arena(self.given_arena, words)?;
            self.lane.grow_buffer(self.given, words)?;
            write::given(&mut self.lane.words(self.given_arena)?[..words], movers, pushes);
            self.lane.upload(self.given_arena, 0..words, self.given, 0)?;
        }
        self.advance(interval + 1, pushed)
    }

    /// Which pairs may touch in the step, once the first interval's contacts were begun. Waits for these, not for what came later.
    ///
    /// # Errors
    /// As [`Coupled::start`].
    pub fn near(&mut self, mut take: impl FnMut(usize, bool)) -> Result<(), GpuError> {
        let Some(running) = &self.running else { return Ok(()) };
        let places = running.tables.near..running.tables.reaches;
        // Where nobody else takes part, the step was one piece of work.
        if running.is_alone {
            self.lane.wait()?
        } else {
            self.lane.wait_for_mark()?
        };
        let flags = self.lane.peek(self.arena, places).iter().enumerate();
        flags.for_each(|(pair, near)| take(pair, near.load(Ordering::Relaxed) != 0));
        Ok(())
    }

    /// Waits for what the card has been given, and changes nothing. Then others can look at the surfaces of the running interval.
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
        let Some(running) = self.running.take() else { return Ok(Ended::none()) };
        Ok(Ended::new(&self.lane.words(self.arena)?[running.tables.reaches..running.tables.end]))
    }

    /// Has `beat` called while the card is waited for.
    pub fn set_beat(&mut self, beat: Beat) {
        self.lane.set_beat(beat);
    }

    /// Has waits given up after `limit`.
    pub fn give_up_after(&mut self, limit: Duration) {
        self.lane.give_up_after(limit);
    }

    /// Has homes of these in the steps to come, and shows others surfaces in `halo`.
    ///
    /// # Errors
    /// As [`Coupled::start`].
    pub fn share(&mut self, residents: &Residents, halo: Option<&Arc<Lent>>) -> Result<(), GpuError> {
        let halo_region = halo.cloned().map(Region::Lent);
        let regions: Vec<Region> = residents.regions().into_iter().chain(halo_region).collect();
        self.lane.share(&regions)?;
        self.halo = halo.cloned();
        Ok(())
    }

    /// The addresses at which surfaces are shown to others.
    fn halos(&self, cast: &Cast) -> Vec<[u64; 2]> {
        let address = |form: usize, at: usize| {
            let halo = self.halo.as_ref().expect("memory is lent where surfaces are shown");
            let end = at + surface_words(&self.form(form).form);
            assert!(end <= halo.words(), "a surface is shown past the end of what is lent");
            halo.address() + 4 * at as u64
        };
        let both = |(body, at): (&Actor, &[usize; 2])| at.map(|at| address(body.form, at));
        cast.movers.iter().zip(&cast.halos).map(both).collect()
    }

    fn form(&self, form: usize) -> &OnCard {
        self.forms[form].as_ref().expect("a form with bodies is on the card")
    }

    /// Words of what each mover may find of triangle surfaces.
    fn found_words(&self, cast: &Cast, colliders: &Colliders) -> usize {
        let forms = cast.movers.iter().map(|body| &self.form(body.form).form);
        Meshes::words_each(colliders.meshes(), most_surface(forms))
    }

    /// The address of a place in the tables.
    fn table(&self, place: usize) -> u64 {
        self.lane.address(self.tables) + 4 * place as u64
    }

    /// Where each guest's surface begins, and the last one ends; and words of all guests with their lists.
    fn guest_places(&self, cast: &Cast) -> (Vec<usize>, usize) {
        let mut end = 0;
        let ends = cast.guests.iter().map(|guest| {
            end += surface_words(&self.form(guest.form).form);
            end
        });
        let places = [0].into_iter().chain(ends).collect();
        (places, 2 * cast.guests.len() + end)
    }
}

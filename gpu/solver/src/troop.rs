//! Bodies of one form that take a whole step on a card.
//!
//! Their canonical states are with the host as well ([`HostStates`](crate::HostStates)), where the card writes what the step comes to, beside what it
//! began with. So where the card fails, the states of the step's start are still there.

use std::sync::Arc;
use std::time::Duration;

use rankzero_gpu::{ArenaId, Beat, BufferId, GpuError, Lane, Memory, Shape};
use rankzero_soft::reach::{REACH_WORDS, Reach};
use rankzero_soft::rule::StepRule;
use rankzero_soft::{StateLayout, Topology};

use crate::collider::{Colliders, RECORD_WORDS};
use crate::ended::Ended;
use crate::form::{Form, workspace_words};
use crate::kernels::Kernels;
use crate::meshes::{Meshes, Search};
use crate::pool::Pool;
use crate::resident::{Home, Place, Residents};
use crate::rule::Rule;
use crate::step::{NEXT_REACH_WORDS, Step};

/// A form's bodies on a card.
#[derive(Debug)]
pub struct Troop {
    kernels: Arc<Kernels>,
    layout: StateLayout,
    form: Form,
    /// Owns all that the card works on.
    lane: Lane,
    form_buffer: BufferId,
    /// What goes to the card and comes back: see [`Tables`].
    arena: ArenaId,
    buffer: BufferId,
    workspace: BufferId,
    pool: Pool,
    meshes: Meshes,
    /// The step that the card is at.
    running: Option<Tables>,
    noted: Option<Note>,
}

/// A body that takes a step.
#[derive(Clone, Copy, Debug)]
pub struct Entrant {
    /// Its reach at the step's start.
    pub reach: Reach,
    /// Where its state is.
    pub home: Home,
}

/// What recorded work depends on.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Note {
    step: Step,
    shape: Shape,
    end: usize,
}

/// Where things lie in the arena and, alike, in the buffer, in words. What holds addresses comes first.
#[derive(Clone, Copy, Debug)]
struct Tables {
    bodies: usize,
    places: usize,
    records: usize,
    reaches: usize,
    end: usize,
}

impl Tables {
    fn new(bodies: usize, colliders: usize) -> Self {
        let places = 0;
        let records = places + size_of::<Place>() / 4 * bodies;
        let reaches = records + RECORD_WORDS * colliders;
        Self { bodies, places, records, reaches, end: reaches + NEXT_REACH_WORDS * bodies }
    }
}

impl Troop {
    /// Puts a form on the card of `kernels`.
    ///
    /// # Errors
    /// [`GpuError::Driver`].
    pub fn new(kernels: &Arc<Kernels>, topology: &Topology) -> Result<Self, GpuError> {
        let form = Form::new(topology);
        let card = kernels.card();
        let mut lane = Lane::new(card)?;
        Ok(Self {
            kernels: kernels.clone(),
            layout: topology.layout,
            form_buffer: lane.add_memory(Memory::holding(card, form.words())?),
            form,
            arena: lane.add_arena(0)?,
            buffer: lane.add_buffer(0)?,
            workspace: lane.add_buffer(0)?,
            pool: Pool::new(&mut lane)?,
            meshes: Meshes::new(&mut lane)?,
            lane,
            running: None,
            noted: None,
        })
    }

    /// Bytes of device memory that have to be reserved before so many bodies take a step among colliders.
    pub fn more_bytes(&self, bodies: usize, colliders: &Colliders) -> u64 {
        let block = self.form.block_bytes(colliders.len());
        let large = block > self.kernels.card().block_bytes_max();
        let workspace = if large { workspace_words(block) * bodies } else { 0 };
        let found = bodies * Meshes::words_each(colliders.meshes(), self.form.surface());
        let tables = Tables::new(bodies, colliders.len()).end;
        let needed = [(self.buffer, tables), (self.workspace, workspace), (self.meshes.buffer(), found)];
        let more: usize = needed.iter().map(|&(buffer, words)| self.lane.more_words(buffer, words)).sum();
        4 * (more + self.pool.more_words(&self.lane, colliders)) as u64
    }

    /// Begins a step of `bodies`. Returns while the card computes.
    ///
    /// # Errors
    /// [`GpuError::Driver`], [`GpuError::Deadline`]; nothing is lost then but this step.
    ///
    /// # Panics
    /// If a home is none of those that were [shared](Troop::share).
    pub fn start(&mut self, rule: &StepRule, colliders: &Colliders, bodies: &[Entrant]) -> Result<(), GpuError> {
        self.running = None;
        if bodies.is_empty() {
            return Ok(());
        }
        let words = self.layout.words();
        let tables = Tables::new(bodies.len(), colliders.len());
        self.lane.grow_arena(self.arena, tables.end)?;
        self.lane.grow_buffer(self.buffer, tables.end)?;
        self.pool.share(&mut self.lane, colliders)?;
        let reaches = self.lane.address(self.buffer) + 4 * tables.reaches as u64;
        let place = |(number, body): (usize, &Entrant)| {
            assert!(body.home.is_in(&self.lane, words), "a home that is not shared");
            body.home.place(reaches + (4 * NEXT_REACH_WORDS * number) as u64)
        };
        let places: Vec<Place> = bodies.iter().enumerate().map(place).collect();
        let arena = self.lane.words(self.arena)?;
        arena[tables.places..tables.records].copy_from_slice(bytemuck::cast_slice(&places));
        arena[tables.records..tables.reaches].copy_from_slice(bytemuck::cast_slice(colliders.records()));
        for (number, body) in bodies.iter().enumerate() {
            arena[tables.reaches + number * NEXT_REACH_WORDS..][..REACH_WORDS].copy_from_slice(&body.reach.to_words());
        }
        self.compute(rule, colliders, tables)?;
        self.running = Some(tables);
        Ok(())
    }

    fn compute(&mut self, rule: &StepRule, colliders: &Colliders, tables: Tables) -> Result<(), GpuError> {
        let block = self.form.block_bytes(colliders.len());
        let large = block > self.kernels.card().block_bytes_max();
        let each = workspace_words(block);
        if large {
            self.lane.grow_buffer(self.workspace, each * tables.bodies)?;
        }
        let found_words = Meshes::words_each(colliders.meshes(), self.form.surface());
        self.lane.grow_buffer(self.meshes.buffer(), found_words * tables.bodies)?;
        let at = |place: usize| self.lane.address(self.buffer) + 4 * place as u64;
        let (form, places) = (self.lane.address(self.form_buffer), at(tables.places));
        let addresses = (at(tables.records), self.pool.address(&self.lane));
        let table = self.meshes.table(&self.lane, colliders, addresses, found_words);
        let workspace = self.lane.address(self.workspace);
        let rule = Rule::new(rule);
        let step = Step { form, places, colliders: table, workspace, workspace_words: each as u64, rule };
        let stride = size_of::<Place>() as u64;
        let search = (found_words > 0).then_some(Search { form, places, stride, numbers: 0, colliders: table, rule });
        let block_bytes = if large { 0 } else { block as u32 };
        let shape = Shape { blocks: tables.bodies as u32, threads: self.form.threads(), block_bytes };
        let kernels = self.kernels.clone();
        let kernel = kernels.whole_step(self.form.is_implicit(), large);
        let (arena, buffer) = (self.arena, self.buffer);
        let work = |lane: &mut Lane| {
            lane.upload(arena, 0..tables.end, buffer, 0)?;
            if let Some(search) = &search {
                // SAFETY: the addresses are those of the step below.
                unsafe { Meshes::look(lane, &kernels, shape.blocks, search)? };
            }
            // SAFETY: `Step` is what the kernel takes. Its addresses are those of buffers of the lane, which were made large enough for what
            // the kernel reads and writes there, and of homes in memory that the lane shares: a state each.
            unsafe { lane.launch(kernel, shape, &step)? };
            lane.download(buffer, tables.reaches..tables.end, arena, tables.reaches)
        };
        let note = Some(Note { step, shape, end: tables.end });
        let same = self.noted == note;
        self.noted = note;
        self.lane.repeat(same, work)
    }

    /// Waits for the step's end, and changes nothing.
    ///
    /// # Errors
    /// As [`Troop::start`].
    pub fn wait(&mut self) -> Result<(), GpuError> {
        self.lane.wait()
    }

    /// Waits for the step's end, and shows what the bodies have come to.
    ///
    /// # Errors
    /// As [`Troop::start`].
    pub fn finish(&mut self) -> Result<Ended<'_>, GpuError> {
        let Some(tables) = self.running.take() else { return Ok(Ended::none()) };
        Ok(Ended::new(&self.lane.words(self.arena)?[tables.reaches..tables.end]))
    }

    /// Has `beat` called while the card is waited for.
    pub fn set_beat(&mut self, beat: Beat) {
        self.lane.set_beat(beat);
    }

    /// Has waits given up after `limit`.
    pub fn give_up_after(&mut self, limit: Duration) {
        self.lane.give_up_after(limit);
    }

    /// Has homes of these in the steps to come.
    ///
    /// # Errors
    /// As [`Troop::start`].
    pub fn share(&mut self, residents: &Residents) -> Result<(), GpuError> {
        self.lane.share(&residents.regions())
    }
}

//! Bodies of one form that take a whole step on a card.
//!
//! Their canonical states stay with the host: they are given to the card before a step and taken back after it, in one copy each way,
//! while the host computes others. So where the card fails, the states of the step's start are still there.

use std::sync::Arc;

use rankzero_gpu::{ArenaId, BufferId, GpuError, Lane, Memory, Shape};
use rankzero_soft::reach::{REACH_WORDS, Reach};
use rankzero_soft::rule::StepRule;
use rankzero_soft::{StateLayout, Topology};

use crate::collider::{Colliders, RECORD_WORDS};
use crate::form::Form;
use crate::kernels::Kernels;
use crate::pool::Pool;
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
    /// What goes to the card and comes back: see [`Places`].
    arena: ArenaId,
    buffer: BufferId,
    workspace: BufferId,
    pool: Pool,
    /// The step that the card is at.
    running: Option<Places>,
    noted: Option<Note>,
}

/// What recorded work depends on.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Note {
    step: Step,
    shape: Shape,
}

/// Where things lie in the arena and, alike, in the buffer, in words.
#[derive(Clone, Copy, Debug)]
struct Places {
    bodies: usize,
    slots: usize,
    records: usize,
    reaches: usize,
    states: usize,
    end: usize,
    /// The first of the words that say where states lie.
    state_at: usize,
}

impl Places {
    fn new(bodies: usize, colliders: usize, state_words: usize) -> Self {
        // What is read as 64 bits comes first.
        let state_at = 0;
        let slots = state_at + 2 * bodies;
        let records = slots + bodies;
        let reaches = records + RECORD_WORDS * colliders;
        let states = reaches + NEXT_REACH_WORDS * bodies;
        Self { bodies, state_at, slots, records, reaches, states, end: states + state_words * bodies }
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
            lane,
            running: None,
            noted: None,
        })
    }

    /// Bytes of device memory that have to be reserved before so many bodies take a step among so many colliders.
    pub fn more_bytes(&self, bodies: usize, colliders: usize) -> u64 {
        let block = self.form.block_bytes(colliders);
        let large = block > self.kernels.card().block_bytes_max();
        let workspace = if large { block.div_ceil(16) * 4 * bodies } else { 0 };
        let needed =
            [(self.buffer, Places::new(bodies, colliders, self.layout.words()).end), (self.workspace, workspace)];
        let more = |&(buffer, words): &(BufferId, usize)| if words > self.lane.size(buffer) { words } else { 0 };
        4 * needed.iter().map(more).sum::<usize>() as u64
    }

    /// Begins a step of `bodies`: each is written down by `give` (number of the body, its state, words to be filled in), which gives its
    /// reach. Returns while the card computes.
    ///
    /// # Errors
    /// [`GpuError::Driver`], [`GpuError::Deadline`]; nothing is lost then but this step.
    pub fn start(
        &mut self,
        rule: &StepRule,
        colliders: &Colliders,
        bodies: usize,
        mut give: impl FnMut(usize, &mut [u32]) -> Reach,
    ) -> Result<(), GpuError> {
        self.running = None;
        if bodies == 0 {
            return Ok(());
        }
        let words = self.layout.words();
        let places = Places::new(bodies, colliders.len(), words);
        self.lane.grow_arena(self.arena, places.end)?;
        self.lane.grow_buffer(self.buffer, places.end)?;
        self.pool.share(&mut self.lane, colliders)?;
        let arena = self.lane.words(self.arena)?;
        for body in 0..bodies {
            let at = (body * words) as u64;
            arena[places.state_at + 2 * body] = at as u32;
            arena[places.state_at + 2 * body + 1] = (at >> 32) as u32;
            arena[places.slots + body] = body as u32;
            let reach = give(body, &mut arena[places.states + body * words..][..words]);
            arena[places.reaches + body * NEXT_REACH_WORDS..][..REACH_WORDS].copy_from_slice(&reach.to_words());
        }
        arena[places.records..places.reaches].copy_from_slice(bytemuck::cast_slice(colliders.records()));
        self.compute(rule, colliders, places)?;
        self.running = Some(places);
        Ok(())
    }

    fn compute(&mut self, rule: &StepRule, colliders: &Colliders, places: Places) -> Result<(), GpuError> {
        let block = self.form.block_bytes(colliders.len());
        let large = block > self.kernels.card().block_bytes_max();
        let workspace_words = block.div_ceil(16) * 4;
        if large {
            self.lane.grow_buffer(self.workspace, workspace_words * places.bodies)?;
        }
        let at = |lane: &Lane, place: usize| lane.address(self.buffer) + 4 * place as u64;
        let step = Step {
            form: self.lane.address(self.form_buffer),
            slots: at(&self.lane, places.slots),
            state_at: at(&self.lane, places.state_at),
            states: at(&self.lane, places.states),
            reaches: at(&self.lane, places.reaches),
            colliders: at(&self.lane, places.records),
            collider_count: colliders.len() as u64,
            pool: self.pool.address(&self.lane),
            workspace: self.lane.address(self.workspace),
            workspace_words: workspace_words as u64,
            rule: Rule::new(rule),
        };
        let block_bytes = if large { 0 } else { block as u32 };
        let shape = Shape { blocks: places.bodies as u32, threads: self.form.threads(), block_bytes };
        let kernel = self.kernels.whole_step(self.form.is_implicit(), large);
        let (arena, buffer) = (self.arena, self.buffer);
        let work = |lane: &mut Lane| {
            lane.upload(arena, 0..places.end, buffer, 0)?;
            // SAFETY: `Step` is what the kernel takes. Its addresses are those of buffers of the lane, which were made large enough for what the kernel reads and writes there.
            unsafe { lane.launch(kernel, shape, &step)? };
            lane.download(buffer, places.reaches..places.end, arena, places.reaches)
        };
        // Work that comes a second time is recorded: the driver then has less to do for it.
        let note = Some(Note { step, shape });
        if self.noted != note {
            self.noted = note;
            self.lane.forget_record()?;
            return work(&mut self.lane);
        }
        if !self.lane.has_record() {
            self.lane.record(work)?;
        }
        self.lane.replay()
    }

    /// Waits for the step's end, and changes nothing.
    ///
    /// # Errors
    /// As [`Troop::start`].
    pub fn wait(&mut self) -> Result<(), GpuError> {
        self.lane.wait()
    }

    /// Waits for the step's end and hands each body over: its number, new state, new reach, and whether it is finite.
    ///
    /// # Errors
    /// As [`Troop::start`].
    pub fn finish(&mut self, mut take: impl FnMut(usize, &[u32], Reach, bool)) -> Result<(), GpuError> {
        let Some(places) = self.running.take() else { return Ok(()) };
        let words = self.layout.words();
        let arena = self.lane.words(self.arena)?;
        for body in 0..places.bodies {
            let reach = &arena[places.reaches + body * NEXT_REACH_WORDS..][..NEXT_REACH_WORDS];
            let state = &arena[places.states + body * words..][..words];
            take(body, state, Reach::from_words(&std::array::from_fn(|i| reach[i])), reach[REACH_WORDS] != 0);
        }
        Ok(())
    }
}

//! What the card is given to do in a step.

use std::sync::Arc;

use bytemuck::Pod;
use rankzero_gpu::{GpuError, Kernel, Lane, Shape};

use super::cast::Cast;
use super::layout::{Contacts, Guests, Interval, Mover};
use super::places::Tables;
use super::{Coupled, OnCard, Running};
use crate::form::workspace_words;
use crate::kernels::Kernels;
use crate::meshes::{Meshes, Search};

/// Threads of the blocks of pairs and of guests.
const THREADS: u32 = 128;

/// Movers of one form: a launch in each interval.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pub form: usize,
    pub first: usize,
    pub count: usize,
}

/// What a whole step depends on that is given to the card at once.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Note {
    first: Vec<(Shape, Interval)>,
    contacts: Contacts,
    pairs: u32,
    intervals: u32,
    download: std::ops::Range<usize>,
}

impl Coupled {
    /// Gives the card the tables and its first piece of work: all of the step where nobody else takes part.
    pub(super) fn begin(&mut self) -> Result<(), GpuError> {
        let Some(running) = &self.running else { return Ok(()) };
        if running.is_alone {
            return self.whole();
        }
        self.lane.upload(self.arena, 0..running.tables.end, self.tables, 0)?;
        self.advance(0, false)
    }

    /// Runs interval `interval` up to its contacts, after ending the one before; past the last one, ends the step. `pushed` tells whether the
    /// host has anybody pushed.
    pub(super) fn advance(&mut self, interval: u32, pushed: bool) -> Result<(), GpuError> {
        let Some(running) = &self.running else { return Ok(()) };
        let (tables, intervals) = (running.tables, running.intervals);
        let kernels = self.kernels.clone();
        let launches = self.launches(&kernels, running, interval, pushed);
        if interval == 0 {
            look_all(&mut self.lane, &kernels, &launches)?;
        }
        launch_all(&mut self.lane, &launches)?;
        if interval == intervals {
            self.lane.download(self.tables, tables.reaches..tables.end, self.arena, tables.reaches)
        } else {
            Ok(())
        }
    }

    /// Has the card take surfaces in.
    pub(super) fn take_guests(&mut self, count: u32, guests: &Guests) -> Result<(), GpuError> {
        let kernels = self.kernels.clone();
        // SAFETY: it is what the kernel takes, with addresses of the lane.
        unsafe { launch(&mut self.lane, &kernels.contact().take_guests, count, guests) }
    }

    /// Has the card work out what pairs do in an interval.
    pub(super) fn work_out_pairs(&mut self, interval: u32) -> Result<(), GpuError> {
        let Some(running) = &self.running else { return Ok(()) };
        let (pairs, tables, contacts) = (running.pairs, running.tables, self.parameter(running));
        let kernels = self.kernels.clone();
        work_out_pairs(&mut self.lane, &kernels, pairs, interval == 0, &contacts)?;
        if pairs > 0 && interval == 0 {
            self.lane.download(self.tables, tables.near..tables.reaches, self.arena, tables.near)?;
            self.lane.mark()?;
        }
        Ok(())
    }

    /// Gives the card a step in which nobody else takes part. A step like the one before is recorded: the driver then has less to do for it.
    fn whole(&mut self) -> Result<(), GpuError> {
        let Some(running) = &self.running else { return Ok(()) };
        let Tables { near, end, .. } = running.tables;
        let (pairs, intervals, contacts) = (running.pairs, running.intervals, self.parameter(running));
        let kernels = self.kernels.clone();
        let all: Vec<_> = (0..=intervals).map(|interval| self.launches(&kernels, running, interval, false)).collect();
        let first = all[0].iter().map(|(_, shape, step)| (*shape, *step)).collect();
        let note = Some(Note { first, contacts, pairs, intervals, download: near..end });
        let same = self.noted == note;
        self.noted = note;
        let (arena, tables) = (self.arena, self.tables);
        self.lane.repeat(same, |lane| {
            lane.upload(arena, 0..end, tables, 0)?;
            look_all(lane, &kernels, &all[0])?;
            for (interval, launches) in all.iter().enumerate() {
                launch_all(lane, launches)?;
                if interval < intervals as usize {
                    work_out_pairs(lane, &kernels, pairs, interval == 0, &contacts)?;
                }
            }
            lane.download(tables, near..end, arena, near)
        })
    }

    /// The launches of an interval.
    fn launches<'k>(
        &self,
        kernels: &'k Arc<Kernels>,
        running: &Running,
        interval: u32,
        pushed: bool,
    ) -> Vec<(&'k Kernel, Shape, Interval)> {
        let tables = running.tables;
        let mut workspace = self.lane.address(self.workspace);
        let launch = |group: &Group| {
            let OnCard { form, buffer, .. } = self.form(group.form);
            let block = form.block_bytes(running.colliders.count as usize);
            let large = block > kernels.card().block_bytes_max();
            let step = Interval {
                form: self.lane.address(*buffer),
                blocks: self.table(tables.blocks + group.first),
                movers: self.table(tables.movers),
                seats: self.table(tables.seats),
                pairs: self.table(tables.pairs),
                pushers: self.table(tables.pushers),
                given: if pushed { self.lane.address(self.given) } else { 0 },
                colliders: running.colliders,
                workspace,
                workspace_words: workspace_words(block) as u64,
                rule: running.rule,
                interval,
                odd: running.odd,
            };
            if large {
                workspace += 4 * (workspace_words(block) * group.count) as u64;
            }
            let block_bytes = if large { 0 } else { block as u32 };
            let shape = Shape { blocks: group.count as u32, threads: form.threads(), block_bytes };
            (kernels.interval(form.is_implicit(), large), shape, step)
        };
        running.groups.iter().map(launch).collect()
    }

    fn parameter(&self, running: &Running) -> Contacts {
        Contacts {
            pairs: self.table(running.tables.pairs),
            seats: self.table(running.tables.seats),
            near: self.table(running.tables.near),
            rule: running.rule,
        }
    }

    /// Words of memory for bodies that are too large for a block.
    pub(super) fn workspace_words(&self, groups: &[Group], colliders: usize) -> usize {
        let most = self.kernels.card().block_bytes_max();
        let blocks = groups.iter().map(|group| (self.form(group.form).form.block_bytes(colliders), group.count));
        blocks.filter(|(block, _)| *block > most).map(|(block, count)| workspace_words(block) * count).sum()
    }
}

/// Has the movers of an interval's launches look for triangles, where there are surfaces.
fn look_all(lane: &mut Lane, kernels: &Kernels, launches: &[(&Kernel, Shape, Interval)]) -> Result<(), GpuError> {
    for (_, shape, step) in launches.iter().filter(|(.., step)| step.colliders.found_words > 0) {
        let Interval { form, movers: places, blocks: numbers, colliders, rule, .. } = *step;
        let search = Search { form, places, stride: size_of::<Mover>() as u64, numbers, colliders, rule };
        // SAFETY: the addresses are those of the launch; a mover begins with its place.
        unsafe { Meshes::look(lane, kernels, shape.blocks, &search)? };
    }
    Ok(())
}

/// Launches an interval of all forms, which write each to its own movers.
fn launch_all(lane: &mut Lane, launches: &[(&Kernel, Shape, Interval)]) -> Result<(), GpuError> {
    lane.side_by_side(launches, |lane, (kernel, shape, step)| {
        // SAFETY: `Interval` is what the kernel takes. Its addresses are those of buffers of the lane, in which `Coupled::start` laid out
        // all that the kernel reads and writes, and of homes in memory that the lane shares.
        unsafe { lane.launch(kernel, *shape, step) }
    })
}

fn work_out_pairs(
    lane: &mut Lane,
    kernels: &Kernels,
    pairs: u32,
    first: bool,
    contacts: &Contacts,
) -> Result<(), GpuError> {
    if pairs == 0 {
        return Ok(());
    }
    if first {
        // SAFETY: it is what the kernel takes, with addresses of the lane.
        unsafe { launch(lane, &kernels.contact().find, pairs, contacts)? };
    }
    // SAFETY: likewise.
    unsafe { launch(lane, &kernels.contact().push, pairs, contacts) }
}

/// Launches a kernel of contacts.
///
/// # Safety
/// `parameter` must be what the kernel takes, with addresses of the lane's buffers, as `Coupled::start` laid them out.
unsafe fn launch<P: Pod>(lane: &mut Lane, kernel: &Kernel, blocks: u32, parameter: &P) -> Result<(), GpuError> {
    let shape = Shape { blocks, threads: THREADS, block_bytes: 4 * THREADS };
    // SAFETY: the caller's promise: `Coupled::start` laid out all that the kernels of contacts read and write.
    unsafe { lane.launch(kernel, shape, parameter) }
}

/// The movers by form, in the order of forms.
pub(super) fn groups(cast: &Cast) -> Vec<Group> {
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

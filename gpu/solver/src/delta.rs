//! What changes in the copies of states at an epoch, found on the card and written by it where the copies are.

use std::sync::Arc;
use std::time::Duration;

use bytemuck::{Pod, Zeroable};
use rankzero_gpu::{ArenaId, Beat, BufferId, GpuError, Lane, Lent, Region, Shape};

use crate::kernels::Kernels;
use crate::resident::Residents;

/// Words that are compared and sent together.
pub const GRAIN: usize = 64;
/// Words that a block of threads goes through, at most: whole grains.
const PIECE: usize = 16 * GRAIN;
const THREADS: u32 = 256;
const _: () = assert!((THREADS as usize).is_multiple_of(GRAIN) && PIECE.is_multiple_of(GRAIN));

/// As `Piece` of `delta.cu`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
struct Piece {
    state: u64,
    copy: u64,
    changed: u64,
    words: u32,
    fresh: u32,
}
const _: () = assert!(size_of::<Piece>() == 32);
const PIECE_WORDS: usize = size_of::<Piece>() / 4;

/// A copy to be renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The body, whose state is on the card.
    pub body: u32,
    /// The word of the lent memory at which its copy is.
    pub at: usize,
    /// Whether what is there is of no use for comparison.
    pub fresh: bool,
}

/// Renews copies of states.
#[derive(Debug)]
pub struct Deltas {
    kernels: Arc<Kernels>,
    /// Owns all that the card works on.
    lane: Lane,
    arena: ArenaId,
    buffer: BufferId,
}

impl Deltas {
    /// With nothing to do yet.
    ///
    /// # Errors
    /// [`GpuError::Driver`].
    pub fn new(kernels: &Arc<Kernels>) -> Result<Self, GpuError> {
        let mut lane = Lane::new(kernels.card())?;
        Ok(Self { kernels: kernels.clone(), arena: lane.add_arena(0)?, buffer: lane.add_buffer(0)?, lane })
    }

    /// Renews copies in `lent`, to the states with which step `step` begins. Returns, for each grain of each of them, whether it has changed.
    ///
    /// # Errors
    /// [`GpuError::Driver`], [`GpuError::Deadline`]: then any of the copies may have changed.
    ///
    /// # Panics
    /// If a state is not [on the card](Residents::has), or a copy not in the lent memory.
    pub fn renew(
        &mut self,
        residents: &Residents,
        step: u64,
        lent: &Arc<Lent>,
        copies: &[Renewal],
    ) -> Result<Vec<Vec<bool>>, GpuError> {
        let words = |copy: &Renewal| residents.host().words_of(copy.body);
        let pieces: usize = copies.iter().map(|copy| words(copy).div_ceil(PIECE)).sum();
        let grains: usize = copies.iter().map(|copy| words(copy).div_ceil(GRAIN)).sum();
        if pieces == 0 {
            return Ok(vec![Vec::new(); copies.len()]);
        }
        let [device, _] = residents.regions();
        self.lane.share(&[device, Region::Lent(lent.clone())])?;
        let flags = PIECE_WORDS * pieces;
        self.lane.grow_arena(self.arena, flags + grains)?;
        self.lane.grow_buffer(self.buffer, flags + grains)?;
        let mut changed = self.lane.address(self.buffer) + 4 * flags as u64;
        let mut all = Vec::with_capacity(pieces);
        for copy in copies {
            let words = words(copy);
            assert!(copy.at + words <= lent.words(), "a copy past the end of what is lent");
            let state = residents.address(copy.body, step);
            assert!(self.lane.shares(state, 4 * words as u64), "a state that is not in the residents' memory");
            for first in (0..words).step_by(PIECE) {
                let words = (words - first).min(PIECE);
                let at = |start: u64, words: usize| start + 4 * words as u64;
                all.push(Piece {
                    state: at(state, first),
                    copy: at(lent.address(), copy.at + first),
                    changed,
                    words: words as u32,
                    fresh: u32::from(copy.fresh),
                });
                changed += 4 * words.div_ceil(GRAIN) as u64;
            }
        }
        self.lane.words(self.arena)?[..flags].copy_from_slice(bytemuck::cast_slice(&all));
        self.lane.upload(self.arena, 0..flags, self.buffer, 0)?;
        let shape = Shape { blocks: pieces as u32, threads: THREADS, block_bytes: 4 * THREADS };
        let table = self.lane.address(self.buffer);
        // SAFETY: the kernel takes the address of as many pieces as there are blocks. Theirs are of states in the residents' memory and of copies
        // in lent memory, as was looked at, both of which the lane shares, and of a word for each grain in the lane's buffer.
        unsafe { self.lane.launch(self.kernels.extract_delta(), shape, &table)? };
        self.lane.download(self.buffer, flags..flags + grains, self.arena, flags)?;
        let mut rest = &self.lane.words(self.arena)?[flags..flags + grains];
        let flags_of = |copy: &Renewal| {
            let (own, others) = rest.split_at(words(copy).div_ceil(GRAIN));
            rest = others;
            own.iter().map(|&flag| flag != 0).collect()
        };
        let changed = copies.iter().map(flags_of).collect();
        // Who has lent or grows that memory need not ask.
        self.lane.share(&[])?;
        Ok(changed)
    }

    /// Waits for what the card has been given.
    ///
    /// # Errors
    /// [`GpuError::Driver`], [`GpuError::Deadline`].
    pub fn wait(&mut self) -> Result<(), GpuError> {
        self.lane.wait()
    }

    /// Has `beat` called while the card is waited for.
    pub fn set_beat(&mut self, beat: Beat) {
        self.lane.set_beat(beat);
    }

    /// Has waits given up after `limit`.
    pub fn give_up_after(&mut self, limit: Duration) {
        self.lane.give_up_after(limit);
    }
}

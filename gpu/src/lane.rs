//! Work on a card in order, and the memory that it works on.
//!
//! A lane is a stream with buffers on the card and arenas, which are host memory that the card reads and writes by itself. Work is given
//! to it and done later; meanwhile the lane is busy, and its memory can be looked at only after [`Lane::wait`]. Since a lane owns what it
//! works on, or [shares](Lane::share) it, nothing is freed or read too early.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use bytemuck::Pod;
use cudarc::driver::sys::{CUgraphInstantiate_flags, CUstreamCaptureMode};
use cudarc::driver::{CudaEvent, CudaGraph, CudaStream, result};

use crate::beat::Beat;
use crate::card::{Card, Kernel, Memory, during};
use crate::error::GpuError;
use crate::pinned::Pinned;
use crate::region::Region;

/// A buffer of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferId(usize);

/// An arena of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArenaId(usize);

/// The size of a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Blocks.
    pub blocks: u32,
    /// Threads of a block.
    pub threads: u32,
    /// Bytes of memory that the threads of a block share.
    pub block_bytes: u32,
}

/// A stream of work on a card.
pub struct Lane {
    card: Arc<Card>,
    stream: Arc<CudaStream>,
    done: CudaEvent,
    /// Recorded by [`Lane::mark`].
    marked: CudaEvent,
    /// For [`Lane::side_by_side`]: streams beside the first, each with what tells that its work is done; and when they may begin.
    sides: Vec<(Arc<CudaStream>, CudaEvent)>,
    begun: CudaEvent,
    /// Which stream gets work now: the first, or one of the sides.
    side: Option<usize>,
    busy: bool,
    /// It was waited for in vain.
    given_up: bool,
    /// A stream is at work that is not waited for.
    lost: bool,
    graph: Option<CudaGraph>,
    /// How often the work to be repeated was the same in a row.
    repeats: u32,
    beat: Option<Beat>,
    limit: Duration,
    buffers: Vec<Memory>,
    arenas: Vec<Pinned>,
    shared: Vec<Region>,
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").field("card", &self.card).field("busy", &self.busy).finish_non_exhaustive()
    }
}

// SAFETY: what CUDA asks of a graph is that no two threads use it at once; a lane has one owner at a time.
unsafe impl Send for Lane {}

impl Lane {
    /// A lane of a card, with no memory yet.
    ///
    /// # Errors
    /// [`GpuError::Driver`].
    pub fn new(card: &Arc<Card>) -> Result<Self, GpuError> {
        let stream = card.context.new_stream().map_err(during("making a stream"))?;
        let event = || card.context.new_event(None).map_err(during("making an event"));
        Ok(Self {
            card: card.clone(),
            stream,
            done: event()?,
            marked: event()?,
            sides: vec![],
            begun: event()?,
            side: None,
            busy: false,
            given_up: false,
            lost: false,
            graph: None,
            repeats: 0,
            beat: None,
            limit: WORK_MAX,
            buffers: vec![],
            arenas: vec![],
            shared: vec![],
        })
    }

    /// The card.
    pub fn card(&self) -> &Arc<Card> {
        &self.card
    }

    /// Reserves a buffer on the card.
    ///
    /// # Errors
    /// [`GpuError::Driver`].
    pub fn add_buffer(&mut self, words: usize) -> Result<BufferId, GpuError> {
        Ok(self.add_memory(Memory::new(&self.card, words)?))
    }

    /// Takes memory of the same card in as a buffer.
    pub fn add_memory(&mut self, memory: Memory) -> BufferId {
        self.buffers.push(memory);
        BufferId(self.buffers.len() - 1)
    }

    /// Keeps memory that is not the lane's alone for as long as the lane works on it, in place of what it kept before. Where that changes, recorded
    /// work is forgotten.
    ///
    /// # Errors
    /// As [`Lane::wait`].
    pub fn share(&mut self, regions: &[Region]) -> Result<(), GpuError> {
        if self.shared != regions {
            self.wait()?;
            // Recorded work may have addresses of what is given up here.
            self.graph = None;
            self.shared = regions.to_vec();
        }
        Ok(())
    }

    /// Reserves an arena, filled with zeros.
    ///
    /// # Errors
    /// [`GpuError::Driver`].
    pub fn add_arena(&mut self, words: usize) -> Result<ArenaId, GpuError> {
        self.arenas.push(Pinned::new(&self.card, words)?);
        Ok(ArenaId(self.arenas.len() - 1))
    }

    /// Has `beat` called while the lane is waited for, so that who waits gives signs of life.
    pub fn set_beat(&mut self, beat: Beat) {
        self.beat = Some(beat);
    }

    /// Has waits given up after `limit`, in place of [`WORK_MAX`].
    pub fn give_up_after(&mut self, limit: Duration) {
        self.limit = limit;
    }

    /// Makes a buffer hold at least so many words, and then [some more](grown), after the work at hand; what it held is lost where it grows, and
    /// so is the graph.
    ///
    /// # Errors
    /// As [`Lane::wait`], and [`GpuError::Driver`].
    pub fn grow_buffer(&mut self, buffer: BufferId, words: usize) -> Result<(), GpuError> {
        if self.buffers[buffer.0].words() < words {
            self.wait()?;
            self.graph = None;
            self.buffers[buffer.0] = Memory::new(&self.card, grown(words))?;
        }
        Ok(())
    }

    /// As [`Lane::grow_buffer`], of an arena.
    ///
    /// # Errors
    /// As there.
    pub fn grow_arena(&mut self, arena: ArenaId, words: usize) -> Result<(), GpuError> {
        if self.arenas[arena.0].len() < words {
            self.wait()?;
            self.graph = None;
            self.arenas[arena.0] = Pinned::new(&self.card, grown(words))?;
        }
        Ok(())
    }

    /// Whether so many bytes from an address on are in memory that the lane [shares](Lane::share).
    pub fn shares(&self, address: u64, bytes: u64) -> bool {
        let within = |region: &Region| {
            let Range { start, end } = region.addresses();
            (start..=end).contains(&address) && bytes <= end - address
        };
        self.shared.iter().any(within)
    }

    /// Words of a buffer.
    pub fn size(&self, buffer: BufferId) -> usize {
        self.buffers[buffer.0].words()
    }

    /// Words that have to be reserved before a buffer holds so many.
    pub fn more_words(&self, buffer: BufferId, words: usize) -> usize {
        if words > self.size(buffer) { grown(words) } else { 0 }
    }

    /// The address of a buffer on the card.
    pub fn address(&self, buffer: BufferId) -> u64 {
        self.buffers[buffer.0].address()
    }

    /// The address by which the card reads and writes an arena.
    pub fn arena_address(&self, arena: ArenaId) -> u64 {
        self.arenas[arena.0].address()
    }

    /// The words of an arena, after the work at hand.
    ///
    /// # Errors
    /// As [`Lane::wait`].
    pub fn words(&mut self, arena: ArenaId) -> Result<&mut [u32], GpuError> {
        self.wait()?;
        let arena = &mut self.arenas[arena.0];
        // SAFETY: it has so many words, all of which were written when it was made; nobody but the lane has it, the card is done with it,
        // and gets more work only through the borrow of `self` that this one excludes.
        Ok(unsafe { std::slice::from_raw_parts_mut(arena.as_ptr(), arena.len()) })
    }

    /// Some words of an arena, whatever the card is at: for those that come before a [mark](Lane::mark) that was waited for.
    ///
    /// # Panics
    /// If it has no such words.
    pub fn peek(&self, arena: ArenaId, words: Range<usize>) -> &[AtomicU32] {
        &self.arenas[arena.0].words()[words]
    }

    /// Copies from an arena to a buffer, in its turn.
    ///
    /// # Errors
    /// [`GpuError::Driver`].
    ///
    /// # Panics
    /// If either has no such words.
    pub fn upload(&mut self, from: ArenaId, words: Range<usize>, to: BufferId, at: usize) -> Result<(), GpuError> {
        let (arena, buffer) = (&self.arenas[from.0], &self.buffers[to.0]);
        assert!(words.start <= words.end && words.end <= arena.len(), "past the end of an arena");
        assert!(at + words.len() <= buffer.words(), "past the end of a buffer");
        self.card.context.bind_to_thread().map_err(during("using the device"))?;
        self.busy = true;
        // SAFETY: the words are within the arena, which lives until the lane has waited.
        let source = unsafe { std::slice::from_raw_parts(arena.as_ptr().add(words.start), words.len()) };
        let to = buffer.address() + 4 * at as u64;
        // SAFETY: both lie within memory of the lane, which waits before it frees or shows any of it.
        unsafe { result::memcpy_htod_async(to, source, self.stream().cu_stream()) }
            .map_err(during("copying to the device"))
    }

    /// Copies from a buffer to an arena, in its turn.
    ///
    /// # Errors
    /// [`GpuError::Driver`].
    ///
    /// # Panics
    /// If either has no such words.
    pub fn download(&mut self, from: BufferId, words: Range<usize>, to: ArenaId, at: usize) -> Result<(), GpuError> {
        let (buffer, arena) = (&self.buffers[from.0], &self.arenas[to.0]);
        assert!(words.start <= words.end && words.end <= buffer.words(), "past the end of a buffer");
        assert!(at + words.len() <= arena.len(), "past the end of an arena");
        self.card.context.bind_to_thread().map_err(during("using the device"))?;
        self.busy = true;
        // SAFETY: the words are within the arena, which nobody looks at until the lane has waited.
        let target = unsafe { std::slice::from_raw_parts_mut(arena.as_ptr().add(at), words.len()) };
        let from = buffer.address() + 4 * words.start as u64;
        // SAFETY: both lie within memory of the lane, which waits before it frees or shows any of it.
        unsafe { result::memcpy_dtoh_async(target, from, self.stream().cu_stream()) }
            .map_err(during("copying from the device"))
    }

    /// Launches a kernel with its only parameter, in its turn.
    ///
    /// # Errors
    /// [`GpuError::Driver`]; what goes wrong in the kernel comes with a later call.
    ///
    /// # Safety
    /// `parameter` must be what the kernel takes, and its addresses must lead to memory of this lane, or to such as lives until the lane
    /// has waited, with all the words that the kernel reads and writes.
    pub unsafe fn launch<P: Pod>(&mut self, kernel: &Kernel, shape: Shape, parameter: &P) -> Result<(), GpuError> {
        self.card.context.bind_to_thread().map_err(during("using the device"))?;
        self.busy = true;
        let mut parameters = [std::ptr::from_ref(parameter).cast_mut().cast::<std::ffi::c_void>()];
        let (blocks, threads) = ((shape.blocks, 1, 1), (shape.threads, 1, 1));
        // SAFETY: the driver copies the parameter before it returns; the rest is the caller's promise.
        unsafe {
            result::launch_kernel(
                kernel.function.cu_function(),
                blocks,
                threads,
                shape.block_bytes,
                self.stream().cu_stream(),
                &mut parameters,
            )
        }
        .map_err(during("launching a kernel"))
    }

    /// Gives pieces of work to the card that do not depend on each other: where it has room, it does them at once. What comes later waits for all.
    ///
    /// # Errors
    /// Those of `work`, and [`GpuError::Driver`].
    ///
    /// # Panics
    /// If a piece waits.
    pub fn side_by_side<T>(
        &mut self,
        pieces: &[T],
        mut work: impl FnMut(&mut Self, &T) -> Result<(), GpuError>,
    ) -> Result<(), GpuError> {
        let forking = || during("forking a stream");
        let others = pieces.len().saturating_sub(1);
        while self.sides.len() < others {
            let stream = self.card.context.new_stream().map_err(forking())?;
            self.sides.push((stream, self.card.context.new_event(None).map_err(forking())?));
        }
        if others > 0 {
            self.begun.record(&self.stream).map_err(forking())?;
        }
        let mut forked = 0;
        let mut begin = |(number, piece): (usize, &T)| {
            self.side = number.checked_sub(1);
            if self.side.is_some() {
                self.stream().wait(&self.begun).map_err(forking())?;
                forked += 1;
            }
            work(self, piece)
        };
        let mut outcome = pieces.iter().enumerate().try_for_each(&mut begin);
        self.side = None;
        // In any case, as who waits for the lane waits for its first stream.
        for (stream, done) in &self.sides[..forked] {
            let joined = done.record(stream).and_then(|()| self.stream.wait(done)).map_err(forking());
            // What is not waited for may go on for ever.
            self.lost |= joined.is_err();
            outcome = outcome.and(joined);
        }
        outcome
    }

    /// The stream that gets work.
    fn stream(&self) -> &Arc<CudaStream> {
        self.side.map_or(&self.stream, |side| &self.sides[side].0)
    }

    /// Notes the work that `work` gives to the lane, to be done by [`Lane::replay`] as often as wanted, with the addresses and parameters
    /// of now. It replaces what was noted before.
    ///
    /// # Errors
    /// Those of `work`, and [`GpuError::Driver`].
    pub fn record(&mut self, work: impl FnOnce(&mut Self) -> Result<(), GpuError>) -> Result<(), GpuError> {
        self.wait()?;
        self.graph = None;
        let mode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        self.stream.begin_capture(mode).map_err(during("recording work"))?;
        let outcome = work(self);
        // Ended in any case, since a stream that records does no work.
        let graph = self.stream.end_capture(CUgraphInstantiate_flags(0)).map_err(during("recording work"));
        self.busy = false;
        outcome?;
        self.graph = graph?;
        Ok(())
    }

    /// Whether work is noted that [`Lane::replay`] can do.
    pub fn has_record(&self) -> bool {
        self.graph.is_some()
    }

    /// Forgets what was noted.
    ///
    /// # Errors
    /// As [`Lane::wait`].
    pub fn forget_record(&mut self) -> Result<(), GpuError> {
        if self.graph.is_some() {
            self.wait()?;
            self.graph = None;
        }
        Ok(())
    }

    /// Does what was noted, in its turn. Nothing where nothing is noted.
    ///
    /// # Errors
    /// [`GpuError::Driver`].
    pub fn replay(&mut self) -> Result<(), GpuError> {
        let Some(graph) = &self.graph else { return Ok(()) };
        self.busy = true;
        graph.launch().map_err(during("launching recorded work"))
    }

    /// Does work, which is the `same` as the last time or not. What comes a third time is recorded, and from then on what was recorded is done:
    /// the driver has less to do for it.
    ///
    /// # Errors
    /// Those of `work`, and as [`Lane::record`].
    pub fn repeat(&mut self, same: bool, work: impl FnOnce(&mut Self) -> Result<(), GpuError>) -> Result<(), GpuError> {
        self.repeats = if same { self.repeats.saturating_add(1) } else { 0 };
        if !same {
            self.forget_record()?;
        }
        if self.repeats < 2 {
            return work(self);
        }
        if !self.has_record() {
            self.record(work)?;
        }
        self.replay()
    }

    /// Waits until all is done that the lane was given, for up to [`WORK_MAX`], or [what was said](Lane::give_up_after).
    ///
    /// # Errors
    /// [`GpuError::Driver`] with what went wrong meanwhile, [`GpuError::Deadline`].
    pub fn wait(&mut self) -> Result<(), GpuError> {
        // Of what another stream is at nobody would know.
        assert!(self.side.is_none(), "a piece of work waits for the lane that it is a part of");
        if !self.busy {
            return Ok(());
        }
        self.done.record(&self.stream).map_err(during("waiting for the device"))?;
        self.wait_for(|lane| &lane.done)?;
        (self.busy, self.given_up) = (false, false);
        Ok(())
    }

    /// Marks what the lane has been given so far.
    ///
    /// # Errors
    /// [`GpuError::Driver`].
    pub fn mark(&mut self) -> Result<(), GpuError> {
        self.marked.record(&self.stream).map_err(during("marking work"))
    }

    /// Waits until what was marked last is done, not for what came later.
    ///
    /// # Errors
    /// As [`Lane::wait`].
    pub fn wait_for_mark(&mut self) -> Result<(), GpuError> {
        self.wait_for(|lane| &lane.marked)
    }

    fn wait_for(&mut self, event: impl Fn(&Self) -> &CudaEvent) -> Result<(), GpuError> {
        let start = Instant::now();
        while !event(self).try_is_complete().map_err(during("waiting for the device"))? {
            let waited = start.elapsed();
            if waited > self.limit {
                self.given_up = true;
                return Err(GpuError::Deadline { device: self.card.device().to_string(), waited });
            }
            if let Some(beat) = &self.beat {
                beat.call();
            }
            // Steps are short: spin at first, then leave the core to others.
            if waited < SPIN { std::hint::spin_loop() } else { std::thread::sleep(NAP) }
        }
        Ok(())
    }
}

/// No work that is given to a lane at once takes as long.
pub const WORK_MAX: Duration = Duration::from_secs(60);
const SPIN: Duration = Duration::from_micros(200);
const NAP: Duration = Duration::from_micros(20);

/// Words that are reserved where so many are needed: some more, since what grows once grows again.
pub fn grown(words: usize) -> usize {
    words + words / 4
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.side = None;
        if self.given_up || self.wait().is_err() || self.lost {
            // The device may still be at it: what it works on is not freed before the process ends.
            std::mem::forget(std::mem::take(&mut self.buffers));
            std::mem::forget(std::mem::take(&mut self.arenas));
            std::mem::forget(std::mem::take(&mut self.shared));
        }
    }
}

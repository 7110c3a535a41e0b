//! The devices of this rank: opened, with completion queues and registrations; and how one is given up.

use std::io;
use std::sync::Arc;

use super::context::{Bounds, CompletionQueue, Context, Domain};
use super::memory::Registration;
use super::options::Options;
use super::queue_pair::Sizes;
use crate::segment::Segment;

/// Queue pairs that share a completion queue, at most.
pub(crate) const PAIRS_A_QUEUE: u32 = 64;

/// A device and what hangs on it.
#[derive(Debug)]
pub struct Opened {
    /// By segment; empty segments have none.
    registrations: Vec<Option<Registration>>,
    /// Completion queues; one more is made when all are taken.
    pub queues: Vec<Arc<CompletionQueue>>,
    /// Protection domain of all.
    pub domain: Arc<Domain>,
    /// Sizes of its queue pairs.
    pub sizes: Sizes,
    entries: u32,
    pairs: usize,
}

impl Opened {
    /// Opens the device of this name.
    ///
    /// # Errors
    /// What the library said.
    pub fn open(name: &str, options: &Options) -> io::Result<Opened> {
        let context = Arc::new(Context::open(name)?);
        let bounds = context.bounds()?;
        let (sizes, pairs) = sizes(bounds, options);
        let domain = Domain::new(&context)?;
        let entries = pairs * entries_a_pair(sizes);
        Ok(Opened { registrations: Vec::new(), queues: Vec::new(), domain, sizes, entries, pairs: pairs as usize })
    }

    /// Its context.
    pub fn context(&self) -> &Arc<Context> {
        self.domain.context()
    }

    /// A completion queue with room for one more queue pair.
    ///
    /// # Errors
    /// What the library said.
    pub fn queue_with_room(&mut self) -> io::Result<Arc<CompletionQueue>> {
        // Each queue pair holds its queue; one more reference is the list's.
        if let Some(queue) = self.queues.iter().find(|queue| Arc::strong_count(queue) <= self.pairs) {
            return Ok(Arc::clone(queue));
        }
        let queue = CompletionQueue::new(self.context(), self.entries)?;
        self.queues.push(Arc::clone(&queue));
        Ok(queue)
    }

    /// Registers the next segment.
    ///
    /// # Errors
    /// What the system said.
    pub fn register(&mut self, segment: &Arc<Segment>) -> io::Result<()> {
        let one = if segment.is_empty() { None } else { Some(Registration::of_segment(&self.domain, segment)?) };
        self.registrations.push(one);
        Ok(())
    }

    /// Local and remote key of a segment; 0 where there is nothing to reach.
    pub fn keys(&self, segment: usize) -> (u32, u32) {
        let one = self.registrations.get(segment).and_then(Option::as_ref);
        one.map_or((0, 0), |one| (one.local_key(), one.remote_key()))
    }
}

/// Completions that one queue pair may leave behind: its sends, its receives, and its receives flushed when it starts over.
pub(crate) fn entries_a_pair(sizes: Sizes) -> u32 {
    sizes.sends + 2 * sizes.receives
}

/// Sizes within the bounds of the device, and how many queue pairs share a completion queue.
fn sizes(bounds: Bounds, options: &Options) -> (Sizes, u32) {
    let most = bounds.queue.min(bounds.completions / 4).max(8);
    let sizes = Sizes {
        sends: options.sends.min(most),
        receives: options.receives.min(most),
        inline_bytes: options.inline_bytes,
    };
    let pairs = (bounds.completions / entries_a_pair(sizes)).clamp(1, PAIRS_A_QUEUE);
    (sizes, pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_stay_within_the_device() {
        for bounds in [
            Bounds { queue: 32768, completions: 4_194_303 },
            Bounds { queue: 1 << 20, completions: 32767 },
            Bounds { queue: 64, completions: 200 },
        ] {
            let (sizes, pairs) = sizes(bounds, &Options::default());
            assert!(sizes.sends <= bounds.queue && sizes.receives <= bounds.queue, "{sizes:?}");
            assert!(pairs >= 1 && pairs * entries_a_pair(sizes) <= bounds.completions, "{sizes:?} times {pairs}");
        }
    }
}

//! Segments that the card writes into where they lie.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rankzero_comm::Segment;
use rankzero_gpu::{Beat, Card, GpuError, Lent, WORK_MAX};

/// A segment that is lent to a card.
#[derive(Debug, Default)]
pub struct Lending {
    /// With how often the segment had moved before.
    lent: Option<(u64, Arc<Lent>)>,
}

impl Lending {
    /// Whether what is lent are pages that the segment has moved away from. Before [`Lending::of`] lends it anew, whoever was given the old ones has to let go of them.
    pub fn is_stale(&self, segment: &Segment) -> bool {
        self.lent.as_ref().is_some_and(|(moves, _)| *moves != segment.moves())
    }

    /// The segment's memory, lent now if it is not yet: that may take seconds where it is large, and `beat` is called meanwhile.
    ///
    /// # Errors
    /// [`GpuError::Driver`], [`GpuError::Unlendable`].
    pub fn of(&mut self, card: &Arc<Card>, segment: &Segment, beat: Option<&Beat>) -> Result<Arc<Lent>, GpuError> {
        if self.is_stale(segment) {
            self.lent = None;
        }
        if let Some((_, lent)) = &self.lent {
            return Ok(lent.clone());
        }
        let moves = segment.moves();
        let memory = segment.memory().ok_or_else(|| GpuError::Unlendable { device: card.device().to_string() })?;
        let lent = Arc::new(beating(beat, || Lent::new(card, memory))?);
        self.lent = Some((moves, lent.clone()));
        Ok(lent)
    }
}

/// Does something in which the computing thread gives no signs of life, while another one does.
fn beating<T>(beat: Option<&Beat>, work: impl FnOnce() -> T) -> T {
    let Some(beat) = beat else { return work() };
    std::thread::scope(|scope| {
        // Dropped when the work is done, whichever way.
        let (_done, ended) = channel::<()>();
        scope.spawn(move || {
            // As long as any other wait for a card: who hangs here is to be missed in the end.
            let start = Instant::now();
            while start.elapsed() < WORK_MAX
                && ended.recv_timeout(Duration::from_millis(50)) == Err(RecvTimeoutError::Timeout)
            {
                beat.call();
            }
        });
        work()
    })
}

//! Segments that the card writes into where they lie.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use rankzero_comm::Segment;
use rankzero_gpu::{Beat, Card, GpuError, Lent};

/// A segment that is lent to a card.
#[derive(Debug, Default)]
pub struct Lending {
    /// With how often the segment had moved before.
    lent: Option<(u64, Arc<Lent>)>,
}

impl Lending {
    /// Whether what is lent are pages that the segment has moved away from. Before it is lent anew nobody else may have the old ones.
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
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(Duration::from_millis(50)) {
                beat.call();
            }
        });
        work()
    })
}

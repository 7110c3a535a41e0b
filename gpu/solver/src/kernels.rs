//! The solver's kernels on a card.

use std::sync::Arc;

use rankzero_gpu::cache::Cache;
use rankzero_gpu::compile::Unit;
use rankzero_gpu::{Card, GpuError, Kernel};

use crate::source::{HEADERS, STEP};

/// The solver's kernels, loaded on a card.
#[derive(Debug)]
pub struct Kernels {
    card: Arc<Card>,
    whole_step: Kernel,
    whole_step_large: Kernel,
}

impl Kernels {
    /// Compiles them, or takes them from the cache. With them come the cache's words of complaint.
    ///
    /// # Errors
    /// [`GpuError`], where there is no compiler, or it or the driver refuse.
    pub fn load(card: &Arc<Card>, cache: &Cache) -> Result<(Arc<Self>, Option<String>), GpuError> {
        let headers: Vec<(&str, &str)> = HEADERS.iter().map(|h| (h.name, h.text)).collect();
        let unit = Unit { name: STEP.name, text: STEP.text, headers: &headers };
        let (mut kernels, complaint) = card.kernels(&unit, &["whole_step_large", "whole_step"], cache)?;
        let mut next = || kernels.pop().expect("as many as names");
        let (whole_step, whole_step_large) = (next(), next());
        Ok((Arc::new(Self { card: card.clone(), whole_step, whole_step_large }), complaint))
    }

    /// The card.
    pub fn card(&self) -> &Arc<Card> {
        &self.card
    }

    /// The kernel for bodies that live in a block's memory, or the one for those that are too large.
    pub(crate) fn whole_step(&self, large: bool) -> &Kernel {
        if large { &self.whole_step_large } else { &self.whole_step }
    }
}

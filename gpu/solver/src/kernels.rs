//! The solver's kernels on a card.

use std::path::Path;
use std::sync::Arc;

use rankzero_gpu::cache::Cache;
use rankzero_gpu::compile::{Target, Unit};
use rankzero_gpu::{Card, GpuError, Kernel};

use crate::source::{
    CONTACT, CONTACT_KERNELS, DELTA, DELTA_KERNELS, HEADERS, IMPLICIT, IMPLICIT_KERNELS, MESH, MESH_KERNELS, STEP,
    STEP_KERNELS, Source,
};

/// The solver's kernels, loaded on a card.
#[derive(Debug)]
pub struct Kernels {
    card: Arc<Card>,
    swept: StepKernels,
    implicit: StepKernels,
    contact: ContactKernels,
    extract_delta: Kernel,
    find_triangles: Kernel,
}

/// Kernels of a step: for bodies that live in a block's memory, and for those that are too large.
#[derive(Debug)]
struct StepKernels {
    whole: [Kernel; 2],
    interval: [Kernel; 2],
}

/// Kernels of contacts between bodies.
#[derive(Debug)]
pub(crate) struct ContactKernels {
    pub(crate) take_guests: Kernel,
    pub(crate) find: Kernel,
    pub(crate) push: Kernel,
}

impl Kernels {
    /// Compiles them, or takes them from the cache. With them come the cache's words of complaint.
    ///
    /// # Errors
    /// [`GpuError`], where there is no compiler, or it or the driver refuse.
    pub fn load(card: &Arc<Card>, cache: &Cache) -> Result<(Arc<Self>, Option<String>), GpuError> {
        let mut complaints = None;
        let kernels = Self::with(card, |source, names| {
            let (kernels, complaint) = load(card, source, names, cache)?;
            complaints = complaints.take().or(complaint);
            Ok(kernels)
        })?;
        Ok((kernels, complaints))
    }

    /// Loads what was compiled elsewhere: `folder` holds for each unit a file `UNIT.sm_XY` of the card's capability.
    ///
    /// # Errors
    /// [`GpuError::Image`] where a file cannot be read, [`GpuError::Driver`].
    pub fn compiled(card: &Arc<Card>, folder: &Path) -> Result<Arc<Self>, GpuError> {
        Self::with(card, |source, names| load_compiled(card, folder, source, names))
    }

    fn with(
        card: &Arc<Card>,
        mut load: impl FnMut(Source, &[&str]) -> Result<Vec<Kernel>, GpuError>,
    ) -> Result<Arc<Self>, GpuError> {
        let mut of_step = |source, names: [&str; 4]| {
            let kernels: [Kernel; 4] = load(source, &names)?.try_into().expect("as many as names");
            let [whole, whole_large, interval, interval_large] = kernels;
            Ok::<_, GpuError>(StepKernels { whole: [whole, whole_large], interval: [interval, interval_large] })
        };
        let (swept, implicit) = (of_step(STEP, STEP_KERNELS)?, of_step(IMPLICIT, IMPLICIT_KERNELS)?);
        let contact: [Kernel; 3] = load(CONTACT, &CONTACT_KERNELS)?.try_into().expect("as many as names");
        let [take_guests, find, push] = contact;
        let contact = ContactKernels { take_guests, find, push };
        let [extract_delta]: [Kernel; 1] = load(DELTA, &DELTA_KERNELS)?.try_into().expect("as many as names");
        let [find_triangles]: [Kernel; 1] = load(MESH, &MESH_KERNELS)?.try_into().expect("as many as names");
        Ok(Arc::new(Self { card: card.clone(), swept, implicit, contact, extract_delta, find_triangles }))
    }

    /// The card.
    pub fn card(&self) -> &Arc<Card> {
        &self.card
    }

    /// The kernel for a whole step of bodies whose elasticity is solved so, and that are too large for a block's memory, or not.
    pub(crate) fn whole_step(&self, implicit: bool, large: bool) -> &Kernel {
        &self.of(implicit).whole[usize::from(large)]
    }

    /// The kernel for an interval of such bodies.
    pub(crate) fn interval(&self, implicit: bool, large: bool) -> &Kernel {
        &self.of(implicit).interval[usize::from(large)]
    }

    /// The kernels for contacts between bodies.
    pub(crate) fn contact(&self) -> &ContactKernels {
        &self.contact
    }

    /// The kernel that renews copies of states.
    pub(crate) fn extract_delta(&self) -> &Kernel {
        &self.extract_delta
    }

    /// The kernel that looks for triangles of surfaces.
    pub(crate) fn find_triangles(&self) -> &Kernel {
        &self.find_triangles
    }

    fn of(&self, implicit: bool) -> &StepKernels {
        if implicit { &self.implicit } else { &self.swept }
    }
}

/// Compiles and loads the kernels of a unit, or takes them from the cache, with its words of complaint.
pub(crate) fn load(
    card: &Arc<Card>,
    source: Source,
    names: &[&str],
    cache: &Cache,
) -> Result<(Vec<Kernel>, Option<String>), GpuError> {
    let headers: Vec<(&str, &str)> = HEADERS.iter().map(|h| (h.name, h.text)).collect();
    card.kernels(&Unit { name: source.name, text: source.text, headers: &headers }, names, cache)
}

/// Loads the kernels of a unit that was compiled elsewhere, from its file in a folder.
pub(crate) fn load_compiled(
    card: &Arc<Card>,
    folder: &Path,
    source: Source,
    names: &[&str],
) -> Result<Vec<Kernel>, GpuError> {
    let target = Target::Machine(card.device().capability());
    let file = folder.join(format!("{}.{target}", source.name));
    let image = std::fs::read(&file).map_err(|source| GpuError::Image { file, source })?;
    card.load(image, names)
}

//! What a rank computes on: the processor alone, or a GPU as well.

use std::path::Path;
use std::sync::Arc;

use clap::ValueEnum;
use rankzero_comm::Fabric;
use rankzero_gpu::cache::Cache;
use rankzero_gpu::choose::{choose, numa_node, numa_node_of_processor};
use rankzero_gpu::compile::OLDEST;
use rankzero_gpu::{Card, GpuError, GpuReport};
use rankzero_gpu_solver::Kernels;
use rankzero_slurm::launch::Launch;

use super::error::RunError;
use crate::binding::plan;
use crate::engine::Engine;
use crate::engine::card::CardCrew;

/// What the command line asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Device {
    /// A GPU where there is one that can be used.
    #[default]
    Auto,
    /// The processor alone.
    Cpu,
    /// A GPU, and no run where there is none.
    Gpu,
}

/// Opens this rank's card, where there is one. One that is there and cannot be used is told of.
///
/// `threads` is how many a rank was asked to have, by which the places of ranks on the node are known.
///
/// # Errors
/// [`RunError::Device`] where a GPU is asked for and cannot be used.
pub fn open(device: Device, launch: &Launch, threads: Option<usize>) -> Result<Option<Arc<Kernels>>, RunError> {
    if device == Device::Cpu {
        return Ok(None);
    }
    let report = rankzero_gpu::probe();
    let outcome = if report.is_usable() {
        kernels(&report, launch, threads).map_err(|error| error.to_string())
    } else {
        Err(report.lacks.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    };
    match outcome {
        Ok(kernels) => Ok(Some(kernels)),
        Err(why) => refuse(device, launch.rank, !report.devices.is_empty(), why).map(|()| None),
    }
}

fn kernels(report: &GpuReport, launch: &Launch, threads: Option<usize>) -> Result<Arc<Kernels>, GpuError> {
    let card = Card::of(report, ordinal(report, launch, threads))?;
    let directory = rankzero_physx::cook::Cache::default_dir().map(|directory| directory.join("kernels"));
    let (kernels, complaint) = Kernels::load(&card, &Cache::new(directory))?;
    if let Some(complaint) = complaint {
        tracing::warn!("{complaint}");
    }
    Ok(kernels)
}

/// Has a card that was opened compute for an engine, once it has proven itself.
///
/// # Errors
/// As [`open`].
pub fn equip<F: Fabric>(engine: &mut Engine<F>, kernels: Arc<Kernels>, device: Device) -> Result<(), RunError> {
    let (rank, name) = (engine.rank().0, kernels.card().device().name.clone());
    let crew = CardCrew::new(kernels, engine.scene());
    match crew.and_then(|card| engine.use_card(card)) {
        Ok(()) => tracing::info!("rank {rank} computes on {name} as well"),
        Err(why) => refuse(device, rank, true, why.to_string())?,
    }
    Ok(())
}

/// No card computes; where one `is_there`, or was asked for, that is more than a remark.
fn refuse(device: Device, rank: u32, is_there: bool, why: String) -> Result<(), RunError> {
    match (device, is_there) {
        (Device::Gpu, _) => return Err(RunError::Device(why)),
        (_, true) => tracing::warn!("rank {rank} has a GPU and computes on the processor all the same: {why}"),
        (_, false) => tracing::info!("rank {rank} computes on the processor: {why}"),
    }
    Ok(())
}

/// The number of this rank's device, by the ranks of its node and where they run. Devices that are too old are left out, where any is
/// not.
fn ordinal(report: &GpuReport, launch: &Launch, threads: Option<usize>) -> u32 {
    let sysfs = Path::new("/sys");
    let new_enough = |device: &&rankzero_gpu::Device| device.capability() >= OLDEST;
    let devices: Vec<&rankzero_gpu::Device> = report.devices.iter().filter(new_enough).collect();
    let cards: Vec<Option<u32>> = devices.iter().map(|d| numa_node(sysfs, &d.pci_bus_id)).collect();
    let place = |local_rank| {
        // One card leaves nothing to choose; reading the machine takes a while.
        let binding = (cards.len() > 1).then(|| plan(local_rank, launch.local_size, threads).ok()).flatten()?;
        numa_node_of_processor(sysfs, *binding.units().first()?)
    };
    let ranks: Vec<Option<u32>> = (0..launch.local_size).map(place).collect();
    let chosen = choose(&cards, &ranks).get(launch.local_rank as usize).and_then(|&card| devices.get(card));
    chosen.copied().or(report.devices.first()).map_or(0, |device| device.ordinal)
}

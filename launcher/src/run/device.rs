//! What a rank computes on: the processor alone, or a GPU as well.

use std::path::Path;

use clap::ValueEnum;
use rankzero_comm::Fabric;
use rankzero_gpu::cache::Cache;
use rankzero_gpu::choose::{choose, numa_node, numa_node_of_processor};
use rankzero_gpu::compile::OLDEST;
use rankzero_gpu::{Card, GpuReport};
use rankzero_gpu_solver::Kernels;
use rankzero_slurm::launch::Launch;

use super::error::RunError;
use crate::binding::plan;
use crate::engine::Engine;
use crate::engine::card::{CardCrew, CardError};
use crate::scene::Scene;

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

/// Has this rank's card compute as well, where there is one. One that is there and cannot be used is told of.
///
/// `threads` is how many a rank was asked to have, by which the places of ranks on the node are known.
///
/// # Errors
/// [`RunError::Device`] where a GPU is asked for and cannot be used.
pub fn equip<F: Fabric>(
    engine: &mut Engine<F>,
    device: Device,
    launch: &Launch,
    threads: Option<usize>,
) -> Result<(), RunError> {
    if device == Device::Cpu {
        return Ok(());
    }
    let report = rankzero_gpu::probe();
    let outcome = if report.is_usable() {
        let crew = crew(&report, launch, threads, engine.scene());
        let name = crew.as_ref().map(|card| card.name().to_owned()).unwrap_or_default();
        crew.and_then(|card| engine.use_card(card)).map(|()| name).map_err(|error| error.to_string())
    } else {
        Err(report.lacks.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    };
    let rank = launch.rank;
    match outcome {
        Ok(name) => tracing::info!("rank {rank} computes on {name} as well"),
        Err(why) if device == Device::Gpu => return Err(RunError::Device(why)),
        Err(why) if report.devices.is_empty() => tracing::info!("rank {rank} computes on the processor: {why}"),
        Err(why) => tracing::warn!("rank {rank} has a GPU and computes on the processor all the same: {why}"),
    }
    Ok(())
}

fn crew(report: &GpuReport, launch: &Launch, threads: Option<usize>, scene: &Scene) -> Result<CardCrew, CardError> {
    let card = Card::of(report, ordinal(report, launch, threads))?;
    let directory = rankzero_physx::cook::Cache::default_dir().map(|directory| directory.join("kernels"));
    let (kernels, complaint) = Kernels::load(&card, &Cache::new(directory))?;
    if let Some(complaint) = complaint {
        tracing::warn!("{complaint}");
    }
    CardCrew::new(kernels, scene)
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

//! What hwloc says about this machine, as plain data. The only place that talks to hwloc's objects.
//!
//! Only machine, package, cache, core and processing unit are asked of hwloc: for memory nodes and devices the bindings
//! panic, as they take hwloc's negative depths for unsigned numbers. Memory nodes are counted in sysfs.

use hwloc2::{CpuBindFlags, ObjectType, Topology, TopologyObject};

/// Bounds the reading of a set that hwloc calls infinite.
const PROCESSING_UNITS_MAX: usize = 1 << 16;

/// A level of cache.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Cache {
    /// 1, 2, 3.
    pub level: u32,
    /// Bytes of one.
    pub bytes: u64,
    /// How many there are.
    pub count: usize,
}

/// A machine at a glance.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Machine {
    /// Sockets.
    pub packages: usize,
    /// Memory nodes.
    pub memory_nodes: usize,
    /// Cores that this process's control group allows.
    pub cores: usize,
    /// Hardware threads of them.
    pub processing_units: usize,
    /// Data caches, from the first level.
    pub caches: Vec<Cache>,
    /// Memory in bytes.
    pub memory_bytes: u64,
}

impl Machine {
    /// Reads this machine; `None` when hwloc cannot.
    pub fn read() -> Option<Machine> {
        let topology = Topology::new()?;
        let count = |kind| topology.objects_with_type(&kind).map_or(0, |objects| objects.len());
        let caches = [(1, ObjectType::L1Cache), (2, ObjectType::L2Cache), (3, ObjectType::L3Cache)]
            .into_iter()
            .filter_map(|(level, kind)| {
                let objects = topology.objects_with_type(&kind).ok()?;
                let bytes = objects.first()?.cache_attributes()?.size();
                Some(Cache { level, bytes, count: objects.len() })
            })
            .collect();
        Some(Machine {
            packages: count(ObjectType::Package),
            memory_nodes: memory_nodes(),
            cores: count(ObjectType::Core),
            processing_units: count(ObjectType::PU),
            caches,
            memory_bytes: topology.objects_at_depth(0).first().map_or(0, |machine| machine.total_memory()),
        })
    }
}

/// What matters for placing threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// Processing units, by core, that this process may use; neighbours in the list are neighbours in the machine.
    pub cores: Vec<Vec<u32>>,
    /// Whether the process may use fewer than its control group allows.
    pub bound_by_launcher: bool,
}

/// The cores for this process; `None` when hwloc does not know them.
pub(super) fn view(topology: &Topology) -> Option<View> {
    let mine = units(topology.get_cpubind(CpuBindFlags::CPUBIND_PROCESS)?);
    let allowed = object_units(topology.objects_at_depth(0).first()?);
    let cores: Vec<Vec<u32>> = topology
        .objects_with_type(&ObjectType::Core)
        .ok()?
        .into_iter()
        .map(|core| object_units(core).into_iter().filter(|unit| mine.contains(unit)).collect::<Vec<_>>())
        .filter(|units| !units.is_empty())
        .collect();
    let bound_by_launcher = allowed.iter().any(|unit| !mine.contains(unit));
    (!cores.is_empty()).then_some(View { cores, bound_by_launcher })
}

fn object_units(object: &TopologyObject) -> Vec<u32> {
    object.cpuset().map_or_else(Vec::new, units)
}

fn units(set: hwloc2::CpuSet) -> Vec<u32> {
    set.into_iter().take(PROCESSING_UNITS_MAX).collect()
}

fn memory_nodes() -> usize {
    let Ok(entries) = std::fs::read_dir("/sys/devices/system/node") else { return 1 };
    let is_node = |name: &str| {
        name.strip_prefix("node").is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
    };
    entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_node)).count().max(1)
}

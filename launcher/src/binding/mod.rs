//! Where the threads of a rank run: each rank takes its share of the node's cores, near each other, and each worker
//! one core of it. Memory follows, as Linux places a page near the thread that touches it first.
//!
//! A binding that the launcher has made is respected: if the process may use fewer cores than the machine allows, it
//! stays as it is. Control groups count: their core set bounds the machine, their CPU quota the number of threads.

mod topology;

use std::sync::Mutex;

use hwloc2::{CpuBindFlags, CpuSet, Topology};

pub use topology::{Cache, Machine};

/// Why threads cannot be placed.
#[derive(Debug, thiserror::Error)]
pub enum BindingError {
    /// A place that does not exist.
    #[error("rank {local_rank} of {local_size} on this node: no such place")]
    Place {
        /// Place among the ranks of the node.
        local_rank: u32,
        /// Ranks of the node.
        local_size: u32,
    },
    /// No threads at all.
    #[error("0 threads a rank: at least 1 is needed")]
    NoThreads,
    /// The system refused.
    #[error("cannot bind worker {worker} to cores {cores}: {reason}; the run goes on unbound")]
    Refused {
        /// The worker.
        worker: usize,
        /// Operating-system numbers of its processing units.
        cores: String,
        /// The system's words.
        reason: String,
    },
}

/// How many threads a rank runs, and where.
pub struct Binding {
    /// Worker threads.
    pub threads: usize,
    /// Whether more threads than cores run on this node, so that waiting must not spin.
    pub oversubscribed: bool,
    /// One line for people.
    pub description: String,
    /// Processing units by worker; empty where nothing is bound.
    sets: Vec<Vec<u32>>,
    topology: Option<Mutex<Topology>>,
}

impl std::fmt::Debug for Binding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Binding").field("threads", &self.threads).field("sets", &self.sets).finish_non_exhaustive()
    }
}

/// Places the rank that is number `local_rank` of the `local_size` ranks of this node. Without `requested`, it runs as
/// many threads as its share has cores.
///
/// # Errors
/// [`BindingError::Place`], [`BindingError::NoThreads`]. A machine that hwloc cannot read is no error: nothing is bound.
pub fn plan(local_rank: u32, local_size: u32, requested: Option<usize>) -> Result<Binding, BindingError> {
    if local_rank >= local_size {
        return Err(BindingError::Place { local_rank, local_size });
    }
    if requested == Some(0) {
        return Err(BindingError::NoThreads);
    }
    let parallelism = std::thread::available_parallelism().map_or(1, usize::from);
    let topology = Topology::new();
    let view = topology.as_ref().and_then(topology::view);
    let share = Share::of(view.as_ref(), parallelism, local_rank as usize, local_size as usize, requested);
    Ok(Binding {
        threads: share.threads,
        oversubscribed: share.oversubscribed,
        description: share.description,
        topology: topology.filter(|_| !share.sets.is_empty()).map(Mutex::new),
        sets: share.sets,
    })
}

impl Binding {
    /// The processing units that this rank's threads run on, as far as it has decided; ascending.
    pub fn units(&self) -> Vec<u32> {
        let mut units = self.sets.concat();
        units.sort_unstable();
        units
    }

    /// Binds the calling thread as worker `worker`; to be called when the thread starts. Does nothing where nothing is
    /// to be bound.
    ///
    /// # Errors
    /// [`BindingError::Refused`], after which the thread runs unbound.
    pub fn bind_worker(&self, worker: usize) -> Result<(), BindingError> {
        let (Some(topology), false) = (&self.topology, self.sets.is_empty()) else { return Ok(()) };
        let cores = &self.sets[worker % self.sets.len()];
        let set: CpuSet = cores.iter().copied().collect();
        // A worker that panicked while it held the lock has left the topology as it was: it is only read.
        let mut topology = topology.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        topology.set_cpubind(set, CpuBindFlags::CPUBIND_THREAD).map_err(|error| BindingError::Refused {
            worker,
            cores: list(cores),
            reason: format!("{error:?}"),
        })
    }
}

/// The decision, apart from the machine.
#[derive(Debug, PartialEq, Eq)]
struct Share {
    threads: usize,
    oversubscribed: bool,
    sets: Vec<Vec<u32>>,
    description: String,
}

impl Share {
    /// `parallelism`: what the system allows to run at once, CPU quota included.
    fn of(
        view: Option<&topology::View>,
        parallelism: usize,
        local_rank: usize,
        local_size: usize,
        requested: Option<usize>,
    ) -> Share {
        let unbound = |threads: usize, cores: usize, oversubscribed: bool, why: &str| Share {
            threads,
            oversubscribed,
            sets: Vec::new(),
            description: format!("{threads} threads on {cores} cores, unbound: {why}"),
        };
        let Some(view) = view else {
            let threads = requested.unwrap_or((parallelism / local_size).max(1));
            return unbound(threads, parallelism, threads * local_size > parallelism, "hwloc cannot read this machine");
        };
        let cores = view.cores.len().min(parallelism).max(1);
        if view.bound_by_launcher {
            let threads = requested.unwrap_or(cores);
            return unbound(threads, cores, threads > cores, "the launcher has bound this rank already");
        }
        if local_size > cores {
            let threads = requested.unwrap_or(1);
            let why = format!("{local_size} ranks share them");
            return unbound(threads, cores, true, &why);
        }
        let range = |rank: usize, count: usize| rank * count / local_size..(rank + 1) * count / local_size;
        let threads = requested.unwrap_or(range(local_rank, cores).len().max(1));
        if cores < view.cores.len() {
            // Fewer threads than cores may run at once: the system spreads them better than we could.
            let why = format!("a CPU quota allows {parallelism} of {} cores", view.cores.len());
            return unbound(threads, cores, threads * local_size > cores, &why);
        }
        let mine = &view.cores[range(local_rank, cores)];
        let all: Vec<u32> = mine.iter().flatten().copied().collect();
        let description = format!("{threads} threads on {} cores, bound to {}", mine.len(), list(&all));
        let sets = if threads <= mine.len() { mine[..threads].to_vec() } else { vec![all] };
        Share { threads, oversubscribed: threads > mine.len(), sets, description }
    }
}

/// Numbers as `0-3,8`.
pub(crate) fn list(numbers: &[u32]) -> String {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted
        .chunk_by(|low, high| low + 1 == *high)
        .map(|run| match run {
            [low, .., high] => format!("{low}-{high}"),
            _ => run.iter().map(u32::to_string).collect(),
        })
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Eight cores of two processing units, as on a machine where the second ones are numbered last.
    fn eight(bound_by_launcher: bool) -> topology::View {
        topology::View { cores: (0..8).map(|core| vec![core, core + 8]).collect(), bound_by_launcher }
    }

    #[test]
    fn ranks_share_the_cores_without_gap_or_overlap() {
        for local_size in 1..=8 {
            let mut seen: Vec<u32> = (0..local_size)
                .flat_map(|rank| Share::of(Some(&eight(false)), 16, rank, local_size, None).sets.concat())
                .collect();
            seen.sort_unstable();
            assert!(seen.iter().copied().eq(0..16), "{local_size} ranks");
        }
    }

    #[test]
    fn each_worker_has_a_core_of_its_own_while_there_are_enough() {
        let share = Share::of(Some(&eight(false)), 16, 1, 2, None);
        assert_eq!((share.threads, share.oversubscribed), (4, false));
        assert_eq!(share.sets, [[4, 12], [5, 13], [6, 14], [7, 15]]);
        assert_eq!(share.description, "4 threads on 4 cores, bound to 4-7,12-15");
        let more = Share::of(Some(&eight(false)), 16, 1, 2, Some(5));
        assert_eq!((more.threads, more.sets.len(), more.oversubscribed), (5, 1, true));
    }

    #[test]
    fn more_ranks_than_cores_are_left_to_the_system_with_one_thread_each() {
        let share = Share::of(Some(&eight(false)), 16, 8, 9, None);
        assert_eq!((share.threads, share.oversubscribed, share.sets.len()), (1, true, 0));
    }

    #[test]
    fn a_binding_of_the_launcher_is_respected() {
        let share = Share::of(Some(&eight(true)), 16, 0, 4, None);
        assert_eq!((share.threads, share.sets.len()), (8, 0));
        assert!(share.description.contains("the launcher has bound"));
    }

    #[test]
    fn a_quota_bounds_the_threads_and_nothing_is_bound() {
        let share = Share::of(Some(&eight(false)), 2, 0, 2, None);
        assert_eq!((share.threads, share.oversubscribed, share.sets.len()), (1, false, 0));
    }

    #[test]
    fn a_machine_that_cannot_be_read_still_runs() {
        let share = Share::of(None, 4, 0, 2, None);
        assert_eq!((share.threads, share.oversubscribed), (2, false));
    }

    #[test]
    fn impossible_places_are_errors() {
        assert!(matches!(plan(2, 2, None), Err(BindingError::Place { .. })));
        assert!(matches!(plan(0, 1, Some(0)), Err(BindingError::NoThreads)));
    }

    #[test]
    fn a_worker_is_bound_on_this_machine() {
        let binding = plan(0, 1, None).expect("one rank");
        std::thread::spawn(move || binding.bind_worker(0).expect("bound")).join().expect("worker");
    }
}

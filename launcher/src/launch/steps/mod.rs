//! Inside a Slurm allocation: the ranks of each node are a step of their own, so that none takes another down, and meet in a directory
//! without MPI.
//!
//! `layout` says which ranks go where, `command` how srun is told, `supervisor` what is done about losses, `story` reads what the run tells of
//! itself; `driver` has the processes.

mod command;
mod driver;
mod layout;
mod story;
mod supervisor;

pub use command::Manner;
pub use driver::{BATCH_NODE_VARIABLE, Steps, run_steps};
pub use layout::Layout;

#[cfg(test)]
pub(super) use layout::tests::allocation as test_allocation;

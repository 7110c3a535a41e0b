//! Slurm, and who started this process.
//!
//! - `launch`: as which rank of how many this process was started, by whom, in which allocation; read from the environment that launchers leave
//! - `hostlist`: Slurm's short form of host names
//! - `commands`: what is asked of sbatch, squeue, sinfo, scontrol, scancel and srun
//! - `script`: batch scripts as a person would have written them
//!
//! Plain parsing and rendering but for `commands`; the environment is passed in, so that every launcher can be tested without one.

#![forbid(unsafe_code)]

mod allocation;
pub mod commands;
mod env;
pub mod hostlist;
pub mod launch;
pub mod script;

pub use hostlist::HostlistError;
pub use launch::{Allocation, EnvError, Launch, Launcher};

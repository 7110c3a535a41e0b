//! The rankzero program: job to scene, scene to steps, steps to files.
//!
//! Bird's view: [`cli`] reads the command line; [`run`] is one rank of a run; it makes a [`scene`] out of a job and steps it with
//! the [`engine`]; [`assign`] decides who computes what; [`binding`] places threads; [`launch`] starts ranks, [`submit`] hands a job to Slurm; [`doctor`] looks at the
//! machine; [`explain`] tells which path each pair of ranks takes; [`sweep`] runs a job on several sizes and says how it scales.
#![forbid(unsafe_code)]

pub mod assign;
pub mod binding;
pub mod cli;
pub mod doctor;
pub mod engine;
pub mod explain;
pub mod launch;
pub mod run;
pub mod scene;
pub mod shapes;
mod signals;
pub mod submit;
pub mod sweep;

//! The rankzero program: job to scene, scene to steps, steps to files.
#![forbid(unsafe_code)]

pub mod engine;
pub mod scene;

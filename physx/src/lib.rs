//! PhysX for rankzero: tetrahedral cooking and rigid scenes.

#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod ffi;
pub mod cook;
pub mod rigid;

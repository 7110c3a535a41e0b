//! PhysX for rankzero: tetrahedral cooking, signed distance fields and rigid scenes.

#![deny(unsafe_code)]

pub mod cook;
#[allow(unsafe_code)]
mod ffi;
pub mod rigid;
pub mod sdf;

//! Frames of a rankzero run: what a simulation leaves behind for eyes.
//!
//! A frame is the surface of every body at the end of one step. Each rank writes its own part of it
//! ([`FrameDir::write_surface`]), the master lists the parts in a ParaView collection ([`Collection`]), and
//! [`render_run`] draws the collection into pictures with neither a display nor a GPU.
//!
//! Invariants:
//! - A file appears under its final name only when it is whole: it is written beside it and renamed.
//! - A file is a function of the mesh and its [`Stamp`] alone, a picture of the meshes, the camera and the
//!   options: no clock, no host, no thread count enters.
//! - Reading trusts nothing: a torn or foreign file is an error that names the file, never a panic, and no
//!   allocation exceeds a small multiple of the file's size.
//! - Nothing here knows of MPI, of job files or of physics.

#![forbid(unsafe_code)]

mod error;
mod layout;
mod mesh;
mod pvd;
mod render;
mod vtk;

pub use error::FrameError;
pub use layout::FrameDir;
pub use mesh::{BodyLook, Kind, Mesh, Surface, Volume, candy};
pub use pvd::{Collection, DataSet};
pub use render::{Camera, FrameChoice, Image, Picture, RenderOptions, View, render, render_run};
pub use vtk::Stamp;

//! The types of a job file, section by section. They hold what was written, defaults filled in; [`crate::check`] says whether it makes
//! sense.
//!
//! Invariants: every type refuses unknown fields; units stand in the names; an enum with content is written as a map of one entry,
//! the variant's name; whatever serialises parses back to the same value.

mod auto;
mod bodies;
mod environment;
mod job;
mod layout;
mod material;
mod network;
mod operation;
mod shape;
mod slurm;

pub use auto::AutoOr;
pub use bodies::{Dynamic, Keyframe, Kinematic, Motion, RigidBodies, SoftBodies};
pub use environment::{Environment, HeightField, Hills, Plane, Relief, TriangleMesh};
pub use job::{Batches, Contact, Job, Sleep, Solver, Time};
pub use layout::{Colour, Grid, Layout, Pin, PinBox, Random, Rotation, Stack};
pub use material::{Friction, Material};
pub use network::{Compression, Fabric, Network, PortRange, Tls};
pub use operation::{
    Alerts, Balance, Checkpoint, Cost, FaultTolerance, FrameGeometry, Frames, Metrics, Migration, Move, OnLostQuorum,
    Output, Strategy,
};
pub use shape::{
    RigidBox, RigidCapsule, RigidConvex, RigidShape, RigidSphere, SoftBox, SoftCapsule, SoftMesh, SoftShape,
    SoftSphere, SoftTorus, Tetrahedra, VoxelTetrahedra,
};
pub use slurm::{CpuBind, GpuBind, MailOn, SlurmArray, SlurmMail, SlurmOptions};

//! Checkpoints of a rankzero run on disk: the state after one step, written by many ranks at once and restored on any number.
//!
//! ```text
//! RUN/checkpoints/step-000000001234/
//!     part-00003-91c6b1a86f0c2f5d.rzc   bodies that rank 3 owned; the digits are the start of the file's hash
//!     manifest.json                     what belongs together, rigid bodies among it; readable by a person
//! ```
//!
//! **A checkpoint exists if and only if its manifest is there, is consistent, and every part that it names is there with its
//! length.** The rename that puts the manifest in its place is the one moment at which a checkpoint comes to be, or at which a
//! newer one of the same step replaces it. That is why no folder is ever renamed: a folder that is not empty cannot be replaced
//! by a rename, so that two of one step would need a moment in which there is neither, while a file can, on any file system
//! that ranks share.
//!
//! **Parts of two attempts at one step never get in each other's way**, because a part is named after what is in it. Of two
//! parts with one name either is as good as the other. What the manifest does not name is not part of the checkpoint. It is not
//! removed when a manifest is put in place: a master that was taken for dead and wakes up between its look at the parts and its
//! rename would then put a manifest in place whose parts are gone. [`Store::retain`] removes it once there is a newer checkpoint,
//! [`Store::abandon`] at once.
//!
//! Order of writing:
//! 1. each part: a name of its own that begins with a dot, write, fsync, rename, fsync of the folder;
//! 2. the manifest, once all parts are there: a look into every part, fsync of the folder, the same as for a part, then fsync
//!    of the directory in which the folder lies. When [`Store::commit`] returns, the checkpoint outlasts a loss of power.
//!
//! Removal goes the other way: the manifest first, fsync, then the rest.
//!
//! Invariants:
//! - Reading trusts nothing. A torn, foreign or forged file is an error that names it, never a panic, and no allocation exceeds
//!   a small multiple of the file's size.
//! - A damaged checkpoint costs that checkpoint, never another one.
//! - Every bit of every file is covered by a BLAKE3 hash: a body's words by its own, which the table of the part holds; table
//!   and head by the part's, which the part's end and the manifest hold; the manifest by its own.
//! - Nothing here knows of MPI, threads, job files or physics. Words are words.

#![forbid(unsafe_code)]

mod clock;
pub mod disk;
mod error;
mod folder;
mod loaded;
mod manifest;
mod names;
mod part;
mod resolve;
mod state;
mod store;

pub use clock::utc_now;
pub use error::CheckpointError;
pub use loaded::{Loaded, Verified};
pub use manifest::{Manifest, View};
pub use part::PartInfo;
pub use resolve::{LATEST, is_checkpoint, look, resolve};
pub use state::{body_hash, state_digest};
pub use store::{Entry, State, Store};

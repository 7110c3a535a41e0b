//! What the tests share.

pub mod random;
pub mod rig;
pub mod scene;

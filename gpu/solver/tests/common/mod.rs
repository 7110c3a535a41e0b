//! What the tests share.
#![allow(dead_code)]

pub mod crowd;
pub mod random;
pub mod rig;
pub mod scene;

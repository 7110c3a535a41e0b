//! Keys of one segment, rail by rail.

use super::device::RAILS_MAX;

/// One key a rail.
pub type Keys = [u32; RAILS_MAX];

/// Where the words of one write come from and go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Address of the first word of the source segment, here.
    pub local: u64,
    /// Keys of the source.
    pub local_keys: Keys,
    /// Address of the first word of the target segment, there.
    pub remote: u64,
    /// Keys of the target.
    pub remote_keys: Keys,
}

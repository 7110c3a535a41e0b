//! rankzero.
fn main() {}

//! What ranks tell each other beside the data: words that must come through whatever becomes of a path.

pub mod links;

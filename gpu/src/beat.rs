//! Signs of life.

use std::fmt;
use std::sync::Arc;

/// What is called again and again while something takes long.
#[derive(Clone)]
pub struct Beat(Arc<dyn Fn() + Send + Sync>);

impl Beat {
    /// Calls `beat`.
    pub fn new(beat: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(beat))
    }

    /// Gives a sign.
    pub fn call(&self) {
        (self.0)();
    }
}

impl fmt::Debug for Beat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Beat")
    }
}

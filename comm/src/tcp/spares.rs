//! Buffers kept for reuse, bounded in memory.

/// Most words that a store keeps: 16 MiB.
const KEPT_WORDS_MAX: usize = 1 << 22;

/// A store of buffers. They keep length and content, so that one which is filled again need not be cleared first.
#[derive(Debug, Default)]
pub struct Spares {
    buffers: Vec<Vec<u32>>,
    words: usize,
}

impl Spares {
    /// A buffer of any length and content.
    pub fn take(&mut self) -> Vec<u32> {
        let buffer = self.buffers.pop().unwrap_or_default();
        self.words -= buffer.capacity();
        buffer
    }

    /// Gives a buffer back.
    pub fn put(&mut self, buffer: Vec<u32>) {
        if buffer.capacity() > 0 && self.words + buffer.capacity() <= KEPT_WORDS_MAX {
            self.words += buffer.capacity();
            self.buffers.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_kept_is_bounded() {
        let mut spares = Spares::default();
        for _ in 0..10 {
            spares.put(Vec::with_capacity(KEPT_WORDS_MAX / 2));
        }
        assert_eq!(spares.buffers.len(), 2);
        spares.put(Vec::new());
        for _ in 0..3 {
            spares.take();
        }
        assert_eq!(spares.words, 0);
    }
}

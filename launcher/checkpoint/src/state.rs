//! Words as bytes and hashes, as the digest of a run has them.

/// BLAKE3 of a body's words, little-endian.
pub fn body_hash(words: &[u32]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    in_bytes(words, |bytes| {
        hasher.update(bytes);
    });
    hasher.finalize()
}

/// The digest of a state: BLAKE3 over the hashes of all bodies in the order of their ids, then the hash of the rigid bodies'
/// words. This is how a run makes the digest that it prints.
pub fn state_digest(bodies: impl IntoIterator<Item = [u8; 32]>, rigids: &[u32]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    bodies.into_iter().for_each(|hash| {
        hasher.update(&hash);
    });
    hasher.update(body_hash(rigids).as_bytes());
    hasher.finalize()
}

/// Shows words as little-endian bytes, without a copy where that is how they lie in memory.
pub fn in_bytes(words: &[u32], mut show: impl FnMut(&[u8])) {
    if cfg!(target_endian = "little") {
        return show(bytemuck::cast_slice(words));
    }
    let mut block = [0; 4096];
    for part in words.chunks(block.len() / 4) {
        for (bytes, word) in block.chunks_exact_mut(4).zip(part) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        show(&block[..4 * part.len()]);
    }
}

/// Turns words that were filled with little-endian bytes into numbers; does nothing where they are that already.
pub fn from_bytes(words: &mut [u32]) {
    words.iter_mut().for_each(|word| *word = u32::from_le(*word));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_of_little_endian_bytes() {
        let words: Vec<u32> = (0..3000).map(|i: u32| i.wrapping_mul(0x9e37_79b9)).collect();
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(body_hash(&words), blake3::hash(&bytes));
        let (one, rigid) = (blake3::hash(&bytes), blake3::hash(&[1, 0, 0, 0]));
        let all = [one.as_bytes().as_slice(), one.as_bytes(), rigid.as_bytes()].concat();
        assert_eq!(state_digest([*one.as_bytes(); 2], &[1]), blake3::hash(&all));
    }
}

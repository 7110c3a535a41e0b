//! The digest: BLAKE3 over the hashes of the soft bodies' canonical states in id order, then the rigid bodies' states.
//!
//! A state is hashed where it lies; only 32 bytes a body travel.

use rankzero_physx::rigid::RigidState;

use super::board::DIGEST_WORDS;

/// The hash of one body's canonical state.
pub fn of_state(words: &[u32]) -> [u32; DIGEST_WORDS] {
    let mut hasher = blake3::Hasher::new();
    update(&mut hasher, words);
    words_of(&hasher)
}

/// The hash of all rigid states.
pub fn of_rigids(states: &[RigidState]) -> [u32; DIGEST_WORDS] {
    let mut hasher = blake3::Hasher::new();
    for state in states {
        update(&mut hasher, &state.to_words());
    }
    words_of(&hasher)
}

fn update(hasher: &mut blake3::Hasher, words: &[u32]) {
    // By blocks, so that the bytes are little-endian on any machine without a copy of the whole state.
    let mut block = [0u8; 1024];
    for part in words.chunks(256) {
        for (bytes, word) in block.chunks_exact_mut(4).zip(part) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        hasher.update(&block[..4 * part.len()]);
    }
}

fn words_of(hasher: &blake3::Hasher) -> [u32; DIGEST_WORDS] {
    let hash = *hasher.finalize().as_bytes();
    std::array::from_fn(|i| u32::from_le_bytes([hash[4 * i], hash[4 * i + 1], hash[4 * i + 2], hash[4 * i + 3]]))
}

/// The run's digest in hexadecimal: `leaves` are the bodies' hashes by id.
pub fn combine(leaves: &[u32], rigids: &[RigidState]) -> String {
    let mut hasher = blake3::Hasher::new();
    for word in leaves.iter().chain(&of_rigids(rigids)) {
        hasher.update(&word.to_le_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bit_changes_the_digest() {
        let state: Vec<u32> = (0..1000).collect();
        let mut other = state.clone();
        other[999] ^= 1;
        assert_ne!(of_state(&state), of_state(&other));
        let bytes: Vec<u8> = state.iter().flat_map(|w| w.to_le_bytes()).collect();
        assert_eq!(of_state(&state)[0].to_le_bytes(), blake3::hash(&bytes).as_bytes()[..4]);
    }
}

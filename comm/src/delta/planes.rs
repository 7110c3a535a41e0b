//! Differences of words by bytes: all first bytes, then all second bytes, and so on. Loops without branches, which the
//! compiler turns into vector instructions.

/// Planes of a word.
pub(super) const PLANES: usize = 4;

/// Writes the differences of `words` to `base`, byte by byte, into four planes of `words.len()` bytes each, and returns
/// their bitwise sum: where a byte of it is zero, the plane is zero.
///
/// The lowest bit of a difference is its sign, so that small ones have zeros above, whichever their sign.
pub(super) fn split(words: &[u32], base: &[u32], planes: &mut [u8]) -> u32 {
    let n = words.len();
    let (p0, rest) = planes.split_at_mut(n);
    let (p1, rest) = rest.split_at_mut(n);
    let (p2, p3) = rest.split_at_mut(n);
    let (base, p3) = (&base[..n], &mut p3[..n]);
    let mut any = 0;
    for i in 0..n {
        let difference = words[i].wrapping_sub(base[i]) as i32;
        let d = ((difference << 1) ^ (difference >> 31)) as u32;
        any |= d;
        p0[i] = d as u8;
        p1[i] = (d >> 8) as u8;
        p2[i] = (d >> 16) as u8;
        p3[i] = (d >> 24) as u8;
    }
    any
}

/// The inverse of [`split`]: adds the differences in `planes` to `words`, which hold the base.
pub(super) fn join(words: &mut [u32], planes: &[u8]) {
    let n = words.len();
    let (p0, rest) = planes.split_at(n);
    let (p1, rest) = rest.split_at(n);
    let (p2, p3) = rest.split_at(n);
    let p3 = &p3[..n];
    for i in 0..n {
        let d = u32::from(p0[i]) | u32::from(p1[i]) << 8 | u32::from(p2[i]) << 16 | u32::from(p3[i]) << 24;
        words[i] = words[i].wrapping_add((d >> 1) ^ (d & 1).wrapping_neg());
    }
}

/// How many bytes equal the one before: those that a compressor of runs would save.
pub(super) fn repeats(plane: &[u8]) -> usize {
    let Some(after) = plane.get(1..) else { return 0 };
    // Counts of 8 bits within a block let the whole loop work on bytes.
    after.chunks(255).zip(plane.chunks(255)).fold(0, |sum, (after, before)| {
        let count = after.iter().zip(before).fold(0u8, |count, (a, b)| count.wrapping_add(u8::from(a == b)));
        sum + usize::from(count)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joining_undoes_splitting_for_every_bit_and_length() {
        for n in [0, 1, 2, 31, 32, 33, 400] {
            let words: Vec<u32> = (0..n as u32).map(|i| i.wrapping_mul(0x9e37_79b9) ^ i << 31).collect();
            for base in [vec![0; n], words.clone(), words.iter().map(|w| !w).collect(), vec![u32::MAX; n]] {
                let mut planes = vec![0xaa; PLANES * n];
                let any = split(&words, &base, &mut planes);
                for (p, plane) in planes.chunks(n.max(1)).enumerate() {
                    assert_eq!((any >> (8 * p)) as u8, plane.iter().fold(0, |a, b| a | b));
                }
                let mut joined = base.clone();
                join(&mut joined, &planes);
                assert_eq!(joined, words);
            }
        }
    }

    #[test]
    fn a_small_change_of_either_sign_touches_one_plane() {
        let one = 1f32.to_bits();
        let mut planes = [0; 8];
        let any = split(&[one + 100, one - 100], &[one, one], &mut planes);
        assert!(any < 256);
        assert_eq!(planes[2..], [0; 6]);
    }

    #[test]
    fn repeats_are_counted_across_blocks() {
        for n in [0usize, 1, 2, 255, 256, 257, 5000] {
            assert_eq!(repeats(&vec![3; n]), n.saturating_sub(1));
            assert_eq!(repeats(&(0..n).map(|i| i as u8).collect::<Vec<_>>()), 0);
        }
    }
}

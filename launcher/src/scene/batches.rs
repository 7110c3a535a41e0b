//! Cutting the bodies into batches: by a space-filling curve over where they start, seen along gravity, so that a
//! batch is compact and stays so.

use rankzero_soft::vec3::{add_scaled, dot, normalized};

/// Batches that a scene is cut into when the job does not say: enough for 8 ranks to balance; larger scenes should say.
const AUTO_BATCHES: usize = 80;

/// Bodies of a batch when the job does not say.
pub fn auto_size(bodies: usize) -> usize {
    bodies.div_ceil(AUTO_BATCHES).max(1)
}

/// Positions without their height: what falls stays above the same ground, so bodies above one another belong together.
pub fn beside(positions: &[[f32; 3]], gravity: [f32; 3]) -> Vec<[f32; 3]> {
    let Some(down) = normalized(gravity) else { return positions.to_vec() };
    positions.iter().map(|&p| add_scaled(p, down, -dot(p, down))).collect()
}

/// Batches of `size` bodies in Morton order of `positions`; the members of each are ascending.
pub fn cut(positions: &[[f32; 3]], size: usize) -> Vec<Vec<u32>> {
    let (mut low, mut high) = ([f32::MAX; 3], [f32::MIN; 3]);
    for p in positions {
        for k in 0..3 {
            low[k] = if p[k] < low[k] { p[k] } else { low[k] };
            high[k] = if p[k] > high[k] { p[k] } else { high[k] };
        }
    }
    let widest = (0..3).map(|k| high[k] - low[k]).fold(0.0f32, |m, e| if e > m { e } else { m });
    let code = |p: &[f32; 3]| {
        (0..3).fold(0u64, |code, k| {
            let cell = if widest > 0.0 { (p[k] - low[k]) / widest * 1_048_575.0 } else { 0.0 };
            code | spread(cell as u64) << k
        })
    };
    let mut order: Vec<(u64, u32)> = positions.iter().enumerate().map(|(i, p)| (code(p), i as u32)).collect();
    order.sort_unstable();
    order
        .chunks(size)
        .map(|chunk| {
            let mut members: Vec<u32> = chunk.iter().map(|&(_, body)| body).collect();
            members.sort_unstable();
            members
        })
        .collect()
}

/// Puts two zero bits between the lowest 21 bits.
fn spread(x: u64) -> u64 {
    (0..21).fold(0, |out, bit| out | (x >> bit & 1) << (3 * bit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_body_is_in_one_compact_batch() {
        let positions: Vec<[f32; 3]> = (0..64).map(|i| [(i % 4) as f32, (i / 4 % 4) as f32, (i / 16) as f32]).collect();
        let batches = cut(&positions, 8);
        let mut all: Vec<u32> = batches.iter().flatten().copied().collect();
        all.sort_unstable();
        assert_eq!(all, (0..64).collect::<Vec<_>>());
        for batch in &batches {
            for k in 0..3 {
                let c: Vec<f32> = batch.iter().map(|&b| positions[b as usize][k]).collect();
                let width = c.iter().fold(f32::MIN, |m, &x| m.max(x)) - c.iter().fold(f32::MAX, |m, &x| m.min(x));
                assert!(width <= 1.0, "2 × 2 × 2 bodies");
            }
        }
    }

    #[test]
    fn what_is_above_one_another_is_beside_the_same_things() {
        let flat = beside(&[[1.0, 5.0, 2.0], [1.0, 9.0, 2.0]], [0.0, -9.81, 0.0]);
        assert_eq!(flat, [[1.0, 0.0, 2.0]; 2]);
        assert_eq!(beside(&[[1.0, 5.0, 2.0]], [0.0; 3]), [[1.0, 5.0, 2.0]]);
    }

    #[test]
    fn bodies_in_one_place_are_no_problem() {
        assert_eq!(cut(&[[1.0; 3]; 5], 2), [vec![0, 1], vec![2, 3], vec![4]]);
    }
}

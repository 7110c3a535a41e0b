//! Random numbers that a seed determines for ever: SplitMix64 (Steele, Lea and Flood, *Fast Splittable Pseudorandom Number
//! Generators*, OOPSLA 2014). A library's default generator may change between versions, and with it every digest.

/// A stream of random numbers.
#[derive(Clone, Copy, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream of a seed and a purpose, so that two uses of one seed differ.
    pub fn new(seed: u64, purpose: u64) -> Self {
        let mut random = Random(seed ^ purpose.wrapping_mul(0xd6e8_feb8_6659_fd93));
        random.bits();
        random
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `[low, high)`.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        (f64::from(low) + (f64::from(high) - f64::from(low)) * self.unit()) as f32
    }

    /// A uniform random rotation (Shoemake, *Uniform Random Rotations*, Graphics Gems III, 1992).
    pub fn rotation(&mut self) -> [f32; 4] {
        let (u, v, w) = (self.unit(), self.unit(), self.unit());
        let turn = core::f64::consts::TAU;
        let (a, b) = (libm::sqrt(1.0 - u), libm::sqrt(u));
        [
            (a * libm::sin(turn * v)) as f32,
            (a * libm::cos(turn * v)) as f32,
            (b * libm::sin(turn * w)) as f32,
            (b * libm::cos(turn * w)) as f32,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_never_changes() {
        // The first outputs of SplitMix64 for seed 1234567, as published with its reference code.
        let mut random = Random(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| random.bits()).collect();
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn rotations_are_unit_quaternions() {
        let mut random = Random::new(1, 2);
        for _ in 0..100 {
            let q = random.rotation();
            assert!((q.iter().map(|c| c * c).sum::<f32>() - 1.0).abs() < 1e-6);
        }
    }
}

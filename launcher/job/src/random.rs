//! Random numbers that are the same on every machine and in every version: SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable
//! pseudorandom number generators").

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub(crate) struct SplitMix(u64);

impl SplitMix {
    /// The stream of a use, told apart from those of other uses of the same seed by `stream`.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut outer = Self(stream);
        Self(seed ^ outer.bits())
    }

    /// 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform from 0, inclusive, to 1, exclusive.
    pub(crate) fn unit(&mut self) -> f64 {
        // The upper 53 bits, as many as an f64 holds; both steps are exact.
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform between `low` and `high`.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }
}

#[cfg(test)]
mod tests {
    use super::SplitMix;

    #[test]
    fn the_numbers_are_those_of_the_reference() {
        let mut random = SplitMix(1_234_567);
        assert_eq!(random.bits(), 6_457_827_717_110_365_317);
        assert_eq!(random.bits(), 3_203_168_211_198_807_973);
    }
}

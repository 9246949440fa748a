//! The dice of the simulated market: a small seeded generator, integers only, the same on every machine.

/// xorshift64* (Marsaglia 2003, Vigna 2016): 64 bits of state, never zero.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    /// A generator whose whole future follows from `seed` and `lane`; two lanes of one seed are unrelated.
    pub(crate) const fn new(seed: u64, lane: u64) -> Self {
        let mixed = mix(seed ^ mix(lane.wrapping_add(0x632b_e59b_d9b4_e019)));
        Self(if mixed == 0 { 0x9e37_79b9_7f4a_7c15 } else { mixed })
    }

    /// The next 64 bits.
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Uniform in `0..n`; 0 when `n` is 0.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        // The high half of a 128-bit product: no division, and the bias is below 2^-32 for every n used here.
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    /// True `per_cent` times of a hundred.
    pub(crate) fn per_cent(&mut self, per_cent: u64) -> bool {
        self.below(100) < per_cent
    }
}

/// The finaliser of MurmurHash3: every input bit reaches every output bit.
const fn mix(mut x: u64) -> u64 {
    x ^= x >> 33;
    x = x.wrapping_mul(0xff51_afd7_ed55_8ccd);
    x ^= x >> 33;
    x = x.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_stays_below_and_reaches_both_ends() {
        let mut rng = Rng::new(1, 0);
        let mut seen = [0u32; 5];
        for _ in 0..1_000 {
            seen[rng.below(5) as usize] += 1;
        }
        assert!(seen.iter().all(|&n| n > 100), "{seen:?}");
        assert_eq!(rng.below(0), 0);
    }

    #[test]
    fn lanes_of_one_seed_differ_and_repeat() {
        let draw = |seed, lane| Rng::new(seed, lane).next();
        assert_eq!(draw(7, 1), draw(7, 1));
        assert_ne!(draw(7, 1), draw(7, 2));
        assert_ne!(draw(7, 1), draw(8, 1));
    }
}

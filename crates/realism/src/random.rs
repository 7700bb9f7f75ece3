//! Seeds and generators. Everything random in a plan is drawn here, with sampling functions of our own, so that neither a
//! machine nor the update of a library changes a plan (INV-11).

use rand_core::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

/// What a generator starts from: a hash of everything that its draws may depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seed(u64);

/// What a generator is for. Each purpose has draws of its own, so that a change to one leaves the others alone.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Persona = 1,
    Decoy,
    Rhythm,
    Habits,
    Day,
    Quarter,
    Decision,
    Content,
    Company,
    Reading,
    Story,
    Network,
    Errand,
    Spell,
    Month,
    Week,
    Mood,
    Away,
    Night,
    Reads,
    Records,
    Mail,
}

/// The increment of SplitMix64: the golden ratio in 64 bits.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
const fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

impl Seed {
    pub(crate) const fn new(word: u64) -> Self {
        Self(mix(word ^ GOLDEN))
    }

    pub(crate) const fn purpose(self, purpose: Purpose) -> Self {
        self.word(purpose as u64)
    }

    pub(crate) const fn word(self, word: u64) -> Self {
        Self(mix(self.0.rotate_left(23).wrapping_add(GOLDEN) ^ mix(word.wrapping_add(GOLDEN))))
    }

    pub(crate) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    pub(crate) fn bytes(self, bytes: &[u8]) -> Self {
        let mut seed = self.word(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            seed = seed.word(u64::from_le_bytes(word));
        }
        seed
    }

    /// A number that goes with the seed, for numbering things that need no generator.
    pub(crate) const fn number(self) -> u64 {
        self.0
    }
}

/// A stream of draws.
#[derive(Debug, Clone)]
pub(crate) struct Generator(Xoshiro256PlusPlus);

impl Generator {
    pub(crate) fn new(seed: Seed) -> Self {
        let mut state = [0; 32];
        let mut word = seed.0;
        for chunk in state.chunks_exact_mut(8) {
            word = word.wrapping_add(GOLDEN);
            chunk.copy_from_slice(&mix(word).to_le_bytes());
        }
        Self(Xoshiro256PlusPlus::from_seed(state))
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `bound`, 0 for the bound 0. The bias of the multiplication is below 2^-32.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        let wide = (self.bits() >> 32) * u64::from(bound);
        u32::try_from(wide >> 32).unwrap_or(0)
    }

    /// An index of a list of this length, 0 for an empty one.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        self.below(u32::try_from(length).unwrap_or(u32::MAX)) as usize
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// True in `percent` of a hundred cases.
    pub(crate) fn percent(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    /// A real number from 0 up to and without 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// A standard normal deviate (Box and Muller, 1958).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.unit()));
        radius * libm::cos(core::f64::consts::TAU * self.unit())
    }

    /// A lognormal deviate with this median; `sigma` is the standard deviation of its logarithm.
    pub(crate) fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        median * libm::exp(sigma * self.normal())
    }

    /// A Poisson deviate (Knuth's product of uniforms); at most 64, since nobody has more sessions on a day.
    pub(crate) fn poisson(&mut self, mean: f64) -> u32 {
        let limit = libm::exp(-mean);
        let mut product = self.unit();
        let mut count = 0;
        while product > limit && count < 64 {
            product *= self.unit();
            count += 1;
        }
        count
    }

    /// A geometric deviate of at least 1 with this mean.
    pub(crate) fn geometric(&mut self, mean: f64) -> u32 {
        let draw = self.unit();
        if mean <= 1.0 {
            return 1;
        }
        let steps = libm::log(1.0 - draw) / libm::log(1.0 - 1.0 / mean);
        1 + u32::try_from(whole(steps)).unwrap_or(u32::MAX - 1)
    }

    /// An index drawn by weight; `None` when all weights are 0.
    pub(crate) fn weighted(&mut self, weights: &[u32]) -> Option<usize> {
        let total = weights.iter().map(|weight| u64::from(*weight)).sum::<u64>();
        let mut left = u64::from(self.below(u32::try_from(total).unwrap_or(u32::MAX)));
        weights.iter().position(|weight| {
            let hit = left < u64::from(*weight);
            left = left.saturating_sub(u64::from(*weight));
            hit
        })
    }

    /// One of `list`; `None` when it is empty.
    pub(crate) fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        list.get(self.index(list.len()))
    }

    /// One of `words`; nothing when there are none.
    pub(crate) fn word<'a>(&mut self, words: &[&'a str]) -> &'a str {
        self.pick(words).copied().unwrap_or("")
    }
}

/// The whole part of a number that is not negative; 0 for anything else.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float becomes an integer by saturation, and not-a-number becomes 0"
)]
pub(crate) const fn whole(number: f64) -> u64 {
    number as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The draws themselves are pinned: a library that changes them would change every plan.
    #[test]
    fn inv_11_draws_are_pinned() {
        let mut draws = Generator::new(Seed::new(7).purpose(Purpose::Day).text("maria-keller").word(3));
        let seen = [draws.bits(), u64::from(draws.below(1000)), whole(draws.lognormal(1e9, 1.5))];
        assert_eq!(seen, [7_222_766_664_810_959_437, 817, 120_829_378]);
    }

    #[test]
    fn samples_have_the_means_they_promise() {
        let mut draws = Generator::new(Seed::new(1));
        let count = 40_000;
        let mean = |total: f64| total / f64::from(count);
        let poisson = mean((0..count).map(|_| f64::from(draws.poisson(2.5))).sum());
        let geometric = mean((0..count).map(|_| f64::from(draws.geometric(3.4))).sum());
        let below = mean((0..count).map(|_| f64::from(draws.below(101))).sum());
        let log = mean((0..count).map(|_| libm::log(draws.lognormal(10.0, 1.2))).sum());
        assert!((poisson - 2.5).abs() < 0.05, "{poisson}");
        assert!((geometric - 3.4).abs() < 0.07, "{geometric}");
        assert!((below - 50.0).abs() < 0.6, "{below}");
        assert!((log - libm::log(10.0)).abs() < 0.03, "{log}");
    }

    #[test]
    fn weights_of_zero_are_never_drawn() {
        let mut draws = Generator::new(Seed::new(2));
        assert_eq!(draws.weighted(&[0, 0]), None);
        assert_eq!(draws.weighted(&[]), None);
        assert!((0..1000).all(|_| draws.weighted(&[0, 3, 0]) == Some(1)));
    }
}

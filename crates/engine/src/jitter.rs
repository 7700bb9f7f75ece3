//! Seeded jitter: the same job's same attempt waits equally long in every run of one seed.

use verisim_core::JobId;

/// A uniform number out of the seed, the job and which of its waits it is (the finaliser of SplitMix64).
pub(crate) fn jitter(seed: u64, job: JobId, nth: u32) -> u32 {
    let mut x = seed
        ^ job.0.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ u64::from(nth).wrapping_mul(0xd1b5_4a32_d192_ed03);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^= x >> 31;
    u32::try_from(x >> 32).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_spreads_and_repeats() {
        let of = |seed, job, nth| jitter(seed, JobId(job), nth);
        assert_eq!(of(1, 2, 3), of(1, 2, 3));
        let mean = (0..4096).map(|job| f64::from(of(7, job, 1))).sum::<f64>() / 4096.0;
        assert!((mean / f64::from(u32::MAX) - 0.5).abs() < 0.03, "{mean}");
        assert_ne!(of(1, 2, 3), of(2, 2, 3));
        assert_ne!(of(1, 2, 3), of(1, 2, 4));
    }
}

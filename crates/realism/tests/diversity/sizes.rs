//! Sizes of files against those of Unix disks (Irlam, 1993): lognormal, ln bytes with mean 7.48 and deviation 1.98.

use std::collections::BTreeMap;

use verisim_core::FileClass;

const MEAN: f64 = 7.48;
const DEVIATION: f64 = 1.98;

/// The largest distance between the distribution of `sizes` and the law (Kolmogorov and Smirnov).
pub(crate) fn distance(sizes: &[u64]) -> f64 {
    let mut sizes = sizes.to_vec();
    sizes.sort_unstable();
    let count = sizes.len() as f64;
    let each = sizes.iter().enumerate().map(|(place, size)| {
        let law = law(*size as f64);
        (law - place as f64 / count).abs().max((law - (place + 1) as f64 / count).abs())
    });
    each.fold(0.0, f64::max)
}

fn law(size: f64) -> f64 {
    0.5 * libm::erfc(-(libm::log(size.max(1.0)) - MEAN) / (DEVIATION * core::f64::consts::SQRT_2))
}

/// How many files of each class, their quartiles, and the law at the deciles, for whoever has to mend it.
pub(crate) fn by_class(sizes: &[(FileClass, u64)]) -> String {
    let mut classes: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (class, size) in sizes {
        classes.entry(class.to_string()).or_default().push(*size);
        classes.entry("all".to_owned()).or_default().push(*size);
    }
    let mut out = String::new();
    for (class, mut sizes) in classes {
        sizes.sort_unstable();
        let deciles: Vec<String> =
            (0..=10).map(|tenth| sizes[(sizes.len() - 1) * tenth / 10].to_string()).collect();
        out.push_str(&format!("{class:>14} {:>7}: {}\n", sizes.len(), deciles.join(" ")));
    }
    out
}

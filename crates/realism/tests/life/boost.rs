//! Gradient boosting of small trees (Friedman, 2001), to ask whether one can tell two samples apart.

const ROUNDS: usize = 100;
const RATE: f64 = 0.1;
const DEPTH: usize = 3;
const FOLDS: usize = 5;
/// A leaf holds at least so many.
const LEAF: usize = 3;

/// What was seen of one, and whether it is of the first sample.
pub(crate) type Case = (Vec<f64>, bool);

enum Tree {
    Leaf(f64),
    Split { column: usize, at: f64, below: Box<Tree>, above: Box<Tree> },
}

/// What trees are grown from. The orders of the columns are sorted once.
struct Ground<'a> {
    cases: &'a [Case],
    orders: Vec<Vec<usize>>,
}

impl<'a> Ground<'a> {
    fn new(cases: &'a [Case]) -> Self {
        let sorted = |column: usize| {
            let mut order: Vec<usize> = (0..cases.len()).collect();
            order.sort_by(|a, b| cases[*a].0[column].total_cmp(&cases[*b].0[column]));
            order
        };
        let columns = cases.first().map_or(0, |case| case.0.len());
        Self { cases, orders: (0..columns).map(sorted).collect() }
    }

    /// Fits residuals by squares; a leaf takes one step of Newton's for the logistic loss.
    fn grow(&self, residual: &[f64], chosen: &[bool], depth: usize) -> Tree {
        let best = if depth == 0 { None } else { self.split(residual, chosen) };
        let Some((column, at)) = best else {
            let inside = || residual.iter().zip(chosen).filter(|(_, chosen)| **chosen).map(|(left, _)| *left);
            let weight = inside().map(|left| left.abs() * (1.0 - left.abs())).sum::<f64>();
            return Tree::Leaf((inside().sum::<f64>() / weight.max(1e-9)).clamp(-4.0, 4.0));
        };
        let part = |below: bool| {
            let goes = |(case, chosen): (&Case, &bool)| *chosen && (case.0[column] <= at) == below;
            let chosen: Vec<bool> = self.cases.iter().zip(chosen).map(goes).collect();
            Box::new(self.grow(residual, &chosen, depth - 1))
        };
        Tree::Split { column, at, below: part(true), above: part(false) }
    }

    /// The split that lowers the squares most.
    fn split(&self, residual: &[f64], chosen: &[bool]) -> Option<(usize, f64)> {
        let inside = || residual.iter().zip(chosen).filter(|(_, chosen)| **chosen);
        let (count, total) = (inside().count(), inside().map(|(left, _)| left).sum::<f64>());
        let mut best = (total * total / count.max(1) as f64 + 1e-9, None);
        for (column, order) in self.orders.iter().enumerate() {
            let (mut sum, mut place, mut before) = (0.0, 0, f64::NAN);
            for case in order.iter().filter(|case| chosen[**case]) {
                let at = self.cases[*case].0[column];
                if place >= LEAF && count - place >= LEAF && before < at {
                    let gain =
                        sum * sum / place as f64 + (total - sum) * (total - sum) / (count - place) as f64;
                    if gain > best.0 {
                        best = (gain, Some((column, f64::midpoint(before, at))));
                    }
                }
                sum += residual[*case];
                (place, before) = (place + 1, at);
            }
        }
        best.1
    }
}

impl Tree {
    fn answer(&self, case: &[f64]) -> f64 {
        match self {
            Self::Leaf(answer) => *answer,
            Self::Split { column, at, below, above } => {
                if case[*column] <= *at {
                    below.answer(case)
                } else {
                    above.answer(case)
                }
            }
        }
    }
}

/// The log-odds that cases are of the first sample, learned from `cases`.
fn learn(cases: &[Case]) -> impl Fn(&[f64]) -> f64 {
    let first = cases.iter().filter(|case| case.1).count() as f64;
    let start = (first / (cases.len() as f64 - first)).ln();
    let ground = Ground::new(cases);
    let mut scores = vec![start; cases.len()];
    let mut trees = Vec::new();
    for _ in 0..ROUNDS {
        let wrong = |(case, score): (&Case, &f64)| f64::from(u8::from(case.1)) - 1.0 / (1.0 + (-score).exp());
        let residual: Vec<f64> = cases.iter().zip(&scores).map(wrong).collect();
        let tree = ground.grow(&residual, &vec![true; cases.len()], DEPTH);
        for (case, score) in cases.iter().zip(&mut scores) {
            *score += RATE * tree.answer(&case.0);
        }
        trees.push(tree);
    }
    move |case| start + trees.iter().map(|tree| RATE * tree.answer(case)).sum::<f64>()
}

/// The area under the curve with which the samples are told apart, each case judged by what was learned without its fold:
/// 0.5 is chance. The mean of `turns` divisions into folds.
pub(crate) fn area(first: &[Vec<f64>], second: &[Vec<f64>], turns: u64) -> f64 {
    let areas = (0..turns).map(|turn| {
        let mut judged: Vec<(f64, bool)> = Vec::new();
        let label = |list: &[Vec<f64>], of_first: bool| -> Vec<(usize, Case)> {
            let mut order: Vec<usize> = (0..list.len()).collect();
            order.sort_by_key(|place| scattered(*place as u64, turn));
            order.iter().enumerate().map(|(n, place)| (n % FOLDS, (list[*place].clone(), of_first))).collect()
        };
        let all: Vec<(usize, Case)> = label(first, true).into_iter().chain(label(second, false)).collect();
        for fold in 0..FOLDS {
            let rest: Vec<Case> =
                all.iter().filter(|case| case.0 != fold).map(|case| case.1.clone()).collect();
            let judge = learn(&rest);
            let of_fold = all.iter().filter(|case| case.0 == fold);
            judged.extend(of_fold.map(|(_, case)| (judge(&case.0), case.1)));
        }
        rank(&judged)
    });
    areas.sum::<f64>() / turns as f64
}

/// The share of pairs of the two samples that are in the right order; a tie counts half.
fn rank(judged: &[(f64, bool)]) -> f64 {
    let of = |wanted: bool| judged.iter().filter(move |case| case.1 == wanted).map(|case| case.0);
    let order = |first: f64, second: f64| match first.total_cmp(&second) {
        std::cmp::Ordering::Greater => 1.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Less => 0.0,
    };
    let right = of(true).map(|first| of(false).map(|second| order(first, second)).sum::<f64>()).sum::<f64>();
    right / (of(true).count() * of(false).count()) as f64
}

/// A number that looks like chance (the finaliser of SplitMix64), the same every time.
fn scattered(number: u64, turn: u64) -> usize {
    let word =
        (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (turn + 1).wrapping_mul(0xD1B5_4A32_D192_ED03);
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    usize::try_from((word ^ (word >> 31)) >> 16).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cloud(count: usize, shift: f64, salt: u64) -> Vec<Vec<f64>> {
        let unit =
            |number: usize, column: u64| (scattered(number as u64, salt + column) % 10_000) as f64 / 10_000.0;
        (0..count).map(|number| (0..4).map(|column| unit(number, column) + shift).collect()).collect()
    }

    #[test]
    fn what_is_the_same_is_not_told_apart_and_what_is_not_is() {
        let same = area(&cloud(65, 0.0, 10), &cloud(200, 0.0, 20), 5);
        assert!((0.35..0.65).contains(&same), "{same}");
        let other = area(&cloud(65, 0.0, 10), &cloud(200, 0.3, 20), 5);
        assert!(other > 0.85, "{other}");
    }
}

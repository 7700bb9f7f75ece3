//! What the figures of the pattern of life mean.

/// How many traits make one person's days what they are. Logarithms and log-odds, so that a little more or less of each is a
/// person, too. In the order of a row:
///
/// 1. Sessions on a day of work, as a logarithm.
/// 2. Log-odds that a moment is followed by another one of the session, and
/// 3. that what follows is a quick follow-up.
/// 4. Median minutes of a quick follow-up, and
/// 5. of a thinking gap, as logarithms.
/// 6. Standard deviations of the logarithm of the first, and
/// 7. of the second.
/// 8. Standard deviations of a week's momentum, and
/// 9. of a day's mood, as logarithms of what are themselves logarithms.
/// 10. Below which drive a day stays idle, in standard deviations of it.
/// 11. Log-odds that a project falls asleep in a block, and
/// 12. the median days of such a spell, as a logarithm.
/// 13. Log-odds that on a day of a spell something is looked after all the same.
/// 14. Log-odds of a vacation in a quarter of a year.
/// 15. For those who keep free hours, by the hour an evening against working hours, and
/// 16. a free day against a working day, as logarithms.
///
/// [`super::nature::Nature::with`] reads them.
pub(crate) const TRAITS: usize = 16;

/// How much a persona differs from the row whose traits it has: the standard deviation of each number.
pub(crate) const JITTER: f64 = 0.08;

/// How much sessions of one persona differ in their log-odds to go on.
pub(crate) const FOLLOW_SIGMA: f64 = 0.6;
/// Standard deviation of the logarithm of a spell's length.
pub(crate) const SLEEP_SIGMA: f64 = 0.3;
/// Before and after a spell or a vacation, for how many days things are looked after now and then only: the median, the standard
/// deviation of the logarithm, and the most; and how likely they are looked after on such a day.
pub(crate) const DRIFT_DAYS: f64 = 4.6;
pub(crate) const DRIFT_SIGMA: f64 = 0.35;
pub(crate) const DRIFT_DAYS_MAX: f64 = 10.0;
pub(crate) const DRIFT_CHANCE: f64 = 0.9;
/// How much of a week's momentum is that of its three weeks, and of a day's mood that of the day before.
pub(crate) const MOMENTUM_LASTS: f64 = 0.7;
pub(crate) const MOOD_LASTS: f64 = 0.4;
/// On a day with less than so much of an ordinary day's intensity things are done one at a time: days that bring little come
/// together, as do the long gaps that they leave.
pub(crate) const QUIET: f64 = 0.55;
/// Between two sessions: minutes as a median, and the standard deviation of the logarithm.
pub(crate) const BREAK_MINUTES: f64 = 60.0;
pub(crate) const BREAK_SIGMA: f64 = 0.6;
/// Sessions of looking around on a day of work, on average.
pub(crate) const LOOKS: f64 = 0.9;

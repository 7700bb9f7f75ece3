//! What the figures of the pattern of life mean.

/// What makes one person's days what they are. Logarithms and log-odds, so that a little more or less of each is a person, too.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Traits {
    /// Sessions on a day of work, as a logarithm.
    pub(crate) sessions: f64,
    /// Log-odds that a moment is followed by another one of the session.
    pub(crate) follow: f64,
    /// Log-odds that what follows is a quick follow-up.
    pub(crate) quick: f64,
    /// Median minutes of a quick follow-up, and of a thinking gap, as logarithms.
    pub(crate) quick_minutes: f64,
    pub(crate) think_minutes: f64,
    /// Standard deviations of the logarithms of both.
    pub(crate) quick_sigma: f64,
    pub(crate) think_sigma: f64,
    /// Standard deviations of a week's momentum and of a day's mood, as logarithms of what are themselves logarithms.
    pub(crate) momentum: f64,
    pub(crate) mood: f64,
    /// Below which drive a day stays idle, in standard deviations of it.
    pub(crate) idle: f64,
    /// Log-odds that a project falls asleep in a block, and the median days of such a spell, as a logarithm.
    pub(crate) sleep: f64,
    pub(crate) sleep_days: f64,
    /// Log-odds that on a day of a spell something is looked after all the same.
    pub(crate) straggle: f64,
    /// Log-odds of a vacation in a quarter of a year.
    pub(crate) away: f64,
    /// For those who keep free hours, by the hour an evening against working hours, and a free day against a working day, as
    /// logarithms.
    pub(crate) evening: f64,
    pub(crate) weekend: f64,
}

/// How many traits there are.
pub(crate) const TRAITS: usize = 16;

impl Traits {
    /// Of numbers in the order of the fields.
    pub(crate) const fn of(numbers: &[f64; TRAITS]) -> Self {
        let [
            sessions,
            follow,
            quick,
            quick_minutes,
            think_minutes,
            quick_sigma,
            think_sigma,
            momentum,
            mood,
            idle,
            sleep,
            sleep_days,
            straggle,
            away,
            evening,
            weekend,
        ] = *numbers;
        Self {
            sessions,
            follow,
            quick,
            quick_minutes,
            think_minutes,
            quick_sigma,
            think_sigma,
            momentum,
            mood,
            idle,
            sleep,
            sleep_days,
            straggle,
            away,
            evening,
            weekend,
        }
    }
}

/// How much a persona differs from the row whose traits it has: the standard deviation of each number.
pub(crate) const JITTER: f64 = 0.08;

/// How much sessions of one persona differ in their log-odds to go on.
pub(crate) const FOLLOW_SIGMA: f64 = 0.6;
/// Standard deviation of the logarithm of a spell's length.
pub(crate) const SLEEP_SIGMA: f64 = 0.3;
/// Before and after a spell or a vacation, for how many days things are looked after now and then only: the median, the standard
/// deviation of the logarithm, and the most; and how likely they are looked after on such a day.
pub(crate) const DRIFT_DAYS: f64 = 4.0;
pub(crate) const DRIFT_SIGMA: f64 = 0.5;
pub(crate) const DRIFT_DAYS_MAX: f64 = 10.0;
pub(crate) const DRIFT_CHANCE: f64 = 0.35;
/// How much of a week's momentum is that of its three weeks, and of a day's mood that of the day before.
pub(crate) const MOMENTUM_LASTS: f64 = 0.5;
pub(crate) const MOOD_LASTS: f64 = 0.3;
/// Between two sessions: minutes as a median, and the standard deviation of the logarithm.
pub(crate) const BREAK_MINUTES: f64 = 60.0;
pub(crate) const BREAK_SIGMA: f64 = 0.6;
/// Sessions of looking around on a day of work, on average.
pub(crate) const LOOKS: f64 = 0.9;

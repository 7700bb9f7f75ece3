//! What comes out of an audit.

use serde::Serialize;

/// What a decoy looks like to whoever tries to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing gives it away: the score is 85 or more.
    LivedIn,
    /// Nobody ever lived there: no files of people, no logins, no histories. It is not fake, it is empty.
    Lifeless,
    /// There is reason to doubt: a score of 50 to 84.
    Doubtful,
    /// It is taken for a decoy: a score below 50.
    Decoy,
    /// There was too little to judge by.
    Unclear,
}

/// What gives a decoy away, or could.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// Which tell it is, of eighteen.
    pub tell: u8,
    /// Its name for scripts.
    pub code: &'static str,
    /// What is seen.
    pub what: String,
    /// How much it says for a decoy, in decibans: ten of them are odds of ten to one.
    pub weight_db: f64,
    /// How many cases are affected.
    pub affected: usize,
    /// Of how many.
    pub of: usize,
    /// Some of them.
    pub examples: Vec<String>,
    /// The command by which an intruder sees it.
    pub see: String,
    /// What to do about it.
    pub mend: String,
    /// What explains it, in part or wholly; the weight is what remains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explained: Option<String>,
}

impl Finding {
    /// A finding of this tell.
    pub(crate) fn new(tell: u8, code: &'static str, weight_db: f64, what: String) -> Self {
        Self {
            tell,
            code,
            what,
            weight_db,
            affected: 0,
            of: 0,
            examples: Vec::new(),
            see: String::new(),
            mend: String::new(),
            explained: None,
        }
    }

    /// How many of how many.
    pub(crate) fn cases(mut self, affected: usize, of: usize) -> Self {
        (self.affected, self.of) = (affected, of);
        self
    }

    /// Some of them.
    pub(crate) fn examples(mut self, examples: impl IntoIterator<Item = String>) -> Self {
        self.examples = examples.into_iter().take(EXAMPLES_MAX).collect();
        self
    }

    /// The command by which an intruder sees it.
    pub(crate) fn see(mut self, see: impl Into<String>) -> Self {
        self.see = see.into();
        self
    }

    /// What to do about it.
    pub(crate) fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = mend.into();
        self
    }

    /// The same with what explains it, and this part of the weight left.
    pub(crate) fn explained(mut self, left: f64, why: impl Into<String>) -> Self {
        self.weight_db *= left;
        self.explained = Some(why.into());
        self
    }
}

/// How many examples are shown.
const EXAMPLES_MAX: usize = 3;

/// What an audit of one decoy came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// What was looked at.
    pub name: String,
    /// 0 to 100: how likely it is, in percent, that an intruder still takes it for a real host who began by holding one
    /// host in a hundred for a decoy.
    pub score: u8,
    /// 0 to 1: how much of what could be found out was there to be judged.
    pub confidence: f64,
    /// What it comes to.
    pub verdict: Verdict,
    /// How many files and folders were looked at.
    pub entries: usize,
    /// How many of them are files of people that nothing else explains.
    pub personal: usize,
    /// How many others of people came out of an archive or a checkout.
    pub unpacked: usize,
    /// What was found, the heaviest first.
    pub findings: Vec<Finding>,
    /// What could not be looked at, or not all of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

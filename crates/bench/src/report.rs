//! What was measured, gathered for one table at the end.

use crate::measure::Error;

/// How a figure stands to its bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is as good as it shall be.
    Met,
    /// It is not.
    Missed,
    /// It has no bar, and is shown beside one that has.
    Shown,
    /// What it is compared with is not on this machine.
    NotMeasured,
}

impl Verdict {
    /// Of a figure that has a bar.
    pub(crate) const fn of(met: bool) -> Self {
        if met { Self::Met } else { Self::Missed }
    }
}

/// One line of the table.
#[derive(Debug)]
struct Row {
    what: String,
    figure: String,
    bar: String,
    verdict: Verdict,
    noisy: bool,
}

/// Everything that was measured in one run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Notes a figure, and what it should be.
    pub(crate) fn note(&mut self, what: impl Into<String>, figure: String, bar: String, verdict: Verdict) {
        self.rows.push(Row { what: what.into(), figure, bar, verdict, noisy: false });
    }

    /// Notes that something could not be measured, and says so at once.
    pub(crate) fn missing(&mut self, what: impl Into<String>, bar: String) {
        let what = what.into();
        println!("NOT MEASURED: {what}: it is not installed");
        self.note(what, "-".into(), bar, Verdict::NotMeasured);
    }

    /// The last `rows` were measured on a machine too noisy to believe them.
    pub(crate) fn doubt(&mut self, rows: usize) {
        let from = self.rows.len().saturating_sub(rows);
        for row in self.rows.iter_mut().skip(from) {
            row.noisy = true;
        }
    }

    /// Prints the table.
    ///
    /// # Errors
    /// When a bar was missed, or could not be measured.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        println!("\n{:<88} {:>16} {:>10}", "", "measured", "bar");
        for row in &self.rows {
            let verdict = match row.verdict {
                Verdict::Met => "met",
                Verdict::Missed => "MISSED",
                Verdict::Shown => "",
                Verdict::NotMeasured => "NOT MEASURED",
            };
            let noisy = if row.noisy { "  (noisy machine)" } else { "" };
            println!("{:<88} {:>16} {:>10}   {verdict}{noisy}", row.what, row.figure, row.bar);
        }
        let short = |row: &&Row| matches!(row.verdict, Verdict::Missed | Verdict::NotMeasured);
        match self.rows.iter().filter(short).count() {
            0 => Ok(()),
            short => Err(format!("{short} of {} rows are not as they shall be", self.rows.len()).into()),
        }
    }
}

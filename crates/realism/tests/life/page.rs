//! The page of the documentation: what was measured, in tables.

use std::fmt::Write as _;

use crate::score::{NAMES, Row, SHAPE, column, distance, inside, quantile};

/// Beside the shape, what follows the role.
const ROLE: [&str; 4] = ["events", "active_days", "weekend", "hour_entropy"];
const LONG: [&str; 4] = ["gap50", "gap75", "gap90", "gap99"];

const HEAD: &str = "# The pattern of life, against that of people\n\n\
    Made by the tests from what the planner plans: 200 personas of eight roles in five time zones, 120 days, the times of their\n\
    plants and edits (lines at the end and better names are edits), from five seeds: 1,000 personas. `VERISIM_WRITE_DOCS=1 cargo test -p verisim-realism --test\n\
    life` writes it anew; `verisim simulate --days 120 --personas 200` shows such a plan.\n\n";

const HOW: &str = "## What is compared with what\n\n\
    `crates/realism/tests/life/people.csv` has one row for each of 65 people: the author dates of their commits to public\n\
    projects, 300 or more each, robots left out, the whole of their years in one project. A column is held against theirs by two\n\
    figures: the share of personas between the 5 % and the 95 % quantile of people (bar: 0.9), and the distance of Kolmogorov and\n\
    Smirnov between the two distributions (bar: 0.3).\n\n\
    - Samples of like size: a person comes into the table with 300 events or more, half of them have fewer than 800, and a\n\
      persona leaves some hundreds in 120 days. Burstiness, memory and quantiles of gaps are estimated from about as many gaps.\n\
      The second distance of each table leaves out the people with more than 2,000 events, so that nobody is compared with\n\
      twenty years.\n\
    - The same number of events in 120 days and in ten years means that the days between them are not the same. Somebody who is\n\
      active on 15 days of a hundred and leaves two commits in a sitting has 800 events after years, never after 120 days: a\n\
      persona with 500 events whose upper quartile of gaps is a night or longer (`gap75` of 700 minutes, as with three people\n\
      in four) needs 125 nights. So the quantiles of gaps from the median up, and the share of active days, are told below for those who keep free hours,\n\
      and held to no bar.\n\
    - How a persona is drawn: like one of 65 rows of traits, and a little like nobody. The rows were found by a search over simulations\n\
      of 120 days, for traits that come out like each of these people, and then chosen so that together they are spread as the people\n\
      are; the momentum of weeks was raised by a fifth in all rows afterwards, which `memory` wanted. So the people that personas are held against are those that they were made after, and what the tables show is how close the model can come, not that it would foresee others.\n\
    - `memory`, the correlation of successive gaps, is a matter of three or four silences in 120 days. Before and after a long one\n\
      things are done one at a time, now and then, and so they are on quiet days, which come together: long gaps stand beside\n\
      long gaps, as with people.\n\
    - The shape is held against people for every role. What follows the role is held against them for those who keep free hours,\n\
      as these people did; who keeps office hours has no weekends, and 2.8 to 3.6 bits of hours.\n\n";

/// The page.
pub(crate) fn page(
    people: &[Row],
    groups: &[(&str, Vec<Row>)],
    roles: &[(&str, Vec<Row>)],
    [ours, flat]: [f64; 2],
) -> String {
    let mut page = String::from(HEAD);
    page.push_str(HOW);
    for (name, rows) in groups {
        let _ = write!(page, "## {name}\n\n");
        let wanted = |column: &&&str| {
            SHAPE.contains(*column)
                || (name.contains("free") && (ROLE.contains(*column) || LONG.contains(*column)))
        };
        let columns: Vec<&&str> = NAMES.iter().filter(wanted).collect();
        table(&mut page, people, rows, &columns);
    }
    page.push_str("## Role by role\n\nThe distance of each column of the shape, and of all that is inside the least share. A role has 125 personas here.\n\n");
    let _ = writeln!(
        page,
        "| Role | {} | least inside |\n|---|{}---|",
        SHAPE.join(" | "),
        "---|".repeat(SHAPE.len())
    );
    for (name, rows) in roles {
        let apart: Vec<String> = SHAPE
            .iter()
            .map(|name| format!("{:.2}", distance(&column(rows, name), &column(people, name))))
            .collect();
        let least =
            SHAPE.iter().map(|name| inside(&column(rows, name), &column(people, name))).fold(1.0, f64::min);
        let _ = writeln!(page, "| {name} | {} | {least:.2} |", apart.join(" | "));
    }
    let _ = write!(
        page,
        "\n## A classifier\n\n\
         Gradient boosting (100 trees of depth 3, rate 0.1) sees the columns of the shape of the 65 people and of the 200 personas of one seed, and is\n\
         asked which is which; five folds, six divisions, the mean of the five seeds. 0.5 is chance, 1 is told every time.\n\n\
         | Personas | Area under the curve | Bar |\n|---|---|---|\n\
         | of this pattern of life | {ours:.2} | at most 0.75 |\n\
         | of a flat clock, one action a minute in working hours | {flat:.2} | |\n\n\
         Of the people that personas are made after, the classifier sees all; so the first figure tells that personas do not fall short\n\
         of these, not that there are no others. The rows are found by `crates/realism/src/life/fit.rs`.\n"
    );
    page
}

fn table(page: &mut String, people: &[Row], rows: &[Row], columns: &[&&str]) {
    page.push_str("| Column | Inside | Distance | to 2,000 events | Personas at 5, 50, 95 % | People at 5, 50, 95 % |\n|---|---|---|---|---|---|\n");
    let like: Vec<Row> = people.iter().filter(|row| row.0[0] <= 2000.0).copied().collect();
    for name in columns {
        let (ours, theirs) = (column(rows, name), column(people, name));
        let at = |numbers: &[f64]| [0.05, 0.5, 0.95].map(|share| short(quantile(numbers, share))).join(", ");
        let _ = writeln!(
            page,
            "| `{name}` | {:.2} | {:.2} | {:.2} | {} | {} |",
            inside(&ours, &theirs),
            distance(&ours, &theirs),
            distance(&ours, &column(&like, name)),
            at(&ours),
            at(&theirs)
        );
    }
    page.push('\n');
}

fn short(number: f64) -> String {
    if number.abs() >= 100.0 { format!("{number:.0}") } else { format!("{number:.2}") }
}

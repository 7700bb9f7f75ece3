//! What is said of a burn-in.

use serde::Serialize;
use verisim_core::{BurnIn, DecoyName, DecoyPath, Timestamp};
use verisim_engine::{Planted, Undone};

use crate::context::Context;
use crate::error::CliResult;
use crate::render::table::counted;
use crate::render::time;

/// How many names a line for people has.
const NAMED_MAX: usize = 10;

/// Says what a decoy has now.
pub(super) fn planted(context: &Context, burn: &BurnIn, planted: &Planted) -> CliResult<()> {
    if context.output.json {
        #[derive(Serialize)]
        struct Line<'a> {
            decoy: &'a DecoyName,
            days: u32,
            from: Timestamp,
            until: Timestamp,
            files: u32,
            taken: &'a [DecoyPath],
            owners_not_set: u32,
            directories_not_set: Vec<&'a DecoyPath>,
            story: &'a str,
            notes: &'a [String],
        }
        return context.output.typed(
            "burn_in",
            &Line {
                decoy: &burn.decoy,
                days: burn.days,
                from: burn.from,
                until: burn.until,
                files: planted.files,
                taken: &planted.taken,
                owners_not_set: planted.owners_not_set,
                directories_not_set: planted.directories.iter().map(|(path, _)| path).collect(),
                story: &burn.story,
                notes: &burn.notes,
            },
        );
    }
    let say = |text: String| context.output.say(text);
    context.output.line(format!(
        "{} has a past of {} days: {}, the last of {}",
        burn.decoy,
        burn.days,
        counted(u64::from(planted.files), "file"),
        time::utc(burn.until)
    ))?;
    say(format!(
        "  nobody can set change and birth times, and they are all of today; the story is: {}",
        burn.story
    ));
    if !planted.taken.is_empty() {
        say(format!("  something else stood there, and stays: {}", some(&planted.taken)));
    }
    if planted.owners_not_set > 0 {
        say(format!(
            "  {} do not belong to whom they should: we may not set that there",
            counted(u64::from(planted.owners_not_set), "file")
        ));
    }
    for (path, why) in planted.directories.iter().take(NAMED_MAX) {
        say(format!("  {path} keeps the time of today: {}", verisim_core::printable(why)));
    }
    burn.notes.iter().for_each(|note| say(format!("  {note}")));
    Ok(())
}

/// Says what a decoy is without its past.
pub(super) fn undone(context: &Context, decoy: &DecoyName, undone: &Undone) -> CliResult<()> {
    if context.output.json {
        #[derive(Serialize)]
        struct Line<'a> {
            decoy: &'a DecoyName,
            removed: u32,
            restored: u32,
            left: &'a [DecoyPath],
            directories_left: Vec<&'a DecoyPath>,
        }
        return context.output.typed(
            "burn_in_undone",
            &Line {
                decoy,
                removed: undone.removed,
                restored: undone.restored,
                left: &undone.left,
                directories_left: undone.directories.iter().map(|(path, _)| path).collect(),
            },
        );
    }
    let say = |text: String| context.output.say(text);
    context.output.line(format!(
        "{decoy} is without its past: {} gone, {} as before",
        counted(u64::from(undone.removed), "file"),
        counted(u64::from(undone.restored), "file")
    ))?;
    say("  contents, owners, modes and times are those of before; change and birth times, and the inode numbers of files that were put back, are new: nobody can set them".to_owned());
    for path in undone.left.iter().take(NAMED_MAX) {
        say(format!("  {path} was changed since, and stays"));
    }
    for (path, why) in undone.directories.iter().take(NAMED_MAX) {
        say(format!("  {path} stays: {}", verisim_core::printable(why)));
    }
    let named = undone.left.len().min(NAMED_MAX) + undone.directories.len().min(NAMED_MAX);
    let more = undone.left.len() + undone.directories.len() - named;
    if more > 0 {
        say(format!("  and {more} more stay; --json names them all"));
    }
    Ok(())
}

fn some(paths: &[DecoyPath]) -> String {
    let names: Vec<String> = paths.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    let more = paths.len().saturating_sub(NAMED_MAX);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    format!("{}{more}", names.join(", "))
}

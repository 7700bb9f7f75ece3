//! Tell 16: mail that nobody wrote to anybody: the same subjects, answers that never go deeper than one step, one second for
//! many messages, message ids of another program than the one that is named, arrivals far from dates, folders as no server
//! has them.
//!
//! On a technical list of 17,879 messages 23 % begin a thread and 48 % stand deeper than one step; of office mail, 47 % are
//! answers (Klimt and Yang, 2004).

use std::collections::{BTreeMap, BTreeSet};

use super::Checked;
use crate::case::{Case, shown};
use crate::evidence::Mailbox;
use crate::read::Message;
use crate::report::Finding;
use crate::stats::{ramp, reach, seconds, share};

pub(super) const POWER_DB: f64 = 14.0;

/// Whether an id may be of a program.
type Fits = fn(&str) -> bool;

/// What the part of a message id before the `@` of a program looks like, by a word in the program's name.
const IDS: [(&str, Fits); 4] = [
    ("thunderbird", |id| id.len() == 36 && id.matches('-').count() == 4 || id.contains('.')),
    ("mutt", |id| id.starts_with(|c: char| c.is_ascii_alphanumeric()) && !is_uuid(id)),
    ("outlook", |id| !is_uuid(id)),
    ("apple mail", |id| is_uuid(id) && id.chars().all(|c| !c.is_ascii_lowercase())),
];

fn is_uuid(id: &str) -> bool {
    id.len() == 36 && id.split('-').map(str::len).eq([8, 4, 4, 4, 12])
}

pub(super) fn check(case: &Case<'_>) -> Checked {
    let boxes = &case.evidence.mailboxes;
    let mails: Vec<&Message> =
        boxes.iter().flat_map(|mailbox| &mailbox.messages).map(|(_, _, mail)| mail).collect();
    if mails.is_empty() && boxes.iter().all(|mailbox| mailbox.missing.is_empty()) {
        return Checked::blind();
    }
    let reach = reach(mails.len(), 15);
    let findings = [
        layout(boxes),
        subjects(&mails),
        threads(&mails),
        one_second(&mails),
        ids(&mails),
        arrivals(boxes),
        duplicate_ids(boxes),
    ];
    Checked::new(reach, findings.into_iter().flatten())
}

fn layout(boxes: &[Mailbox]) -> Option<Finding> {
    let maildirs: Vec<&Mailbox> = boxes.iter().filter(|mailbox| mailbox.is_maildir).collect();
    let broken: Vec<&&Mailbox> = maildirs.iter().filter(|mailbox| !mailbox.missing.is_empty()).collect();
    let is_named = |name: &str| {
        let base = name.split(":2,").next().unwrap_or(name);
        base.split('.').count() >= 3 && base.starts_with(|c: char| c.is_ascii_digit())
    };
    let messages: Vec<&String> =
        maildirs.iter().flat_map(|mailbox| &mailbox.messages).map(|(_, name, _)| name).collect();
    let odd: Vec<&&String> = messages.iter().filter(|name| !is_named(name)).collect();
    let part = share(odd.len(), messages.len());
    if broken.is_empty() && part < 0.1 {
        return None;
    }
    let weight = if broken.is_empty() { 8.0 * ramp(part, 0.1, 0.6) } else { 8.0 };
    let what = format!(
        "{} of {} mail folders are not laid out as servers do, {} of {} messages not named so",
        broken.len(),
        maildirs.len(),
        odd.len(),
        messages.len()
    );
    Some(
        Finding::new(16, "no_maildir", weight, what)
            .cases(broken.len(), maildirs.len())
            .examples(
                broken
                    .iter()
                    .map(|mailbox| shown(&mailbox.path))
                    .chain(odd.iter().map(|name| verisim_core::printable(name))),
            )
            .see("find / -type d -name Maildir -exec ls {} + ; ls /home/*/Maildir/cur | head")
            .mend("keep cur, new and tmp, and names as time.unique.host:2,flags"),
    )
}

/// A subject without what answers add.
fn topic(subject: &str) -> String {
    let mut rest = subject.trim();
    while let Some((head, tail)) = rest.split_once(':')
        && ["re", "aw", "fw", "fwd", "wg", "sv", "tr", "rv"]
            .contains(&head.trim().to_ascii_lowercase().as_str())
    {
        rest = tail.trim();
    }
    rest.to_lowercase()
}

fn subjects(mails: &[&Message]) -> Option<Finding> {
    // Beginnings of threads alone: answers share a subject.
    let begins: Vec<String> = mails
        .iter()
        .filter(|mail| mail.references.is_empty())
        .map(|mail| topic(&mail.subject))
        .filter(|topic| !topic.is_empty())
        .collect();
    if begins.len() < 8 {
        return None;
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for begin in &begins {
        *counts.entry(begin).or_default() += 1;
    }
    let part = share(counts.len(), begins.len());
    let mut often: Vec<(&str, usize)> = counts.into_iter().collect();
    often.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    Some(
        Finding::new(
            16,
            "few_subjects",
            8.0 * ramp(part, 0.5, 0.15) * reach(begins.len(), 10),
            format!("{} threads have only {} subjects", begins.len(), often.len()),
        )
        .cases(begins.len() - often.len(), begins.len())
        .examples(
            often.iter().map(|(topic, count)| format!("{count} times: {}", verisim_core::printable(topic))),
        )
        .see("grep -rh '^Subject:' /home/*/Maildir /var/mail | sort | uniq -c | sort -rn")
        .mend("let mail be about what people work on"),
    )
}

fn threads(mails: &[&Message]) -> Option<Finding> {
    let answers: Vec<usize> =
        mails.iter().map(|mail| mail.references.len()).filter(|depth| *depth > 0).collect();
    if mails.len() < 20 {
        return None;
    }
    let deep = answers.iter().filter(|depth| **depth > 1).count();
    let flat = ramp(share(deep, answers.len()), 0.1, 0.0) * reach(answers.len(), 8);
    let none = ramp(share(answers.len(), mails.len()), 0.1, 0.0);
    let what = format!(
        "of {} messages {} are answers, and {deep} of them deeper than one step",
        mails.len(),
        answers.len()
    );
    Some(
        Finding::new(16, "threads_one_step_deep", 6.0 * flat.max(0.6 * none), what)
            .cases(answers.len() - deep, answers.len())
            .see("grep -rhc -A3 '^References:' /home/*/Maildir | sort | uniq -c")
            .mend("let answers be answered, with the whole chain in References"),
    )
}

fn one_second(mails: &[&Message]) -> Option<Finding> {
    let dates: Vec<i64> = mails.iter().filter_map(|mail| mail.date).map(|date| date.as_second()).collect();
    if dates.len() < 10 {
        return None;
    }
    let distinct: BTreeSet<&i64> = dates.iter().collect();
    let same = dates.len() - distinct.len();
    let whole = dates.iter().filter(|date| *date % 60 == 0).count();
    // A mail in sixty is sent on a whole minute, by chance (of 17,879: 0.018).
    let weight =
        8.0 * ramp(share(same, dates.len()), 0.2, 0.7).max(ramp(share(whole, dates.len()), 0.15, 0.6));
    Some(
        Finding::new(
            16,
            "mail_of_one_second",
            weight,
            format!("of {} dates {same} are the same second as another, {whole} a whole minute", dates.len()),
        )
        .cases(same.max(whole), dates.len())
        .see("grep -rh '^Date:' /home/*/Maildir /var/mail | sort | uniq -c | sort -rn | head")
        .mend("send each message at a moment of its own"),
    )
}

fn ids(mails: &[&Message]) -> Option<Finding> {
    let known: Vec<(&&Message, bool)> = mails
        .iter()
        .filter_map(|mail| {
            let program = mail.program.to_ascii_lowercase();
            let (_, fits) = IDS.iter().find(|(name, _)| program.contains(name))?;
            let id = mail.id.split('@').next().unwrap_or_default();
            Some((mail, fits(id)))
        })
        .collect();
    let odd: Vec<&&&Message> = known.iter().filter(|(_, fits)| !fits).map(|(mail, _)| mail).collect();
    let without = mails.iter().filter(|mail| mail.id.is_empty()).count();
    let weight = (6.0 * ramp(share(odd.len(), known.len()), 0.1, 0.6) * reach(known.len(), 4))
        .max(8.0 * ramp(share(without, mails.len()), 0.1, 0.6));
    let what = format!(
        "{} of {} message ids are not of the program that is named, {without} messages have none",
        odd.len(),
        known.len()
    );
    Some(
        Finding::new(16, "ids_of_another_program", weight, what)
            .cases(odd.len() + without, mails.len())
            .examples(
                odd.iter().map(|mail| verisim_core::printable(&format!("{}: {}", mail.program, mail.id))),
            )
            .see("grep -rhi -e '^Message-ID:' -e '^User-Agent:' -e '^X-Mailer:' /home/*/Maildir")
            .mend("form ids as the named program does"),
    )
}

fn arrivals(boxes: &[Mailbox]) -> Option<Finding> {
    let mut far = 0;
    let mut all = 0;
    for (arrived, _, mail) in boxes.iter().flat_map(|mailbox| &mailbox.messages) {
        let Some(date) = mail.date.map(seconds) else { continue };
        let arrived = mail.received.map(seconds).into_iter().chain(arrived.map(seconds));
        all += 1;
        // A minute before it was sent, for clocks; an hour after, for queues.
        far += usize::from(arrived.into_iter().any(|at| at < date - 60.0 || at > date + 3600.0));
    }
    (all >= 5).then(|| {
        Finding::new(
            16,
            "arrives_far_from_its_date",
            8.0 * ramp(share(far, all), 0.2, 0.7) * reach(all, 8),
            format!("{far} of {all} messages arrived over an hour from their date"),
        )
        .cases(far, all)
        .see("find /home/*/Maildir -type f -printf '%T+ %p\\n'; grep -rh '^Date:' /home/*/Maildir")
        .mend("deliver when it is sent; give mail of the past the time of its arrival")
    })
}

fn duplicate_ids(boxes: &[Mailbox]) -> Option<Finding> {
    let mut worst = (0, 0);
    for mailbox in boxes {
        let ids: Vec<&str> = mailbox
            .messages
            .iter()
            .map(|(_, _, mail)| mail.id.as_str())
            .filter(|id| !id.is_empty())
            .collect();
        let distinct: BTreeSet<&&str> = ids.iter().collect();
        worst = worst.max((ids.len() - distinct.len(), ids.len()));
    }
    (worst.0 > 0).then(|| {
        Finding::new(
            16,
            "ids_used_twice",
            8.0 * ramp(share(worst.0, worst.1), 0.02, 0.3),
            format!("{} of {} messages of a mailbox have the id of another one", worst.0, worst.1),
        )
        .cases(worst.0, worst.1)
        .see("grep -rhi '^Message-ID:' /home/*/Maildir | sort | uniq -d")
        .mend("give each message an id of its own")
    })
}

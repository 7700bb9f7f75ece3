//! Small programs of a persona's own, and how they change.

use verisim_core::{DecoyPath, TextEdit};

use crate::compose::{lines_of, replace};
use crate::voice::Voice;

/// Blocks of a shell script.
const SHELL: &[&str] = &[
    "for f in \"$SRC\"/*; do\n    [ -f \"$f\" ] || continue\n    cp -p \"$f\" \"$DEST/\"\ndone\n",
    "find \"$SRC\" -type f -mtime +$KEEP -print | sort > \"$DEST/old.txt\"\n",
    "if ! ping -c 1 -W {small} {host} >/dev/null 2>&1; then\n    echo \"{host} does not answer\" >&2\n    exit {small}\nfi\n",
    "tar -C \"$SRC\" -czf \"$DEST/{project}-$(date +%Y%m%d).tar.gz\" .\n",
    "ls -1t \"$DEST\"/*.gz 2>/dev/null | tail -n +$KEEP | xargs -r rm --\n",
    "used=$(df -P \"$DEST\" | awk 'NR == 2 { sub(\"%\", \"\"); print $5 }')\n[ \"$used\" -lt {n} ] || echo \"{thing}: $used used\"\n",
    "awk -F';' '$3 > {n} { print $1, $2 }' \"$SRC/{project}.csv\" > \"$DEST/{project}.txt\"\n",
    "rsync -a --delete \"$SRC/\" {host}:\"$DEST/\"\n",
    "grep -c {project} \"$SRC\"/*.log | sort -t: -k2 -n | tail -{n}\n",
    "sleep {small}\nwc -l \"$SRC\"/* | tail -1\n",
];

/// Blocks of a Python script.
const PYTHON: &[&str] = &[
    "for path in sorted(SRC.glob(\"*.csv\")):\n    rows = path.read_text().splitlines()\n    print(path.name, len(rows))\n",
    "totals = collections.Counter()\nfor line in (SRC / \"{project}.txt\").open():\n    totals[line.split(\",\")[0]] += 1\n",
    "limit = {n}\nold = [p for p in SRC.iterdir() if p.stat().st_size > limit * 1024]\nprint(len(old), \"larger than\", limit, \"KiB\")\n",
    "with (DEST / \"{project}.out\").open(\"w\") as out:\n    for number in range({n}):\n        out.write(f\"{{number}}\\t{project}\\n\")\n",
    "# {thing}: {colleague} wants no more than {n}\nKEEP = min(KEEP, {n})\n",
    "files = sorted(DEST.iterdir(), key=lambda p: p.stat().st_mtime)\nfor path in files[:-KEEP]:\n    path.unlink()\n",
];

/// A new script; the language follows its name.
pub(crate) fn program(voice: &mut Voice<'_>, path: &DecoyPath) -> String {
    let python = path.as_bytes().ends_with(b".py");
    let mut out = String::new();
    out.push_str(match (python, voice.draw.below(3)) {
        (true, _) => "#!/usr/bin/env python3\n",
        (false, 0) => "#!/bin/bash\n",
        (false, _) => "#!/bin/sh\n",
    });
    let today = voice.date(voice.now.date());
    let purpose = voice.say("# {verb} {thing} ({project})");
    out.push_str(&format!("{purpose}, {} {today}\n", voice.persona.login));
    let home = String::from_utf8_lossy(voice.persona.home.as_bytes()).into_owned();
    let (from, to, keep) = (voice.word("project"), voice.say("{project}-{week}"), voice.draw.between(3, 60));
    if python {
        out.push_str("import collections\nfrom pathlib import Path\n\n");
        out.push_str(&format!(
            "SRC = Path(\"{home}/{from}\")\nDEST = Path(\"{home}/{to}\")\nKEEP = {keep}\n"
        ));
    } else {
        out.push_str(if voice.draw.percent(50) { "set -eu\n\n" } else { "\n" });
        out.push_str(&format!("SRC={home}/{from}\nDEST={home}/{to}\nKEEP={keep}\n"));
    }
    for _ in 0..voice.draw.between(1, 4) {
        out.push('\n');
        out.push_str(&block(voice, python));
    }
    out
}

/// A number is changed, a block is added, or a remark.
pub(crate) fn edits(voice: &mut Voice<'_>, current: Option<&[u8]>) -> Vec<TextEdit> {
    let Some(content) = current else { return vec![remark(voice)] };
    let lines = lines_of(content);
    let python = lines.first().is_some_and(|line| line.ends_with(b"python3"));
    let settings: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].starts_with(b"KEEP")).collect();
    match (voice.draw.below(4), settings.first()) {
        (0 | 1, Some(at)) => {
            let equals = if python { " = " } else { "=" };
            vec![replace(*at, format!("KEEP{equals}{}\n", voice.draw.between(3, 400)).into_bytes())]
        }
        (2, _) if lines.len() < 120 => {
            let text = format!("\n{}", block(voice, python));
            vec![TextEdit::Append { text: text.into() }]
        }
        _ if lines.len() > 160 => {
            let line = u32::try_from(lines.len() - 1).unwrap_or(u32::MAX);
            vec![TextEdit::Delete { line, count: 1 }]
        }
        _ => vec![remark(voice)],
    }
}

fn block(voice: &mut Voice<'_>, python: bool) -> String {
    let block = voice.say_one(if python { PYTHON } else { SHELL });
    block.replace("{}", "{number}")
}

fn remark(voice: &mut Voice<'_>) -> TextEdit {
    let today = voice.date(voice.now.date());
    let text = voice.say("# {ticket}: {verb} {thing}, ") + &today + "\n";
    TextEdit::Append { text: text.into() }
}

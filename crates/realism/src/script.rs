//! Small programs of a persona's own, and how they change.

use std::sync::LazyLock;

use verisim_core::{DecoyPath, TextEdit};

use crate::compose::{lines_of, replace};
use crate::lexicon::{Pattern, Patterns};
use crate::voice::Voice;

/// Sizes of new scripts: least and most, in bytes.
const BYTES: [f64; 2] = [180.0, 40e3];

/// Blocks of a shell script.
static SHELL: LazyLock<Patterns> = LazyLock::new(|| {
    Pattern::all(&[
        "for f in \"$SRC\"/*.{ident}; do\n    [ -f \"$f\" ] || continue\n    cp -p \"$f\" \"$DEST/\"\ndone\n",
        "find \"$SRC\" -type f -mtime +$KEEP -print | sort > \"$DEST/{ident}.txt\"\n",
        "if ! ping -c 1 -W {small} {host} >/dev/null 2>&1; then\n    echo \"{host} does not answer\" >&2\n    exit {small}\nfi\n",
        "tar -C \"$SRC\" -czf \"$DEST/{code}-$(date +%Y%m%d).tar.gz\" .\n",
        "ls -1t \"$DEST\"/{code}*.gz 2>/dev/null | tail -n +$KEEP | xargs -r rm --\n",
        "used=$(df -P \"$DEST\" | awk 'NR == 2 { sub(\"%\", \"\"); print $5 }')\nif [ \"$used\" -ge {n} ]; then\n    echo \"{ident}: $used used\"\nfi\n",
        "awk -F';' '$3 > {n} { print $1, $2 }' \"$SRC/{code}.csv\" > \"$DEST/{code}-{n}.txt\"\n",
        "rsync -a --delete \"$SRC/\" {host}:\"$DEST/\"\n",
        "grep -c {code} \"$SRC\"/*.log | sort -t: -k2 -n | tail -{n}\n",
        "sleep {small}\nwc -l \"$SRC\"/{ident}* | tail -1\n",
        "log() {\n    printf '%s %s\\n' \"$(date +%H:%M:%S)\" \"$*\" >> \"$DEST/{ident}.log\"\n}\nlog \"{code}: $KEEP\"\n",
        "# {ticket}\nsort -u \"$SRC/{ident}.txt\" \"$DEST/{ident}.txt\" > \"$DEST/{ident}.new\"\nmv \"$DEST/{ident}.new\" \"$DEST/{ident}.txt\"\n",
        "count=$(find \"$SRC\" -name '{ident}*' | wc -l)\n[ \"$count\" -gt {n} ] && echo \"{code}: $count files\"\n",
        "while read -r name rest; do\n    case $name in\n        {code}*) echo \"$rest\" ;;\n        '#'*) continue ;;\n    esac\ndone < \"$SRC/{ident}.list\"\n",
        "lock=\"$DEST/.{ident}.lock\"\nif ! mkdir \"$lock\" 2>/dev/null; then\n    echo \"still running since $(stat -c %y \"$lock\")\" >&2\n    exit {small}\nfi\ntrap 'rmdir \"$lock\"' EXIT\n",
        "sed -i.bak -e 's/{ident}/{ident}/' \"$DEST/{code}.conf\"\n",
        "curl -fsS --max-time {n} \"http://{host}/{code}/{ident}\" -o \"$DEST/{ident}.{small}\"\n",
        "cut -d, -f1,{small} \"$SRC/{ident}.csv\" | sort | uniq -c | sort -rn | head -{n}\n",
    ])
});

/// Blocks of a Python script.
static PYTHON: LazyLock<Patterns> = LazyLock::new(|| {
    Pattern::all(&[
        "for path in sorted(SRC.glob(\"{ident}*.csv\")):\n    rows = path.read_text().splitlines()\n    print(path.name, len(rows))\n",
        "totals = collections.Counter()\nfor line in (SRC / \"{code}-{n}.txt\").open():\n    totals[line.split(\",\")[0]] += 1\nfor key, count in totals.most_common({n}):\n    print(f\"{count:8d} {key}\")\n",
        "limit = {n}\nold = [p for p in SRC.iterdir() if p.stat().st_size > limit * 1024]\nprint(len(old), \"larger than\", limit, \"KiB\")\n",
        "with (DEST / \"{code}.out\").open(\"w\") as out:\n    for number in range({n}):\n        out.write(f\"{number}\\t{ident}\\n\")\n",
        "# {thing}: {colleague}, {ticket}\nKEEP = min(KEEP, {n})\n",
        "files = sorted(DEST.glob(\"{ident}*\"), key=lambda p: p.stat().st_mtime)\nfor path in files[:-KEEP]:\n    path.unlink()\n",
        "def {ident}_{n}(rows):\n    \"\"\"{thing} ({project})\"\"\"\n    return [row for row in rows if row and row[0] != \"#\"][:{n}]\n",
        "def read_{ident}_{n}(path):\n    with path.open(newline=\"\") as source:\n        return list(csv.reader(source, delimiter=\";\"))\n",
        "seen = {}\nfor path in SRC.rglob(\"*.{ident}\"):\n    key = hashlib.sha256(path.read_bytes()).hexdigest()\n    if key in seen:\n        print(path, \"=\", seen[key])\n    seen[key] = path\n",
        "try:\n    wanted = int(sys.argv[1])\nexcept (IndexError, ValueError):\n    wanted = {n}\nprint(\"{ident}\", wanted)\n",
        "mean = {n}.{small}\nvalues = [abs(number - mean) for number in range({small}, {n} + {n})]\nprint(\"{code}\", round(sum(values) / len(values), {small}))\n",
        "stamp = datetime.date.today().isoformat()\ntarget = DEST / f\"{ident}-{stamp}.txt\"\ntarget.write_text(\"{code}\\n\")\n",
    ])
});

/// What a script is for, and what is remarked in it later.
static PURPOSE: LazyLock<Patterns> = LazyLock::new(|| {
    Pattern::all(&["# {verb} {thing} ({project})", "# {thing}, {project}", "# {ticket}: {thing}"])
});
static REMARK: LazyLock<Patterns> = LazyLock::new(|| {
    Pattern::all(&["# {ticket}: {verb} {thing}, ", "# TODO {thing}, {colleague}, ", "# {thing}: {n}, "])
});

/// A new script; the language follows its name.
pub(crate) fn program(voice: &mut Voice<'_>, path: &DecoyPath) -> String {
    let python = path.as_bytes().ends_with(b".py");
    let length = voice.size(950.0, 1.3, BYTES);
    let mut out = String::with_capacity(length + 500);
    out.push_str(match (python, voice.draw.below(3)) {
        (true, _) => "#!/usr/bin/env python3\n",
        (false, 0) => "#!/bin/bash\n",
        (false, _) => "#!/bin/sh\n",
    });
    let today = voice.date(voice.now.date());
    let purpose = voice.say_one(&PURPOSE);
    out.push_str(&format!("{purpose}, {} {today}\n", voice.persona.login));
    let home = String::from_utf8_lossy(voice.persona.home.as_bytes()).into_owned();
    let (from, to, keep) = (voice.project(), voice.project(), voice.draw.between(3, 60));
    let number = voice.draw.between(1, 52);
    if python {
        out.push_str("import collections\nimport csv\nimport datetime\nimport hashlib\nimport sys\n");
        out.push_str("from pathlib import Path\n\n");
        out.push_str(&format!(
            "SRC = Path(\"{home}/{from}\")\nDEST = Path(\"{home}/{to}-{number}\")\nKEEP = {keep}\n"
        ));
    } else {
        out.push_str(if voice.draw.percent(50) { "set -eu\n\n" } else { "\n" });
        out.push_str(&format!("SRC={home}/{from}\nDEST={home}/{to}-{number}\nKEEP={keep}\n"));
    }
    loop {
        out.push('\n');
        voice.put_one(if python { &PYTHON } else { &SHELL }, &mut out);
        if out.len() >= length {
            return out;
        }
    }
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
        (2, _) if lines.len() < 400 => {
            let block = voice.say_one(if python { &PYTHON } else { &SHELL });
            vec![TextEdit::Append { text: format!("\n{block}").into() }]
        }
        _ => vec![remark(voice)],
    }
}

fn remark(voice: &mut Voice<'_>) -> TextEdit {
    let today = voice.date(voice.now.date());
    let text = voice.say_one(&REMARK) + &today + "\n";
    TextEdit::Append { text: text.into() }
}

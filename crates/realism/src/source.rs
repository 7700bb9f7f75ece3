//! Small projects in a programming language: each creation adds a file to a tree that the persona has on the decoy.

use std::sync::LazyLock;

use verisim_core::{DecoyPath, TextEdit};

use crate::Language;
use crate::compose::{lines_of, replace};
use crate::lexicon::{Lexicon, Pattern, Patterns};
use crate::persona::Role;
use crate::random::{Generator, Purpose};
use crate::voice::{Voice, identifier};

/// Sizes of new source files: least and most, in bytes.
const BYTES: [f64; 2] = [200.0, 60e3];

/// What a tree is written in: one language, drawn by the persona.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tongue {
    Python,
    JavaScript,
    C,
}

static PYTHON: LazyLock<Patterns> = LazyLock::new(|| {
    Pattern::all(&[
        "def load_{ident}_{n}(path, limit={n}):\n    \"\"\"Reads {ident} records, at most ``limit`` of them.\"\"\"\n    records = []\n    with open(path, encoding=\"utf-8\") as source:\n        for line in source:\n            if line.startswith(\"#\"):\n                continue\n            records.append(line.rstrip(\"\\n\").split(\"\\t\"))\n            if len(records) >= limit:\n                break\n    return records\n",
        "class {Class}{n}:\n    \"\"\"{project}: one {ident} with its state.\"\"\"\n\n    timeout = {n}\n\n    def __init__(self, name, {ident}=None):\n        self.name = name\n        self.{ident} = None\n        self.attempts = 0\n\n    def retry(self):\n        self.attempts += 1\n        return self.attempts < {small}\n",
        "def merge_{ident}_{n}(left, right):\n    merged = dict(left)\n    for key, value in right.items():\n        if key in merged and merged[key] != value:\n            raise ValueError(f\"{key}: {merged[key]!r} or {value!r}\")\n        merged[key] = value\n    return merged\n",
        "DEFAULT_{IDENT}_{n} = {n}{small}\n",
        "def count_{ident}_{n}(rows, column={small}):\n    counts = {}\n    for row in rows:\n        if len(row) <= column:\n            continue\n        counts[row[column]] = counts.get(row[column], 0) + 1\n    return sorted(counts.items(), key=lambda item: -item[1])[:{n}]\n",
        "def is_{ident}_{n}(value):\n    # {ticket}\n    return isinstance(value, str) and len(value) <= {n}\n",
        "def chunks_{n}(items, size={n}):\n    \"\"\"Parts of {ident}, in order.\"\"\"\n    for start in range(0, len(items), size):\n        yield items[start:start + size]\n",
        "def parse_{ident}_{n}(text):\n    head, _, tail = text.partition(\":\")\n    if not tail:\n        return None\n    return head.strip().lower(), tail.strip()\n",
        "def backoff_{n}(attempt):\n    \"\"\"Seconds before {ident} is asked again ({ticket}).\"\"\"\n    return min({n}, {small} * 2 ** attempt)\n",
        "@functools.lru_cache(maxsize={n})\ndef {ident}_{n}(key):\n    total = {small}\n    for letter in key:\n        total = (total * {n} + ord(letter)) % 1_000_003\n    return total\n",
    ])
});
static JAVASCRIPT: LazyLock<Patterns> = LazyLock::new(|| {
    Pattern::all(&[
        "function load{Class}{n}(rows) {\n  return rows\n    .filter((row) => row.length > {small})\n    .slice(0, {n});\n}\n",
        "const {IDENT}_{n} = {n}{small};\n",
        "// {ticket}: {colleague}\nfunction is{Class}{n}(value) {\n  return typeof value === 'string' && value.length <= {n};\n}\n",
        "class {Class}{n} {\n  constructor(name) {\n    this.name = name;\n    this.attempts = 0;\n    this.timeout = {n};\n  }\n\n  retry() {\n    this.attempts += 1;\n    return this.attempts < {small};\n  }\n}\n",
        "function count{Class}{n}(items) {\n  const counts = new Map();\n  for (const item of items) {\n    counts.set(item.{ident}, (counts.get(item.{ident}) || 0) + 1);\n  }\n  return [...counts].sort((a, b) => b[1] - a[1]).slice(0, {n});\n}\n",
        "async function fetch{Class}{n}(client, id) {\n  const response = await client.get(`/{ident}/${id}?limit={n}`);\n  if (response.status !== 200) {\n    throw new Error(`{ident}: ${response.status}`);\n  }\n  return response.data;\n}\n",
        "function backoff{n}(attempt) {\n  // {ident}: never longer than {n} s\n  return Math.min({n}, {small} * 2 ** attempt) * 1000;\n}\n",
        "function format{Class}{n}(value, digits = {small}) {\n  if (Number.isNaN(value)) {\n    return '-';\n  }\n  return value.toFixed(digits).padStart({n});\n}\n",
    ])
});
static C: LazyLock<Patterns> = LazyLock::new(|| {
    Pattern::all(&[
        "#define {IDENT}_MAX_{n} {n}{small}\n",
        "struct {ident}_{n} {\n\tchar name[{n}];\n\tunsigned int count;\n\tstruct {ident}_{n} *next;\n};\n",
        "static int is_{ident}_{n}(const char *s)\n{\n\tsize_t n = strlen(s);\n\n\treturn n > {small} && n < {n};\n}\n",
        "/* {ticket}: {colleague} */\nunsigned long {ident}_hash_{n}(const unsigned char *p, size_t n)\n{\n\tunsigned long h = {n};\n\n\twhile (n--)\n\t\th = h * {n} + *p++;\n\treturn h;\n}\n",
        "int {ident}_read_{n}(FILE *f, char *buf, size_t size)\n{\n\tif (!fgets(buf, (int)size, f))\n\t\treturn -1;\n\tbuf[strcspn(buf, \"\\n\")] = '\\0';\n\treturn buf[0] == '#' ? 0 : {small};\n}\n",
        "static double {ident}_mean_{n}(const double *v, size_t n)\n{\n\tdouble sum = 0.0;\n\tsize_t i;\n\n\tfor (i = 0; i < n; i++)\n\t\tsum += v[i];\n\treturn n > {small} ? sum / (double)n : 0.0;\n}\n",
        "void {ident}_print_{n}(const char *name, int width)\n{\n\tprintf(\"%-*s {ident} %d\\n\", width, name, {n});\n}\n",
        "static const int {ident}_table_{n}[] = { {n}, {n}, {small}, {n}, {n}, {small} };\n",
    ])
});
static PAGE: LazyLock<Patterns> = LazyLock::new(|| {
    Pattern::all(&[
        "## {ident}\n\nSee `{ident}.conf`; the default is {n}. {ticket} has the background.\n",
        "## {ident} on {host}\n\n    make {ident}\n    ./{code} --{ident} {n}\n",
        "- {ident}: {n} ({colleague})\n- {ident}: {small}\n",
        "The {thing} reads at most {n} entries from {host}. Ask {colleague} before that changes.\n",
        "Known problem: the {thing} needs {n} s on {host} ({ticket}).\n",
    ])
});

fn tongue(voice: &Voice<'_>) -> Tongue {
    let mut draw = Generator::new(voice.world.persona_seed(voice.slot.persona, Purpose::Habits).text("code"));
    *draw.pick(&[Tongue::Python, Tongue::Python, Tongue::JavaScript, Tongue::C]).unwrap_or(&Tongue::Python)
}

/// A place in the tree of one of the persona's projects.
pub(crate) fn name(voice: &mut Voice<'_>) -> Option<DecoyPath> {
    let root = ["src", "code", "projects", "git", "dev", "work"];
    let mut draw = Generator::new(voice.world.persona_seed(voice.slot.persona, Purpose::Habits).text("root"));
    let root = draw.word(&root);
    let tongue = tongue(voice);
    let project = voice.project();
    let host = if voice.has_many_hosts() { format!("-{}", voice.host()) } else { String::new() };
    speak_english(voice);
    let mut part = String::new();
    let noun = voice.noun().word;
    identifier(noun, &mut part);
    let dashed = part.replace('_', "-");
    let inside = match (tongue, voice.draw.below(10)) {
        (_, 0) => "README.md".to_owned(),
        (Tongue::Python, 1) => "pyproject.toml".to_owned(),
        (Tongue::Python, 2 | 3) => format!("tests/test_{part}.py"),
        (Tongue::Python, _) => format!("{project}/{part}.py"),
        (Tongue::JavaScript, 1 | 2) => format!("test/{dashed}.test.js"),
        (Tongue::JavaScript, _) => format!("lib/{dashed}.js"),
        (Tongue::C, 1 | 2) => format!("include/{part}.h"),
        (Tongue::C, 3) => "Makefile".to_owned(),
        (Tongue::C, _) => format!("src/{part}.c"),
    };
    voice.below_home(&format!("{root}/{project}{host}/{inside}"))
}

/// What stands there.
pub(crate) fn file(voice: &mut Voice<'_>, path: &DecoyPath) -> String {
    speak_english(voice);
    let length = voice.size(1900.0, 1.4, BYTES);
    let name = String::from_utf8_lossy(path.file_name().unwrap_or_default()).into_owned();
    let stem = name.split('.').next().unwrap_or_default().to_owned();
    let mut out = String::with_capacity(length + 600);
    let (who, what) = (voice.persona.full_name.clone(), voice.noun().word);
    let code = voice.project();
    match name.as_str() {
        "pyproject.toml" => return package(voice, &who, &code),
        "Makefile" => return makefile(voice, &who, &code),
        "README.md" => {
            out.push_str(&format!("# {code}\n\nKeeps the {what}. {who}.\n\n"));
        }
        _ if name.ends_with(".py") => {
            out.push_str(&format!("\"\"\"{code}: {stem} ({who}).\"\"\"\n\nimport functools\n\n"));
        }
        _ if name.ends_with(".js") => {
            out.push_str(&format!("'use strict';\n\n// {code}: {stem} ({who})\n\n"));
        }
        _ => {
            let guard = stem.to_uppercase();
            if name.ends_with(".h") {
                out.push_str(&format!("#ifndef {guard}_H\n#define {guard}_H\n\n"));
            }
            out.push_str(&format!(
                "/* {code}: {what} - {who} */\n#include <stdio.h>\n#include <string.h>\n\n"
            ));
        }
    }
    let patterns = of(&name);
    loop {
        part(voice, patterns, &mut out);
        if out.len() >= length {
            break;
        }
        out.push_str(if name.ends_with(".py") { "\n\n" } else { "\n" });
    }
    if name.ends_with(".h") {
        out.push_str("\n#endif\n");
    }
    out
}

/// A function more, a number that changes.
pub(crate) fn edits(voice: &mut Voice<'_>, path: &DecoyPath, current: Option<&[u8]>) -> Vec<TextEdit> {
    speak_english(voice);
    let name = String::from_utf8_lossy(path.file_name().unwrap_or_default()).into_owned();
    let lines = current.map(lines_of).unwrap_or_default();
    let named = |line: &[u8]| line.is_ascii() && line.starts_with(b"    timeout = ") && line.len() < 40;
    let numbers: Vec<usize> = (0..lines.len()).filter(|at| named(lines[*at])).collect();
    if voice.draw.percent(40)
        && let Some(at) = voice.draw.pick(&numbers).copied()
    {
        return vec![replace(at, format!("    timeout = {}\n", voice.draw.between(2, 900)).into_bytes())];
    }
    let mut text = String::from(if name.ends_with(".py") { "\n\n" } else { "\n" });
    part(voice, of(&name), &mut text);
    let last = lines.len().saturating_sub(1);
    let text = text.into();
    vec![match lines.last() {
        Some(line) if *line == b"#endif" => TextEdit::Insert { line: u32::try_from(last).unwrap_or(0), text },
        _ => TextEdit::Append { text },
    }]
}

fn of(name: &str) -> &'static Patterns {
    match name.rsplit('.').next() {
        Some("py") => &PYTHON,
        Some("js") => &JAVASCRIPT,
        Some("c" | "h") => &C,
        _ => &PAGE,
    }
}

/// Adds one part, with the names of classes and constants in it.
fn part(voice: &mut Voice<'_>, patterns: &Patterns, out: &mut String) {
    let mut text = voice.say_one(patterns);
    for (mark, upper) in [("{Class}", false), ("{IDENT}", true)] {
        if text.contains(mark) {
            let mut name = String::new();
            let noun = voice.noun().word;
            identifier(noun, &mut name);
            let name = if upper { name.to_uppercase() } else { camel(&name) };
            text = text.replace(mark, &name);
        }
    }
    out.push_str(&text);
}

fn camel(name: &str) -> String {
    name.split('_').map(crate::voice::capital).collect()
}

fn package(voice: &mut Voice<'_>, who: &str, code: &str) -> String {
    let version = format!("0.{}.{}", voice.draw.below(30), voice.draw.below(12));
    let noun = voice.noun().word;
    let (line, host) = (voice.draw.between(79, 120), voice.host());
    format!(
        "[project]\nname = \"{code}\"\nversion = \"{version}\"\ndescription = \"{noun} for {host}\"\n\
         authors = [{{ name = \"{who}\" }}]\nrequires-python = \">=3.{}\"\n\n[tool.{code}]\nline = {line}\nlimit = {}\n",
        voice.draw.between(8, 12),
        voice.draw.below(100_000)
    )
}

fn makefile(voice: &mut Voice<'_>, who: &str, code: &str) -> String {
    let host = voice.host();
    let mut out = format!(
        "# {code}, {who}\nCC ?= cc\nCFLAGS = -O2 -Wall -DLIMIT={}\n\nall: {code}\n\n",
        voice.draw.below(100_000)
    );
    out.push_str(&format!("{code}: $(wildcard src/*.c)\n\t$(CC) $(CFLAGS) -Iinclude -o $@ $^\n\n"));
    for _ in 0..voice.draw.between(1, 4) {
        let mut target = String::new();
        let noun = voice.noun().word;
        identifier(noun, &mut target);
        let number = voice.draw.between(1, 900);
        out.push_str(&format!(
            "{target}: {code}\n\t./{code} -n {number} > {target}.out\n\tscp {target}.out {host}:\n\n"
        ));
    }
    out.push_str("clean:\n\trm -f *.o\n");
    out
}

/// Code is in English, and about software, whatever its author speaks and does.
fn speak_english(voice: &mut Voice<'_>) {
    voice.lexicon = Lexicon::of(Language::English);
    voice.trade = voice.lexicon.trade(Role::Developer);
}

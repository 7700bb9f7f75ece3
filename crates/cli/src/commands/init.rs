//! `verisim init`: writes a configuration by looking around. Never overwrites one.

mod containers;
mod hosts;
mod import;
mod people;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use verisim_realism::Persona;

use self::containers::Containers;
use self::people::Staff;
use crate::args::InitArgs;
use crate::config;
use crate::context::{Context, absolute, default_state};
use crate::error::{CliError, CliResult, show};
use crate::exit::Exit;
use crate::fleet::{FoundDecoy, Remark};
use crate::render::table::counted;

/// Where a Cowrie is usually installed: its own guide, its image, and what packagers made of it.
const COWRIE_PLACES: [&str; 5] =
    ["/home/cowrie/cowrie", "/opt/cowrie", "/srv/cowrie", "/cowrie/cowrie-git", "/var/lib/cowrie"];

/// Where a decoy is.
enum Place {
    /// A directory.
    Folder(PathBuf),
    /// A container.
    Container(Box<FoundDecoy>),
}

/// What was found, or given, on this machine.
struct Found {
    decoys: Vec<(String, Place)>,
    /// Hosts that may be decoys: a name for each, and what SSH calls it.
    hosts: Vec<(String, String)>,
    /// The engine of the containers, where it is not the usual one.
    host: Option<String>,
    /// What looked like a decoy among the containers and is none.
    remarks: Vec<Remark>,
    captures: Vec<(String, PathBuf, &'static str)>,
    destination: Option<PathBuf>,
    time_zone: String,
    state: PathBuf,
    seed: u64,
    personas: u8,
    staff: Staff,
}

/// What was written, for scripts.
#[derive(serde::Serialize)]
struct Written {
    file: String,
    decoys: usize,
    captures: usize,
}

/// Writes the configuration.
pub(super) fn init(context: &Context, args: &InitArgs) -> CliResult {
    let file = match &context.global.config {
        Some(file) => absolute(file)?,
        None => absolute(Path::new("verisim.toml"))?,
    };
    if let Some(written) = refuse_to_overwrite(&file) {
        return Err(written);
    }
    let found = look_around(context, args)?;
    for remark in &found.remarks {
        context.output.message(format!("{}: {}", remark.about, remark.what));
    }
    let text = text(&found);
    if let Err(config::ConfigError::Mistakes { mistakes, .. }) = config::parse(&text, &file, None) {
        // What was given cannot be joined: two decoys in one place, a file for a folder.
        let told: Vec<String> =
            mistakes.into_iter().map(|mistake| format!("{}; {}", mistake.what, mistake.mend)).collect();
        return Err(CliError::new(Exit::Config, told.join("\n")).hint("nothing was written"));
    }
    write_new(&file, &text)?;
    if context.output.json {
        let (decoys, captures) = (found.decoys.len(), found.captures.len());
        context.output.typed("configuration", &Written { file: show(&file), decoys, captures })?;
    }
    let said = |count: usize, noun| counted(u64::try_from(count).unwrap_or(u64::MAX), noun);
    context.output.say(if found.decoys.is_empty() && found.captures.is_empty() {
        format!(
            "wrote {}, but neither a container that is a decoy nor a Cowrie was found here: decoy and capture are comments. Fill \
             them in, or take it away and say where things are with --decoy DIR, --capture DIR and --destination DIR; a \
             container is a decoy by the label verisim.decoy=NAME",
            show(&file)
        )
    } else {
        format!(
            "wrote {} with {} and {}; read it, then `verisim doctor`, then `verisim up`",
            show(&file),
            said(found.decoys.len(), "decoy"),
            said(found.captures.len(), "capture folder")
        )
    });
    if let Some(told) = found.staff.told() {
        context.output.say(told);
    }
    if !found.captures.is_empty() && found.destination.is_none() {
        context
            .output
            .say("the captures are comments until there is a [[destination]]: --destination DIR gives one");
    }
    for (name, place) in &found.decoys {
        if let Place::Folder(path) = place
            && !path.is_dir()
        {
            context.output.say(format!("the root of {name} is not there yet: mkdir -p {}", show(path)));
        }
    }
    Ok(Exit::Done)
}

/// What is said of a configuration that is there already.
fn refuse_to_overwrite(file: &Path) -> Option<CliError> {
    let is_there = std::fs::symlink_metadata(file).is_ok();
    is_there.then(|| {
        CliError::new(Exit::Failed, format!("{} is there already, and is not overwritten", show(file)))
            .hint("write elsewhere with --config FILE, or move the old one away")
    })
}

fn write_new(file: &Path, text: &str) -> CliResult<()> {
    let trouble = |error: &std::io::Error| CliError::io(Exit::Failed, "cannot write", file, error);
    let mut out = std::fs::File::options()
        .write(true)
        .create_new(true)
        .open(file)
        .map_err(|error| refuse_to_overwrite(file).unwrap_or_else(|| trouble(&error)))?;
    out.write_all(text.as_bytes()).and_then(|()| out.sync_all()).map_err(|error| trouble(&error))
}

fn look_around(context: &Context, args: &InitArgs) -> CliResult<Found> {
    let mut names = HashSet::new();
    let mut decoys = Vec::new();
    let mut captures = Vec::new();
    let mut containers = Containers::default();
    let mut hosts = Vec::new();
    for path in &args.decoys {
        let path = absolute(path)?;
        decoys.push((name_for(&path, "decoy", &mut names), Place::Folder(path)));
    }
    for path in &args.captures {
        let path = absolute(path)?;
        captures.push((name_for(&path, "captures", &mut names), path, ""));
    }
    if args.decoys.is_empty() && args.captures.is_empty() {
        containers = containers::look(context)?;
        for found in containers.decoys {
            names.insert(found.name.to_string());
            decoys.push((found.name.to_string(), Place::Container(Box::new(found))));
        }
        for place in COWRIE_PLACES.map(Path::new) {
            let honeyfs = place.join("honeyfs");
            if honeyfs.is_dir() {
                let name = name_for(Path::new("cowrie"), "decoy", &mut names);
                decoys.push((name, Place::Folder(honeyfs)));
            }
            for downloads in
                [place.join("var/lib/cowrie/downloads"), place.join("dl"), place.join("downloads")]
            {
                if downloads.is_dir() {
                    let note = "# Cowrie puts its files flat into this folder. Move what is finished into a directory, one a day, and\n\
                                # that directory is a capture.\n";
                    captures.push((
                        name_for(Path::new("cowrie-downloads"), "captures", &mut names),
                        downloads,
                        note,
                    ));
                }
            }
        }
        hosts = hosts::look(context, &mut names);
    }
    let state = context.global.state.as_deref().map_or_else(default_state, absolute)?;
    let seed = args.seed.map_or_else(crate::wire::random_seed, Ok)?;
    Ok(Found {
        decoys,
        hosts,
        host: containers.host,
        remarks: containers.remarks,
        captures,
        destination: args.destination.as_deref().map(absolute).transpose()?,
        time_zone: crate::here::machine_zone_name(),
        state,
        seed,
        personas: args.personas,
        staff: people::staff(context, args, seed)?,
    })
}

/// A name that the configuration accepts, made of the path's last component, that nobody has yet.
fn name_for(path: &Path, default: &str, taken: &mut HashSet<String>) -> String {
    let last = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let kept: String =
        last.chars().map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' }).collect();
    let kept: String = kept.trim_matches('-').chars().take(40).collect();
    let base = if kept.is_empty() { default.to_owned() } else { kept };
    let mut name = base.clone();
    let mut number = 2;
    while !taken.insert(name.clone()) {
        name = format!("{base}-{number}");
        number += 1;
    }
    name
}

fn quote(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn quote_path(path: &Path) -> String {
    quote(&path.to_string_lossy())
}

fn text(found: &Found) -> String {
    let mut out = String::new();
    let _ = write!(
        out,
        "# What Verisim runs. Every mistake in here is reported with its line by any command; `verisim doctor` says what is\n\
         # missing on the decoys and at the destinations.\n\n\
         # Where the queue, the ledger and the events are kept. Nobody else should be able to read it.\n\
         state = {}\n\
         # Everything that is invented comes from this number: keep it, and do not share it between fleets.\n\
         seed = {}\n",
        quote_path(&found.state),
        found.seed
    );
    let people = decoys_text(&mut out, found);
    found.staff.write(&mut out);
    people::write(&mut out, &people);
    evidence_text(&mut out, found);
    out
}

fn decoys_text(out: &mut String, found: &Found) -> Vec<Persona> {
    let mut hiring = found.staff.hiring(found.seed, &found.time_zone, found.decoys.len());
    out.push_str(containers::SECTION);
    if found.decoys.is_empty() {
        out.push_str(
            "\n# No decoy was found. A directory that is the root of one looks like this:\n\
             # [[decoy]]\n# name = \"files01\"\n# connector = { rootfs = { path = \"/srv/decoys/files01\" } }\n\
             # services = [\"ssh\", \"smb\"]\n# role = \"file-server\"\n# personas = [\"maria-keller\"]\n",
        );
    }
    for (name, place) in &found.decoys {
        let names = hiring.team(found.personas).into_iter().map(|name| quote(name.as_str()));
        let names: Vec<String> = names.collect();
        let folder = |path: &Path| {
            format!("connector = {{ rootfs = {{ path = {} }} }}\nrole = \"server\"\n", quote_path(path))
        };
        let reached = match place {
            Place::Folder(path) => folder(path),
            Place::Container(container) => containers::text(container, found.host.as_deref()),
        };
        let _ = write!(
            out,
            "\n[[decoy]]\nname = {}\n{reached}# Who works on it: the accounts should exist there (`verisim doctor` looks).\n\
             personas = [{}]\n",
            quote(name),
            names.join(", ")
        );
    }
    hosts::text(out, &found.hosts);
    hiring.everybody()
}

fn evidence_text(out: &mut String, found: &Found) {
    let destination = match &found.destination {
        Some(path) => {
            let _ = write!(
                out,
                "\n# Where captures go: a folder of this machine, or of a mounted share. It must exist.\n\
                 [[destination]]\nname = \"vault\"\nnative = {{ path = {} }}\n\
                 # instead of native, a host over SSH: rsync_ssh = {{ host = \"nas\", path = \"/volume1/runs\", user = \"lab\" }}\n\
                 # bandwidth = {{ mbit = 50, windows = [{{ days = \"mon-fri\", from = \"08:00\", to = \"18:00\" }}] }}\n",
                quote_path(path)
            );
            true
        }
        None => false,
    };
    let comment = if destination { "" } else { "# " };
    if !destination {
        out.push_str(
            "\n# Where captures go: a folder of this machine, or of a mounted share.\n\
             # [[destination]]\n# name = \"vault\"\n# native = { path = \"/mnt/nas/evidence\" }\n\
             # or over SSH: rsync_ssh = { host = \"nas\", path = \"/volume1/runs\", user = \"lab\" }\n",
        );
    }
    let example = [("captures".to_owned(), PathBuf::from("/srv/captures"), "")];
    let (captures, comment) = if found.captures.is_empty() {
        (example.as_slice(), "# ")
    } else {
        (found.captures.as_slice(), comment)
    };
    for (name, path, note) in captures {
        let _ = write!(
            out,
            "\n{note}{comment}[[capture]]\n{comment}name = {}\n{comment}path = {}\n\
             # Every sub-directory is one capture; \"folder\" makes the folder itself the only one.\n\
             {comment}each = \"directory\"\n\
             # When one is complete: quiet for so long, or sentinel = \"run_complete\", or manifest = \"manifest.json\".\n\
             {comment}complete = {{ quiet = \"10m\" }}\n{comment}destination = \"vault\"\n\
             # Off: nothing is deleted here. On, local files go after so many verifications, the first so long ago.\n\
             {comment}cleanup = {{ enabled = false, min_passes = 2, min_age = \"24h\" }}\n",
            quote(name),
            quote_path(path)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> Found {
        let container = FoundDecoy {
            name: "c".parse().unwrap(),
            container: "c-ssh".parse().unwrap(),
            id: "0123".into(),
            containers: vec!["c".parse().unwrap(), "c-ssh".parse().unwrap()],
            services: vec!["ssh".into(), "http:8080".into()],
            role: None,
            personas: None,
            address: Some([192, 0, 2, 1].into()),
            by_naming: true,
        };
        Found {
            decoys: vec![
                ("a".into(), Place::Folder("/nowhere/a".into())),
                ("b".into(), Place::Folder("/nowhere/\"b".into())),
                ("c".into(), Place::Container(Box::new(container))),
            ],
            hosts: vec![("web-lan".into(), "web.lan".into()), ("host".into(), "2001:db8::1".into())],
            host: Some("tcp://192.0.2.1:2375".into()),
            remarks: Vec::new(),
            captures: vec![("c".into(), "/nowhere/c".into(), "# note\n")],
            destination: Some("/nowhere/vault".into()),
            time_zone: "Europe/Berlin".into(),
            state: "/nowhere/state".into(),
            seed: 5,
            personas: 3,
            staff: Staff::default(),
        }
    }

    fn load(found: &Found) -> config::Config {
        match config::parse(&text(found), Path::new("/nowhere/verisim.toml"), None) {
            Ok(config) => config,
            Err(error) => panic!("{error:?}\n{}", text(found)),
        }
    }

    #[test]
    fn what_is_written_loads_without_a_mistake() {
        let config = load(&found());
        assert_eq!((config.decoys.len(), config.personas.len(), config.captures.len()), (3, 9, 1));
        // Without a destination the captures are comments, and without anything everything is.
        load(&Found { destination: None, ..found() });
        load(&Found { captures: Vec::new(), ..found() });
        load(&Found { decoys: Vec::new(), captures: Vec::new(), destination: None, ..found() });
    }

    #[test]
    fn examples_in_comments_load_when_they_are_uncommented() {
        let empty = Found { decoys: Vec::new(), captures: Vec::new(), destination: None, ..found() };
        let text: String = text(&empty)
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(rest) if rest.starts_with("[[") || rest.split(' ').nth(1) == Some("=") => {
                    format!("{rest}\n")
                }
                _ => format!("{line}\n"),
            })
            .collect();
        let text = text.replace("\"maria-keller\"", "");
        if let Err(error) = config::parse(&text, Path::new("/nowhere/verisim.toml"), None) {
            panic!("{error:?}\n{text}");
        }
    }
}

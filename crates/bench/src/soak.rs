//! Runs the real daemon for a long time, kills it again and again, and then proves from the store, the decoys and the vault
//! (never from a log) that no job was lost and none done twice.

mod check;
mod load;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use verisim_testkit::VirtualClock;

use crate::measure::Error;
use load::Load;

/// What a soak needs.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The binary to torture.
    #[arg(long, default_value = "target/release/verisim")]
    verisim: PathBuf,
    /// A new folder for everything.
    #[arg(long)]
    dir: PathBuf,
    /// Directories that are copied to become the roots of decoys, besides an empty one.
    #[arg(long)]
    root: Vec<PathBuf>,
    /// Only the proof, of a folder in which a soak ran before.
    #[arg(long)]
    prove: bool,
    /// How long, in seconds.
    #[arg(long, default_value_t = 3600)]
    seconds: u64,
    /// How long the daemon lives between two kills, in seconds.
    #[arg(long, default_value_t = 20)]
    kill_every: u64,
}

/// Runs the soak; an error when anything could not be proved.
pub(crate) fn run(options: &Options) -> Result<(), Error> {
    if soak(options)? { Ok(()) } else { Err("the proof failed".into()) }
}

fn soak(args: &Options) -> Result<bool, String> {
    let home = Home::of(args)?;
    if !args.prove {
        home.make(args)?;
        torture(args, &home)?;
    }
    println!("letting it come to rest");
    let captures = load::complete(&home.captures)?;
    let mut daemon = home.up(&args.verisim)?;
    home.rest(&mut daemon, captures)?;
    stop(&mut daemon)?;
    let sources =
        home.roots.iter().skip(1).zip(&args.root).map(|((name, _), source)| (name.clone(), source.clone()));
    let before = check::snapshot(&sources.collect::<Vec<_>>())?;
    let clock = VirtualClock::new(verisim_core::Timestamp::UNIX_EPOCH);
    let store =
        verisim_store::SqliteStore::open(&home.state.join("verisim.db"), clock).map_err(|e| e.to_string())?;
    check::prove(&store, &home.roots, &before, &home.captures, &home.vault, captures)
}

/// Lets it live and kills it, again and again, while captures come in.
fn torture(args: &Options, home: &Home) -> Result<(), String> {
    let load = Load::start(&home.captures);
    let begun = Instant::now();
    let mut kills = 0_u32;
    while begun.elapsed() < Duration::from_secs(args.seconds) {
        let mut daemon = home.up(&args.verisim)?;
        let life = Duration::from_secs(args.kill_every)
            .min(Duration::from_secs(args.seconds).saturating_sub(begun.elapsed()));
        let died = wait(&mut daemon, life)?;
        if let Some(status) = died {
            return Err(format!(
                "the daemon ended by itself ({status}); see {}",
                home.dir.join("daemon.log").display()
            ));
        }
        daemon.kill().map_err(|error| format!("kill: {error}"))?;
        daemon.wait().map_err(|error| format!("wait: {error}"))?;
        kills += 1;
        println!("{:>6} s  {kills} kills, {} captures", begun.elapsed().as_secs(), load.made());
    }
    load.stop()
}

/// The folders of a soak.
struct Home {
    dir: PathBuf,
    state: PathBuf,
    roots: Vec<(String, PathBuf)>,
    captures: PathBuf,
    vault: PathBuf,
    config: PathBuf,
}

impl Home {
    fn of(args: &Options) -> Result<Self, String> {
        let dir = std::path::absolute(&args.dir).map_err(|error| error.to_string())?;
        let at = |name: &str| dir.join(name);
        let mut roots = vec![("empty01".to_owned(), at("decoys/empty01"))];
        for (number, _) in args.root.iter().enumerate() {
            roots.push((format!("decoy{:02}", number + 1), at(&format!("decoys/decoy{:02}", number + 1))));
        }
        Ok(Self {
            state: at("state"),
            captures: at("captures"),
            vault: at("vault"),
            config: at("verisim.toml"),
            roots,
            dir,
        })
    }

    fn make(&self, args: &Options) -> Result<(), String> {
        if self.dir.exists() {
            return Err(format!("{} is there already; give a new folder", self.dir.display()));
        }
        for folder in [&self.roots[0].1, &self.captures, &self.vault] {
            fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        for (source, (_, root)) in args.root.iter().zip(&self.roots[1..]) {
            let status = Command::new("cp").arg("-a").arg(source).arg(root).status();
            if !status.is_ok_and(|status| status.success()) {
                return Err(format!("cannot copy {} to {}", source.display(), root.display()));
            }
        }
        fs::write(&self.config, self.toml()).map_err(|error| format!("{}: {error}", self.config.display()))
    }

    /// A busy company: the week has seven days of 24 hours, so that an hour at any time of any day is full of life.
    fn toml(&self) -> String {
        use std::fmt::Write as _;
        let mut out =
            format!("state = {:?}\nseed = 20261121\n\n[life]\npace = 600.0\nbusy = true\n", self.state);
        for (name, root) in &self.roots {
            let _ = write!(
                out,
                "\n[[decoy]]\nname = \"{name}\"\nconnector = {{ rootfs = {{ path = {root:?} }} }}\nservices = [\"ssh\"]\n\
                 role = \"file-server\"\npersonas = [\"ann-berg\", \"bo-lind\", \"cy-moor\", \"di-reyes\", \"ed-shaw\"]\n"
            );
        }
        for (uid, (name, full)) in [
            ("ann-berg", "Ann Berg"),
            ("bo-lind", "Bo Lind"),
            ("cy-moor", "Cy Moor"),
            ("di-reyes", "Di Reyes"),
            ("ed-shaw", "Ed Shaw"),
        ]
        .iter()
        .enumerate()
        {
            let login = name.replace('-', "");
            let _ = write!(
                out,
                "\n[[persona]]\nname = \"{name}\"\nfull_name = \"{full}\"\nlogin = \"{login}\"\nuid = {}\nrole = \"developer\"\n\
                 time_zone = \"Europe/Berlin\"\nweek = \"mon-sun 00:00-24:00\"\n",
                2000 + uid
            );
        }
        let _ = write!(
            out,
            "\n[[destination]]\nname = \"vault\"\nnative = {{ path = {:?} }}\n\n[[capture]]\nname = \"runs\"\npath = {:?}\n\
             each = \"directory\"\ncomplete = {{ sentinel = \"run_complete\" }}\ndestination = \"vault\"\n",
            self.vault, self.captures
        );
        out
    }

    fn up(&self, binary: &Path) -> Result<Child, String> {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.dir.join("daemon.log"))
            .map_err(|error| format!("daemon.log: {error}"))?;
        Command::new(binary)
            .arg("--config")
            .arg(&self.config)
            .arg("up")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("{}: {error}", binary.display()))
    }

    /// Waits until every capture is sealed in the vault, at most ten minutes; then a little for the decoys.
    fn rest(&self, daemon: &mut Child, captures: u32) -> Result<(), String> {
        let begun = Instant::now();
        while check::sealed(&self.vault).len() < captures as usize {
            if let Some(status) = wait(daemon, Duration::from_secs(2))? {
                return Err(format!("the daemon ended by itself: {status}"));
            }
            if begun.elapsed() > Duration::from_secs(600) {
                return Err(format!(
                    "only {} of {captures} captures came home",
                    check::sealed(&self.vault).len()
                ));
            }
        }
        wait(daemon, Duration::from_secs(5)).map(drop)
    }
}

fn wait(child: &mut Child, span: Duration) -> Result<Option<std::process::ExitStatus>, String> {
    let begun = Instant::now();
    loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => return Ok(Some(status)),
            None if begun.elapsed() >= span => return Ok(None),
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// Asks it to drain, and expects it to end well within 30 seconds.
fn stop(daemon: &mut Child) -> Result<(), String> {
    let id = daemon.id().to_string();
    Command::new("kill").args(["-TERM", &id]).status().map_err(|error| format!("kill: {error}"))?;
    match wait(daemon, Duration::from_secs(30))? {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(format!("the daemon ended with {status} when it was asked to stop")),
        None => Err("the daemon did not stop within 30 seconds".to_owned()),
    }
}

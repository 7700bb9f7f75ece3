//! Many pushes by the real daemon while everything fails that can: connections are cut, the far side is killed or gone, the
//! disk there runs full, the daemon is killed, and its clock jumps. Cleanup is on meanwhile. Afterwards every capture must be
//! home and whole; what is gone here must have been verified twice, have been old enough by a clock that nobody set, and have
//! been right there at that moment; and a bit that is flipped there must be found before anything goes.

mod far;
mod flips;
mod home;
mod large;
mod proof;
mod watch;
mod wire;

use std::time::{Duration, Instant};

use self::home::Home;
use crate::measure::Error;
use crate::push::Noise;

/// What is pushed, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The binary to torture.
    #[arg(long, default_value = "target/release/verisim")]
    pub(crate) verisim: std::path::PathBuf,
    /// A folder on the disk that is meant; a folder below it is made and removed.
    #[arg(long, default_value = ".")]
    pub(crate) dir: std::path::PathBuf,
    /// By which transport.
    #[arg(long, value_enum)]
    pub(crate) way: Way,
    /// How many captures.
    #[arg(long, default_value_t = 500)]
    pub(crate) pushes: u32,
    /// How many further captures have a bit flipped at the destination.
    #[arg(long, default_value_t = 100)]
    pub(crate) flips: u32,
    /// Of what fails, and when.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

/// The transports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Way {
    /// To a directory.
    Native,
    /// Over SFTP.
    Sftp,
    /// By rsync over ssh.
    Rsync,
    /// By rclone, over SFTP.
    Rclone,
    /// To a bucket.
    S3,
}

/// So many captures come in at once.
const WAVE: u32 = 20;
/// How long things fail in one wave: pushes, later passes, and cleanup.
const TROUBLE: Duration = Duration::from_secs(20);
/// How long it may take, once nothing fails any more, until one more capture is where it shall be.
const CALM_MAX: Duration = Duration::from_secs(240);
/// The age that the rule asks for before it deletes, and so how far apart two passes are.
const MIN_AGE: Duration = Duration::from_secs(60);

/// Runs it; an error when anything could not be proved.
pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let random = Noise(options.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut trial = Trial { home: Home::make(options)?, random, counts: [0; FAULTS.len()] };
    trial.home.up()?;
    let begun = Instant::now();
    let mut made = 0;
    while made < options.pushes {
        let wave = WAVE.min(options.pushes - made);
        for number in made..made + wave {
            trial.home.capture(&format!("run-{number:05}"), home::SMALL, &mut trial.random)?;
        }
        made += wave;
        trial.trouble()?;
        trial.home.calm()?;
        let (passed, gone) = (begun.elapsed().as_secs(), trial.home.watch.gone());
        println!("{passed:>5} s  {made} home, {gone} of them cleaned up  {}", trial.told());
    }
    trial.home.told_of_bytes()?;
    let mut wrong = large::run(&mut trial.home, &mut trial.random, options.way)?;
    let flipped = flips::run(&mut trial.home, &mut trial.random, options.flips)?;
    trial.home.wait_for_cleanup()?;
    trial.home.stop()?;
    wrong.extend(trial.home.prove(&flipped)?);
    for text in wrong.iter().take(50) {
        println!("WRONG: {text}");
    }
    if !wrong.is_empty() {
        return Err(format!("{} things are wrong", wrong.len()).into());
    }
    println!(
        "{made} pushes by {:?} in {} s: every one is home and whole",
        options.way,
        begun.elapsed().as_secs()
    );
    Ok(())
}

/// What fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Every connection is cut.
    Cut,
    /// Whoever serves a connection is killed.
    Slain,
    /// The server is gone for a while; on the way to a directory, the directory.
    Down,
    /// The disk there is full for a while.
    Full,
    /// The daemon is killed.
    Kill,
    /// Its clock jumps, by half an hour back at most, and one and a half forward.
    Jump,
}

const FAULTS: [Fault; 6] = [Fault::Cut, Fault::Slain, Fault::Down, Fault::Full, Fault::Kill, Fault::Jump];

struct Trial {
    home: Home,
    random: Noise,
    counts: [u32; FAULTS.len()],
}

impl Trial {
    /// Lets things fail, one after the other, for a while.
    fn trouble(&mut self) -> Result<(), Error> {
        let begun = Instant::now();
        while begun.elapsed() < TROUBLE {
            self.home.pause(self.random.below(1_500))?;
            let able = self.home.far.faults();
            let fault = able[usize::try_from(self.random.below(able.len() as u64))?];
            self.counts[fault as usize] += 1;
            let lasts = 200 + self.random.below(1_500);
            match fault {
                Fault::Cut => self.home.far.cut(),
                Fault::Slain => self.home.far.slay(),
                Fault::Down => {
                    self.home.far.leave()?;
                    self.home.pause(lasts)?;
                    self.home.far.come_back()?;
                }
                Fault::Full => {
                    self.home.fill()?;
                    self.home.pause(lasts)?;
                    self.home.drain()?;
                }
                Fault::Kill => {
                    self.home.kill()?;
                    self.home.up()?;
                }
                Fault::Jump => {
                    let minutes = i64::try_from(self.random.below(120))? - 30;
                    self.home.jump(minutes * 60)?;
                }
            }
        }
        Ok(())
    }

    fn told(&self) -> String {
        let counted = FAULTS.iter().zip(self.counts);
        counted.map(|(fault, count)| format!("{fault:?} {count}  ")).collect()
    }
}

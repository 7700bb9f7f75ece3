//! Many pushes by the real daemon while everything fails that can: connections are cut, the far sshd is killed, the disk
//! there runs full, the daemon is killed, and its clock jumps. Afterwards every capture must be home and whole, nothing may
//! be deleted here that was not verified twice, and a bit that is flipped there must be found.

mod home;
mod proof;

use std::time::{Duration, Instant};

use rustix::process::Signal;
use verisim_testkit::sshd::{Sshd, SshdOptions};

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
    /// How many bits are flipped in the end, each in a capture of its own.
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
}

/// So many captures come in at once.
const WAVE: u32 = 20;
/// How long things fail in one wave, at most.
const TROUBLE: Duration = Duration::from_secs(20);
/// How long a wave may take to come home once nothing fails any more.
const CALM_MAX: Duration = Duration::from_secs(180);

/// Runs it; an error when anything could not be proved.
pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let sshd = Sshd::start(SshdOptions::default()).ok_or("no sshd can be started here")?;
    let random = Noise(options.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut trial = Trial { home: Home::make(options, sshd)?, random, counts: [0; FAULTS.len()] };
    trial.home.up()?;
    let begun = Instant::now();
    let mut made = 0;
    while made < options.pushes {
        let wave = WAVE.min(options.pushes - made);
        for number in made..made + wave {
            trial.home.capture(number, &mut trial.random)?;
        }
        made += wave;
        trial.trouble(made)?;
        trial.calm(made)?;
        println!("{:>5} s  {made} home  {}", begun.elapsed().as_secs(), trial.told());
    }
    let found = trial.home.flip(options.flips, &mut trial.random)?;
    println!("{found} of {} flipped bits were found", options.flips);
    trial.home.stop()?;
    let wrong = trial.home.prove()?;
    for text in wrong.iter().take(50) {
        println!("WRONG: {text}");
    }
    if !wrong.is_empty() || found != options.flips {
        return Err(format!("{} things are wrong", wrong.len()).into());
    }
    println!("{made} pushes by {:?}: every one is home and whole", options.way);
    Ok(())
}

/// What fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Every connection is cut.
    Cut,
    /// The far sshd is gone for a while.
    Down,
    /// The disk there is full for a while.
    Full,
    /// The daemon is killed.
    Kill,
    /// Its clock jumps, by half an hour back at most, and one and a half forward.
    Jump,
}

const FAULTS: [Fault; 5] = [Fault::Cut, Fault::Down, Fault::Full, Fault::Kill, Fault::Jump];

struct Trial {
    home: Home,
    random: Noise,
    counts: [u32; FAULTS.len()],
}

impl Trial {
    /// Lets things fail, one after the other, until all that was made is home, or for a while.
    fn trouble(&mut self, made: u32) -> Result<(), Error> {
        let begun = Instant::now();
        while begun.elapsed() < TROUBLE && self.home.sealed()? < made {
            self.home.pause(self.random.below(1_500))?;
            let at = usize::try_from(self.random.below(FAULTS.len() as u64))?;
            self.counts[at] += 1;
            let lasts = 200 + self.random.below(1_500);
            match FAULTS[at] {
                Fault::Cut => self.home.sshd.signal_serving(Signal::KILL),
                Fault::Down => {
                    self.home.sshd.stop();
                    self.home.pause(lasts)?;
                    self.home.sshd.start_again();
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

    /// Lifts everything, asks for what waits or failed to be tried again, and waits until all is home.
    fn calm(&mut self, made: u32) -> Result<(), Error> {
        let begun = Instant::now();
        while self.home.sealed()? < made {
            if begun.elapsed() > CALM_MAX {
                return Err(format!(
                    "only {} of {made} came home:\n{}",
                    self.home.sealed()?,
                    self.home.list()?
                )
                .into());
            }
            self.home.retry()?;
            self.home.pause(1_000)?;
        }
        Ok(())
    }

    fn told(&self) -> String {
        let counted = FAULTS.iter().zip(self.counts);
        counted.map(|(fault, count)| format!("{fault:?} {count}  ")).collect()
    }
}

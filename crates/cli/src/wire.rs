//! From the configuration to the parts of an engine.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;
use verisim_core::{
    ActivityDriver, CancellationToken, Clock, Decoy, DecoyName, DestinationName, DriverCapabilities,
    DriverKind, Owner, PersonaName, RelPath, Store, SyncTransport, WorkerId,
};
use verisim_drivers::{FileDriver, TrafficDriver};
use verisim_engine::{EngineParts, Fleet, Member};
use verisim_realism::{DecoyProfile, Persona, World};
use verisim_sync::{
    CaptureRule, Completeness, Courier, CourierOptions, Destination, Each as SyncEach, GateTools,
    KnownDestination, NativeOptions, NativeTransport, RcloneOptions, RcloneTransport, RsyncOptions,
    RsyncTransport, SftpOptions, SftpTransport,
};

use verisim_ssh::Target;

use crate::config::{
    CaptureConfig, Complete, Config, DecoyConfig, DestinationConfig, Each, PersonaConfig, RcloneConfig,
    RsyncConfig, SftpConfig, TransportConfig,
};
use crate::engines::Engines;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::hosts::Hosts;
use crate::links::{Links, decoy_of};
use crate::owners::Owners;
use crate::secrets::Secrets;
use crate::ssh_login::SshAccounts;
use crate::state::StateDir;

/// The configured fleet: reached, but not running.
#[derive(Clone)]
pub(crate) struct Wired {
    /// The configuration.
    pub(crate) config: Config,
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
    /// The decoys, by name.
    pub(crate) fleet: Arc<Fleet>,
    /// Who carries out actions on files.
    pub(crate) driver: Arc<FileDriver>,
    /// Who opens connections between decoys.
    pub(crate) traffic: Arc<TrafficDriver>,
    /// How each decoy is reached.
    pub(crate) links: Arc<Links>,
}

impl Wired {
    /// Joins decoys and connectors. Touches nothing.
    pub(crate) fn new(config: Config, clock: Arc<dyn Clock>) -> Self {
        Self::over(config, clock, Engines::default())
    }

    /// The same, once the engines of containers have said where they run.
    pub(crate) async fn reach(config: Config, clock: Arc<dyn Clock>) -> Self {
        let engines = Engines::ask(&config).await;
        Self::over(config, clock, engines)
    }

    fn over(config: Config, clock: Arc<dyn Clock>, engines: Engines) -> Self {
        let links = Links::new(engines, Arc::clone(&clock));
        let fleet = Fleet::new(config.decoys.iter().map(|decoy| links.connect(decoy)));
        let (connectors, destinations) = (links.connectors.clone(), links.destinations.clone());
        let secrets = Arc::new(Secrets::of(&config.personas));
        let ssh = SshAccounts::of(&config.personas, Arc::clone(&secrets), links.seen_keys.clone());
        let traffic = TrafficDriver::new(connectors.clone(), destinations, Arc::clone(&clock))
            .with_passwords(secrets)
            .with_ssh(Arc::new(ssh));
        let driver = Arc::new(FileDriver::new(connectors).durable());
        Self { config, clock, fleet, driver, traffic: Arc::new(traffic), links: Arc::new(links) }
    }

    /// The same fleet, drivers and ways under another configuration; the fleet follows by itself.
    pub(crate) fn with(&self, config: Config) -> Self {
        Self { config, ..self.clone() }
    }

    /// What can be planned on a decoy: what each driver can do there.
    fn capabilities(&self, decoy: &Decoy) -> DriverCapabilities {
        let traffic = self.traffic.capabilities(decoy).traffic;
        DriverCapabilities { traffic, ..self.driver.capabilities(decoy) }
    }

    /// The decoy of this name with its connector.
    pub(crate) fn member(&self, name: &DecoyName) -> CliResult<Member> {
        self.fleet.get(name).ok_or_else(|| unknown_decoy(&self.config, name))
    }

    /// Whether anybody works on any decoy.
    pub(crate) fn has_people(&self) -> bool {
        self.config.decoys.iter().any(|decoy| !decoy.personas.is_empty())
    }

    /// The world that the planner works with; `None` where nobody works anywhere.
    pub(crate) async fn world(&self) -> CliResult<Option<Arc<World>>> {
        if !self.has_people() {
            return Ok(None);
        }
        self.world_of(&self.owners().await)
    }

    /// The world in which the personas own files as `owners` says.
    pub(crate) fn world_of(&self, owners: &Owners) -> CliResult<Option<Arc<World>>> {
        let owner = |one: &PersonaConfig| owners.get(&one.name).copied().unwrap_or(Owner::ROOT);
        let personas: Result<Vec<Persona>, _> =
            self.config.personas.iter().map(|one| one.persona(owner(one))).collect();
        let personas = personas.map_err(|error| CliError::new(Exit::Config, error))?;
        let decoys = self.config.decoys.iter().map(|decoy| self.profile(decoy)).collect();
        let (seed, life) = (self.config.seed, self.config.life.clone());
        let world = match self.config.company.clone() {
            Some(mut company) => {
                // A decoy may have been found by now that the company's author did not know of.
                company
                    .hosts
                    .retain(|host| self.config.decoys.iter().all(|one| one.name.as_str() != host.name));
                World::in_company(seed, company, personas, decoys, life)
            }
            None => World::new(seed, personas, decoys, life),
        };
        world.map(|world| Some(Arc::new(world))).map_err(|mistakes| CliError::new(Exit::Config, mistakes))
    }

    fn profile(&self, decoy: &DecoyConfig) -> DecoyProfile {
        DecoyProfile {
            name: decoy.name.clone(),
            role: decoy.role.clone(),
            services: decoy.services.clone(),
            personas: decoy.personas.clone(),
            has_address: decoy.address.is_some(),
            capabilities: self.capabilities(&decoy_of(decoy)),
            time_zone: decoy.time_zone.clone(),
        }
    }

    /// The folders in which captures appear.
    pub(crate) fn rules(&self) -> CliResult<Vec<CaptureRule>> {
        self.config.captures.iter().map(rule_of).collect()
    }

    /// What carries captures home; `None` where there is no capture.
    pub(crate) fn courier(&self, state: &StateDir) -> CliResult<Option<Arc<Courier>>> {
        if self.config.captures.is_empty() {
            return Ok(None);
        }
        let rules = self.rules();
        let destinations = self.config.destinations.iter().map(|destination| {
            let transport = self.transport(destination, state)?;
            let bandwidth = destination.bandwidth.as_ref().map(|limit| self.follow(limit.clone()));
            Ok((destination.name.clone(), Destination { transport, bandwidth }))
        });
        let destinations: CliResult<HashMap<DestinationName, Destination>> = destinations.collect();
        Ok(Some(Arc::new(Courier::new(CourierOptions {
            rules: rules?,
            destinations: destinations?,
            state_dir: state.work(),
            tools: GateTools { runner: crate::tools::runner()?, environment: crate::tools::environment() },
            installation: state.installation()?,
        }))))
    }

    /// What carries captures to a destination.
    fn transport(&self, to: &DestinationConfig, state: &StateDir) -> CliResult<Arc<dyn SyncTransport>> {
        Ok(match &to.transport {
            TransportConfig::Native(path) => {
                let options = NativeOptions::new(path.clone(), known_destination(state, &to.name)?);
                Arc::new(NativeTransport::new(options, Arc::clone(&self.clock)))
            }
            TransportConfig::Rsync(rsync) => {
                Arc::new(rsync_to(rsync, &to.name, state, state.work().join("desks"))?)
            }
            TransportConfig::Sftp(sftp) => Arc::new(sftp_to(sftp, &to.name, state, Arc::clone(&self.clock))?),
            TransportConfig::Rclone(rclone) => {
                // Its own for each destination: the copy of the configuration lies there.
                let scratch = state.work().join(format!("rclone-{}", to.name));
                Arc::new(rclone_to(rclone, &to.name, state, scratch)?)
            }
            TransportConfig::Object(object) => {
                crate::object::transport(object, &to.name, state, Arc::clone(&self.clock))?
            }
        })
    }

    /// The limit that holds now, kept up to date while anybody reads it.
    fn follow(
        &self,
        limit: crate::config::Bandwidth,
    ) -> watch::Receiver<Option<verisim_core::BandwidthLimit>> {
        let (send, receive) = watch::channel(limit.at(self.clock.now()));
        let clock = Arc::clone(&self.clock);
        tokio::spawn(async move {
            while !send.is_closed() {
                let now = clock.now();
                let holds = limit.at(now);
                send.send_if_modified(|known| std::mem::replace(known, holds) != holds);
                tokio::select! {
                    () = clock.sleep_until(now + BANDWIDTH_LOOK) => {}
                    () = send.closed() => {}
                }
            }
        });
        receive
    }

    /// The parts of an engine on `store`. The planner and the courier are for the caller to add.
    pub(crate) fn parts(&self, store: Arc<dyn Store>) -> CliResult<EngineParts> {
        let mut settings = verisim_engine::Settings {
            history_age_max: self.config.history.keep,
            events_per_decoy_max: self.config.history.events_per_decoy,
            ..verisim_engine::Settings::default()
        };
        let numbers = self.config.engine;
        settings.decoys_at_once_max = numbers.decoys_at_once.unwrap_or(settings.decoys_at_once_max);
        settings.pushes_per_destination_max =
            numbers.pushes_per_destination.unwrap_or(settings.pushes_per_destination_max);
        settings.drain = numbers.drain.unwrap_or(settings.drain);
        let token = random_token()?;
        // Each engine ends by itself.
        let ending = CancellationToken::new();
        let traffic = TrafficDriver::clone(&self.traffic).until(ending.clone());
        Ok(EngineParts {
            store,
            clock: Arc::clone(&self.clock),
            drivers: HashMap::from([
                (DriverKind::File, Arc::clone(&self.driver) as Arc<dyn ActivityDriver>),
                (DriverKind::Traffic, Arc::new(traffic) as Arc<dyn ActivityDriver>),
            ]),
            fleet: Arc::clone(&self.fleet),
            planner: None,
            sync: None,
            seed: self.config.seed,
            worker: WorkerId(format!("{}-{token}", std::process::id()).into()),
            settings,
            ending,
        })
    }
}

/// No decoy of the configuration has this name.
pub(crate) fn unknown_decoy(config: &Config, name: &DecoyName) -> CliError {
    let known: Vec<&str> = config.decoys.iter().map(|decoy| decoy.name.as_str()).collect();
    unknown("decoy", name.as_str(), &known)
}

/// No persona of the configuration has this name.
pub(crate) fn unknown_persona(config: &Config, name: &PersonaName) -> CliError {
    let known: Vec<&str> = config.personas.iter().map(|persona| persona.name.as_str()).collect();
    unknown("persona", name.as_str(), &known)
}

/// No destination of the configuration has this name.
pub(crate) fn unknown_destination(config: &Config, name: &DestinationName) -> CliError {
    let known: Vec<&str> = config.destinations.iter().map(|destination| destination.name.as_str()).collect();
    unknown("destination", name.as_str(), &known)
}

fn unknown(what: &str, name: &str, known: &[&str]) -> CliError {
    let hint = match crate::config::mistake::nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None if known.is_empty() => format!("the configuration has no {what}"),
        None if known.len() > NAMES_TOLD_MAX => {
            format!("there are {}, among them: {}", known.len(), known[..NAMES_TOLD_MAX].join(", "))
        }
        None => format!("there are: {}", known.join(", ")),
    };
    CliError::new(Exit::Usage, format!("no {what} is called {name}")).hint(hint)
}

/// How many names an error lists.
const NAMES_TOLD_MAX: usize = 10;

/// How often the windows of a bandwidth are looked at.
const BANDWIDTH_LOOK: std::time::Duration = std::time::Duration::from_secs(20);

/// How the destination of this name is known again.
pub(crate) fn known_destination(state: &StateDir, name: &DestinationName) -> CliResult<KnownDestination> {
    Ok(KnownDestination::new(state.work().join(format!("destination-{name}")), random_token()?))
}

/// What carries captures to a host by rsync. Touches nothing yet. What is short and private goes to `scratch`.
pub(crate) fn rsync_to(
    rsync: &RsyncConfig,
    name: &DestinationName,
    state: &StateDir,
    scratch: PathBuf,
) -> CliResult<RsyncTransport> {
    let RsyncConfig { ssh, path, rsync_path, read_back_max } = rsync;
    let mut options = RsyncOptions::new(ssh.host.clone(), path.as_bytes(), scratch);
    options.port = ssh.port;
    options.user.clone_from(&ssh.user);
    options.key.clone_from(&ssh.identity);
    // Where `verisim sync trust` writes, ssh shall look. What we cannot make out of its configuration, it finds by itself.
    options.known_hosts = Hosts::default().target(ssh).map(|target| target.known_hosts).unwrap_or_default();
    options.rsync_path.clone_from(rsync_path);
    options.read_back_max = read_back_max.unwrap_or(options.read_back_max);
    options.environment = crate::tools::environment();
    Ok(RsyncTransport::new(options, known_destination(state, name)?, crate::tools::runner()?))
}

/// What carries captures to a host over SFTP. Touches nothing yet. A host that cannot be made out of `ssh_config` answers every
/// question with the reason, and the others live on.
pub(crate) fn sftp_to(
    sftp: &SftpConfig,
    name: &DestinationName,
    state: &StateDir,
    clock: Arc<dyn Clock>,
) -> CliResult<SftpTransport> {
    let SftpConfig { ssh, path, read_back_max } = sftp;
    let target = Hosts::default().target(ssh);
    let mut options = SftpOptions::new(
        target
            .clone()
            .unwrap_or_else(|_| Target::new(ssh.host.clone(), ssh.user.clone().unwrap_or_default())),
        path.as_bytes(),
    );
    options.unready = target.err();
    options.read_back_max = read_back_max.unwrap_or(options.read_back_max);
    Ok(SftpTransport::new(options, known_destination(state, name)?, clock))
}

/// What carries captures to a remote by rclone, with its copy of the configuration in `scratch`. Touches nothing yet.
pub(crate) fn rclone_to(
    rclone: &RcloneConfig,
    name: &DestinationName,
    state: &StateDir,
    scratch: PathBuf,
) -> CliResult<RcloneTransport> {
    let RcloneConfig { remote, config, hash, program, read_back_max } = rclone;
    let config = config.clone().or_else(|| crate::tools::rclone_config(remote));
    let mut options = RcloneOptions::new(remote.clone(), config, scratch);
    options.program = program.clone().unwrap_or(options.program);
    options.read_back_max = read_back_max.unwrap_or(options.read_back_max);
    options.hash.clone_from(hash);
    options.environment = crate::tools::environment_of_rclone();
    Ok(RcloneTransport::new(options, known_destination(state, name)?, crate::tools::runner()?))
}

/// A token that no other process has, for worker ids and work by hand.
pub(crate) fn random_token() -> CliResult<String> {
    let mut bytes = [0; 8];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(|error| CliError::new(Exit::Failed, format!("no randomness: {error}")))?;
    Ok(format!("{:016x}", u64::from_le_bytes(bytes)))
}

/// A seed that another fleet will not have.
pub(crate) fn random_seed() -> CliResult<u64> {
    Ok(u64::from_str_radix(&random_token()?, 16).unwrap_or_default() >> 32)
}

fn rule_of(capture: &CaptureConfig) -> CliResult<CaptureRule> {
    let file = |name: &str| RelPath::new(name).map_err(|error| CliError::new(Exit::Config, error));
    Ok(CaptureRule {
        name: capture.name.clone(),
        path: capture.path.clone(),
        each: match capture.each {
            Each::Directory => SyncEach::Directory,
            Each::Folder => SyncEach::Whole,
        },
        complete: match &capture.complete {
            Complete::Sentinel(name) => Completeness::Sentinel(file(name)?),
            Complete::Manifest(name) => Completeness::Manifest(file(name)?),
            Complete::Quiet(span) => Completeness::Quiet(*span),
        },
        gate: Arc::clone(&capture.gate),
        destination: capture.destination.clone(),
        cleanup: capture.cleanup,
        audit: capture.audit,
    })
}

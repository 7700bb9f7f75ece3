//! What the configuration says about how much happens, and of what kind.

use serde::{Deserialize, Serialize};
use verisim_core::FileClass;

/// How much happens, and of what kind. Every field has a default, and all of it comes from the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How often which kind of effect is chosen.
    pub effects: EffectWeights,
    /// How often which class of file is begun, before a persona's role or own weights change it.
    pub classes: ClassWeights,
    /// How often what is spoken on connections to other decoys, before a persona's role changes it.
    pub traffic: TrafficWeights,
    /// How often people begin a session: 2.6, the default, stands for as often as real people do, 5.2 for twice as often. Each
    /// persona has its own days beside that, and some stay empty.
    pub sessions_per_day: f64,
    /// How much a session holds: 3.6, the default, stands for as much as real people do, 7.2 for twice as much. In busy mode so
    /// many moments, on average (geometric).
    pub moments_per_session: f64,
    /// How many times as much happens as with an ordinary person. Above 1, sessions hold more; default 1, at most 10,000.
    pub pace: f64,
    /// Whether working hours, holidays and absences are ignored: for demonstrations and load tests. Default false.
    pub busy: bool,
    /// On how many of 1,000 days a persona is away, vacations aside. Default 40.
    pub absent_per_mille: u32,
    /// About how many files a persona keeps on one decoy: below it creating, above it removing is likelier. Default 70.
    pub files_per_desk: u32,
}

/// Sessions of a day, and moments of a session, that the pattern of life was fitted with.
pub(crate) const SESSIONS_PER_DAY: f64 = 2.6;
pub(crate) const MOMENTS_PER_SESSION: f64 = 3.6;

impl Default for Settings {
    fn default() -> Self {
        Self {
            effects: EffectWeights::default(),
            classes: ClassWeights::default(),
            traffic: TrafficWeights::default(),
            sessions_per_day: SESSIONS_PER_DAY,
            moments_per_session: MOMENTS_PER_SESSION,
            pace: 1.0,
            busy: false,
            absent_per_mille: 40,
            files_per_desk: 70,
        }
    }
}

/// How often which kind of effect is chosen, relative to each other. What a decoy cannot do, or has no file for, is left out
/// of the draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EffectWeights {
    /// A new file. Default 32.
    pub create: u32,
    /// Another content for a file. Default 36.
    pub edit: u32,
    /// Lines at the end of a log. Default 12.
    pub append: u32,
    /// Another name for a file. Default 2.
    pub rename: u32,
    /// A file goes. Default 8.
    pub remove: u32,
    /// Nothing: the persona reads, thinks, talks. Default 15.
    pub leave_alone: u32,
    /// A connection to another decoy; a third of it on a decoy that is no workstation. Default 18.
    pub traffic: u32,
}

impl Default for EffectWeights {
    fn default() -> Self {
        Self { create: 32, edit: 36, append: 12, rename: 2, remove: 8, leave_alone: 15, traffic: 18 }
    }
}

/// How often which class of file is begun, relative to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClassWeights {
    /// Something written down in passing. Default 26.
    pub note: u32,
    /// A list of what is to be done. Default 12.
    pub todo: u32,
    /// Prose that grows over days. Default 16.
    pub draft: u32,
    /// A small program. Default 14.
    pub script: u32,
    /// What a cron job writes. Default 6.
    pub cron_log: u32,
    /// What a service writes. Default 6.
    pub daemon_log: u32,
    /// Intermediate output. Default 20.
    pub scratch: u32,
    /// A text of an office program, or a page that is printed. Default 9.
    pub document: u32,
    /// A table. Default 8.
    pub spreadsheet: u32,
    /// A file of a small project in a programming language. Default 8.
    pub source: u32,
    /// Settings of a program. Default 5.
    pub configuration: u32,
    /// What a program keeps to be quicker. Default 12.
    pub cache: u32,
}

impl Default for ClassWeights {
    fn default() -> Self {
        Self {
            note: 26,
            todo: 12,
            draft: 16,
            script: 14,
            cron_log: 6,
            daemon_log: 6,
            scratch: 20,
            document: 9,
            spreadsheet: 8,
            source: 8,
            configuration: 5,
            cache: 12,
        }
    }
}

/// How often what is spoken on connections to other decoys, relative to each other. What nobody offers is left out of the
/// draw; where all that is offered weighs 0, no connection is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrafficWeights {
    /// A session on another host. Default 20.
    pub ssh: u32,
    /// Pages. Default 24.
    pub http: u32,
    /// Pages over TLS. Default 24.
    pub https: u32,
    /// Queries. Default 12.
    pub mysql: u32,
    /// Whether the mail server is there. Default 4.
    pub smtp: u32,
    /// A look into the mailbox. Default 12.
    pub imap: u32,
    /// A look at the shares. Default 12.
    pub smb: u32,
    /// A bare connection. Default 2.
    pub tcp: u32,
}

impl Default for TrafficWeights {
    fn default() -> Self {
        Self { ssh: 20, http: 24, https: 24, mysql: 12, smtp: 4, imap: 12, smb: 12, tcp: 2 }
    }
}

impl TrafficWeights {
    /// In the order of [`verisim_core::TrafficProtocol::ALL`].
    pub(crate) const fn list(&self) -> [u32; 8] {
        [self.ssh, self.http, self.https, self.mysql, self.smtp, self.imap, self.smb, self.tcp]
    }
}

/// The classes that the planner begins, in the order of [`ClassWeights::list`].
pub const CLASSES: [FileClass; 12] = [
    FileClass::Note,
    FileClass::Todo,
    FileClass::Draft,
    FileClass::Script,
    FileClass::CronLog,
    FileClass::DaemonLog,
    FileClass::Scratch,
    FileClass::Document,
    FileClass::Spreadsheet,
    FileClass::Source,
    FileClass::Configuration,
    FileClass::Cache,
];

impl ClassWeights {
    pub(crate) const fn list(&self) -> [u32; 12] {
        [
            self.note,
            self.todo,
            self.draft,
            self.script,
            self.cron_log,
            self.daemon_log,
            self.scratch,
            self.document,
            self.spreadsheet,
            self.source,
            self.configuration,
            self.cache,
        ]
    }
}

impl EffectWeights {
    pub(crate) const fn list(&self) -> [u32; 7] {
        [self.create, self.edit, self.append, self.rename, self.remove, self.leave_alone, self.traffic]
    }
}

/// The largest weight: sums of them stay far from the end of 32 bits.
pub(crate) const WEIGHT_MAX: u32 = 1_000_000;
/// The largest pace.
pub(crate) const PACE_MAX: f64 = 10_000.0;

impl Settings {
    /// Everything that is wrong, each by the name of its field.
    pub(crate) fn mistakes(&self) -> Vec<(&'static str, &'static str)> {
        let weights = "weights are at most 1,000,000, and one of them is more than 0";
        let fits = |number: f64, most: f64| number > 0.0 && number <= most;
        let checks = [
            ("effects", weigh(&self.effects.list()), weights),
            ("classes", weigh(&self.classes.list()), weights),
            (
                "traffic",
                self.traffic.list().iter().all(|weight| *weight <= WEIGHT_MAX),
                "weights are at most 1,000,000",
            ),
            ("sessions_per_day", fits(self.sessions_per_day, 24.0), "it must be more than 0 and at most 24"),
            (
                "moments_per_session",
                fits(self.moments_per_session, 100.0),
                "it must be more than 0 and at most 100",
            ),
            ("pace", fits(self.pace, PACE_MAX), "it must be more than 0 and at most 10,000"),
            ("absent_per_mille", self.absent_per_mille <= 1000, "it must be at most 1,000"),
            ("files_per_desk", (1..=10_000).contains(&self.files_per_desk), "it must be from 1 to 10,000"),
        ];
        checks.into_iter().filter(|(_, good, _)| !good).map(|(field, _, reason)| (field, reason)).collect()
    }
}

/// Whether weights can be drawn from.
pub(crate) fn weigh(weights: &[u32]) -> bool {
    weights.iter().all(|weight| *weight <= WEIGHT_MAX) && weights.iter().any(|weight| *weight > 0)
}

//! The interlocks of cleanup: one pure function over what was found out just now. Every input is a value that somebody had
//! to make; none has a default, so none can mean "fine" because nobody asked.

use std::fmt;
use std::time::Duration;

use verisim_core::{CaptureProof, CleanupRule, Digest, Proof, Timestamp, Uptime};

/// How long a pass counts as recent: weeks of a silent destination must not lie between what was seen there and what is
/// deleted here. A pass is as old as its begin, and one over many terabytes takes most of a day.
const RECENT: Duration = Duration::from_secs(24 * 60 * 60);

/// What was found out for one decision over one capture.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// What the operator asks for.
    pub rule: &'a CleanupRule,
    /// The passes of verification that all matched, oldest first.
    pub passes: &'a [CaptureProof],
    /// How many there were, those that are not kept included.
    pub passes_total: u32,
    /// The manifest of what was pushed last.
    pub manifest: Option<Digest>,
    /// The time.
    pub now: Timestamp,
    /// The same by a clock that nobody sets.
    pub uptime: Option<Uptime>,
    /// What the destination said just now.
    pub remote: &'a RemoteAnswer,
    /// What the gate says now.
    pub gate: Gate,
    /// What the capture's root is now.
    pub root: RootNow,
    /// What the capture holds now, beside what was pushed.
    pub evidence: &'a Evidence,
    /// Whether somebody has one of its files open for writing.
    pub writers: &'a Writers,
}

/// Whether somebody has a file of the capture open for writing: what is written into one that is deleted is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Writers {
    /// Nobody of whom we may know.
    None,
    /// These files are open, for people.
    Some(String),
    /// It could not be found out, for this reason.
    Unknown(String),
}

/// What the capture holds now, beside what was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// Every file was looked at, and none is new or changed since the push.
    AsPushed,
    /// These are, for people.
    Late(String),
    /// It could not be found out, for this reason.
    Unknown(String),
}

/// What the destination said just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteAnswer {
    /// It answered.
    Answered {
        /// The folder's marker names us.
        ours: bool,
        /// The manifest that is sealed there.
        sealed: Option<Digest>,
    },
    /// It did not, for this reason.
    Silent(String),
}

/// Whether a gate stands before the capture, and what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// The rule has no gate.
    None,
    /// It is clear, and no override of it was revoked since the push.
    Clear,
    /// An override was revoked, or it has a hard finding.
    Closed,
}

/// What the capture's root is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootNow {
    /// The very directory that was pushed, with files in it.
    AsPushed,
    /// That directory, without a single one of the files that were pushed: a mount that went away looks like this.
    Empty,
    /// Another directory, or something else, under its name.
    Another,
    /// Nothing, or it cannot be read.
    Gone,
}

/// An interlock that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interlock {
    /// The operator did not switch cleanup on.
    SwitchedOff,
    /// There is no manifest of what was pushed.
    NothingPushed,
    /// Fewer full passes than asked for have verified that manifest.
    Passes {
        /// How many did.
        made: u32,
        /// How many are asked for.
        asked: u32,
    },
    /// The first pass is not long enough ago.
    Age,
    /// The last pass is too long ago, or was made before the capture was old enough: another one mends it.
    Stale,
    /// A pass proved it in a way that does not count.
    Proof,
    /// The destination did not answer.
    RemoteSilent(String),
    /// The folder there does not carry our marker.
    RemoteNotOurs,
    /// The manifest that is sealed there is not the one that was verified.
    NotSealed,
    /// The gate is closed.
    GateClosed,
    /// The root is suddenly empty.
    RootEmpty,
    /// The root is another directory, or none.
    RootAnother,
    /// The root is gone.
    RootGone,
    /// Files are here that are new or changed since the push.
    LateEvidence(String),
    /// Whether there are such files is not known.
    EvidenceUnknown(String),
    /// Somebody has files open for writing.
    StillWritten(String),
    /// Whether somebody has is not known.
    WritersUnknown(String),
}

/// Whether cleanup may go on; else every interlock that does not hold.
///
/// # Errors
/// All the interlocks that do not hold.
pub fn interlocks(facts: &Facts<'_>) -> Result<(), Vec<Interlock>> {
    let mut open = Vec::new();
    let rule = facts.rule;
    if !rule.enabled {
        open.push(Interlock::SwitchedOff);
    }
    if facts.manifest.is_none() {
        open.push(Interlock::NothingPushed);
    }
    passes(facts, &mut open);
    match facts.remote {
        RemoteAnswer::Silent(why) => open.push(Interlock::RemoteSilent(why.clone())),
        RemoteAnswer::Answered { ours, sealed } => {
            if !ours {
                open.push(Interlock::RemoteNotOurs);
            }
            if sealed.is_none() || *sealed != facts.manifest {
                open.push(Interlock::NotSealed);
            }
        }
    }
    match facts.gate {
        Gate::None | Gate::Clear => {}
        Gate::Closed => open.push(Interlock::GateClosed),
    }
    match facts.root {
        RootNow::AsPushed => {}
        RootNow::Empty => open.push(Interlock::RootEmpty),
        RootNow::Another => open.push(Interlock::RootAnother),
        RootNow::Gone => open.push(Interlock::RootGone),
    }
    match facts.evidence {
        Evidence::AsPushed => {}
        Evidence::Late(files) => open.push(Interlock::LateEvidence(files.clone())),
        Evidence::Unknown(why) => open.push(Interlock::EvidenceUnknown(why.clone())),
    }
    match facts.writers {
        Writers::None => {}
        Writers::Some(files) => open.push(Interlock::StillWritten(files.clone())),
        Writers::Unknown(why) => open.push(Interlock::WritersUnknown(why.clone())),
    }
    if open.is_empty() { Ok(()) } else { Err(open) }
}

fn passes(facts: &Facts<'_>, open: &mut Vec<Interlock>) {
    let rule = facts.rule;
    let of_this = |pass: &&CaptureProof| Some(pass.manifest) == facts.manifest;
    let counted = facts.passes.iter().filter(of_this).count();
    // Passes that are no more kept one by one were over the same manifest: a push begins the list anew.
    let forgotten = (facts.passes_total as usize).saturating_sub(facts.passes.len());
    let made = u32::try_from(counted + if counted == 0 { 0 } else { forgotten }).unwrap_or(u32::MAX);
    // A rule that asks for no pass at all asks for one: nothing unverified is ever deleted.
    let asked = rule.min_passes.max(1);
    if made < asked {
        open.push(Interlock::Passes { made, asked });
    }
    let (first, last) = (facts.passes.iter().find(of_this), facts.passes.iter().rfind(of_this));
    if let Some(first) = first {
        // A first pass in the future is a clock that was set back, and no age.
        if first.age(facts.now, facts.uptime).is_none_or(|age| age < rule.min_age) {
            open.push(Interlock::Age);
        }
    }
    if let (Some(first), Some(last)) = (first, last)
        && !is_current(rule, first, last, (facts.now, facts.uptime))
    {
        open.push(Interlock::Stale);
    }
    let counts = |proof: Proof| match proof {
        Proof::Sha256Remote | Proof::Sha256Readback => true,
        Proof::Other => rule.accept_other_proof,
    };
    if facts.passes.iter().filter(of_this).any(|pass| !counts(pass.proof)) {
        open.push(Interlock::Proof);
    }
}

/// Whether anything may be deleted on the word of `last`, the last pass there was: it is recent, and was made when the age
/// that is asked for was over. Passes close together, as somebody asks for them by hand, show one moment, and what befalls
/// the destination between them and cleanup would be seen by nobody. A pass in the future is a clock that was set back:
/// nobody knows how old it is.
fn is_current(
    rule: &CleanupRule,
    first: &CaptureProof,
    last: &CaptureProof,
    (now, uptime): (Timestamp, Option<Uptime>),
) -> bool {
    first.age(last.at, last.uptime).is_some_and(|apart| apart >= rule.min_age)
        && last.age(now, uptime).is_some_and(|age| age <= RECENT)
}

impl fmt::Display for Interlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SwitchedOff => f.write_str("cleanup is off"),
            Self::NothingPushed => f.write_str("nothing was pushed"),
            Self::Passes { made, asked } => write!(f, "verified {made} of {asked} times"),
            Self::Age => f.write_str("the first verification is not long enough ago"),
            Self::Stale => f.write_str("it was not verified lately, since it is old enough"),
            Self::Proof => f.write_str("a verification was not by SHA-256"),
            Self::RemoteSilent(why) => write!(f, "the destination does not answer: {why}"),
            Self::RemoteNotOurs => f.write_str("the folder at the destination is not ours"),
            Self::NotSealed => f.write_str("the verified manifest is not sealed at the destination"),
            Self::GateClosed => f.write_str("its gate is closed, see `verisim sync show`"),
            Self::RootEmpty => f.write_str("the capture's folder is suddenly empty"),
            Self::RootAnother => f.write_str("another folder stands in the capture's place"),
            Self::RootGone => f.write_str("the capture's folder is gone"),
            Self::LateEvidence(files) => f.write_str(files),
            Self::EvidenceUnknown(why) => write!(f, "whether files came late is not known: {why}"),
            Self::StillWritten(files) => write!(f, "still open for writing: {files}"),
            Self::WritersUnknown(why) => write!(f, "whether somebody still writes is not known: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const NOW: i64 = 10_000_000;

    fn proof(at: i64, manifest: u8, proof: Proof) -> CaptureProof {
        CaptureProof {
            at: Timestamp::from_second(at).unwrap(),
            uptime: None,
            proof,
            manifest: Digest::from_bytes([manifest; 32]),
        }
    }

    fn manifest() -> Option<Digest> {
        Some(Digest::from_bytes([1; 32]))
    }

    /// Passes, and whether they are enough, old enough, recent enough, and all by SHA-256.
    fn pass_sets() -> Vec<(Vec<CaptureProof>, [bool; 4])> {
        use Proof::{Other, Sha256Readback as Read, Sha256Remote as Far};
        let (old, late) = (NOW - 2 * 3600, NOW - 600);
        let weeks_ago = NOW - 30 * 86_400;
        vec![
            (vec![], [false, true, true, true]),
            (vec![proof(old, 1, Read)], [false, true, false, true]),
            (vec![proof(old, 1, Read), proof(late, 1, Far)], [true, true, true, true]),
            // Two passes within seconds, and two hours in which nobody looked.
            (vec![proof(old, 1, Read), proof(old + 9, 1, Far)], [true, true, false, true]),
            (vec![proof(NOW - 1000, 1, Read), proof(NOW - 100, 1, Read)], [true, false, false, true]),
            (vec![proof(NOW + 1, 1, Read), proof(old, 1, Read)], [true, false, false, true]),
            (vec![proof(old, 1, Other), proof(late, 1, Read)], [true, true, true, false]),
            // Passes over what was pushed before do not count.
            (vec![proof(old, 9, Read), proof(old, 9, Read)], [false, true, true, true]),
            (vec![proof(old, 9, Read), proof(old, 1, Read)], [false, true, false, true]),
            // Weeks of silence since the last; what came after it was over something else, or is not over yet.
            (vec![proof(weeks_ago, 1, Read), proof(weeks_ago, 1, Read)], [true, true, false, true]),
            (vec![proof(weeks_ago, 1, Read), proof(late, 1, Read)], [true, true, true, true]),
            (
                vec![proof(weeks_ago, 1, Read), proof(weeks_ago, 1, Read), proof(old, 9, Read)],
                [true, true, false, true],
            ),
            (vec![proof(old, 1, Read), proof(NOW + 1, 1, Read)], [true, true, false, true]),
        ]
    }

    fn remotes() -> [(RemoteAnswer, bool); 5] {
        let answered = |ours, sealed| RemoteAnswer::Answered { ours, sealed };
        [
            (answered(true, manifest()), true),
            (answered(false, manifest()), false),
            (answered(true, None), false),
            (answered(true, Some(Digest::from_bytes([9; 32]))), false),
            (RemoteAnswer::Silent("gone".into()), false),
        ]
    }

    fn evidences() -> [(Evidence, bool); 3] {
        [
            (Evidence::AsPushed, true),
            (Evidence::Late("a".into()), false),
            (Evidence::Unknown("not readable".into()), false),
        ]
    }

    fn writers() -> [(Writers, bool); 3] {
        [
            (Writers::None, true),
            (Writers::Some("a".into()), false),
            (Writers::Unknown("not readable".into()), false),
        ]
    }

    /// Every combination of every input, against the rules written out a second time.
    #[test]
    fn defect_16_inv_6_cleanup_needs_every_interlock() {
        let now = Timestamp::from_second(NOW).unwrap();
        let (mut held, mut refused) = (0, 0);
        let mut check = |facts: &Facts<'_>, expected: bool| {
            assert_eq!(interlocks(facts).is_ok(), expected, "{facts:?}");
            if expected {
                held += 1;
            } else {
                refused += 1;
            }
        };
        let roots = [RootNow::AsPushed, RootNow::Empty, RootNow::Another, RootNow::Gone];
        for (enabled, accept_other_proof) in [(true, true), (true, false), (false, true), (false, false)] {
            let rule = CleanupRule {
                enabled,
                min_passes: 2,
                min_age: HOUR,
                accept_other_proof,
                remove_metadata: false,
            };
            for (passes, [enough, aged, recent, sha]) in &pass_sets() {
                let proven = *enough && *aged && *recent && (*sha || accept_other_proof);
                let passes_total = u32::try_from(passes.len()).unwrap();
                for (manifest, (remote, answered)) in
                    [manifest(), None].into_iter().flat_map(|manifest| remotes().map(|it| (manifest, it)))
                {
                    for (gate, root) in [Gate::None, Gate::Clear, Gate::Closed]
                        .into_iter()
                        .flat_map(|gate| roots.map(|root| (gate, root)))
                    {
                        for ((evidence, all_pushed), (writers, at_rest)) in
                            evidences().iter().flat_map(|it| writers().map(move |writers| (it, writers)))
                        {
                            let facts = Facts {
                                rule: &rule,
                                passes,
                                passes_total,
                                manifest,
                                now,
                                uptime: None,
                                remote: &remote,
                                gate,
                                root,
                                evidence,
                                writers: &writers,
                            };
                            let here =
                                gate != Gate::Closed && root == RootNow::AsPushed && *all_pushed && at_rest;
                            check(&facts, enabled && proven && manifest.is_some() && answered && here);
                        }
                    }
                }
            }
        }
        assert!(held > 0 && refused > 100 * held, "{held} {refused}");
    }

    #[test]
    fn inv_6_a_rule_that_asks_for_nothing_still_asks_for_one_pass() {
        let rule = CleanupRule {
            enabled: true,
            min_passes: 0,
            min_age: Duration::ZERO,
            accept_other_proof: true,
            remove_metadata: true,
        };
        let manifest = Some(Digest::from_bytes([1; 32]));
        let remote = RemoteAnswer::Answered { ours: true, sealed: manifest };
        let facts = Facts {
            rule: &rule,
            passes: &[],
            // A count without a single proof behind it is no pass.
            passes_total: 7,
            manifest,
            now: Timestamp::from_second(10).unwrap(),
            uptime: None,
            remote: &remote,
            gate: Gate::None,
            root: RootNow::AsPushed,
            evidence: &Evidence::AsPushed,
            writers: &Writers::None,
        };
        assert_eq!(interlocks(&facts), Err(vec![Interlock::Passes { made: 0, asked: 1 }]));
    }

    #[test]
    fn inv_6_a_wall_clock_that_is_set_opens_no_interlock() {
        let rule = CleanupRule {
            enabled: true,
            min_passes: 2,
            min_age: HOUR,
            accept_other_proof: false,
            remove_metadata: false,
        };
        let manifest = manifest();
        let remote = RemoteAnswer::Answered { ours: true, sealed: manifest };
        let up = |boot: u64, minutes: u64| Some(Uptime { boot, millis: minutes * 60_000 });
        let asked = |first: Option<Uptime>, now: Option<Uptime>| {
            // By the wall clock two hours lie between.
            let pass = CaptureProof { uptime: first, ..proof(NOW - 7200, 1, Proof::Sha256Remote) };
            let last = CaptureProof { uptime: now, ..proof(NOW, 1, Proof::Sha256Remote) };
            interlocks(&Facts {
                rule: &rule,
                passes: &[pass, last],
                passes_total: 2,
                manifest,
                now: Timestamp::from_second(NOW).unwrap(),
                uptime: now,
                remote: &remote,
                gate: Gate::None,
                root: RootNow::AsPushed,
                evidence: &Evidence::AsPushed,
                writers: &Writers::None,
            })
        };
        assert_eq!(asked(up(1, 5), up(1, 64)), Err(vec![Interlock::Age, Interlock::Stale]));
        assert_eq!(asked(up(1, 5), up(1, 65)), Ok(()));
        // Another start of the machine, or none that is known: there is only the wall clock.
        assert_eq!(asked(up(1, 5), up(2, 6)), Ok(()));
        assert_eq!(asked(None, up(2, 6)), Ok(()));
    }
}

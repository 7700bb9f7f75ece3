//! One line of every shape that is stored. When a line changes, stores that are out there no longer read as they were
//! written: see the module's comment. A new shape is a new line.

use std::fmt::Debug;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use verisim_core::{
    Action, AppendFile, Body, Capture, CaptureProof, CleanupRule, Decoy, Digest, EditFile, Email,
    EventPayload, FailureKind, FileClass, FileMode, FileTimes, Findings, GateFinding, GateOverride,
    GateReport, Intended, Inventory, MoveFile, NewEvent, Owner, OwnerPolicy, Payload, PlantFile,
    PlantPayload, Proof, RelPath, Remote, RemoveFile, Revocation, RootIdentity, RuleFindings, Severity,
    SyncPayload, SyncProgress, SyncSpec, TextEdit, ToolOutput, Topic, Traffic, TrafficAsk, TrafficPayload,
    TrafficProtocol, TrafficStyle, Uptime, Work,
};

use super::*;

/// Every line is read and written back without a difference, and is what the value of today is written as.
fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(name: &str, golden: &str, values: &[T]) {
    let written: Vec<String> = values.iter().map(|value| encode(value).unwrap()).collect();
    let lines: Vec<&str> = golden.lines().collect();
    assert_eq!(
        lines,
        written,
        "golden/{name} is not what is written; it should be\n{}\n",
        written.join("\n")
    );
    for (line, value) in lines.iter().zip(values) {
        assert_eq!(decode::<T>(line).unwrap(), *value);
    }
}

fn at() -> Timestamp {
    "2026-11-22T09:12:31.123456789Z".parse().unwrap()
}

fn path(text: &str) -> verisim_core::DecoyPath {
    verisim_core::DecoyPath::new(text).unwrap()
}

fn sha256() -> Digest {
    Digest::of(b"content")
}

fn actions() -> Vec<Action> {
    let body = || Body::from("text\n".as_bytes());
    let edits = vec![
        TextEdit::Insert { line: 1, text: body() },
        TextEdit::Replace { line: 2, text: body() },
        TextEdit::Delete { line: 3, count: 4 },
        TextEdit::Append { text: Body::from(vec![0xff, 0, 0x80]) },
        TextEdit::Whole { body: body() },
    ];
    let past = FileTimes::Past { mtime: at(), atime: at() };
    let plant = |owner, times| {
        let mode = FileMode::new(0o640);
        Action::Plant(PlantFile {
            path: path("/home/ann/a"),
            body: body(),
            class: FileClass::Note,
            mode,
            owner,
            times,
        })
    };
    vec![
        Action::Traffic(Traffic::new("files01".parse().unwrap(), TrafficProtocol::Http)),
        Action::Traffic(Traffic {
            to: "files01".parse().unwrap(),
            protocol: TrafficProtocol::Https,
            port: Some(8443),
            style: TrafficStyle::Person,
            agent: Some("Mozilla/5.0".into()),
            login: Some("ann".into()),
            asks: vec![
                TrafficAsk { ask: "/".into(), pause_ms: 0 },
                TrafficAsk { ask: "/a?b".into(), pause_ms: 1500 },
            ],
            follow: 3,
        }),
        plant(OwnerPolicy::Set(Owner { uid: 1000, gid: 100 }), FileTimes::Live),
        plant(OwnerPolicy::Keep, past),
        Action::Append(AppendFile {
            path: path("/var/log/odd\\ \n name"),
            body: body(),
            class: FileClass::DaemonLog,
        }),
        Action::Edit(EditFile { path: path("/home/ann/a"), edits, shared: false }),
        Action::Move(MoveFile { from: path("/tmp/a"), to: path("/tmp/b") }),
        Action::Remove(RemoveFile { path: path("/tmp/b") }),
        Action::Email(Email { message_id: "1@example.org".into(), message: body() }),
        Action::Append(AppendFile { path: path("/var/log/wtmp"), body: body(), class: FileClass::Record }),
        Action::Edit(EditFile {
            path: path("/var/log/lastlog"),
            edits: vec![TextEdit::Patch { offset: 292, bytes: body() }],
            shared: true,
        }),
    ]
}

fn spec() -> SyncSpec {
    let relative = RelPath::new(b"2026-11/odd\xff").unwrap();
    let identity = RootIdentity { device: 1, inode: 2, born_ns: Some(3) };
    let capture = Capture {
        rule: "cowrie".parse().unwrap(),
        relative: Some(relative.clone()),
        root: "/srv/cowrie/downloads/a".into(),
        identity,
        generation: 2,
    };
    let remote = Remote { destination: "vault".parse().unwrap(), path: relative, owner: "site-7".into() };
    SyncSpec { capture, remote }
}

#[test]
fn work() {
    let mut work: Vec<Work> = actions()
        .into_iter()
        .map(|action| Work::Activity {
            decoy: "files01".parse().unwrap(),
            action: Arc::new(action),
            persona: Some("maria-keller".parse().unwrap()),
            session: Some(verisim_core::SessionId("maria-keller/2026-11-22/1".into())),
            why: "the report is due".into(),
        })
        .collect();
    work.push(Work::Sync(Box::new(spec())));
    check("work.jsonl", include_str!("../../golden/work.jsonl"), &work);
}

#[test]
fn intended() {
    let sha256 = sha256();
    let intended = [
        Intended::Create { sha256 },
        Intended::Replace { old: sha256, new: Digest::of(b"new") },
        Intended::Append { offset: 10, length: 20, sha256 },
        Intended::Move { sha256 },
        Intended::Remove { sha256 },
        Intended::Email { message_id: "1@example.org".into() },
        Intended::Traffic,
    ];
    check("intended.jsonl", include_str!("../../golden/intended.jsonl"), &intended);
}

fn found() -> Findings {
    let mut found = Findings::default();
    found.missing.add(RelPath::new(b"a\xff").unwrap(), None);
    found.unverifiable.add(RelPath::new("a/b").unwrap(), Some("it may not be read".into()));
    found
}

#[test]
fn progress() {
    let proof = CaptureProof { at: at(), uptime: None, proof: Proof::Sha256Readback, manifest: sha256() };
    let full = SyncProgress {
        inventory: Some(Inventory { files: 3, bytes: 4 }),
        manifest: Some(sha256()),
        passes: vec![proof],
        passes_total: 1,
        forced: vec![RelPath::new("a/b").unwrap()],
        force_all: true,
        cleanup_list: Some(sha256()),
        kept_files: 5,
        note: Some("waits for the sentinel".into()),
        findings: found(),
        source_changes: 6,
        rests_under: Some(CleanupRule {
            enabled: true,
            min_passes: 2,
            min_age: std::time::Duration::from_secs(3600),
            accept_other_proof: false,
            remove_metadata: true,
        }),
        gate: None,
        overrides: Vec::new(),
    };
    let found = RuleFindings {
        rule: "names".parse().unwrap(),
        hard_total: 2,
        warnings_total: 1,
        findings: vec![GateFinding {
            severity: Severity::Hard,
            path: Some("a:b".into()),
            what: "has the character :, which Windows does not allow".into(),
            mend: "rename it".into(),
        }],
        print: sha256(),
    };
    let given = GateOverride {
        rule: "names".parse().unwrap(),
        print: sha256(),
        reason: "the share is Linux's".into(),
        by: "ann (uid 1000)".into(),
        at: at(),
        revoked: None,
    };
    let back = Revocation { reason: "it is not".into(), by: "bob".into(), at: at() };
    let gated = SyncProgress {
        gate: Some(GateReport { rules: sha256(), since: at(), found: vec![found] }),
        overrides: vec![given.clone(), GateOverride { revoked: Some(back), ..given }],
        ..SyncProgress::default()
    };
    let up = Some(Uptime { boot: 7, millis: 90_000 });
    let timed = SyncProgress {
        passes: vec![CaptureProof { uptime: up, ..proof }],
        passes_total: 1,
        ..SyncProgress::default()
    };
    let all = [SyncProgress::default(), full, gated, timed];
    check("progress.jsonl", include_str!("../../golden/progress.jsonl"), &all);
}

#[test]
fn output() {
    let output =
        ToolOutput { code: Some(23), signal: Some(9), text: "rsync: …\n".into(), omitted_bytes: 7 };
    check("output.jsonl", include_str!("../../golden/output.jsonl"), &[ToolOutput::default(), output]);
}

#[test]
fn decoys_and_captures() {
    let decoy = Decoy {
        name: "files01".parse().unwrap(),
        services: vec!["ssh".into(), "smb".into()],
        role: "file-server".into(),
        address: Some([192, 0, 2, 7].into()),
    };
    check("decoy.jsonl", include_str!("../../golden/decoy.jsonl"), &[decoy]);
    check("capture.jsonl", include_str!("../../golden/capture.jsonl"), &[spec().capture]);
}

fn decided_about_a_gate() -> EventPayload {
    EventPayload::Gate {
        capture: "cowrie/a".into(),
        rule: "names".into(),
        by: "ann".into(),
        reason: "known".into(),
        revoked: true,
    }
}

fn visits() -> [TrafficPayload; 2] {
    let visited = TrafficPayload {
        to: "files01".parse().unwrap(),
        protocol: TrafficProtocol::Ssh,
        banner: Some("SSH-2.0-OpenSSH_9.2p1".into()),
        status: Some(0),
        sent_bytes: 1,
        received_bytes: 2,
        duration_ms: 3,
        port: None,
        login: None,
        requests: None,
        spoken: Vec::new(),
    };
    let talked = TrafficPayload {
        port: Some(2222),
        login: Some("ann".into()),
        requests: Some(1),
        spoken: vec!["uptime: 0".into()],
        ..visited.clone()
    };
    [visited, talked]
}

#[test]
fn events() {
    let planted = PlantPayload {
        path: path("/home/ann/a"),
        class: FileClass::Note,
        sha256: sha256(),
        bytes: 5,
        mode: FileMode::new(0o640),
        mtime: at(),
        owner_set: true,
    };
    let synced = SyncPayload {
        state: "VERIFIED".into(),
        capture: "cowrie/a".into(),
        remote: "vault:a".into(),
        inventory: Some(Inventory { files: 3, bytes: 4 }),
        proof: None,
        note: None,
        findings: Findings::default(),
    };
    let not_done =
        EventPayload::NotDone { action: "edit".into(), path: Some(path("/a")), state: "FAILED".into() };
    let tampered = EventPayload::Tampered { path: path("/a"), expected: Some(sha256()), found: None };
    let damaged = EventPayload::RemoteDamaged {
        remote: RelPath::new("a").unwrap(),
        names: vec!["a/b".into()],
        total: 0,
    };
    let found =
        EventPayload::Sync(SyncPayload { state: "UNVERIFIED".into(), findings: found(), ..synced.clone() });
    let counted = EventPayload::RemoteDamaged {
        remote: RelPath::new("a").unwrap(),
        names: vec!["missing: a/b".into()],
        total: 3,
    };
    let [visited, talked] = visits();
    let payloads = [
        EventPayload::Activity(Payload::Plant(planted)),
        not_done,
        tampered,
        EventPayload::Reachable { reachable: false },
        EventPayload::Joined {
            role: "web-server".into(),
            services: vec!["http".into()],
            personas: vec!["maria-keller".parse().unwrap()],
        },
        EventPayload::Left { reason: "removed".into() },
        EventPayload::Released { path: path("/a"), decision: "adopt".into(), sha256: Some(sha256()) },
        EventPayload::RootAccepted { forgotten: 3 },
        EventPayload::Sync(synced),
        decided_about_a_gate(),
        damaged,
        EventPayload::Health { status: "started".into() },
        EventPayload::Activity(Payload::Traffic(visited)),
        EventPayload::Activity(Payload::Traffic(talked)),
        found,
        counted,
        EventPayload::BurnIn { state: "done".into(), days: 180, files: 4711, left: 2 },
    ];
    let events: Vec<NewEvent> = payloads
        .into_iter()
        .map(|payload| NewEvent {
            time: at(),
            topic: Topic::parse("orchestrator.file.files01").unwrap(),
            job: Some(verisim_core::JobId(7)),
            decoy: Some("files01".parse().unwrap()),
            persona: Some("maria-keller".parse().unwrap()),
            session: None,
            success: false,
            failure: Some(FailureKind::SourceVanished),
            detail: "gone".into(),
            payload,
        })
        .collect();
    check("event.jsonl", include_str!("../../golden/event.jsonl"), &events);
}

#[test]
fn another_version_is_refused_by_its_number() {
    let error = decode::<Intended>(r#"{"v":2,"data":{"intended":"traffic"}}"#).unwrap_err();
    assert!(error.to_string().contains("version 2 is not known"), "{error}");
    for text in ["", "{}", r#"{"v":1}"#, r#"{"v":1,"data":{"intended":"fly"}}"#] {
        assert!(decode::<Intended>(text).is_err(), "{text}");
    }
}

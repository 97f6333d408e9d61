//! Shows what Sluice, nginx and HAProxy do with the same hostile messages and broken answers, as `docs/hostile.md`.
//!
//! The cases are those of the integration tests. Each proxy has a recording upstream of its own. One that is not
//! installed is left out, which the output says. Ends with 1 if Sluice does not what the table expects.

#![allow(clippy::print_stdout, reason = "a program for people")]

mod report;

use std::net::SocketAddr;
use std::process::ExitCode;

use serde_json::json;
use sluice_tests::hostile::answers::{self, Shown};
use sluice_tests::hostile::observe::{Observation, observe};
use sluice_tests::hostile::peers::{Kind, Peer};
use sluice_tests::hostile::raw::RawUpstream;
use sluice_tests::hostile::{Expected, GROUPS};
use sluice_tests::{Backend, Config, Sluice, binaries};

use self::report::{AnswerRow, Report, Row, Section};

/// A proxy under test, before one upstream that records and one that breaks.
struct Subject {
    name: String,
    recording: (SocketAddr, Backend),
    breaking: (SocketAddr, RawUpstream),
    _running: Running,
}

/// What has to live as long as its subject.
enum Running {
    Sluice { _processes: Box<[Sluice; 2]> },
    Peer { _processes: [Peer; 2] },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut subjects = vec![sluice().await];
    for kind in [Kind::Nginx, Kind::HaProxy] {
        if kind.is_installed() {
            subjects.push(peer(kind).await);
        } else {
            println!("hostile: without {}, which is not installed", kind.name());
        }
    }
    let mut sections = Vec::new();
    for group in GROUPS {
        let mut rows = Vec::new();
        for case in (group.cases)() {
            let answers = if let Expected::Served(answers, _) = case.expected { answers } else { 1 };
            let mut seen: Vec<Observation> = Vec::new();
            for Subject { recording: (address, upstream), .. } in &subjects {
                seen.push(observe(*address, upstream, &case.sent, answers).await);
            }
            rows.push(Row { case, seen });
        }
        println!("hostile: {}: {} cases", group.title, rows.len());
        sections.push(Section { title: group.title, rows });
    }
    let answers = answers(&subjects).await;
    println!("hostile: broken answers: {} cases", answers.len());
    let names = subjects.iter().map(|subject| subject.name.clone()).collect();
    finish(&Report { names, sections, answers })
}

async fn answers(subjects: &[Subject]) -> Vec<AnswerRow> {
    let mut rows = Vec::new();
    for case in answers::cases() {
        let mut shown: Vec<Shown> = Vec::new();
        for Subject { breaking: (address, upstream), .. } in subjects {
            shown.push(answers::play(*address, upstream, &case).await);
        }
        rows.push(AnswerRow { case, shown });
    }
    rows
}

fn finish(report: &Report) -> ExitCode {
    let file = binaries::repository().join("docs/hostile.md");
    let complaints = report.complaints();
    complaints.iter().for_each(|complaint| println!("hostile: {complaint}"));
    match std::fs::write(&file, report.to_text()) {
        Ok(()) if complaints.is_empty() => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        Err(error) => {
            println!("hostile: {} can't be written: {error}", file.display());
            ExitCode::FAILURE
        }
    }
}

async fn sluice() -> Subject {
    let (backend, raw) = (Backend::start("v1").await, RawUpstream::start().await);
    let recording = Sluice::start(Config::new(&backend)).await;
    let stable = json!({ "version": "v1", "endpoints": [raw.address().to_string()] });
    let config = Config::new(&backend).set("/rollouts/0/stable", stable);
    let breaking = Sluice::start(config.set("/upstream", json!({ "requestTimeout": "2s" }))).await;
    Subject {
        name: "Sluice".to_owned(),
        recording: (recording.address(), backend),
        breaking: (breaking.address(), raw),
        _running: Running::Sluice { _processes: Box::new([recording, breaking]) },
    }
}

async fn peer(kind: Kind) -> Subject {
    let (backend, raw) = (Backend::start("v1").await, RawUpstream::start().await);
    let (recording, breaking) = (Peer::start(kind, backend.address()).await, Peer::start(kind, raw.address()).await);
    Subject {
        name: format!("{} {}", kind.name(), kind.version()),
        recording: (recording.address(), backend),
        breaking: (breaking.address(), raw),
        _running: Running::Peer { _processes: [recording, breaking] },
    }
}

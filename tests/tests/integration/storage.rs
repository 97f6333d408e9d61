//! A state directory that can't be written: serving goes on, a revert still happens, nothing advances.

use std::path::Path;
use std::process::Command;

use sluice_api::{Phase, PromoteRequest, Reason};
use sluice_tests::config::ROLLOUT;
use sluice_tests::{Config, Load, Sluice, eventually};

use super::{assert_share, pair};

async fn until_storage(sluice: &Sluice, works: bool) {
    eventually(&format!("the storage works: {works}"), async || {
        let error = sluice.reader().list().await.map_err(|error| error.to_string())?.server.state_error;
        if error.is_none() == works { Ok(()) } else { Err(format!("{error:?}")) }
    })
    .await;
}

/// Puts a file where the state directory was: writing fails for every user, root included.
struct Blocked<'a>(&'a Sluice);

impl<'a> Blocked<'a> {
    fn begin(sluice: &'a Sluice) -> Self {
        std::fs::rename(sluice.state_dir(), Self::aside(sluice)).expect("the directory can be moved");
        std::fs::write(sluice.state_dir(), "in the way").expect("a file in its place");
        Self(sluice)
    }

    fn end(self) {
        std::fs::remove_file(self.0.state_dir()).expect("the file can be removed");
        std::fs::rename(Self::aside(self.0), self.0.state_dir()).expect("the directory can be moved back");
    }

    fn aside(sluice: &Sluice) -> std::path::PathBuf {
        sluice.directory().join("state-aside")
    }
}

#[tokio::test]
async fn while_nothing_can_be_stored_it_serves_and_does_not_advance() {
    let (stable, canary) = pair().await;
    let sluice = Sluice::start(Config::with_canary(&stable, &canary).held_at(20)).await;
    let client = sluice.client();
    sluice.until_is(Phase::Paused, Reason::PauseStep).await;
    let blocked = Blocked::begin(&sluice);
    let load = Load::get(sluice.address()).rate(300).start();
    // The first write that is tried finds out; until then a promotion is not refused but undone by nothing.
    let refused =
        eventually("an advance is refused", async || match client.promote(ROLLOUT, &PromoteRequest::default()).await {
            Err(error) => Ok(error.to_string()),
            Ok(status) => Err(sluice_tests::sluice::summary(&status)),
        });
    assert!(refused.await.contains("stored"));
    until_storage(&sluice, false).await;
    let stuck = sluice.status().await;
    assert_ne!(stuck.phase, Phase::Healthy, "nothing is promoted that can't be stored");
    let seen = load.len();
    eventually(
        "it goes on serving",
        async || if load.len() > seen + 300 { Ok(()) } else { Err(load.len().to_string()) },
    )
    .await;
    load.stop().await.assert_no_failures();
    let report = Load::get(sluice.address()).count(200).run().await;
    assert_share(&report, "v2", 20.0);

    blocked.end();
    until_storage(&sluice, true).await;
}

#[tokio::test]
async fn a_revert_happens_though_it_can_not_be_stored() {
    let (stable, canary) = pair().await;
    let sluice = Sluice::start(Config::with_canary(&stable, &canary).held_at(20)).await;
    let load = Load::get(sluice.address()).rate(300).start();
    sluice.until_canary_got(30).await;
    let blocked = Blocked::begin(&sluice);
    canary.fails(1.0);
    sluice.until_is(Phase::Degraded, Reason::Reverted).await;
    sluice.until_weight(0.0).await;
    until_storage(&sluice, false).await;
    load.stop().await.assert_no_failures();

    blocked.end();
    until_storage(&sluice, true).await;
    assert_eq!(sluice.status().await.reason, Reason::Reverted);
}

/// Whether this user may mount a file system in a namespace of its own.
fn can_mount() -> bool {
    let probe =
        Command::new("unshare").args(["-m", "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "/mnt"]).output();
    probe.is_ok_and(|output| output.status.success())
}

#[tokio::test]
async fn a_full_disk_stops_the_advance_and_not_the_service() {
    if !can_mount() {
        eprintln!("skipped: a small file system can't be mounted here");
        return;
    }
    let (stable, canary) = pair().await;
    let sluice = Sluice::prepare(Config::with_canary(&stable, &canary).held_at(20));
    let state = sluice.state_dir();
    std::fs::create_dir(&state).expect("a mount point");
    let script = format!("mount -t tmpfs -o size=128k tmpfs '{}' && exec \"$@\"", state.display());
    let mut sluice = sluice.wrapped(&["unshare", "-m", "sh", "-c", &script, "sh"]);
    sluice.run().await;
    sluice.until_is(Phase::Paused, Reason::PauseStep).await;
    // The mount is seen only from inside the namespace, which is reached through the process.
    let inside = format!("/proc/{}/root{}", sluice.pid(), state.display());
    let token = std::fs::read_to_string(Path::new(&inside).join("admin.token")).expect("the token");
    std::fs::write(state.join("admin.token"), token).expect("a copy outside");
    fill(Path::new(&inside));

    let load = Load::get(sluice.address()).rate(300).start();
    canary.fails(1.0);
    sluice.until_is(Phase::Degraded, Reason::Reverted).await;
    until_storage(&sluice, false).await;
    let refused = sluice.client().retry(ROLLOUT, &sluice_api::CommandRequest::default()).await;
    assert!(refused.is_err(), "nothing advances that can't be stored: {refused:?}");
    load.stop().await.assert_no_failures();

    std::fs::remove_file(Path::new(&inside).join("filler")).expect("the filler can be removed");
    until_storage(&sluice, true).await;
}

/// Writes until nothing fits any more.
fn fill(directory: &Path) {
    use std::io::Write;
    let mut filler = std::fs::File::create(directory.join("filler")).expect("a file");
    while filler.write_all(&[0; 512]).is_ok() {}
}

//! The polling loop that Sluice is measured beside does its work: nginx splits and leaves its lines, Prometheus scrapes
//! them, the controller fails the canary, and a weight of zero leaves it without traffic. Steps aside where Debian's
//! nginx or prometheus is not installed.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use sluice_benches::argo::Phase;
use sluice_benches::backend::Backend;
use sluice_benches::control::{self, Behaviour};
use sluice_benches::exporter::Exporter;
use sluice_benches::interrupt::Interrupt;
use sluice_benches::load::{self, Load, Pace, Report};
use sluice_benches::loopback::Loopback;
use sluice_benches::polling::{AnalysisRun, Polling};
use sluice_benches::prometheus::{self, Job, Prometheus};
use sluice_benches::splitter::{self, Route, Splitter};

const TRIAL: usize = 7;
const DEADLINE: Duration = Duration::from_secs(60);

/// Everything in little time.
fn polling() -> Polling {
    Polling {
        job: Job { name: "fast", interval: Duration::from_secs(1) },
        interval: Duration::from_millis(200),
        window: Duration::from_secs(5),
        ..Polling::EAGER
    }
}

fn send(target: Loopback, requests: u64, interrupt: &Interrupt) -> Report {
    let phase = load::Phase { pace: Pace::Closed, duration: DEADLINE, requests };
    Load::connect(target, 4, load::get("/", ""), interrupt).and_then(|mut load| load.run(&phase)).expect("a run")
}

/// nginx before `stable` and `canary`, scraped by a Prometheus.
fn start(stable: Loopback, canary: Loopback, folder: &Path, interrupt: &Interrupt) -> (Exporter, Prometheus, Splitter) {
    let exporter = Exporter::start(interrupt).expect("free ports");
    exporter.begin(TRIAL);
    let prometheus = Prometheus::start(0, &[polling().job], exporter.metrics, folder, interrupt).expect("it starts");
    let route = Route { trial: TRIAL, stable, canary, exporter: exporter.lines, timeout: "5s" };
    let splitter = Splitter::start(0, route, 50.0, folder, interrupt).expect("it starts");
    (exporter, prometheus, splitter)
}

#[test]
fn a_canary_that_fails_loses_its_traffic_through_nginx_prometheus_and_the_controller() {
    if prometheus::program().is_none() || splitter::program().is_none() {
        println!("skipped: prometheus or nginx is not installed");
        return;
    }
    let interrupt = Interrupt::default();
    let folder = tempfile::tempdir().expect("a folder");
    let ports = Loopback::free(2).expect("free ports");
    let mut backend = Backend::listen(&ports).expect("the ports were free");
    thread::scope(|scope| {
        let serving = scope.spawn(|| backend.run(&interrupt));
        let (_exporter, prometheus, splitter) = start(ports[0], ports[1], folder.path(), &interrupt);
        assert_eq!(send(splitter.address, 200, &interrupt).failures(), 0);
        control::set(ports[1], Behaviour { fail: 1.0, ..Behaviour::default() }).expect("told");
        let mut run = None;
        let failed = interrupt.wait_until(DEADLINE, || {
            send(splitter.address, 20, &interrupt);
            let started = prometheus.first_value(&polling().metrics(TRIAL)[0].query).is_some_and(f64::is_finite);
            if run.is_none() && started {
                run = Some(AnalysisRun::begin(polling().metrics(TRIAL), Instant::now()));
            }
            run.as_mut().is_some_and(|run| {
                run.advance(Instant::now(), |query| prometheus.first_value(query), Instant::now) == Phase::Failed
            })
        });
        assert!(failed.expect("not stopped"), "the run fails");
        splitter.set_weight(0.0).expect("nginx is told");
        let quiet = interrupt.wait_until(DEADLINE, || send(splitter.address, 50, &interrupt).failures() == 0);
        assert!(quiet.expect("not stopped"), "stable alone answers");
        interrupt.set();
        serving.join().expect("no panic").expect("the backend served to its end");
    });
}

//! Load against backend, both our own, over real sockets: bounded by count, no clock asserted.

use std::thread;

use super::*;
use crate::backend::Backend;
use crate::control::{self, Behaviour, Stats};

/// Runs `what` beside a backend with two arms.
fn beside_backend<T: Send>(what: impl FnOnce([Loopback; 2], &Interrupt) -> T + Send) -> T {
    let ports = Loopback::free(2).expect("free ports");
    let mut backend = Backend::listen(&ports).expect("the ports were free");
    let interrupt = Interrupt::default();
    thread::scope(|scope| {
        let serving = scope.spawn(|| backend.run(&interrupt));
        let result = what([ports[0], ports[1]], &interrupt.child());
        interrupt.set();
        serving.join().expect("no panic").expect("the backend served to its end");
        result
    })
}

fn run(target: Loopback, request: Vec<u8>, pace: Pace, requests: u64, interrupt: &Interrupt) -> Report {
    let phase = Phase { pace, duration: Duration::from_secs(60), requests };
    Load::connect(target, 8, request, interrupt).and_then(|mut load| load.run(&phase)).expect("a run")
}

#[test]
fn every_request_is_answered_and_counted_once_on_either_side() {
    beside_backend(|[stable, canary], interrupt| {
        let closed = run(stable, get("/", ""), Pace::Closed, 1_000, interrupt);
        let paced = run(canary, post("/"), Pace::PerSecond(20_000.0), 500, interrupt);
        assert_eq!((closed.classes, closed.errors), ([0, 1_000, 0, 0, 0], 0));
        assert_eq!((paced.classes, paced.errors), ([0, 500, 0, 0, 0], 0));
        assert_eq!(control::stats(stable).expect("stats").requests, 1_000);
        assert_eq!(control::stats(canary).expect("stats").requests, 500);
    });
}

#[test]
fn large_answers_arrive_whole() {
    beside_backend(|[stable, _], interrupt| {
        for path in ["/16k", "/1m"] {
            let report = run(stable, get(path, ""), Pace::Closed, 50, interrupt);
            assert_eq!((report.classes[1], report.errors), (50, 0), "{path}");
        }
        let (status, body) = control::ask(stable, &get("/1m", "")).expect("an answer");
        assert_eq!((status, body.len()), (200, 1024 * 1024));
    });
}

#[test]
fn an_arm_fails_the_share_it_was_told_to_and_notes_it() {
    beside_backend(|[_, canary], interrupt| {
        let failing = Behaviour { fail: 1.0, ..Behaviour::default() };
        control::set(canary, failing).expect("told");
        let report = run(canary, get("/", ""), Pace::Closed, 100, interrupt);
        assert_eq!((report.classes[4], report.failures()), (100, 100));
        let stats = control::stats(canary).expect("stats");
        assert_eq!((stats.failures, stats.after_first_failure), (100, 99));
        control::reset(canary).expect("told");
        assert_eq!(control::stats(canary).expect("stats"), Stats::default());
    });
}

#[test]
fn late_answers_are_given_and_hanging_ones_end_with_the_run() {
    beside_backend(|[stable, canary], interrupt| {
        let late = Behaviour { delay: Duration::from_millis(1), ..Behaviour::default() };
        control::set(stable, late).expect("told");
        assert_eq!(run(stable, get("/", ""), Pace::Closed, 40, interrupt).classes[1], 40);
        let hanging = Behaviour { hang: true, ..Behaviour::default() };
        control::set(canary, hanging).expect("told");
        let stop = interrupt.child();
        let report = thread::scope(|scope| {
            let loading = scope.spawn(|| run(canary, get("/", ""), Pace::Closed, 8, &stop));
            let asked = || control::stats(canary).is_ok_and(|stats| stats.requests == 8);
            assert!(interrupt.wait_until(Duration::from_secs(30), asked).expect("not stopped"));
            stop.set();
            loading.join().expect("no panic")
        });
        assert_eq!(report.requests(), 0, "cut off by the load itself: neither answered nor failed");
    });
}

//! The way of requests over real sockets.

mod harness;

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use http::HeaderName;
use sluice_engine::evidence::Arm::{Canary, Stable};
use sluice_engine::units::{Millis, Weight};

use self::harness::{Backend, Reply, Setup, answer, eventually, nobody};
use super::reject::Rejection;
use crate::config::{HeaderRule, Sticky, ValueTest};
use crate::counters::FailureKind;
use crate::snapshot::Split;

#[test]
fn requests_are_split_by_weight_and_connections_are_kept_on_both_sides() {
    let (stable, canary) = (Backend::answering(200, "stable"), Backend::answering(200, "canary"));
    let proxy = Setup::new(stable.address, canary.address, 10.0).start();
    let mut client = proxy.connect();
    let bodies: Vec<_> = (0..1_000).map(|_| client.get("").body).collect();
    let on_canary = bodies.iter().filter(|body| *body == "canary").count();
    assert!((96..=104).contains(&on_canary), "{on_canary}");
    let (on_canary, on_stable) = (on_canary as u32, 1_000 - on_canary as u32);
    eventually([on_canary, on_canary, 0, on_canary, 0, 0, 0, 0], || proxy.counts(Canary));
    eventually([on_stable, on_stable, 0, on_stable, 0, 0, 0, 0], || proxy.counts(Stable));
    assert_eq!((stable.connections.load(Relaxed), canary.connections.load(Relaxed)), (1, 1));
}

#[test]
fn weight_zero_takes_effect_with_the_next_request() {
    let (stable, canary) = (Backend::answering(200, "stable"), Backend::answering(200, "canary"));
    let proxy = Setup::new(stable.address, canary.address, 100.0).start();
    let mut client = proxy.connect();
    assert_eq!(client.get("").body, "canary");
    proxy.change(|view| view.split = Split::constant(Weight::ZERO));
    assert_eq!(client.get("").body, "stable");
}

#[test]
fn the_shield_answers_from_stable_what_the_canary_fails_and_counts_the_failure() {
    let (stable, canary) = (Backend::answering(200, "stable"), Backend::answering(503, "canary"));
    let proxy = Setup::new(stable.address, canary.address, 100.0).start();
    let answer = proxy.get("");
    assert_eq!((answer.status, answer.body.as_str()), (200, "stable"));
    eventually([1, 0, 0], || proxy.shielded());
    assert_eq!(proxy.counts(Canary), [1, 1, 1, 1, 0, 0, 0, 0]);
    assert_eq!(proxy.counts(Stable), [0; 8], "a second attempt is no trial");
    assert_eq!(proxy.user_failures(Canary), 0);
    assert_eq!(stable.requests.lock().unwrap().first().map(|request| request.starts_with("GET /path ")), Some(true));
}

#[test]
fn what_may_not_be_sent_twice_is_not_shielded() {
    let (stable, canary) = (Backend::answering(200, "stable"), Backend::answering(500, "canary"));
    let proxy = Setup::new(stable.address, canary.address, 100.0).start();
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!(client.answer().status, 500);
    client.send("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!(client.answer().status, 500);
    eventually(2, || proxy.user_failures(Canary));
    assert_eq!(stable.asked(), 0);
}

#[test]
fn the_shield_keeps_to_its_budget() {
    let (stable, canary) = (Backend::answering(200, "stable"), Backend::answering(500, "canary"));
    let proxy = Setup::new(stable.address, canary.address, 100.0).start();
    let mut client = proxy.connect();
    let failed = (0..100).filter(|_| client.get("").status == 500).count() as u64;
    let [answered, second_failed, over_budget] = proxy.shielded();
    assert!((10..50).contains(&answered), "{answered}");
    assert_eq!((answered + over_budget, second_failed, over_budget), (100, 0, failed));
    eventually(failed, || proxy.user_failures(Canary));
}

#[test]
fn a_canary_that_cannot_be_reached_or_hangs_is_shielded_as_well() {
    let stable = Backend::answering(200, "stable");
    let proxy = Setup::new(stable.address, nobody(), 100.0).start();
    assert_eq!(proxy.get("").body, "stable");
    assert_eq!(proxy.failures(Canary, FailureKind::Connect), 1);
    let hanging = Backend::start(|_| Reply::SendAndHang(Vec::new()));
    let mut setup = Setup::new(stable.address, hanging.address, 100.0);
    setup.upstream.request_timeout = Millis::new(50);
    let proxy = setup.start();
    assert_eq!(proxy.get("").body, "stable");
    assert_eq!(proxy.counts(Canary), [1, 1, 1, 0, 1, 0, 0, 0]);
}

#[test]
fn a_canary_without_endpoint_fails_what_the_weight_gave_it_and_stable_answers_even_a_post() {
    let stable = Backend::answering(200, "stable");
    let mut setup = Setup::new(stable.address, nobody(), 100.0);
    setup.canary.clear();
    setup.routing.header = Some(HeaderRule { name: HeaderName::from_static("x-canary"), test: ValueTest::Switch });
    let proxy = setup.start();
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!(client.answer().body, "stable");
    assert!(stable.requests.lock().unwrap()[0].ends_with("hi"));
    assert_eq!(proxy.failures(Canary, FailureKind::NoEndpoint), 1);
    assert_eq!(proxy.counts(Canary), [1, 1, 1, 1, 0, 0, 0, 0]);
    assert_eq!(client.get("X-Canary: always\r\n").body, "stable");
    assert_eq!(proxy.failures(Canary, FailureKind::NoEndpoint), 1, "who asked for it is nobody's failure");
}

#[test]
fn stable_without_endpoint_is_503_and_the_canary_does_not_take_it() {
    let canary = Backend::answering(200, "canary");
    let mut setup = Setup::new(nobody(), canary.address, 0.0);
    setup.stable.clear();
    let proxy = setup.start();
    assert_eq!(proxy.get("").status, 503);
    assert_eq!(canary.asked(), 0);
    assert_eq!(proxy.counts(Stable), [1, 1, 1, 1, 0, 0, 0, 0]);
}

#[test]
fn a_refused_connect_goes_to_the_next_endpoint_as_the_same_trial() {
    let stable = Backend::answering(200, "stable");
    let mut setup = Setup::new(stable.address, stable.address, 0.0);
    setup.stable = vec![nobody(), stable.address];
    let proxy = setup.start();
    let mut client = proxy.connect();
    assert!((0..10).all(|_| client.get("").status == 200));
    eventually([10, 10, 0, 10, 0, 0, 0, 0], || proxy.counts(Stable));
}

#[test]
fn a_connection_that_was_closed_at_rest_costs_nobody_anything() {
    let stable = Backend::start(|_| Reply::SendAndClose(answer(200, "stable")));
    let proxy = Setup::new(stable.address, stable.address, 0.0).start();
    let mut client = proxy.connect();
    for sent in 1..=20 {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
        assert_eq!(client.answer().status, 200);
        // The close follows the answer in the backend's own time.
        eventually(sent, || stable.closed.load(Relaxed));
    }
}

#[test]
fn fields_for_one_hop_go_and_the_client_does_not_say_who_it_is() {
    let reply = "HTTP/1.1 200 OK\r\nConnection: keep-alive, x-inner\r\nX-Inner: 1\r\nKeep-Alive: timeout=5\r\nX-Kept: 1\r\nServer: inner\r\nContent-Length: 0\r\n\r\n";
    let stable = Backend::start(move |_| Reply::Send(reply.as_bytes().to_vec()));
    let proxy = Setup::new(stable.address, stable.address, 0.0).start();
    let answer = proxy.get(
        "Connection: close, X-Gone\r\nX-Gone: 1\r\nKeep-Alive: 5\r\nProxy-Connection: close\r\nTE: trailers\r\nUpgrade: h2c\r\n\
         Proxy-Authorization: secret\r\nX-Forwarded-For: 6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n\
         Forwarded: for=6.6.6.6\r\nX-Request-Id: known-1\r\nX-Stays: 1\r\n",
    );
    let seen = stable.requests.lock().unwrap()[0].to_ascii_lowercase();
    for gone in ["connection:", "x-gone", "keep-alive", "\r\nte:", "upgrade", "proxy-", "6.6.6.6", "\r\nforwarded:"] {
        assert!(!seen.contains(gone), "{gone} in {seen}");
    }
    for there in [
        "host: shop.example\r\n",
        "x-forwarded-for: 127.0.0.1\r\n",
        "x-real-ip: 127.0.0.1\r\n",
        "x-forwarded-proto: http\r\n",
        "x-forwarded-host: shop.example\r\n",
        "x-request-id: known-1\r\n",
        "x-stays: 1\r\n",
    ] {
        assert!(seen.contains(there), "{there} in {seen}");
    }
    assert!(!answer.head.contains("x-inner") && !answer.head.contains("keep-alive"), "{}", answer.head);
    assert!(answer.head.contains("x-kept: 1") && answer.head.contains("server: inner"), "{}", answer.head);
}

#[test]
fn a_client_that_leaves_before_the_answer_is_excluded_and_one_that_leaves_late_is_slow() {
    let hanging = Backend::start(|_| Reply::SendAndHang(Vec::new()));
    for (limit_ms, expected) in [(None, [1, 0, 0, 0, 0, 1, 0, 0]), (Some(0), [1, 0, 0, 0, 1, 0, 1, 0])] {
        let mut setup = Setup::new(hanging.address, hanging.address, 100.0);
        setup.limit_ms = limit_ms;
        let proxy = setup.start();
        let asked = hanging.asked();
        let mut client = proxy.connect();
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        eventually(asked + 1, || hanging.asked());
        assert_eq!(proxy.counts(Canary), [1, 0, 0, 0, 0, 0, 0, 0], "in flight: started and nothing else");
        client.stream.shutdown(Shutdown::Both).unwrap();
        eventually(expected, || proxy.counts(Canary));
    }
}

#[test]
fn an_upstream_that_hangs_is_504_and_slow_and_one_that_refuses_is_502() {
    let hanging = Backend::start(|_| Reply::SendAndHang(Vec::new()));
    let mut setup = Setup::new(hanging.address, hanging.address, 0.0);
    setup.upstream.request_timeout = Millis::new(50);
    let proxy = setup.start();
    assert_eq!(proxy.get("").status, 504);
    assert_eq!(proxy.counts(Stable), [1, 1, 1, 0, 1, 0, 0, 0]);
    let proxy = Setup::new(nobody(), nobody(), 0.0).start();
    assert_eq!(proxy.get("").status, 502);
    assert_eq!(proxy.failures(Stable, FailureKind::Connect), 1);
}

#[test]
fn garbage_a_reset_and_two_framings_are_502() {
    let two_framings = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    for (reply, kind) in [
        ("SSH-2.0-OpenSSH_9.6\r\n", FailureKind::Protocol),
        ("", FailureKind::Reset),
        (two_framings, FailureKind::Protocol),
        ("HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", FailureKind::Protocol),
        ("HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n", FailureKind::Protocol),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", FailureKind::Protocol),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", FailureKind::Protocol),
    ] {
        let stable = Backend::start(move |_| Reply::SendAndClose(reply.as_bytes().to_vec()));
        let proxy = Setup::new(stable.address, stable.address, 0.0).start();
        assert_eq!(proxy.get("").status, 502, "{reply}");
        assert_eq!(proxy.failures(Stable, kind), 1, "{reply}");
        assert_eq!(stable.asked(), 1, "{reply}");
    }
}

#[test]
fn a_truncated_answer_is_a_failure_and_the_client_sees_that_it_is_not_whole() {
    let reply = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf";
    let canary = Backend::start(move |_| Reply::SendAndClose(reply.as_bytes().to_vec()));
    let proxy = Setup::new(canary.address, canary.address, 100.0).start();
    let answer = proxy.get("");
    assert_eq!((answer.status, answer.is_whole), (200, false));
    eventually([1, 1, 1, 1, 0, 0, 0, 0], || proxy.counts(Canary));
    assert_eq!(proxy.failures(Canary, FailureKind::Truncated), 1);
    assert_eq!(proxy.user_failures(Canary), 1);
}

#[test]
fn an_upstream_that_stops_in_the_middle_of_a_body_is_cut_off() {
    let reply = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf";
    let stable = Backend::start(move |_| Reply::SendAndHang(reply.as_bytes().to_vec()));
    let mut setup = Setup::new(stable.address, stable.address, 0.0);
    setup.limits.body_idle_timeout = Duration::from_millis(100);
    let proxy = setup.start();
    assert!(!proxy.get("").is_whole);
    eventually(1, || proxy.failures(Stable, FailureKind::Timeout));
}

#[test]
fn an_event_stream_is_done_after_a_second_though_it_stays_open() {
    let reply = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\ndata: 1\n\n";
    let canary = Backend::start(move |_| Reply::SendAndHang(reply.as_bytes().to_vec()));
    let proxy = Setup::new(canary.address, canary.address, 100.0).start();
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually([1, 0, 0, 1, 0, 0, 0, 0], || proxy.counts(Canary));
    eventually([1, 1, 0, 1, 0, 0, 0, 0], || proxy.counts(Canary));
}

#[test]
fn bodies_stream_both_ways_and_need_not_fit_into_memory() {
    let megabyte = "x".repeat(1 << 20);
    let echo =
        Backend::start(|request| Reply::Send(answer(200, request.split_once("\r\n\r\n").map_or("", |(_, body)| body))));
    let proxy = Setup::new(echo.address, echo.address, 0.0).start();
    let mut client = proxy.connect();
    for _ in 0..3 {
        client.send(&format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{megabyte}", megabyte.len()));
        assert!(client.answer().body == megabyte, "the same megabyte comes back");
    }
    assert_eq!(echo.connections.load(Relaxed), 1);
}

#[test]
fn while_memory_is_short_requests_are_refused_and_their_connections_closed() {
    let stable = Backend::answering(200, "stable");
    let proxy = Setup::new(stable.address, stable.address, 0.0).start();
    let pressure = proxy.config.admission.pressure();
    let mut open = proxy.connect();
    assert_eq!(open.get("").status, 200);
    pressure.set(0.93);
    assert_eq!(open.get("").status, 503);
    assert!(open.is_closed());
    assert_eq!(proxy.get("").status, 503, "connections are still accepted");
    assert_eq!(proxy.config.rejections.get(Rejection::Memory), 2);
    pressure.set(0.5);
    assert_eq!(proxy.get("").status, 200);
    assert_eq!(stable.asked(), 2);
}

#[test]
fn heads_that_could_be_read_in_two_ways_are_refused_and_reach_nobody() {
    let stable = Backend::answering(200, "stable");
    let proxy = Setup::new(stable.address, stable.address, 0.0).start();
    let long = "x".repeat(8_000);
    for (request, status, reason) in [
        ("GET / HTTP/1.1\r\n\r\n", 400, Rejection::Host),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, Rejection::Host),
        ("GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", 400, Rejection::Host),
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405, Rejection::Method),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 405, Rejection::Method),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            501,
            Rejection::TransferCoding,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            Rejection::Framing,
        ),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, Rejection::Version),
        ("GET /a/%2e%2e/b HTTP/1.1\r\nHost: a\r\n\r\n", 400, Rejection::Target),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400, Rejection::Target),
        ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400, Rejection::Target),
        ("TRACK / HTTP/1.1\r\nHost: a\r\n\r\n", 405, Rejection::Method),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400, Rejection::Host),
        ("GET http://b/ HTTP/1.1\r\n\r\n", 400, Rejection::Host),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Canary\r\n\r\n", 400, Rejection::Connection),
        (&format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), 414, Rejection::TargetTooLong),
        (&format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(101)), 431, Rejection::HeadTooLarge),
        ("NONSENSE\r\n\r\n", 400, Rejection::Malformed),
    ] {
        let before = proxy.config.rejections.get(reason);
        let mut client = proxy.connect();
        client.send(request);
        assert_eq!(client.answer().status, status, "{request:.60}");
        assert!(client.is_closed(), "{request:.60}");
        // What hyper refuses by itself is known once the client has closed too.
        drop(client);
        eventually(before + 1, || proxy.config.rejections.get(reason));
    }
    assert_eq!(stable.asked(), 0);
    assert_eq!(proxy.counts(Stable), [0; 8], "what is refused is no trial");
    assert_eq!(proxy.get("").status, 200);
}

#[test]
fn a_client_that_sends_its_body_too_slowly_is_408_and_nobodys_failure() {
    let canary = Backend::answering(200, "canary");
    let mut setup = Setup::new(canary.address, canary.address, 100.0);
    (setup.limits.pace_period, setup.limits.slowest) = (Duration::from_millis(50), 1 << 30);
    let proxy = setup.start();
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n");
    let mut writer = client.stream.try_clone().unwrap();
    let dripping = std::thread::spawn(move || while writer.write_all(b"x").is_ok() {});
    assert_eq!(client.answer().status, 408);
    client.stream.shutdown(Shutdown::Both).unwrap();
    dripping.join().unwrap();
    eventually([1, 0, 0, 0, 0, 1, 0, 0], || proxy.counts(Canary));
}

#[test]
fn a_client_that_does_not_take_its_answer_is_cut_off_and_the_canary_is_not_blamed() {
    let large = answer(200, &"x".repeat(32 << 20));
    let canary = Backend::start(move |_| Reply::Send(large.clone()));
    let mut setup = Setup::new(canary.address, canary.address, 100.0);
    setup.limits.body_idle_timeout = Duration::from_millis(100);
    let proxy = setup.start();
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually(1, || canary.closed.load(Relaxed));
    eventually([1, 1, 0, 1, 0, 0, 0, 0], || proxy.counts(Canary));
    assert_eq!(proxy.failures(Canary, FailureKind::Timeout), 0);
    assert!(!client.answer().is_whole);
}

#[test]
fn a_body_that_turns_bad_behind_a_good_head_fails_nobody_but_its_client() {
    // Once before an answer has begun, once after: then its client had an answer, if not all of it.
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf";
    for (reply, status, counted) in [("", 400, [1, 0, 0, 0, 0, 1, 0, 0]), (half, 200, [1, 1, 0, 1, 0, 0, 0, 0])] {
        let canary = Backend::start(move |_| Reply::SendAndHang(reply.as_bytes().to_vec()));
        let proxy = Setup::new(canary.address, canary.address, 100.0).start();
        let mut client = proxy.connect();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        eventually(1, || canary.asked());
        if status == 200 {
            client.await_bytes();
        }
        client.send("4 \r\nabcd\r\n0\r\n\r\n");
        let answer = client.answer();
        assert_eq!((answer.status, answer.is_whole), (status, status == 400), "{}", answer.head);
        assert!(client.is_closed());
        eventually(counted, || proxy.counts(Canary));
        assert_eq!(proxy.config.rejections.get(Rejection::Body), 1);
        eventually(1, || canary.closed.load(Relaxed));
    }
}

#[test]
fn what_was_asked_before_a_bad_request_is_answered_first_and_in_order() {
    let stable = Backend::start(|request| Reply::Send(answer(200, request.split(' ').nth(1).unwrap_or_default())));
    let proxy = Setup::new(stable.address, stable.address, 0.0).start();
    let mut client = proxy.connect();
    let good = |n: usize| format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n");
    let good: String = (0..50).map(good).collect();
    client.send(&format!("{good}GET /x HTTP/1.1\nHost: a\r\n\r\n{good}"));
    for n in 0..50 {
        assert_eq!(client.answer().body, format!("/{n}"));
    }
    assert_eq!(client.answer().status, 400);
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert!(client.is_closed());
    assert_eq!((stable.asked(), proxy.config.rejections.get(Rejection::Malformed)), (50, 1));
}

#[test]
fn the_host_of_an_absolute_target_wins() {
    let stable = Backend::answering(200, "stable");
    let proxy = Setup::new(stable.address, stable.address, 0.0).start();
    let mut client = proxy.connect();
    client.send("GET http://other.example/x?y=1 HTTP/1.1\r\nHost: shop.example\r\n\r\n");
    assert_eq!(client.answer().status, 200);
    let seen = stable.requests.lock().unwrap()[0].to_ascii_lowercase();
    assert!(seen.starts_with("get /x?y=1 http/1.1\r\n") && seen.contains("host: other.example\r\n"), "{seen}");
}

#[test]
fn a_head_that_never_ends_is_cut_at_its_deadline() {
    let stable = Backend::answering(200, "stable");
    let mut setup = Setup::new(stable.address, stable.address, 0.0);
    setup.limits.header_timeout = Duration::from_millis(100);
    let proxy = setup.start();
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost:");
    assert!(client.is_closed());
    eventually(1, || proxy.config.rejections.get(Rejection::HeadTimeout));
}

#[test]
fn a_new_user_gets_a_cookie_and_stays_where_it_leads() {
    let (stable, canary) = (Backend::answering(200, "stable"), Backend::answering(200, "canary"));
    let mut setup = Setup::new(stable.address, canary.address, 50.0);
    setup.routing.sticky = Some(Sticky::Cookie { name: "sluice".to_owned(), ttl: Millis::new(86_400_000) });
    let proxy = setup.start();
    let first = proxy.get("");
    let (_, cookie) = first.head.split_once("set-cookie: ").expect("a cookie for a new user");
    let (id, rest) = cookie.split_at("sluice=0123456789abcdef".len());
    assert!(rest.starts_with("; path=/; max-age=86400; httponly; samesite=lax\r\n"), "{cookie}");
    for _ in 0..20 {
        let again = proxy.get(&format!("Cookie: {id}\r\n"));
        assert_eq!(again.body, first.body);
        assert!(!again.head.contains("set-cookie"));
    }
}

#[test]
fn an_arm_cannot_draw_users_to_itself_with_our_cookie() {
    let reply = "HTTP/1.1 200 OK\r\nSet-Cookie: sluice=mine; Path=/\r\nSet-Cookie: other=1\r\nSet-Cookie: sluices=2\r\nContent-Length: 0\r\n\r\n";
    let canary = Backend::start(move |_| Reply::Send(reply.as_bytes().to_vec()));
    let mut setup = Setup::new(canary.address, canary.address, 100.0);
    setup.routing.sticky = Some(Sticky::Cookie { name: "sluice".to_owned(), ttl: Millis::new(86_400_000) });
    let head = setup.start().get("Cookie: sluice=0123456789abcdef\r\n").head;
    assert!(!head.contains("sluice=mine") && head.contains("other=1") && head.contains("sluices=2"), "{head}");
}

#[test]
fn directed_requests_reach_their_arm_and_are_no_trials() {
    let (stable, canary) = (Backend::answering(200, "stable"), Backend::answering(500, "canary"));
    let mut setup = Setup::new(stable.address, canary.address, 0.0);
    setup.routing.header = Some(HeaderRule { name: HeaderName::from_static("x-canary"), test: ValueTest::Switch });
    let proxy = setup.start();
    assert_eq!(proxy.get("X-Canary: always\r\n").body, "canary", "who asked for the canary gets its failure as well");
    assert_eq!(proxy.get("X-Canary: never\r\n").body, "stable");
    assert_eq!((proxy.directed(Canary), proxy.directed(Stable)), (1, 1));
    assert_eq!((proxy.counts(Canary), proxy.counts(Stable)), ([0; 8], [0; 8]));
}

#[test]
fn draining_finishes_what_is_in_flight_and_accepts_no_more() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let stable = Backend::start(move |_| {
        let _ = held.lock().unwrap().recv();
        Reply::Send(answer(200, "stable"))
    });
    let proxy = Setup::new(stable.address, stable.address, 0.0).start();
    let (mut silent, mut busy, mut idle) = (proxy.connect(), proxy.connect(), proxy.connect());
    release.send(()).unwrap();
    assert_eq!(idle.get("").status, 200);
    busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually(2, || stable.asked());
    proxy.workers.drain(harness::PATIENCE);
    assert!(idle.is_closed());
    assert_eq!(silent.stream.read(&mut [0]).ok(), Some(0), "who has said nothing yet is not waited for");
    release.send(()).unwrap();
    let last = busy.answer();
    assert_eq!((last.status, last.head.contains("connection: close")), (200, true), "{}", last.head);
    assert!(busy.is_closed());
    proxy.workers.join();
    assert!(std::net::TcpStream::connect(proxy.address).is_err());
}

#[test]
fn draining_ends_at_its_deadline_at_the_latest() {
    let hanging = Backend::start(|_| Reply::SendAndHang(Vec::new()));
    let proxy = Setup::new(hanging.address, hanging.address, 0.0).start();
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually(1, || hanging.asked());
    proxy.workers.drain(Duration::from_millis(50));
    proxy.workers.join();
    assert!(client.is_closed());
}

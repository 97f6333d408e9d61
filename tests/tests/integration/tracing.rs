//! Trace context on its way through.

use serde_json::{Value, json};
use sluice_tests::{Backend, Config, Request, Sluice};

const VALID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const INVALID: &str = "00-00000000000000000000000000000000-b7ad6b7169203331-01";

async fn start(tracing: Value) -> (Sluice, Backend) {
    let stable = Backend::start("v1").await;
    let sluice = Sluice::start(Config::new(&stable).set("/tracing", tracing)).await;
    (sluice, stable)
}

/// The trace fields that the upstream gets of a request with these.
async fn passed(sluice: &Sluice, fields: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
    let request = fields.iter().fold(Request::get("/echo"), |request, (name, value)| request.field(name, value));
    let seen = request.send(sluice.address()).await.json();
    let of_name = |name: &str| {
        let fields = seen["fields"].as_array().expect("the echo lists fields").iter();
        let fields = fields.filter(|field| field[0].as_str().is_some_and(|given| given.eq_ignore_ascii_case(name)));
        fields.map(|field| field[1].as_str().unwrap_or_default().to_owned()).collect()
    };
    (of_name("traceparent"), of_name("tracestate"))
}

#[tokio::test]
async fn what_came_passes_as_it_is_unless_told_otherwise() {
    let (sluice, _stable) = start(json!({})).await;
    assert_eq!(passed(&sluice, &[]).await, (vec![], vec![]));
    for parent in [VALID, INVALID] {
        let seen = passed(&sluice, &[("traceparent", parent), ("tracestate", "a=1")]).await;
        assert_eq!(seen, (vec![parent.to_owned()], vec!["a=1".to_owned()]));
    }
}

#[tokio::test]
async fn where_traces_begin_here_a_valid_parent_is_kept_and_any_other_replaced() {
    let (sluice, _stable) = start(json!({ "propagate": "always", "sample": 1.0 })).await;
    let kept = passed(&sluice, &[("traceparent", VALID), ("tracestate", "a=1")]).await;
    assert_eq!(kept, (vec![VALID.to_owned()], vec!["a=1".to_owned()]));
    let mut begun = Vec::new();
    for fields in [
        &[][..],
        &[("traceparent", INVALID), ("tracestate", "a=1")],
        &[("traceparent", VALID), ("traceparent", VALID), ("tracestate", "a=1")],
        &[("tracestate", "a=1")],
    ] {
        let (parents, states) = passed(&sluice, fields).await;
        let [parent] = &parents[..] else { panic!("{fields:?}: {parents:?}") };
        assert!(parent.starts_with("00-") && parent.ends_with("-01") && parent.len() == 55, "{parent}");
        assert!(![VALID, INVALID].contains(&parent.as_str()) && states.is_empty(), "{fields:?}: {parent} {states:?}");
        begun.push(parents);
    }
    begun.dedup();
    assert_eq!(begun.len(), 4, "every trace is another");
}

#[tokio::test]
async fn the_share_of_sampled_traces_is_as_configured() {
    let (sluice, _stable) = start(json!({ "propagate": "always", "sample": 0.0 })).await;
    for _ in 0..20 {
        assert!(passed(&sluice, &[]).await.0[0].ends_with("-00"));
    }
}

#[tokio::test]
async fn off_means_that_nothing_is_passed_on() {
    let (sluice, _stable) = start(json!({ "propagate": "off" })).await;
    let seen = passed(&sluice, &[("traceparent", VALID), ("tracestate", "a=1")]).await;
    assert_eq!(seen, (vec![], vec![]));
}

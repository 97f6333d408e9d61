//! Who a route lets in, and which pages may read its answers.

use serde_json::{Value, json};
use sluice_tests::wire::Response;
use sluice_tests::{Backend, Config, Request, Sluice};

/// A proxy behind a trusted one, whose only route leads to `stable` and has these settings.
async fn start(settings: Value) -> (Sluice, Backend) {
    let stable = Backend::start("v1").await;
    let config = Config::new(&stable).set("/trustedProxies", json!(["127.0.0.1"])).set("/routes", json!([settings]));
    (Sluice::start(config).await, stable)
}

async fn from(sluice: &Sluice, address: &str) -> u16 {
    Request::get("/").field("X-Forwarded-For", address).send(sluice.address()).await.status
}

#[tokio::test]
async fn only_addresses_that_are_allowed_and_not_denied_are_let_in() {
    let (mut sluice, stable) =
        start(json!({ "rollout": "shop", "allow": ["192.0.2.0/24", "2001:db8::/32"], "deny": ["192.0.2.66"] })).await;
    for (address, status) in [
        ("192.0.2.1", 200),
        ("2001:db8::1", 200),
        ("192.0.2.66", 403),
        ("198.51.100.1", 403),
        // The client's own word before the trusted proxy's.
        ("192.0.2.1, 198.51.100.1", 403),
    ] {
        assert_eq!(from(&sluice, address).await, status, "{address}");
    }
    assert_eq!(stable.requests(), 2);
    assert_eq!(sluice.metrics().await.sum("sluice_rejected_requests_total", &[("reason", "address")]), 3.0);
    sluice.reload(|config| config.set("/routes/0/allow", json!([]))).await;
    assert_eq!((from(&sluice, "198.51.100.1").await, from(&sluice, "192.0.2.66").await), (200, 403));
}

#[tokio::test]
async fn who_is_not_let_in_keeps_the_connection_and_is_never_counted_for_an_arm() {
    let (sluice, _stable) = start(json!({ "rollout": "shop", "deny": ["192.0.2.1"] })).await;
    let mut wire = sluice_tests::Wire::connect(sluice.address()).await.expect("the proxy listens");
    for (address, status) in [("192.0.2.1", 403), ("192.0.2.2", 200), ("192.0.2.1", 403)] {
        let request = Request::get("/").field("X-Forwarded-For", address);
        assert_eq!(wire.exchange(&request).await.expect("an answer").status, status);
    }
    assert_eq!(sluice.metrics().await.sum("sluice_requests_total", &[]), 1.0);
}

fn cors(response: &Response) -> Vec<(String, String)> {
    let fields = response.head.fields.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
    let mut fields: Vec<_> = fields.filter(|(name, _)| name.starts_with("access-control-") || name == "vary").collect();
    fields.sort();
    fields
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[tokio::test]
async fn a_preflight_is_answered_here() {
    let settings = json!({
        "origins": ["https://shop.example", "https://*.partner.example"], "methods": ["GET", "PUT"],
        "headers": ["X-Token"], "credentials": true, "maxAge": "10m",
    });
    let (sluice, stable) = start(json!({ "rollout": "shop", "cors": settings })).await;
    let ask = |origin: &str| {
        let request = Request::new("OPTIONS", "/cart").field("Origin", origin);
        request.field("Access-Control-Request-Method", "PUT")
    };
    let yes = ask("https://eu.partner.example").send(sluice.address()).await;
    assert_eq!(yes.status, 204);
    let expected = [
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-headers", "X-Token"),
        ("access-control-allow-methods", "GET, PUT"),
        ("access-control-allow-origin", "https://eu.partner.example"),
        ("access-control-max-age", "600"),
        ("vary", "Origin"),
    ];
    assert_eq!(cors(&yes), pairs(&expected));
    let no = ask("https://evil.example").send(sluice.address()).await;
    assert_eq!((no.status, cors(&no)), (204, pairs(&[("vary", "Origin")])));
    assert_eq!(stable.requests(), 0);
    let other = Request::new("OPTIONS", "/cart").send(sluice.address()).await;
    assert_eq!((other.arm(), stable.requests()), ("v1", 1), "no preflight: it passes");
}

#[tokio::test]
async fn answers_say_which_page_may_read_them_refusals_too() {
    let settings = json!({ "origins": ["https://shop.example"], "exposeHeaders": ["X-Total"] });
    let (mut sluice, _stable) = start(json!({ "rollout": "shop", "cors": settings, "deny": ["192.0.2.1"] })).await;
    let ask =
        |address: &str| Request::get("/").field("Origin", "https://shop.example").field("X-Forwarded-For", address);
    let expected = pairs(&[
        ("access-control-allow-origin", "https://shop.example"),
        ("access-control-expose-headers", "X-Total"),
        ("vary", "Origin"),
    ]);
    let answer = ask("192.0.2.2").send(sluice.address()).await;
    assert_eq!((answer.status, cors(&answer)), (200, expected.clone()));
    let refusal = ask("192.0.2.1").send(sluice.address()).await;
    assert_eq!((refusal.status, cors(&refusal)), (403, expected));
    sluice.reload(|config| config.set("/routes/0/cors", json!({ "origins": ["*"] }))).await;
    let open = ask("192.0.2.2").send(sluice.address()).await;
    assert_eq!(cors(&open), pairs(&[("access-control-allow-origin", "*")]));
}

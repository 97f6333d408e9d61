//! What is refused, where the finding points, and what it says.

use super::*;

/// Lines of a rollout, and the findings; an ending `…` stands for any end.
const IN_A_ROLLOUT: &[(&str, &[&str])] = &[
    ("canary: { version: v2 }", &["6:13: rollouts[0].canary: endpoints is missing"]),
    ("canary: { endpoints: [a:1] }", &["6:13: rollouts[0].canary: version is missing"]),
    (
        "canary: { version: v 2, endpoints: [] }",
        &[
            r#"6:24: rollouts[0].canary.version: "v 2": up to 128 ASCII characters without spaces are allowed"#,
            r#"6:40: rollouts[0].canary.endpoints: at least one endpoint is needed, such as ["127.0.0.1:9001"]"#,
        ],
    ),
    (
        "canary: { version: v2, endpoints: [a:1, A:1, localhost, a:0] }",
        &[
            "6:45: rollouts[0].canary.endpoints[1]: A:1: stands here twice",
            r#"6:50: rollouts[0].canary.endpoints[2]: "localhost": host:port such as 127.0.0.1:9001, "[::1]:9001" or shop:80 is expected; the port is missing"#,
            r#"6:61: rollouts[0].canary.endpoints[3]: "a:0": host:port such as 127.0.0.1:9001, "[::1]:9001" or shop:80 is expected; a port is a number from 1 to 65535"#,
        ],
    ),
    (
        "canary: { version: v2, endpoints: [127.0.0.1:9001] }",
        &[
            "6:40: rollouts[0].canary.endpoints[0]: 127.0.0.1:9001: is an endpoint of stable too, though the versions differ",
        ],
    ),
    ("canary: { version: v2, endpoints: a:1 }", &[r#"6:39: rollouts[0].canary.endpoints: "a:1": a list is expected"#]),
    ("canery: {}", &["6:5: rollouts[0].canery: unknown key; did you mean canary? Allowed: …"]),
    ("name: twice", &[r#"6:5: "name" is written twice in the same section: keep one"#]),
    ("gates: [{ name: a }]", &["6:13: rollouts[0].gates[0]: webhook is missing"]),
    ("gates: [{ name: a, webhook: {} }]", &["6:33: rollouts[0].gates[0].webhook: url is missing"]),
    (
        "gates: [{ name: a b, before: [], webhook: { url: \"ftp://h/SECRET\", interval: 1ms, timeout: 1h } }]",
        &[
            r#"6:21: rollouts[0].gates[0].name: "a b": up to 63 letters, digits, `-`, `_` and `.` are allowed"#,
            "6:34: rollouts[0].gates[0].before: at least one of start, raise and promotion is needed",
            "6:54: rollouts[0].gates[0].webhook.url: only http and https are allowed",
            "6:82: rollouts[0].gates[0].webhook.interval: 1ms: 100ms to 10m is allowed",
            "6:96: rollouts[0].gates[0].webhook.timeout: 1h: 100ms to 1m is allowed",
        ],
    ),
    (
        "gates: [{ name: a, webhook: { url: \"http://169.254.169.254/\", secretFile: no/such, caFile: no/such } }]",
        &[
            "6:40: rollouts[0].gates[0].webhook.url: 169.254.169.254 is refused: link-local and metadata addresses are no receivers",
            r#"6:79: rollouts[0].gates[0].webhook.secretFile: /etc/sluice/no/such: can't be read: No such file or directory (os error 2)"#,
            r#"6:96: rollouts[0].gates[0].webhook.caFile: /etc/sluice/no/such: can't be read: No such file or directory (os error 2)"#,
        ],
    ),
    (
        "strategy: { manual: {} }\ngates: [{ name: a, webhook: { url: \"http://h/\" } }]",
        &["7:12: rollouts[0].gates: with strategy.manual the weight is set by hand, and no gate is asked"],
    ),
    ("skipAnalysis: maybe", &[r#"6:19: rollouts[0].skipAnalysis: "maybe": true or false is expected"#]),
    ("skipAnalysis: yes", &[r#"6:19: rollouts[0].skipAnalysis: "yes": true or false is expected"#]),
    (
        "strategy: { canary: {}, manual: {} }",
        &["6:15: rollouts[0].strategy: exactly one of canary, blueGreen and manual is allowed"],
    ),
    ("strategy: { canry: {} }", &["6:17: rollouts[0].strategy.canry: unknown key; did you mean canary? Allowed: …"]),
    (
        "strategy:\n  canary:\n    steps:\n      - setWeight: 20\n      - setWeight: 20",
        &["10:24: rollouts[0].strategy.canary.steps[1].setWeight: 20: each setWeight must be above the one before"],
    ),
    (
        "strategy: { canary: { steps: [{ setWeight: 20, pause: {} }] } }",
        &[
            "6:35: rollouts[0].strategy.canary.steps[0]: 2 keys: just one of setWeight, pause, analysis and setCanaryScale is allowed here",
        ],
    ),
    (
        "strategy: { canary: { steps: [{ setWeight: 0 }] } }",
        &["6:48: rollouts[0].strategy.canary.steps[0].setWeight: 0: a step needs a weight above 0, up to 100"],
    ),
    (
        "strategy: { canary: { steps: [{ setWeight: ten }] } }",
        &[r#"6:48: rollouts[0].strategy.canary.steps[0].setWeight: "ten": a percentage from 0 to 100 is expected"#],
    ),
    (
        "strategy: { canary: { steps: [{ pause: { duration: 10 } }] } }",
        &[
            "6:56: rollouts[0].strategy.canary.steps[0].pause.duration: 10: a duration such as 150ms, 10s, 5m or 1h is expected",
        ],
    ),
    (
        "strategy: { canary: { steps: [{ setWeight: 5 }, { pause: 10m }] } }",
        &[r#"6:62: rollouts[0].strategy.canary.steps[1].pause: "10m": a section with duration is expected"#],
    ),
    (
        "strategy: { canary: { steps: setWeight } }",
        &[r#"6:34: rollouts[0].strategy.canary.steps: "setWeight": a list is expected"#],
    ),
    (
        "strategy: { canary: { bake: 1w } }",
        &[
            r#"6:33: rollouts[0].strategy.canary.bake: duration "1w": write a number and one of ms, s, m, h, d, such as 150ms, 10s or 5m"#,
        ],
    ),
    (
        "strategy: { blueGreen: { autoPromotion: false, autoPromotionAfter: 5m } }",
        &["6:72: rollouts[0].strategy.blueGreen.autoPromotionAfter: a time makes no sense with autoPromotion: false"],
    ),
    (
        r#"strategy: { blueGreen: { previewHost: "*.shop", previewHeader: "a b" } }"#,
        &[
            r#"6:43: rollouts[0].strategy.blueGreen.previewHost: "*.shop": a host name such as shop.example is expected; `*` stands for one whole label at the beginning"#,
            r#"6:68: rollouts[0].strategy.blueGreen.previewHeader: "a b": a header name such as X-Canary is expected"#,
        ],
    ),
    (
        "strategy: { manual: { weight: 101 } }",
        &["6:35: rollouts[0].strategy.manual.weight: weight 101: a percentage from 0 to 100 is allowed"],
    ),
    (
        "analysis: { successRate: { min: 99 } }",
        &[
            r#"6:37: rollouts[0].analysis.successRate.min: 99: write a percentage such as "99%" or a fraction from 0 to 1"#,
        ],
    ),
    ("analysis: { latency: { quantile: 0.95 } }", &["6:26: rollouts[0].analysis.latency: max is missing"]),
    (
        "analysis: { onInconclusive: promote }",
        &[r#"6:33: rollouts[0].analysis.onInconclusive: "promote": pause, revert or promoteIfClean is allowed"#],
    ),
    ("analysis: { rho: .inf }", &["6:22: .inf: a finite number is expected"]),
    ("analysis: { guard: none }", &[r#"6:24: rollouts[0].analysis.guard: "none": auto, off or a count is expected"#]),
    (
        "analysis: { minRequests: -1 }",
        &["6:30: rollouts[0].analysis.minRequests: -1: a whole number from 0 to 4294967295 is expected"],
    ),
    (
        "routing: { header: X-Canary }",
        &[r#"6:24: rollouts[0].routing.header: "X-Canary": a section with name, value and pattern is expected"#],
    ),
    (
        r#"routing: { header: { name: "X Canary", value: a, pattern: b } }"#,
        &[
            r#"6:32: rollouts[0].routing.header.name: "X Canary": a header name such as X-Canary is expected"#,
            "6:63: rollouts[0].routing.header.pattern: either value or pattern is allowed",
        ],
    ),
    (
        r#"routing: { header: { name: x, value: "" } }"#,
        &[r#"6:42: rollouts[0].routing.header.value: "": visible ASCII characters are expected, at least one"#],
    ),
    (
        r#"routing: { cookie: { name: "a;b", pattern: "a(" } }"#,
        &[
            r#"6:32: rollouts[0].routing.cookie.name: "a;b": a cookie name such as canary is expected: letters, digits, `-`, `_`"#,
            r#"6:48: rollouts[0].routing.cookie.pattern: "a(": is no regular expression: unclosed group"#,
        ],
    ),
    (
        r#"routing: { cookie: { name: a, pattern: "(a{1000}){1000}" } }"#,
        &[
            "6:44: rollouts[0].routing.cookie.pattern: the pattern is too large: it may take 1048576 bytes when compiled",
        ],
    ),
    (
        "routing: { match: [{}] }",
        &["6:24: rollouts[0].routing.match[0]: a rule needs at least one condition under headers, cookies or query"],
    ),
    (
        "routing: { match: [{ header: { a: b } }] }",
        &["6:26: rollouts[0].routing.match[0].header: unknown key; did you mean headers? Allowed: …"],
    ),
    (
        "routing: { match: [{ headers: { a: { exact: b, regex: c } } }] }",
        &["6:40: rollouts[0].routing.match[0].headers.a: just one of exact, prefix and regex is allowed"],
    ),
    (
        r#"routing: { match: [{ headers: { a: { prefix: "" }, "b c": d } }] }"#,
        &[
            "6:50: rollouts[0].routing.match[0].headers.a.prefix: an empty prefix matches everything: at least one character is expected",
            r#"6:63: rollouts[0].routing.match[0].headers.b c: "b c": a header name such as X-Canary is expected"#,
        ],
    ),
    (
        "routing: { match: [{ query: { a: [b] } }] }",
        &[
            "6:38: rollouts[0].routing.match[0].query.a: a list: a text, or a section with one of exact, prefix and regex is expected",
        ],
    ),
    ("routing: { sticky: {} }", &["6:24: rollouts[0].routing.sticky: either cookie or header is expected"]),
    (
        "routing: { sticky: { cookie: a, header: b } }",
        &["6:24: rollouts[0].routing.sticky: either cookie or header is expected"],
    ),
    (
        "routing: { sticky: { cookie: a, ttl: 2000d } }",
        &["6:42: rollouts[0].routing.sticky.ttl: 2000d: 1s to 400d is allowed"],
    ),
    ("routing: { sticky: { header: a, ttl: 1d } }", &["6:42: rollouts[0].routing.sticky.ttl: only a cookie has a ttl"]),
    (
        "routing: { trustedSources: [10.0.0.0/33, shop] }",
        &[
            r#"6:33: rollouts[0].routing.trustedSources[0]: "10.0.0.0/33": a network such as 10.0.0.0/8, or an address, is expected"#,
            r#"6:46: rollouts[0].routing.trustedSources[1]: "shop": a network such as 10.0.0.0/8, or an address, is expected"#,
        ],
    ),
    ("routing: { shield: on }", &[r#"6:24: rollouts[0].routing.shield: "on": safe or off is allowed"#]),
    (
        "routing: { directedAfterRevert: true }",
        &[r#"6:37: rollouts[0].routing.directedAfterRevert: "true": stable or canary is allowed"#],
    ),
];

/// Sections of the file, and the findings.
const IN_THE_FILE: &[(&str, &[&str])] = &[
    ("listener: []", &["6:1: listener: unknown key; did you mean listeners? Allowed: …"]),
    ("rollouts: []", &[r#"6:1: "rollouts" is written twice in the same section: keep one"#]),
    ("workers: 0", &["6:10: workers: 0: auto or a number from 1 to 256 is expected"]),
    ("workers: many", &["6:10: workers: many: auto or a number from 1 to 256 is expected"]),
    (
        "admin: { address: 10.0.0.1:9900 }",
        &[
            "6:19: admin.address: 10.0.0.1:9900: can be reached from other machines, which is allowed only with an `auth` section, such as `auth: { reads: true }`",
        ],
    ),
    (
        "admin: { address: localhost:9900 }",
        &[
            r#"6:19: admin.address: "localhost:9900": an IP address and port such as 0.0.0.0:8080 or "[::]:8080" is expected"#,
        ],
    ),
    (
        "admin: { address: 9900 }",
        &[
            r#"6:19: admin.address: "9900": an IP address and port such as 0.0.0.0:8080 or "[::]:8080" is expected; for all addresses write 0.0.0.0:9900"#,
        ],
    ),
    (
        "admin: { address: 127.0.0.1:99999 }",
        &[
            r#"6:19: admin.address: "127.0.0.1:99999": an IP address and port such as 0.0.0.0:8080 or "[::]:8080" is expected"#,
        ],
    ),
    ("admin: { auth: token }", &[r#"6:16: admin.auth: "token": a section with tokenFile and reads is expected"#]),
    (r#"admin: { auth: { tokenFile: "" } }"#, &["6:29: admin.auth.tokenFile: a file is expected"]),
    (
        r#"admin: { allowedHosts: ["http://a"] }"#,
        &[
            r#"6:25: admin.allowedHosts[0]: "http://a": a host name such as shop.example is expected, without scheme and path"#,
        ],
    ),
    (
        "admin: { address: 0.0.0.0:8080, auth: {} }",
        &["6:19: admin.address: 0.0.0.0:8080: is also the address of a listener"],
    ),
    ("stateDir: []", &["6:11: stateDir: a list: a string is expected"]),
    (r#"stateDir: """#, &["6:11: stateDir: a directory is expected"]),
    ("trustedProxies: 10.0.0.0/8", &[r#"6:17: trustedProxies: "10.0.0.0/8": a list is expected"#]),
    (
        "upstream: { retries: 99, connectTimeout: 0s, requestTimeout: 5 }",
        &["6:62: upstream.requestTimeout: 5: a duration such as 150ms, 10s, 5m or 1h is expected"],
    ),
    ("upstream: { healthCheck: { interval: 1ms } }", &["6:26: upstream.healthCheck: path is missing"]),
    (
        "upstream: { healthCheck: { path: healthz, interval: 1ms, unhealthyAfter: 0 } }",
        &[
            r#"6:34: upstream.healthCheck.path: "healthz": a path such as /healthz is expected"#,
            "6:53: upstream.healthCheck.interval: 1ms: 100ms to 1h is allowed",
            "6:74: upstream.healthCheck.unhealthyAfter: 0: 1 to 100 is allowed",
        ],
    ),
    (
        "routes: [{ rollout: shopp }]",
        &[r#"6:21: routes[0].rollout: "shopp": no rollout has this name; did you mean shop?"#],
    ),
    (
        "routes: [{ rollout: shop, endpoints: [a:1] }]",
        &["6:38: routes[0].endpoints: a route has either a rollout or endpoints"],
    ),
    ("routes: [{ hosts: [a] }]", &["6:10: routes[0]: a route needs a rollout, endpoints, or a redirect"]),
    ("routes: [{ endpoints: [a:1] }]", &["4:11: rollouts[0].name: shop: no route leads to this rollout"]),
    (
        "routes: [{ rollout: shop }, { paths: [{ prefix: / }], rollout: shop }]",
        &["6:29: routes[1]: any host with prefix / leads to routes[0] already"],
    ),
    (
        r#"routes: [{ hosts: ["*", "a.*", "http://a/", "a:80", ä, a_b], rollout: shop }]"#,
        &[
            r#"6:20: routes[0].hosts[0]: "*": a host such as shop.example or *.shop.example is expected; leave `hosts` out for any host"#,
            r#"6:25: routes[0].hosts[1]: "a.*": a host such as shop.example or *.shop.example is expected; `*` stands for one whole label at the beginning"#,
            r#"6:32: routes[0].hosts[2]: "http://a/": a host such as shop.example or *.shop.example is expected, without scheme and path"#,
            r#"6:45: routes[0].hosts[3]: "a:80": a host such as shop.example or *.shop.example is expected, without port"#,
            r#"6:53: routes[0].hosts[4]: "ä": a host such as shop.example or *.shop.example is expected, in ASCII (punycode)"#,
        ],
    ),
    (
        "routes: [{ paths: [{ prefix: api }, { exact: /a?b }, /c, { regex: /d }], rollout: shop }]",
        &[
            r#"6:54: routes[0].paths[2]: "/c": prefix or exact is allowed"#,
            r#"6:60: routes[0].paths[3]: "regex": prefix or exact is allowed"#,
        ],
    ),
    (
        "upstream: { retries: 99, connectTimeout: 0s }",
        &["6:22: upstream.retries: 99: 0 to 10 is allowed", "6:42: upstream.connectTimeout: 0ms: 1ms to 1m is allowed"],
    ),
    (
        "upstream: { healthCheck: { path: /, interval: 1ms, unhealthyAfter: 0 } }",
        &[
            "6:47: upstream.healthCheck.interval: 1ms: 100ms to 1h is allowed",
            "6:68: upstream.healthCheck.unhealthyAfter: 0: 1 to 100 is allowed",
        ],
    ),
    (
        "routes: [{ paths: [{ prefix: api }, { exact: /a?b }], rollout: shop }]",
        &[
            r#"6:20: routes[0].paths[0]: "api": a path such as / or /api is expected, without query"#,
            r#"6:37: routes[0].paths[1]: "/a?b": a path such as / or /api is expected, without query"#,
        ],
    ),
    (
        "routes: [{ paths: [{ prefix: /, exact: / }], rollout: shop }]",
        &["6:20: routes[0].paths[0]: 2 keys: just one of prefix and exact is allowed here"],
    ),
    ("notification: []", &["6:1: notification: unknown key; did you mean notifications? Allowed: …"]),
    ("notifications: {}", &["6:16: notifications: a section: a list is expected"]),
    ("notifications: [{}]", &["6:17: notifications[0]: exactly one of slack, teams, pagerduty and webhook is allowed"]),
    (
        "notifications: [{ slak: { webhookUrlFile: a } }]",
        &["6:19: notifications[0].slak: unknown key; did you mean slack? Allowed: …"],
    ),
    (
        "notifications: [{ slack: { webhookUrl: https://hooks.slack.com/SECRET } }]",
        &[
            "6:26: notifications[0].slack: webhookUrlFile is missing",
            "6:28: notifications[0].slack.webhookUrl: unknown key; allowed: webhookUrlFile",
        ],
    ),
    (
        "notifications: [{ slack: { webhookUrlFile: https://hooks.slack.com/SECRET } }]",
        &["6:44: notifications[0].slack.webhookUrlFile: the name of a file is expected, which holds the secret"],
    ),
    (
        "notifications: [{ slack: { webhookUrlFile: none.url } }]",
        &[
            "6:44: notifications[0].slack.webhookUrlFile: /etc/sluice/none.url: can't be read: No such file or directory (os error 2)",
        ],
    ),
    (
        "notifications: [{ webhook: { url: http://h/ }, on: [reverte, completed], template: '{mesage}', rollouts: [shp] }]",
        &[
            r#"6:53: notifications[0].on[0]: "reverte": all, started, step, paused, resumed, held, suspended, reverted, aborted, completed or configurationRefused is allowed; did you mean reverted?"#,
        ],
    ),
    (
        "notifications: [{ webhook: { url: http://h/ }, on: [], template: '{mesage}', rollouts: [shp] }]",
        &[
            "6:52: notifications[0].on: an empty list tells nothing: name events, or leave `on` out for all of them",
            "6:66: notifications[0].template: unknown placeholder {mesage}; did you mean {message}? title, rollout, kind, version, stable, generation, weight, message, evidence, reason and id are allowed",
            r#"6:89: notifications[0].rollouts[0]: "shp": no rollout has this name; did you mean shop?"#,
        ],
    ),
    (
        "notifications: [{ webhook: { url: http://169.254.169.254/SECRET } }, { webhook: { url: ftp://h/SECRET } }, { webhook: {} }]",
        &[
            "6:35: notifications[0].webhook.url: 169.254.169.254 is refused: link-local and metadata addresses are no receivers",
            "6:88: notifications[1].webhook.url: only http and https are allowed",
            "6:119: notifications[2].webhook: exactly one of url and urlFile is expected",
        ],
    ),
    (
        "notifications: [{ webhook: { url: http://h/, headers: { Authorization: SECRET, 'a b': SECRET }, caFile: none.pem } }]",
        &[
            "6:72: notifications[0].webhook.headers.Authorization: this header can't be set here: use authorizationFile",
            "6:87: notifications[0].webhook.headers.a b: the name of a header is expected",
            "6:105: notifications[0].webhook.caFile: /etc/sluice/none.pem: can't be read: No such file or directory (os error 2)",
        ],
    ),
    (
        "notifications: [{ webhook: { url: http://h/ } }, { webhook: { url: http://h/ } }]",
        &[
            "6:50: notifications[1].name: webhook: is also the name of notifications[0]; without `name` it is the kind: give each a name of its own",
        ],
    ),
    (
        "compat: { nginxMetric: true }",
        &["6:11: compat.nginxMetric: unknown key; did you mean nginxMetrics? Allowed: …"],
    ),
    (
        "compat: { namespace: Shop }",
        &[r#"6:22: compat.namespace: "Shop": a name of small letters, digits and `-` is expected, such as default"#],
    ),
    (
        "accessLog: { path: '', sample: 2, buffer: 1 }",
        &[
            "6:20: accessLog.path: stdout or a file is expected",
            "6:32: accessLog.sample: 2: 0 to 1 is allowed",
            "6:43: accessLog.buffer: 1: 16 to 65536 is allowed",
        ],
    ),
    ("accessLog: { format: xml }", &[r#"6:22: accessLog.format: "xml": json or combined is allowed"#]),
    (
        "tracing: { propagate: sometimes }",
        &[r#"6:23: tracing.propagate: "sometimes": present, always or off is allowed"#],
    ),
    ("tracing: { sample: -1 }", &["6:20: tracing.sample: -1: 0 to 1 is allowed"]),
    ("routes:\n- rollout:shop", &[r#"7:3: routes[0]: "rollout:shop": a space is missing after the colon"#]),
    ("routes:\n\t- rollout: shop", &["7:2: tabs disallowed within this context (block indentation)"]),
    ("routes: [", &["6:9: unclosed bracket '['"]),
    (r#"stateDir: "a"#, &["6:11: unclosed quote"]),
    ("stateDir: a: b", &["6:12: mapping values are not allowed in this context"]),
    ("stateDir: *missing", &["6:11: reference to unknown value"]),
    ("---\na: b", &["7:1: a second document begins here: one is allowed"]),
    ("admin: { address: [::1]:9900 }", &["6:24: while parsing a flow mapping, did not find expected ',' or '}'"]),
];

pub(super) fn assert_refused(text: &str, expected: &[&str]) {
    let Err(errors) = parse(text) else { panic!("accepted:\n{text}") };
    let findings: Vec<String> = errors.findings().iter().map(ToString::to_string).collect();
    let is_met = |(found, expected): (&String, &&str)| match expected.strip_suffix('…') {
        Some(start) => found.starts_with(start),
        None => found == expected,
    };
    let all_met = findings.len() == expected.len() && findings.iter().zip(expected).all(is_met);
    assert!(all_met, "{text}\nexpected {expected:#?}\nfound {findings:#?}");
}

#[test]
fn what_a_rollout_can_not_mean_is_refused_with_its_line_and_column() {
    for (lines, expected) in IN_A_ROLLOUT {
        assert_refused(&rollout_with(lines), expected);
    }
}

#[test]
fn what_a_file_can_not_mean_is_refused_with_its_line_and_column() {
    for (lines, expected) in IN_THE_FILE {
        assert_refused(&file_with(lines), expected);
    }
}

const TWO: &str = "\
listeners: [{ address: 0.0.0.0:8080 }]
rollouts:
  - name: shop
    stable: { version: v1, endpoints: [a:1] }
    strategy: { blueGreen: { previewHost: preview.example } }
  - name: NAME
    stable: { version: v1, endpoints: [b:1] }
    strategy: { blueGreen: { previewHost: HOST } }
";

fn two(name: &str, preview_host: &str, routes: &str) -> String {
    TWO.replace("NAME", name).replace("HOST", preview_host) + routes
}

#[test]
fn rollouts_that_get_in_each_other_s_way_are_refused() {
    let routes = "routes: [{ hosts: [a.example], rollout: shop }, { hosts: [b.example], rollout: pay }]";
    accepted(&two("pay", "other.example", routes));
    assert_refused(
        &two("shop", "other.example", "routes: [{ rollout: shop }]"),
        &[
            "6:11: rollouts[1].name: shop: is also the name of rollouts[0]",
            "6:11: rollouts[1].name: shop: no route leads to this rollout",
        ],
    );
    assert_refused(
        &two("pay", "preview.example", routes),
        &["8:43: rollouts[1].strategy.blueGreen.previewHost: preview.example: is also the preview host of rollouts[0]"],
    );
    assert_refused(
        &two("pay", "a.example", routes),
        &["8:43: rollouts[1].strategy.blueGreen.previewHost: a.example: leads to routes[0] already"],
    );
    assert_refused(&two("pay", "other.example", ""), &["1:1: routes: several rollouts need routes, such as…"]);
}

#[test]
fn a_file_without_anything_to_do_is_refused() {
    for text in ["", "\n# nothing\n---\n", "\u{feff}"] {
        assert_refused(text, &[" is empty: listeners and rollouts are expected"]);
    }
    assert_refused("rollouts: []", &["1:1: listeners: at least one listener is needed, such as…"]);
    assert_refused("listeners: [{ address: 0.0.0.0:80 }]", &["1:1: at least one rollout or route is needed"]);
    assert_refused("[]", &["1:1: the file must be a section with…", "1:1: listeners: at least one…"]);
}

#[test]
fn ports_can_not_be_used_twice_but_the_system_may_choose_several() {
    let text = |addresses| format!("listeners: [{addresses}]\nroutes: [{{ endpoints: [a:1] }}]\n");
    accepted(&text("{ address: 127.0.0.1:0 }, { address: 127.0.0.1:0 }"));
    assert_refused(
        &text("{ address: 127.0.0.1:80 }, { address: 127.0.0.1:80 }"),
        &["1:51: listeners[1].address: 127.0.0.1:80: is also the address of listeners[0]"],
    );
}

#[test]
fn bytes_that_are_no_text_are_found_by_line_and_column() {
    let errors = Config::parse(b"listeners:\n  - \xff", Path::new("shop.yaml")).unwrap_err();
    assert_eq!(errors.to_string(), "shop.yaml:2:5: byte 0xff is not UTF-8");
}

#[test]
fn all_mistakes_of_a_file_are_reported_at_once_and_in_its_order() {
    let text = "\
listeners:
  - adress: 0.0.0.0:8080
rollouts:
  - name: shop
    stable: { version: v1, endpoints: [127.0.0.1] }
    strategy:
      canary:
        steps:
          - setWeight: 10
          - setWeight: 5
  - name: pay
    stabel: { version: v1, endpoints: [a:1] }
    analysis: { minRequests: many, latency: { max: 200ms, maximum: 1s } }
routes:
  - rollout: shpo
";
    assert_refused(
        text,
        &[
            "2:5: listeners[0].adress: unknown key; did you mean address? Allowed: …",
            r#"5:40: rollouts[0].stable.endpoints[0]: "127.0.0.1": host:port such as…"#,
            "10:24: rollouts[0].strategy.canary.steps[1].setWeight: 5: each setWeight must be above the one before",
            "12:5: rollouts[1].stabel: unknown key; did you mean stable? Allowed: …",
            r#"13:30: rollouts[1].analysis.minRequests: "many": a whole number from 0 to 4294967295 is expected"#,
            "13:59: rollouts[1].analysis.latency.maximum: unknown key; allowed: …",
            r#"15:14: routes[0].rollout: "shpo": no rollout has this name; did you mean shop?"#,
        ],
    );
}

#[test]
fn a_finding_can_be_shown_with_its_line() {
    let errors = parse(&rollout_with("strategy: { canary: { bake: 1w } }")).unwrap_err();
    let shown = errors.with_excerpts().to_string();
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with("/etc/sluice/shop.yaml:6:33: rollouts[0].strategy.canary.bake: duration \"1w\": "));
    assert_eq!(lines[1], "     6 |     strategy: { canary: { bake: 1w } }");
    assert_eq!(lines[2].find('^'), lines[1].find("1w"));
}

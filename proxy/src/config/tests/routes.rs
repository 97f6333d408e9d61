//! What is refused in a route's settings, where the finding points, and what it says.

use super::*;

/// Lines of a route, which begin at line 8, column 5, and the findings; an ending `…` stands for any end.
const IN_A_ROUTE: &[(&str, &[&str])] = &[
    ("redirect: {}", &["8:15: routes[0].redirect: a redirect needs at least one of scheme, host, port, path, prefix…"]),
    (
        "redirect: { scheme: ftp, status: 200 }",
        &[r#"8:25: routes[0].redirect.scheme: "ftp": http or https is allowed"#],
    ),
    (
        "redirect: { host: \"a:80\", port: 0, path: a, status: 304 }",
        &[
            r#"8:23: routes[0].redirect.host: "a:80": a host name such as shop.example is expected, without port"#,
            "8:37: routes[0].redirect.port: 0: 1 to 65535 is allowed",
            r#"8:46: routes[0].redirect.path: "a": a path such as / or /v2 is expected, without query"#,
            "8:57: routes[0].redirect.status: 304: 301, 302, 303, 307 or 308 is allowed",
        ],
    ),
    ("rewrite: {}", &["8:14: routes[0].rewrite: a rewrite needs at least one of host, path, prefix and regex"]),
    ("rewrite: { path: /a, prefix: /b }", &["8:14: routes[0].rewrite: either path, prefix or regex is allowed"]),
    ("rewrite: { prefix: /a?b }", &[r#"8:24: routes[0].rewrite.prefix: "/a?b": a path such as / or /v2 is expected…"#]),
    ("rewrite: { regex: ^/a }", &["8:14: routes[0].rewrite: to is missing: what a path that matches becomes…"]),
    ("rewrite: { to: /a }", &["8:20: routes[0].rewrite.to: only a regex has a to"]),
    (
        "rewrite: { regex: ^/(a), to: /$2 }",
        &[r#"8:34: routes[0].rewrite.to: "/$2": $2 is not there, the regex has 1 groups"#],
    ),
    (
        "rewrite: { regex: \"(\", to: /$x }",
        &[
            "8:23: routes[0].rewrite.regex: \"(\": is no regular expression: unclosed group",
            r#"8:32: routes[0].rewrite.to: "/$x": behind $ the number of a group is expected, $1 to $9"#,
        ],
    ),
    (
        "requestHeaders: { set: { Host: a, \"a b\": c }, add: { X-Forwarded-For: a }, remove: [Content-Length] }",
        &[
            "8:36: routes[0].requestHeaders.set.Host: host: this field belongs to the proxy",
            r#"8:46: routes[0].requestHeaders.set.a b: "a b": a header name such as X-Canary is expected"#,
            "8:75: routes[0].requestHeaders.add.X-Forwarded-For: x-forwarded-for: this field belongs to the proxy",
            "8:89: routes[0].requestHeaders.remove[0]: content-length: this field belongs to the proxy",
        ],
    ),
    (
        "responseHeaders: { set: { Connection: close, X: \"a\\nb\" } }",
        &[
            "8:43: routes[0].responseHeaders.set.Connection: connection: this field belongs to the proxy",
            r#"8:53: routes[0].responseHeaders.set.X: "a\nb": a text of one line is expected"#,
        ],
    ),
    (
        "timeouts: { connect: 2m, request: 0s }\nretries: 11\nmaxBodySize: 8MB",
        &["10:18: routes[0].maxBodySize: \"8MB\": a number of bytes such as 512KiB, 8MiB or 1GiB is expected"],
    ),
    (
        "timeouts: { connect: 2m, request: 0s }\nretries: 11\nmaxBodySize: 0",
        &[
            "8:26: routes[0].timeouts.connect: 2m: 1ms to 1m is allowed",
            "8:39: routes[0].timeouts.request: 0ms: 1ms to 1d is allowed",
            "9:14: routes[0].retries: 11: 0 to 10 is allowed",
            "10:18: routes[0].maxBodySize: 0: at least one byte is allowed; leave it out for no limit",
        ],
    ),
    (
        "allow: [10.0.0.0/33]\ndeny: [a]",
        &[
            r#"8:13: routes[0].allow[0]: "10.0.0.0/33": a network such as 10.0.0.0/8, or an address, is expected"#,
            r#"9:12: routes[0].deny[0]: "a": a network such as 10.0.0.0/8, or an address, is expected"#,
        ],
    ),
    ("cors: {}", &["8:11: routes[0].cors: origins is missing"]),
    ("cors: { origins: [] }", &["8:22: routes[0].cors.origins: at least one origin is needed, such as…"]),
    (
        "cors: { origins: [shop.example, \"https://a/\", \"https://a:0\"], methods: [get], headers: [a b], maxAge: 2d }",
        &[
            r#"8:23: routes[0].cors.origins[0]: "shop.example": an origin such as https://shop.example or…"#,
            r#"8:37: routes[0].cors.origins[1]: "https://a/": an origin such as…"#,
            r#"8:51: routes[0].cors.origins[2]: "https://a:0": an origin such as…"#,
            r#"8:77: routes[0].cors.methods[0]: "get": a method such as GET is expected"#,
            r#"8:93: routes[0].cors.headers[0]: "a b": a header name such as X-Canary is expected"#,
            "8:107: routes[0].cors.maxAge: 2d: 0ms to 1d is allowed",
        ],
    ),
    (
        "cors: { origins: [\"*\"], credentials: true }",
        &["8:42: routes[0].cors.credentials: with the origin \"*\" any page could act for the user: name origins"],
    ),
    ("basicAuth: {}", &["8:16: routes[0].basicAuth: file is missing"]),
    (
        "basicAuth: { file: no/such, realm: 'a\"b' }",
        &[
            "8:24: routes[0].basicAuth.file: /etc/sluice/no/such: can't be read: No such file or directory (os error 2)",
            r#"8:40: routes[0].basicAuth.realm: "a\"b": visible ASCII characters without quotes are expected"#,
        ],
    ),
    ("rateLimit: {}", &["8:16: routes[0].rateLimit: at least one of requestsPerSecond and concurrent is needed"]),
    ("rateLimit: { burst: 5 }", &["8:25: routes[0].rateLimit.burst: only with requestsPerSecond there is a burst"]),
    (
        "rateLimit: { requestsPerSecond: 0, burst: 0, concurrent: 0 }",
        &[
            "8:37: routes[0].rateLimit.requestsPerSecond: 0: 0.001 to 1000000 is allowed",
            "8:47: routes[0].rateLimit.burst: 0: 1 to 1000000 is allowed",
            "8:62: routes[0].rateLimit.concurrent: 0: 1 to 1000000 is allowed",
        ],
    ),
    ("externalAuth: {}", &["8:19: routes[0].externalAuth: url is missing"]),
    (
        "externalAuth: { url: \"https://a/\", signin: //evil, timeout: 2m, copyHeaders: [Host, a b] }",
        &[
            r#"8:26: routes[0].externalAuth.url: "https://a/": an address such as http://127.0.0.1:4180/oauth2/auth…"#,
            r#"8:48: routes[0].externalAuth.signin: "//evil": an address such as…"#,
            "8:65: routes[0].externalAuth.timeout: 2m: 1ms to 1m is allowed",
            "8:83: routes[0].externalAuth.copyHeaders[0]: host: this field belongs to the proxy",
            r#"8:89: routes[0].externalAuth.copyHeaders[1]: "a b": a header name…"#,
        ],
    ),
    (
        "affinity: { cookie: a b, ttl: 1ms }\nbalance: random",
        &[r#"9:14: routes[0].balance: "random": roundRobin or leastRequests is allowed"#],
    ),
    (
        "affinity: { cookie: a b, ttl: 1ms }",
        &[
            r#"8:25: routes[0].affinity.cookie: "a b": a cookie name…"#,
            "8:35: routes[0].affinity.ttl: 1ms: 1s to 400d is allowed",
        ],
    ),
    ("errorPages: {}", &["8:17: routes[0].errorPages: at least one page is needed, such as…"]),
    (
        "errorPages: { files: { 200: a.html, 503: b.php } }",
        &[
            "8:33: routes[0].errorPages.files.200: /etc/sluice/a.html: can't be read: No such file…",
            r#"8:33: routes[0].errorPages.files.200: "200": a status from 400 to 599 is expected"#,
            "8:46: routes[0].errorPages.files.503: /etc/sluice/b.php: a file .html, .json or .txt is expected",
        ],
    ),
    ("mirror: { percent: 101 }", &["8:24: routes[0].mirror.percent: 101: 0 to 100 is allowed"]),
    ("mirror: {}", &["8:13: routes[0].mirror: percent is missing"]),
    (
        "compression: { encodings: [deflate] }",
        &[r#"8:32: routes[0].compression.encodings[0]: "deflate": br, zstd or gzip is allowed"#],
    ),
    (
        "compression: { encodings: [], types: [\"text/*\"] }",
        &[
            "8:31: routes[0].compression.encodings: at least one of br, zstd and gzip is needed",
            r#"8:43: routes[0].compression.types[0]: "text/*": a content type such as text/html is expected…"#,
        ],
    ),
];

#[test]
fn findings_in_a_route_name_the_place_the_value_and_what_is_allowed() {
    for (lines, expected) in IN_A_ROUTE {
        refusals::assert_refused(&route_with(lines), expected);
    }
}

#[test]
fn a_route_without_settings_has_no_filters() {
    assert!(accepted(&file_with("routes:\n  - rollout: shop")).routes[0].filters.is_none());
    assert!(accepted(&route_with("rewrite: { prefix: /v2 }")).routes[0].filters.is_some());
}

/// A file whose one route has these lines.
fn route_with(lines: &str) -> String {
    let route = file_with("routes:\n  - rollout: shop");
    lines.lines().fold(route, |text, line| format!("{text}    {line}\n"))
}

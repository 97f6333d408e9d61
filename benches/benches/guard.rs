//! What the look at a client's bytes costs, before the HTTP library parses the same bytes.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use sluice_proxy::data::guard::Guard;
use sluice_proxy::data::{host, target};

/// A browser's request: ten fields, some 600 bytes.
const HEAD: &str = "GET /cart/items?sort=price&page=2 HTTP/1.1\r\n\
    Host: shop.example\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Connection: keep-alive\r\n\
    Referer: https://shop.example/cart\r\n\
    Cookie: session=8c1f0c5a2b7e4d6f9a3b5c7d9e1f2a4b; sluice=5f2d8e0c\r\n\
    Upgrade-Insecure-Requests: 1\r\n\
    Priority: u=0, i\r\n\r\n";

/// What a load generator sends.
const SHORT: &str = "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n";

fn guard(criterion: &mut Criterion) {
    for (name, head) in [("a head of ten fields", HEAD), ("a head of one field", SHORT)] {
        let mut guard = Guard::new(32 * 1024, 8_000);
        criterion.bench_function(&format!("guard: {name}"), |bencher| {
            bencher.iter(|| guard.check(black_box(head.as_bytes())));
        });
        let mut fields = [httparse::EMPTY_HEADER; 32];
        criterion.bench_function(&format!("guard: for comparison, httparse on {name}"), |bencher| {
            bencher.iter(|| httparse::Request::new(&mut fields).parse(black_box(head.as_bytes())).is_ok());
        });
    }
    let upload = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65536\r\n\r\n{}", "x".repeat(65_536));
    let mut guard = Guard::new(32 * 1024, 8_000);
    criterion.bench_function("guard: a head and 64 KiB of a body", |bencher| {
        bencher.iter(|| guard.check(black_box(upload.as_bytes())));
    });
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(4_096));
    let begun = || {
        let mut guard = Guard::new(32 * 1024, 8_000);
        guard.check(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n").expect("a good head");
        guard
    };
    criterion.bench_function("guard: a chunk of 4 KiB", |bencher| {
        bencher.iter_batched_ref(begun, |guard| guard.check(black_box(chunk.as_bytes())), BatchSize::SmallInput);
    });
    criterion.bench_function("guard: host and path", |bencher| {
        bencher.iter(|| {
            (host::parse(black_box(b"shop.example:8080")), target::is_plain(black_box("/cart/items/picture.png")))
        });
    });
}

criterion_group!(benches, guard);
criterion_main!(benches);

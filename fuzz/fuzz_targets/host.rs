//! Any bytes as the value of `Host`: a host has nothing in it that ends one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_proxy::data::host;

fuzz_target!(|value: &[u8]| {
    let Some(host) = host::parse(value) else { return };
    assert!(value.starts_with(host.as_bytes()), "{host:?} is not how it begins");
    let is_bracketed = host.starts_with('[') && host.ends_with(']');
    assert!(is_bracketed || !host.contains([':', '/', '@', ',', '?', '#', '\\', ' ', '[', ']', '%']), "{host:?}");
    assert!(host.bytes().all(|byte| byte.is_ascii_graphic()), "{host:?}");
    let port = &value[host.len()..];
    let number = port.strip_prefix(b":").and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u16>().ok());
    assert!(port.is_empty() || number.is_some(), "port {port:?}");
    assert_eq!(host::parse(host.as_bytes()), Some(host), "a host is a host");
});

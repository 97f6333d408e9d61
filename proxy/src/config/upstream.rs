//! `upstream:`, time-outs, retries, kept connections and health checks towards endpoints.

use std::path::Path;

use sluice_engine::units::Millis;

use super::raw::{RawHealthCheck, RawUpstream};
use super::scope::Scope;
use super::{HealthCheck, UpstreamSettings, range};
use crate::tls::UpstreamTls;

const MILLISECOND: Millis = Millis::new(1);
const SECOND: Millis = Millis::new(1_000);
const MINUTE: Millis = Millis::new(60_000);
const HOUR: Millis = Millis::new(3_600_000);

impl UpstreamSettings {
    pub(super) fn from_raw(scope: &Scope<'_>, directory: &Path) -> Option<Self> {
        let raw: RawUpstream = scope.read_or_default()?;
        let default = Self::default();
        let connect_timeout = range::time(
            raw.connect_timeout,
            default.connect_timeout,
            MILLISECOND..=MINUTE,
            &scope.key("connectTimeout"),
        );
        let request_timeout = range::time(
            raw.request_timeout,
            default.request_timeout,
            MILLISECOND..=Millis::new(86_400_000),
            &scope.key("requestTimeout"),
        );
        let retries = range::count(raw.retries, default.retries.into(), 0..=10, &scope.key("retries"));
        let keepalive = range::count(raw.keepalive, default.keepalive as u64, 0..=10_000, &scope.key("keepalive"));
        let keepalive_timeout = range::time(
            raw.keepalive_timeout,
            default.keepalive_timeout,
            SECOND..=HOUR,
            &scope.key("keepaliveTimeout"),
        );
        let resolve_interval =
            range::time(raw.resolve_interval, default.resolve_interval, SECOND..=HOUR, &scope.key("resolveInterval"));
        let tls = match &raw.tls {
            Some(tls) => UpstreamTls::from_raw(tls, directory, &scope.key("tls")),
            None => Some(UpstreamTls::default()),
        };
        let health_check = match &raw.health_check {
            Some(check) => {
                HealthCheck::from_raw(check, tls.clone().unwrap_or_default(), &scope.key("healthCheck")).map(Some)
            }
            None => Some(None),
        };
        Some(Self {
            connect_timeout: connect_timeout?,
            request_timeout: request_timeout?,
            retries: u32::try_from(retries?).ok()?,
            keepalive: keepalive?,
            keepalive_timeout: keepalive_timeout?,
            health_check: health_check?,
            resolve_interval: resolve_interval?,
            tls: tls?,
            forwarded_header: raw.forwarded_header,
        })
    }
}

impl HealthCheck {
    fn from_raw(raw: &RawHealthCheck, tls: UpstreamTls, scope: &Scope<'_>) -> Option<Self> {
        let path = request_path(&raw.path, &scope.key("path"));
        let interval = range::time(raw.interval, Millis::new(5_000), Millis::new(100)..=HOUR, &scope.key("interval"));
        let timeout = range::time(raw.timeout, SECOND, Millis::new(10)..=MINUTE, &scope.key("timeout"));
        let healthy_after = range::count(raw.healthy_after, 1, 1..=100, &scope.key("healthyAfter"));
        let unhealthy_after = range::count(raw.unhealthy_after, 3, 1..=100, &scope.key("unhealthyAfter"));
        Some(Self {
            path: path?,
            interval: interval?,
            timeout: timeout?,
            healthy_after: healthy_after?,
            unhealthy_after: unhealthy_after?,
            tls,
        })
    }
}

fn request_path(text: &str, scope: &Scope<'_>) -> Option<String> {
    if text.starts_with('/') && text.parse::<http::Uri>().is_ok() {
        return Some(text.to_owned());
    }
    scope.refuse(format!("{text:?}: a path such as /healthz is expected"))
}

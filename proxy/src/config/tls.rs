//! `tls` of a listener, and of upstreams. Certificates, keys and authorities are read here so that a slip shows now.

use std::path::Path;

use http::HeaderValue;
use sluice_engine::units::Millis;
use tokio_rustls::rustls::pki_types::ServerName;

use super::raw::{RawCertificate, RawClientAuth, RawHsts, RawTls, RawUpstreamTls};
use super::scope::Scope;
use super::{ClientAuth, TlsSettings, TlsVersion};
use crate::outbound::add_authorities;
use crate::tls::{CertificateFiles, OpenError, UpstreamTls, UpstreamTlsSettings};

/// Browsers' lists take nobody who promises less.
const PRELOAD_AGE: Millis = Millis::new(31_536_000_000);

impl TlsSettings {
    pub(super) fn from_raw(raw: &RawTls, directory: &Path, scope: &Scope<'_>) -> Option<Self> {
        let certificates = scope.key("certificates");
        if raw.certificates.is_empty() {
            return certificates.refuse("at least one is needed, such as [{ cert: tls.crt, key: tls.key }]");
        }
        let certificates =
            certificates.each_of(&raw.certificates, |raw, item| CertificateFiles::from_raw(raw, directory, &item));
        let client_auth = ClientAuth::from_raw(raw, directory, scope);
        let min_version = match raw.min_version.as_deref() {
            None | Some("1.2") => Some(TlsVersion::V1_2),
            Some("1.3") => Some(TlsVersion::V1_3),
            Some(other) => scope.key("minVersion").refuse(format!("{other}: \"1.2\" or \"1.3\" is allowed")),
        };
        let hsts = match &raw.hsts {
            None => Some(None),
            Some(hsts) => strict_transport(hsts, &scope.key("hsts")).map(Some),
        };
        Some(Self { certificates: certificates?, client_auth: client_auth?, min_version: min_version?, hsts: hsts? })
    }
}

impl CertificateFiles {
    fn from_raw(raw: &RawCertificate, directory: &Path, scope: &Scope<'_>) -> Option<Self> {
        let files = Self { certificate: directory.join(&raw.cert), key: directory.join(&raw.key) };
        match files.read() {
            Ok(_) => Some(files),
            Err(error) => scope.key(if error.is_about_key() { "key" } else { "cert" }).refuse(error.to_string()),
        }
    }
}

impl ClientAuth {
    /// An authority without `clientAuth` means that clients have to be known to it.
    fn from_raw(raw: &RawTls, directory: &Path, scope: &Scope<'_>) -> Option<Option<Self>> {
        let Some(written) = &raw.client_ca else {
            return match raw.client_auth {
                None => Some(None),
                Some(_) => scope.key("clientAuth").refuse("clientCa is missing: who vouches for clients?"),
            };
        };
        let ca = directory.join(written);
        let mut roots = tokio_rustls::rustls::RootCertStore::empty();
        if let Err(error) = add_authorities(&mut roots, &ca) {
            return scope.key("clientCa").refuse(format!("{}: {error}", ca.display()));
        }
        Some(Some(Self { ca, is_required: raw.client_auth != Some(RawClientAuth::Optional) }))
    }
}

impl UpstreamTls {
    pub(super) fn from_raw(raw: &RawUpstreamTls, directory: &Path, scope: &Scope<'_>) -> Option<Self> {
        let ca_file = raw.ca_file.as_ref().map(|file| directory.join(file));
        let identity = match &raw.client_certificate {
            None => Some(None),
            Some(raw) => CertificateFiles::from_raw(raw, directory, &scope.key("clientCertificate")).map(Some),
        };
        let server_name = match raw.server_name.as_deref().map(|name| (name, ServerName::try_from(name.to_owned()))) {
            None => Some(None),
            Some((_, Ok(name))) => Some(Some(name)),
            Some((name, Err(_))) => scope
                .key("serverName")
                .refuse(format!("{name:?}: the name in the certificate of upstreams is expected")),
        };
        if raw.insecure_skip_verify && (ca_file.is_some() || server_name.as_ref().is_some_and(Option::is_some)) {
            scope.key("insecureSkipVerify").report("true: then neither caFile nor serverName is looked at");
        }
        let settings = UpstreamTlsSettings {
            ca_file,
            server_name: server_name?,
            identity: identity?,
            skips_verification: raw.insecure_skip_verify,
        };
        match Self::try_new(settings) {
            Ok(tls) => Some(tls),
            Err(OpenError::ClientCa(file, error)) => scope.key("caFile").refuse(format!("{}: {error}", file.display())),
            Err(error) => scope.refuse(error.to_string()),
        }
    }
}

fn strict_transport(raw: &RawHsts, scope: &Scope<'_>) -> Option<HeaderValue> {
    if raw.preload && (raw.max_age < PRELOAD_AGE || !raw.include_subdomains) {
        return scope.key("preload").refuse(
            "true: goes with includeSubdomains: true and a maxAge of 365d at least, or no list takes the host",
        );
    }
    let mut text = format!("max-age={}", raw.max_age.get() / 1_000);
    if raw.include_subdomains {
        text.push_str("; includeSubDomains");
    }
    if raw.preload {
        text.push_str("; preload");
    }
    Some(HeaderValue::try_from(text).expect("digits and letters"))
}

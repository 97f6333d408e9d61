//! Which format a scraper gets: the one it likes best of those it names. Who names none gets the text format.

/// A format of the exposition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// Prometheus's text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus's protobuf format, delimited.
    Protobuf,
}

// === impl Exposition ===

impl Exposition {
    /// Chooses by the `Accept` field; of equals, the one that says more.
    pub fn choose(accept: &str) -> Self {
        let mut best = (0.0, Self::Text);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let Some(format) = parts.next().and_then(|kind| Self::of_type(kind, &parts)) else { continue };
            let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
            if quality > best.0 || quality == best.0 && quality > 0.0 && format.rank() > best.1.rank() {
                best = (quality, format);
            }
        }
        best.1
    }

    fn of_type<'a>(kind: &str, parameters: &(impl Iterator<Item = &'a str> + Clone)) -> Option<Self> {
        let has = |wanted: &str| parameters.clone().any(|parameter| parameter.eq_ignore_ascii_case(wanted));
        match kind.to_ascii_lowercase().as_str() {
            "application/openmetrics-text" if has("version=0.0.1") => None,
            "application/openmetrics-text" => Some(Self::OpenMetrics),
            "application/vnd.google.protobuf"
                if has("proto=io.prometheus.client.MetricFamily") && has("encoding=delimited") =>
            {
                Some(Self::Protobuf)
            }
            "text/plain" | "text/*" => Some(Self::Text),
            _ => None,
        }
    }

    fn rank(self) -> u8 {
        match self {
            Self::Text => 0,
            Self::OpenMetrics => 1,
            Self::Protobuf => 2,
        }
    }

    /// The answer's `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scrapers_get_what_they_like_best_and_all_others_text() {
        const PROTOBUF: &str =
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
        for (accept, format) in [
            ("", Exposition::Text),
            ("*/*", Exposition::Text),
            ("text/plain;version=0.0.4", Exposition::Text),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Exposition::Text),
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Exposition::OpenMetrics,
            ),
            (&format!("{PROTOBUF},application/openmetrics-text;version=1.0.0;q=0.8,*/*;q=0.1"), Exposition::Protobuf),
            ("application/vnd.google.protobuf;encoding=compact-text", Exposition::Text),
            ("text/plain;q=0.9, application/openmetrics-text; version=1.0.0; q=0.2", Exposition::Text),
            ("application/openmetrics-text;q=0", Exposition::Text),
        ] {
            assert_eq!(Exposition::choose(accept), format, "{accept}");
        }
    }
}

//! `GET /v1/reports/dora?since=…&until=…`: a moment is a time ago (`30d`) or Unix milliseconds.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use sluice_engine::units::Millis;

use super::error::{ApiError, json};
use super::routes::Sources;
use crate::clock::unix_ms;
use crate::dora::{self, Period};

/// What is looked at when nothing else is asked for.
const THIRTY_DAYS: Millis = Millis::new(30 * 86_400_000);

/// The query as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPeriod {
    since: Option<String>,
    until: Option<String>,
}

pub(super) async fn dora(
    State(sources): State<Sources>,
    query: Result<Query<RawPeriod>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(raw) = query.map_err(|_| ApiError::BadRequest("the query may hold `since` and `until`".to_owned()))?;
    let period = period(&raw, unix_ms())?;
    let configured = sources.pilot.names();
    // The disk may be slow, and this thread also takes commands.
    let read = tokio::task::spawn_blocking(move || sources.releases.read()).await;
    let known = read.map_err(std::io::Error::from).and_then(|read| read);
    let known = known.map_err(|error| ApiError::Internal(format!("the release log can't be read: {error}")))?;
    Ok(json(StatusCode::OK, &dora::report(period, &known, &configured)))
}

fn period(raw: &RawPeriod, now_ms: u64) -> Result<Period, ApiError> {
    // The present millisecond is part of what has been; of what is to come nothing is known.
    let until_ms = raw.until.as_deref().map_or(Ok(u64::MAX), |text| moment("until", text, now_ms))?.min(now_ms + 1);
    let since_ms = match &raw.since {
        Some(text) => moment("since", text, now_ms)?,
        None => until_ms.saturating_sub(THIRTY_DAYS.get()),
    };
    if since_ms >= until_ms {
        return Err(ApiError::BadRequest(format!("since ({since_ms}) must be before until ({until_ms})")));
    }
    Ok(Period { since_ms, until_ms })
}

fn moment(key: &str, text: &str, now_ms: u64) -> Result<u64, ApiError> {
    if let Ok(unix_ms) = text.parse() {
        return Ok(unix_ms);
    }
    let ago = Millis::parse(text).map_err(|_| {
        ApiError::BadRequest(format!("{key} {text:?}: write a time ago, such as 12h or 30d, or Unix milliseconds"))
    })?;
    Ok(now_ms.saturating_sub(ago.get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_774_096_201_500;

    fn mk(since: Option<&str>, until: Option<&str>) -> Result<(u64, u64), ApiError> {
        let raw = RawPeriod { since: since.map(str::to_owned), until: until.map(str::to_owned) };
        period(&raw, NOW).map(|period| (period.since_ms, period.until_ms))
    }

    #[test]
    fn a_period_is_thirty_days_up_to_now_unless_said_otherwise() {
        assert_eq!(mk(None, None), Ok((NOW + 1 - THIRTY_DAYS.get(), NOW + 1)));
        assert_eq!(mk(Some("1h"), None), Ok((NOW - 3_600_000, NOW + 1)));
        assert_eq!(mk(Some("5"), Some("7")), Ok((5, 7)));
        assert_eq!(mk(Some("5"), Some("9999999999999")), Ok((5, NOW + 1)), "the future is no part of a report");
        assert_eq!(mk(None, Some("1d")), Ok((NOW - 31 * 86_400_000, NOW - 86_400_000)));
    }

    #[test]
    fn a_moment_that_can_not_be_meant_is_refused_by_name() {
        for (since, until, said) in [
            (Some("30"), Some("1d"), None),
            (Some("30w"), None, Some("since \"30w\"")),
            (None, Some("yesterday"), Some("until \"yesterday\"")),
            (Some("1h"), Some("2h"), Some("must be before")),
            (Some("-5"), None, Some("since \"-5\"")),
        ] {
            match (mk(since, until), said) {
                (Ok(_), None) => {}
                (Err(ApiError::BadRequest(message)), Some(said)) => assert!(message.contains(said), "{message}"),
                (found, _) => panic!("{since:?} {until:?}: {found:?}"),
            }
        }
    }
}

//! One attempt to tell one notice to one destination, and what its end means.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;

use super::destination::{Channel, Destination};
use super::format::{pagerduty, slack, teams, webhook};
use super::notice::Notice;
use crate::outbound::{Answer, OutboundError, Url};

/// For everything: look-up, connection, TLS, answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Reading secrets means waiting for a disk, which may hang.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a notice was not taken. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// May go better later; not before the receiver's own wish.
    Passing { why: String, retry_after: Option<Duration> },
    /// Will go the same way each time.
    Final { why: String },
}

/// A request, ready to go.
struct Prepared {
    url: Url,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// Tells `notice`; `now_s` is Unix time, for the signature.
pub(super) async fn attempt(destination: Arc<Destination>, notice: Notice, now_s: u64) -> Result<(), Failure> {
    let asked = Arc::clone(&destination);
    let preparing = tokio::task::spawn_blocking(move || prepare(&asked, &notice, now_s));
    let prepared = match tokio::time::timeout(READ_TIMEOUT, preparing).await {
        Ok(Ok(Ok(prepared))) => prepared,
        Ok(Ok(Err(why))) => return Err(Failure::passing(why)),
        Ok(Err(_)) => return Err(Failure::passing("it could not be prepared".to_owned())),
        Err(_) => return Err(Failure::passing("its secrets can't be read in time".to_owned())),
    };
    let Prepared { url, headers, body } = prepared;
    let answer = destination.channel.client().post(&url, headers, Bytes::from(body), TIMEOUT).await;
    judge(answer)
}

fn judge(answer: Result<Answer, OutboundError>) -> Result<(), Failure> {
    let answer = match answer {
        Ok(answer) => answer,
        // Where it leads is not ours to follow, and it will lead there again.
        Err(error @ OutboundError::Redirect(_)) => return Err(Failure::Final { why: error.to_string() }),
        Err(error) => return Err(Failure::passing(error.to_string())),
    };
    let status = answer.status;
    if status.is_success() {
        return Ok(());
    }
    let why = format!("it answers {}", status.as_u16());
    let is_final =
        status.is_client_error() && !matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    if is_final {
        return Err(Failure::Final { why });
    }
    let seconds = answer.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Err(Failure::Passing { why, retry_after: seconds.map(Duration::from_secs) })
}

/// Blocks on the disk: secrets are read here, each time.
fn prepare(destination: &Destination, notice: &Notice, now_s: u64) -> Result<Prepared, String> {
    let template = destination.template.as_ref();
    let text = |error: crate::outbound::SecretError| error.to_string();
    match &destination.channel {
        Channel::Slack(file) => Ok(Prepared::json(file.read_url()?, &slack::body(notice, template))),
        Channel::Teams(file) => Ok(Prepared::json(file.read_url()?, &teams::body(notice, template))),
        Channel::PagerDuty { routing_key, url, severity } => {
            let key = routing_key.read().map_err(text)?;
            Ok(Prepared::json(url.clone(), &pagerduty::body(notice, template, &key, *severity)))
        }
        Channel::Webhook(hook) => {
            let mut prepared = Prepared::json(hook.url.read()?, &webhook::body(notice, template));
            prepared.headers.extend(hook.headers.clone());
            prepared.header("x-sluice-delivery", &notice.id())?;
            prepared.header("x-sluice-event", notice.kind.label())?;
            if let Some(file) = &hook.authorization {
                prepared.header(AUTHORIZATION.as_str(), &file.read().map_err(text)?)?;
            }
            if let Some(file) = &hook.secret {
                let signature = crate::outbound::signature(&file.read().map_err(text)?, now_s, &prepared.body);
                prepared.header("x-sluice-signature", &signature)?;
            }
            Ok(prepared)
        }
    }
}

// === impl Prepared ===

impl Prepared {
    fn json(url: Url, body: &Value) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Self { url, headers, body: body.to_string().into_bytes() }
    }

    fn header(&mut self, name: &'static str, value: &str) -> Result<(), String> {
        let mut value = HeaderValue::from_str(value).map_err(|_| format!("{name} can't carry this value"))?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(())
    }
}

// === impl Failure ===

impl Failure {
    fn passing(why: String) -> Self {
        Self::Passing { why, retry_after: None }
    }

    /// Why, in words.
    pub(super) fn why(&self) -> &str {
        match self {
            Self::Passing { why, .. } | Self::Final { why } => why,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, retry_after: Option<&'static str>) -> Result<Answer, OutboundError> {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
        }
        Ok(Answer { status: StatusCode::from_u16(status).unwrap(), headers, body: Bytes::new() })
    }

    #[test]
    fn what_may_go_better_later_is_tried_again_and_nothing_else_is() {
        assert_eq!(judge(answer(202, None)), Ok(()));
        for status in [408, 429, 500, 503] {
            assert!(matches!(judge(answer(status, None)), Err(Failure::Passing { .. })), "{status}");
        }
        for status in [400, 401, 403, 404, 410] {
            assert!(matches!(judge(answer(status, None)), Err(Failure::Final { .. })), "{status}");
        }
        let redirect = Err(OutboundError::Redirect(StatusCode::FOUND));
        assert!(matches!(judge(redirect), Err(Failure::Final { .. })));
        assert!(matches!(judge(Err(OutboundError::Timeout(TIMEOUT))), Err(Failure::Passing { .. })));
    }

    #[test]
    fn a_receiver_says_how_long_it_wants_to_be_left_alone() {
        let asked = |value| match judge(answer(429, Some(value))) {
            Err(Failure::Passing { retry_after, .. }) => retry_after,
            other => panic!("{other:?}"),
        };
        assert_eq!(asked("30"), Some(Duration::from_secs(30)));
        assert_eq!(asked("Wed, 21 Oct 2026 07:28:00 GMT"), None);
        assert_eq!(asked("-1"), None);
    }
}

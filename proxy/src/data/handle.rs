//! The way of one request: check, route, choose, forward; every failure becomes an answer here.

use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

use http::header::{Entry, HOST, HeaderMap, HeaderValue, SET_COOKIE, STRICT_TRANSPORT_SECURITY};
use http::{Request, Response};
use hyper::body::Incoming;
use sluice_engine::evidence::Arm;

use super::answer::Body;
use super::attempt::Journey;
use super::choose::{Asked, Choice, UserId, choose};
use super::client_address::client_address;
use super::connection::Client;
use super::deadlines::Phase;
use super::error::Error;
use super::filters::{Asking, Filtered};
use super::flight::Flight;
use super::head::{self, Marks};
use super::headers::{Hop, prepare_request};
use super::host;
use super::local::{Local, LocalRollout};
use super::mirror;
use super::pool::{LocalArm, WhenEjected};
use super::record::Reason;
use super::redirect;
use super::reject::Rejection;
use super::shield::{self, Kept};
use super::stop::Stop;
use super::trace;
use super::upgrade;
use super::upload::Upload;
use crate::config::Sticky;
use crate::nginx::PlaceShard;
use crate::snapshot::{Target, is_trusted};

/// A request that is ready to be sent: nothing is left to decide but what becomes of it.
struct Departure {
    /// Taken when it is sent. It stays in this one place, since a request is large and each move of it is a copy.
    request: Option<Request<Upload>>,
    start_us: u64,
    local: Rc<Local>,
    target: Bound,
    /// What the route's filters remember of it, if the route has some.
    filtered: Option<Box<Filtered>>,
}

/// What was decided about a request.
pub(super) struct Decided {
    pub(super) local: Rc<Local>,
    pub(super) bound: Bound,
    /// Where ingress-nginx would have counted it, if that is asked for.
    pub(super) series: Option<Arc<PlaceShard>>,
    /// The peer is a trusted proxy.
    pub(super) is_trusted: bool,
    filtered: Option<Box<Filtered>>,
}

/// Where a request is bound for.
pub(super) enum Bound {
    Plain(Rc<LocalArm>),
    Rollout(Rc<LocalRollout>, Choice),
    /// The same address by https.
    Redirect(HeaderValue),
    /// To an arm of this rollout, once somebody was asked whether the request may pass: which one is decided then, for a
    /// revert may come meanwhile.
    Later(Rc<LocalRollout>),
}

/// Answers one request of a client, whatever happens. All that needs no waiting is done before the future is made.
#[inline]
pub(super) fn handle(
    client: Rc<Client>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Body>, Infallible>> {
    let start_us = client.now_us();
    client.slot.enter(Phase::Waiting);
    let mut departure = depart(&client, request, start_us);
    async move {
        let answer = match &mut departure {
            Ok(departure) => {
                let answer = travel(&client, departure).await.unwrap_or_else(|stop| refuse(&client, stop));
                match &mut departure.filtered {
                    Some(filtered) => filtered.finish(answer),
                    None => answer,
                }
            }
            Err(answer) => std::mem::take(&mut **answer),
        };
        let mut answer = answer;
        if let Some(hsts) = &client.entrance.hsts {
            answer.headers_mut().entry(STRICT_TRANSPORT_SECURITY).or_insert_with(|| hsts.clone());
        }
        Ok(answer)
    }
}

#[cold]
fn refuse(client: &Client, stop: Stop) -> Response<Body> {
    let (error, answer) = stop.into_parts();
    if let Some(Error::Refused(reason)) = error {
        client.worker.rejections.count(reason);
    }
    client.slot.enter(Phase::Idle);
    let bytes = http_body::Body::size_hint(answer.body()).lower();
    client.report.answered_here(client, error, answer.status().as_u16(), bytes);
    *answer
}

/// The request on its way, or its answer.
#[inline]
fn depart(
    client: &Rc<Client>,
    mut request: Request<Incoming>,
    start_us: u64,
) -> Result<Departure, Box<Response<Body>>> {
    let decided = decide(client, &mut request, start_us);
    client.report.open(client, &request, start_us, &decided);
    let Decided { local, bound: target, mut filtered, .. } = decided.map_err(|stop| Box::new(refuse(client, stop)))?;
    if let Some(filtered) = filtered.as_mut().filter(|filtered| !filtered.must_ask())
        && let Err(error) = filtered.prepare(&mut request)
    {
        return Err(Box::new(filtered.finish(refuse(client, error.into()))));
    }
    let body_limit = filtered.as_ref().map_or(u64::MAX, |filtered| filtered.body_limit());
    Ok(Departure { request: Some(into_upstream(request, client, body_limit)), start_us, local, target, filtered })
}

/// All decisions about a request, and its head as the upstream gets it. From here to the sending nothing of ours locks,
/// allocates or formats, unless the route has filters.
#[inline]
pub(super) fn decide<B>(client: &Client, request: &mut Request<B>, start_us: u64) -> Result<Decided, Stop> {
    if client.worker.pressure.sheds_requests() {
        return Err(Error::Refused(Rejection::Memory).into());
    }
    let marks = head::check(request, &client.worker.limits)?;
    let local = client.worker.local();
    let no_host = Error::Refused(Rejection::Host);
    let host_value = request.headers().get(HOST).cloned().ok_or(no_host)?;
    let host = host::parse(host_value.as_bytes()).ok_or(no_host)?;
    let no_route = Error::Refused(Rejection::NoRoute);
    if client.entrance.redirects
        && let Some(location) = redirect::location(request, host, client, &local.snapshot.trusted_proxies)
    {
        let bound = Bound::Redirect(location);
        return Ok(Decided { local, bound, series: None, is_trusted: false, filtered: None });
    }
    let located = local.snapshot.routes.locate(host, request.uri().path()).ok_or(no_route)?;
    let is_trusted = is_trusted(&local.snapshot.trusted_proxies, client.peer);
    let filtered = match local.filters.get(located.filters as usize) {
        None => None,
        Some(filters) => {
            let (method, target, headers) = (request.method(), request.uri(), request.headers());
            let address = client_address(headers, client.peer, &local.snapshot.trusted_proxies);
            let asking =
                Asking { client, address, method, target, headers, host, is_trusted, located, now_us: start_us };
            Some(Filtered::admit(filters, &asking)?)
        }
    };
    let protocol = if marks.has(Marks::UPGRADE) { upgrade::asked_for(request, marks)? } else { None };
    client.upgrade.ask(protocol);
    let hop = Hop { client, host: &host_value, is_trusted, is_told_twice: local.snapshot.upstream.forwarded_header };
    prepare_request(request.headers_mut(), marks, &hop)?;
    client.upgrade.tell(request.headers_mut());
    trace::prepare(request.headers_mut(), marks, client, local.snapshot.tracing);
    let bound = match located.target {
        Target::Plain(index) => Bound::Plain(Rc::clone(local.plain.get(index).ok_or(no_route)?)),
        Target::Rollout(index) => {
            let rollout = local.rollouts.get(index).ok_or(no_route)?;
            if filtered.as_ref().is_some_and(|filtered| filtered.must_ask()) {
                Bound::Later(Rc::clone(rollout))
            } else {
                Bound::Rollout(Rc::clone(rollout), choose_arm(client, rollout, request, host, start_us))
            }
        }
    };
    let series = local.series.get(located.place as usize).cloned();
    Ok(Decided { local, bound, series, is_trusted, filtered })
}

async fn travel(client: &Rc<Client>, departure: &mut Departure) -> Result<Response<Body>, Stop> {
    if departure.filtered.as_ref().is_some_and(|filtered| filtered.must_ask()) {
        Box::pin(ask(client, departure)).await?;
    }
    let Departure { request, start_us, local, target, filtered } = departure;
    let own = filtered.as_ref().and_then(|filtered| filtered.upstream());
    let wishes = filtered.as_deref().filter(|filtered| filtered.has_wish());
    let journey = Journey { client, settings: own.unwrap_or(&local.snapshot.upstream), filtered: wishes };
    match target {
        Bound::Redirect(location) => Ok(redirect::answer(client, location.clone())),
        Bound::Plain(arm) => {
            let arrived = Box::pin(journey.attempt(arm, WhenEjected::Try, request, None, *start_us)).await;
            Ok(arrived?.pass(client, None))
        }
        Bound::Rollout(rollout, choice) => {
            if let (Some(filtered), Some(request), Arm::Stable) = (filtered.as_ref(), request.as_ref(), choice.arm)
                && filtered.is_mirrored()
            {
                mirror::send(client, local, rollout, request);
            }
            let answer = forward(&journey, rollout, *choice, request, *start_us).await?;
            Ok(with_our_cookie(answer, rollout, choice.new_user))
        }
        // `ask` has chosen.
        Bound::Later(_) => Err(Error::Refused(Rejection::NoRoute).into()),
    }
}

/// Asks whether a request may pass; if so it begins now, with what is in force by now.
async fn ask(client: &Rc<Client>, departure: &mut Departure) -> Result<(), Stop> {
    let Departure { request: Some(request), filtered: Some(filtered), target, start_us, .. } = departure else {
        return Ok(());
    };
    filtered.ask(client, request).await?;
    *start_us = client.now_us();
    if let Bound::Later(former) = target {
        let local = client.worker.local();
        let rollout = local.rollouts.iter().find(|rollout| rollout.view.name == former.view.name).unwrap_or(former);
        let host = request.headers().get(HOST).and_then(|value| host::parse(value.as_bytes())).unwrap_or_default();
        let choice = choose_arm(client, rollout, request, host, *start_us);
        client.report.chosen(rollout, choice);
        *target = Bound::Rollout(Rc::clone(rollout), choice);
    }
    Ok(filtered.prepare(request)?)
}

#[inline]
fn choose_arm<B>(client: &Client, rollout: &LocalRollout, request: &Request<B>, host: &str, start_us: u64) -> Choice {
    let headers = request.headers();
    let asked = Asked { headers, host, query: request.uri().query(), peer: client.peer };
    let mut choice = choose(&rollout.view, &asked, start_us, &mut rollout.state.chance.borrow_mut());
    // Who asked for the canary itself gets stable where there is none; that is nobody's failure.
    let asked_in_vain = choice.reason == Reason::Directed
        && choice.arm == Arm::Canary
        && rollout.arm(Arm::Canary).pick(start_us, WhenEjected::Refuse, None).is_none();
    if asked_in_vain {
        choice.arm = Arm::Stable;
    }
    choice
}

/// The request as the upstream gets it: HTTP/1.1.
#[inline]
fn into_upstream(request: Request<Incoming>, client: &Client, body_limit: u64) -> Request<Upload> {
    let (mut parts, body) = request.into_parts();
    parts.version = http::Version::HTTP_11;
    parts.extensions.clear();
    Request::from_parts(parts, Upload::new(body, &client.slot, body_limit))
}

/// Forwards to the chosen arm, and what the canary fails perhaps to stable.
async fn forward(
    journey: &Journey<'_>,
    rollout: &Rc<LocalRollout>,
    choice: Choice,
    slot: &mut Option<Request<Upload>>,
    start_us: u64,
) -> Result<Response<Body>, Error> {
    let client = journey.client;
    let flight = Flight::begin(client, rollout, choice.arm, choice.reason, start_us);
    let mut when_ejected = WhenEjected::Refuse;
    if choice.arm == Arm::Stable {
        rollout.state.budget.deposit();
        when_ejected = WhenEjected::Try;
    }
    let is_shielded =
        choice.arm == Arm::Canary && choice.reason != Reason::Directed && rollout.view.routing.settings.shield;
    let kept = slot.as_ref().filter(|_| is_shielded).and_then(|request| Kept::of(client, request));
    match journey.attempt(rollout.arm(choice.arm), when_ejected, slot, kept.as_deref(), start_us).await {
        Ok(arrival) if kept.is_none() || !arrival.is_failure() => {
            if let Some(kept) = kept {
                kept.give_back(client);
            }
            Ok(arrival.pass(client, Some(flight)))
        }
        Err(error) if choice.arm == Arm::Stable => shield::pass_on(client, flight, Err(error), client.now_us()),
        // Boxed: it is rare, and would double the size of every request's future.
        failed => Box::pin(shield::second_attempt(journey, rollout, flight, kept, slot, failed)).await,
    }
}

/// Nobody but us says where a user belongs.
#[inline]
fn with_our_cookie(mut answer: Response<Body>, rollout: &LocalRollout, new_user: Option<UserId>) -> Response<Body> {
    if let Some(Sticky::Cookie { name, .. }) = &rollout.view.routing.settings.sticky
        && answer.headers().contains_key(SET_COOKIE)
    {
        remove_our_cookie(answer.headers_mut(), name);
    }
    match new_user {
        Some(user) => with_cookie(answer, rollout, user),
        None => answer,
    }
}

/// The cookie that says where a user belongs is ours: an arm that set it could draw users to itself.
#[cold]
fn remove_our_cookie(headers: &mut HeaderMap, name: &str) {
    let is_ours = |line: &HeaderValue| {
        let rest = line.as_bytes().trim_ascii_start().strip_prefix(name.as_bytes());
        rest.is_some_and(|rest| rest.trim_ascii_start().starts_with(b"="))
    };
    if let Entry::Occupied(entry) = headers.entry(SET_COOKIE) {
        let (_, lines) = entry.remove_entry_mult();
        let kept: Vec<HeaderValue> = lines.filter(|line| !is_ours(line)).collect();
        for line in kept {
            headers.append(SET_COOKIE, line);
        }
    }
}

#[cold]
fn with_cookie(mut answer: Response<Body>, rollout: &LocalRollout, user: UserId) -> Response<Body> {
    if let Some(Sticky::Cookie { name, ttl }) = &rollout.view.routing.settings.sticky {
        let seconds = ttl.get() / 1_000;
        let cookie = format!("{name}={}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax", user.as_str());
        if let Ok(cookie) = HeaderValue::try_from(cookie) {
            answer.headers_mut().append(SET_COOKIE, cookie);
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_future_of_a_request_stays_small() {
        fn size_of<F>(_: impl FnOnce(Rc<Client>, Request<Incoming>) -> F) -> usize {
            std::mem::size_of::<F>()
        }
        // Every byte is copied into hyper's place for it, once per request.
        let size = size_of(handle);
        assert!(size <= 1_440, "{size} bytes");
    }
}
